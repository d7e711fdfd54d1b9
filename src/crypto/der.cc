#include "crypto/der.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>

namespace everseal::crypto::der {
namespace {

enum Tag : unsigned char {
  kBoolean = 0x01,
  kInteger = 0x02,
  kBitString = 0x03,
  kOctetString = 0x04,
  kNull = 0x05,
  kObjectIdentifier = 0x06,
  kEnumerated = 0x0A,
  kUtf8String = 0x0C,
  kUtcTime = 0x17,
  kGeneralizedTime = 0x18,
  kSequence = 0x30,
  kSet = 0x31,
  kContext = 0x80,
  kConstructedContext = 0xA0,
};

std::string big_endian(std::uint64_t value) {
  std::string bytes;
  do bytes += static_cast<char>(value & 0xFF);
  while ((value >>= 8) != 0);
  std::ranges::reverse(bytes);
  return bytes;
}

// X.690 §8.1.3.
std::string length(std::size_t size) {
  if (size < 0x80) return std::string(1, static_cast<char>(size));
  const std::string bytes = big_endian(size);
  return static_cast<char>(0x80 | bytes.size()) + bytes;
}

// X.690 §8.19.2: seven bits in a byte, all but the last with the highest bit set.
void append_arc(std::string& text, std::uint64_t arc) {
  for (int shift = 63; shift > 0; shift -= 7) {
    if (arc >> shift != 0) text += static_cast<char>(0x80 | (arc >> shift & 0x7F));
  }
  text += static_cast<char>(arc & 0x7F);
}

std::uint64_t take_arc(std::string_view& dotted) {
  std::uint64_t arc = 0;
  const auto [end, error] = std::from_chars(dotted.data(), dotted.data() + dotted.size(), arc);
  dotted.remove_prefix(static_cast<std::size_t>(end - dotted.data()));
  if (dotted.starts_with('.')) dotted.remove_prefix(1);
  return arc;
}

}  // namespace

std::string element(unsigned char tag, std::string_view content) {
  std::string text(1, static_cast<char>(tag));
  text += length(content.size());
  return text.append(content);
}

std::string sequence(std::string_view content) { return element(kSequence, content); }
std::string set(std::string_view content) { return element(kSet, content); }

std::string tagged(unsigned char number, std::string_view content) {
  return element(kConstructedContext | number, content);
}

std::string implicit(unsigned char number, std::string_view content) {
  return element(kContext | number, content);
}

std::string integer(std::uint64_t value) { return integer(big_endian(value)); }

std::string integer(std::string_view bytes) {
  while (bytes.size() > 1 && bytes.front() == '\0') bytes.remove_prefix(1);
  std::string content(bytes);
  if (content.empty() || (content.front() & 0x80) != 0) content.insert(content.begin(), '\0');
  return element(kInteger, content);
}

std::string enumerated(unsigned char value) {
  return element(kEnumerated, std::string(1, static_cast<char>(value)));
}

std::string boolean_true() { return element(kBoolean, "\xFF"); }
std::string null() { return element(kNull, ""); }
std::string octet_string(std::string_view bytes) { return element(kOctetString, bytes); }

std::string bit_string(std::string_view bytes) {
  return element(kBitString, std::string(1, '\0').append(bytes));
}

std::string bit_list(unsigned char bits) {
  const auto unused = static_cast<char>(std::countr_zero(bits));
  return element(kBitString, std::string{unused, static_cast<char>(bits)});
}

std::string utf8_string(std::string_view text) { return element(kUtf8String, text); }

std::string object_identifier(std::string_view dotted) {
  std::string content;
  const std::uint64_t first = take_arc(dotted);
  append_arc(content, 40 * first + take_arc(dotted));
  while (!dotted.empty()) append_arc(content, take_arc(dotted));
  return element(kObjectIdentifier, content);
}

std::string time(Time time) {
  constexpr Time kFirstGeneralized =
      std::chrono::sys_days(std::chrono::year(2050) / std::chrono::January / 1);
  if (time >= kFirstGeneralized) return generalized_time(time);
  return element(kUtcTime, fmt::format("{:%y%m%d%H%M%SZ}", time));
}

std::string generalized_time(Time time) {
  return element(kGeneralizedTime, fmt::format("{:%Y%m%d%H%M%SZ}", time));
}

}  // namespace everseal::crypto::der
