// A socket that takes connections.
#pragma once

#include "base/address.h"
#include "base/file_descriptor.h"

namespace everseal::http {

// TCP, not blocking; an IPv6 address takes no IPv4. As many connections as `backlog` may wait to be
// taken. Errors: transient ("listen on [::]:80: Address already in use"), internal (no permission).
Result<base::FileDescriptor> listen_on(const base::SocketAddress& address, int backlog);

}  // namespace everseal::http
