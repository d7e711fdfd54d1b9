// Mail as text: RFC 5322 with MIME, of which no part can become another.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "notify/message.h"

namespace everseal::notify {

// From whom and to whom: addresses that parse_address() gave.
struct Envelope {
  std::string from{};
  std::vector<std::string> to{};
};

// An address as mail servers take it without extensions (RFC 5321 §4.1.2, no quoted strings): the
// domain of A-labels. Without "@" it is a mailbox of this machine: "root". Errors: invalid.
Result<std::string> parse_address(std::string_view text);

// The whole mail, lines ending with \r\n: headers, an empty line, the text in quoted-printable
// (RFC 2045 §6.7), so that any length of line and any byte arrives. It asks not to be answered by
// machines (RFC 3834). `id` makes its Message-ID unique.
std::string write_mail(const Message& message, const Envelope& envelope, std::string_view id);

// `text` as the value of an unstructured header: encoded words where it is not plain ASCII (RFC
// 2047), lines of at most 78 characters where it has spaces. `used`: how many characters of the
// first line there are before it.
std::string header_text(std::string_view text, std::size_t used);

// RFC 2045 §6.7; line ends of `text` are \n, of the result \r\n.
std::string quoted_printable(std::string_view text);

}  // namespace everseal::notify
