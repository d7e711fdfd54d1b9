// Sending one mail by SMTP (RFC 5321).
#pragma once

#include "notify/delivery.h"

namespace everseal::notify {

// As deliver() says. libcurl must be open; DNS is asked only without addresses.
Result<> send_by_smtp(const ByMail& mail, const Way& way);

}  // namespace everseal::notify
