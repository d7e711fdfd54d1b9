// The one place that decides what a domain name is.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace everseal::base {

// `text` as ACME and the Web PKI take a DNS name: lower-case A-labels, letters, digits and hyphens,
// labels of 1 to 63 bytes, at most 253 bytes, at least two labels, the last one not all digits;
// U-labels are turned into A-labels (IDNA 2008, libidn2); a leading "*." is kept. Errors: invalid,
// with the position (byte, from 1) of what is wrong (RFC 1035 §2.3.1, RFC 5890, RFC 8555 §7.1.4).
Result<std::string> parse_domain_name(std::string_view text);

// Whether a certificate that names `pattern` covers `name` (RFC 6125 §6.4.3: "*" stands for exactly
// one leftmost label). Both are lower-case A-labels.
bool covers(std::string_view pattern, std::string_view name);

}  // namespace everseal::base
