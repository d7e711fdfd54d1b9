#include "base/encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/base64.h"
#include "base/utf8.h"

namespace everseal::base {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> reverse_alphabet() {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  return table;
}

constexpr auto kReverse = reverse_alphabet();

}  // namespace

std::string base64url(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const unsigned char byte : bytes) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 6; count -= 6) text += kAlphabet[bits >> (count - 6) & 63];
  }
  if (count > 0) text += kAlphabet[bits << (6 - count) & 63];
  return text;
}

std::string to_pem(std::string_view label, std::string_view bytes) {
  const std::string text = base64(bytes);
  std::string pem = fmt::format("-----BEGIN {}-----\n", label);
  constexpr std::size_t kLine = 64;
  for (std::size_t at = 0; at < text.size(); at += kLine) pem += text.substr(at, kLine) + '\n';
  return pem + fmt::format("-----END {}-----\n", label);
}

Result<std::string> decode_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return invalid("base64url of an impossible length");
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int value = kReverse[static_cast<unsigned char>(text[i])];
    if (value < 0) return invalid(fmt::format("not base64url at byte {}", i + 1));
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8));
  }
  return bytes;
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Result<std::string> decode_hex(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (text.size() % 2 != 0) return invalid("hexadecimal of an odd length");
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return invalid(fmt::format("not hexadecimal at byte {}", i + 1));
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

namespace {

// Of one character in UTF-8: what a terminal acts on instead of showing it. C0, DEL, C1 (U+0080 to
// U+009F), and what turns the direction of writing (U+202A to U+202E, U+2066 to U+2069).
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  if (character.size() == 2) return character >= "\xC2\x80" && character <= "\xC2\x9F";
  return (character >= "\xE2\x80\xAA" && character <= "\xE2\x80\xAE") ||
         (character >= "\xE2\x81\xA6" && character <= "\xE2\x81\xA9");
}

// Moves the first character of `text` to `shown`, bytes that are to be seen and not obeyed as \xNN.
void show_one(std::string& shown, std::string_view& text) {
  const std::size_t length = utf8_length(text);
  const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
  if (length == 0 || is_control(character))
    for (const char byte : character)
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  else
    shown += character;
  text.remove_prefix(character.size());
}

// How many bytes at the beginning end a line, are a tab or choose a colour ("ESC [ 31;1 m").
std::size_t layout_length(std::string_view text) {
  constexpr std::size_t kMost = 10;
  if (text.starts_with('\n') || text.starts_with('\t')) return 1;
  if (text.starts_with("\r\n")) return 2;
  if (!text.starts_with("\x1b[")) return 0;
  const std::size_t end = text.substr(0, kMost).find_first_not_of("0123456789;", 2);
  return end != text.npos && text[end] == 'm' ? end + 1 : 0;
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  std::string shown;
  while (!text.empty()) {
    if (shown.size() >= limit) return shown + "…";
    show_one(shown, text);
  }
  return shown;
}

std::string printable_lines(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = layout_length(text);
    shown += text.substr(0, length);
    text.remove_prefix(length);
    if (length == 0) show_one(shown, text);
  }
  return shown;
}

}  // namespace everseal::base
