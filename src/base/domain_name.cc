#include "base/domain_name.h"

#include <fmt/format.h>
#include <idn2.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/encoding.h"
#include "base/shared_library.h"

using namespace std::string_literals;

namespace everseal::base {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter_digit_hyphen(char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-'; }

std::unexpected<Error> refuse(std::string_view name, std::size_t position, std::string_view why) {
  return invalid(fmt::format("'{}' is not a domain name: {} at byte {}", printable(name, 80), why,
                             position + 1));
}

// Bootstring with the parameters of Punycode (RFC 3492 §5, §6.1).
constexpr std::uint64_t kBase = 36, kLeast = 1, kMost = 26, kSkew = 38, kDamp = 700;

std::uint64_t adapted_bias(std::uint64_t delta, std::uint64_t points, bool is_first) {
  delta = is_first ? delta / kDamp : delta / 2;
  delta += delta / points;
  std::uint64_t k = 0;
  for (; delta > (kBase - kLeast) * kMost / 2; k += kBase) delta /= kBase - kLeast;
  return k + (kBase - kLeast + 1) * delta / (delta + kSkew);
}

std::uint64_t digit(char c) {
  return static_cast<std::uint64_t>(is_digit(c) ? c - '0' + 26 : c - 'a');
}

// Takes one variable-length integer off `text` (RFC 3492 §3.3); nullopt if there is none, or it is
// larger than any that a label needs.
std::optional<std::uint64_t> take_number(std::string_view& text, std::uint64_t bias) {
  constexpr std::uint64_t kMostNumber = 1u << 31;
  std::uint64_t number = 0, weight = 1;
  for (std::uint64_t k = kBase; !text.empty() && weight < kMostNumber; k += kBase) {
    const std::uint64_t value = digit(text.front());
    text.remove_prefix(1);
    number += value * weight;
    const std::uint64_t threshold = std::clamp(k <= bias ? 0 : k - bias, kLeast, kMost);
    if (number >= kMostNumber) return std::nullopt;
    if (value < threshold) return number;
    weight *= kBase - threshold;
  }
  return std::nullopt;
}

// Whether what follows "xn--" stands for a label that is not ASCII (RFC 3492 §6.2).
bool is_punycode(std::string_view text) {
  constexpr std::uint64_t kLeastPoint = 0xA0, kMostPoint = 0x10FFFF, kSurrogates = 0xD800,
                          kBehindThem = 0xE000;
  const std::size_t dash = text.rfind('-');
  std::uint64_t points = dash == text.npos ? 0 : dash, point = 0x80, at = 0, bias = 72;
  text.remove_prefix(dash == text.npos ? 0 : dash + 1);
  const bool has_some = !text.empty();
  while (!text.empty()) {
    const auto delta = take_number(text, bias);
    if (!delta) return false;
    bias = adapted_bias(*delta, ++points, point == 0x80 && at == 0);
    at += *delta;
    point += at / points;
    at = at % points + 1;
    if (point < kLeastPoint || point > kMostPoint || (point >= kSurrogates && point < kBehindThem))
      return false;
  }
  return has_some;
}

Result<> check_label(std::string_view name, std::size_t begin, std::size_t end) {
  if (begin == end) return refuse(name, begin, "empty label");
  if (end - begin > 63) return refuse(name, begin + 63, "label longer than 63 bytes");
  for (std::size_t i = begin; i < end; ++i)
    if (!is_letter_digit_hyphen(name[i]))
      return refuse(name, i, fmt::format("unexpected '{}'", printable(name.substr(i, 1))));
  if (name[begin] == '-') return refuse(name, begin, "label begins with '-'");
  if (name[end - 1] == '-') return refuse(name, end - 1, "label ends with '-'");
  const std::string_view label = name.substr(begin, end - begin);
  if (label.starts_with("xn--") && !is_punycode(label.substr(4)))
    return refuse(name, begin + 4, "no Punycode after 'xn--'");
  return {};
}

// Checks the labels of an ASCII name; `begin` is where they start (after "*.").
Result<> check_labels(std::string_view name, std::size_t begin) {
  std::size_t labels = 0, last = begin;
  for (std::size_t at = begin; at <= name.size(); ++labels) {
    const std::size_t dot = std::min(name.find('.', at), name.size());
    TRY(check_label(name, at, dot));
    last = at;
    at = dot + 1;
  }
  if (labels < 2) return refuse(name, name.size(), "only one label, expected a dot");
  if (std::ranges::all_of(name.substr(last), is_digit))
    return refuse(name, last, "last label is a number (an IP address?)");
  return {};
}

bool is_ascii(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return (c & 0x80) != 0; });
}

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// ASCII must be right before libidn2 may map it away.
Result<> check_ascii_bytes(std::string_view name) {
  for (std::size_t i = 0; i < name.size(); ++i)
    if (is_ascii(name.substr(i, 1)) && !is_letter_digit_hyphen(to_lower(name[i])) && name[i] != '.')
      return refuse(name, i, fmt::format("unexpected '{}'", printable(name.substr(i, 1))));
  return {};
}

// The functions of libidn2 that we call: few names need them.
struct Idn2 {
  decltype(&::idn2_to_ascii_8z) to_ascii_8z;
  decltype(&::idn2_free) free;
  decltype(&::idn2_strerror) strerror;
};

Result<Idn2> open_idn2() {
  Idn2 idn2;
  const auto library = TRY(SharedLibrary::open("libidn2.so.0", "Debian's libidn2-0"));
  TRY(library.find("idn2_to_ascii_8z", idn2.to_ascii_8z));
  TRY(library.find("idn2_free", idn2.free));
  TRY(library.find("idn2_strerror", idn2.strerror));
  return idn2;
}

Result<std::string> to_a_labels(std::string_view name) {
  static const Result<Idn2> opened = open_idn2();
  const Idn2 idn2 = TRY(opened);
  TRY(check_ascii_bytes(name));
  char* raw = nullptr;
  const int code =
      idn2.to_ascii_8z(std::string(name).c_str(), &raw, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, decltype(&::idn2_free)> ascii(raw, idn2.free);
  if (code == IDN2_OK) return std::string(ascii.get());
  const auto first = std::ranges::find_if(name, [](char c) { return (c & 0x80) != 0; });
  return refuse(name, static_cast<std::size_t>(first - name.begin()), idn2.strerror(code));
}

}  // namespace

Result<std::string> parse_domain_name(std::string_view text) {
  if (text.empty()) return invalid("'' is not a domain name: it is empty");
  const std::size_t begin = text.starts_with("*.") ? 2 : 0;
  std::string name(text);
  if (!is_ascii(text)) name = "*."s.substr(0, begin) + TRY(to_a_labels(text.substr(begin)));
  std::ranges::transform(name, name.begin(), to_lower);
  if (name.size() > 253) return refuse(text, 253, "longer than 253 bytes");
  TRY(check_labels(name, begin));
  return name;
}

bool covers(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with("*.")) return pattern == name;
  const std::size_t dot = name.find('.');
  return dot != std::string_view::npos && dot > 0 && pattern.substr(1) == name.substr(dot);
}

}  // namespace everseal::base
