// Bytes as text: base64url, base64, hexadecimal, and text that is safe to show or compare.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace everseal::base {

// RFC 4648 §5, without padding, as JOSE uses it (RFC 7515 §2).
std::string base64url(std::string_view bytes);

// Errors: invalid (a byte outside the alphabet, padding, an impossible length).
Result<std::string> decode_base64url(std::string_view text);

// RFC 7468 §3: base64 in lines of 64 characters between "-----BEGIN LABEL-----" and its end.
std::string to_pem(std::string_view label, std::string_view bytes);

// Lower-case hexadecimal.
std::string hex(std::string_view bytes);

// Reads that. Errors: invalid (another digit, an odd number of them).
Result<std::string> decode_hex(std::string_view text);

// `text` with its ASCII capitals in lower case.
std::string lower_case(std::string_view text);

// `text` on one line with control bytes and invalid UTF-8 as \xNN, cut at `limit` bytes with "…":
// for messages that quote what others sent.
std::string printable(std::string_view text, std::size_t limit = 400);

// The same for whole text on its way to a terminal: lines, tabs and colours stay, and nothing is
// cut. Whatever else in it came from others reaches nobody's terminal as a command.
std::string printable_lines(std::string_view text);

}  // namespace everseal::base
