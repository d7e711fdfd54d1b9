#include "notify/mail.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/ascii.h"
#include "base/base64.h"
#include "base/domain_name.h"
#include "base/encoding.h"
#include "base/utf8.h"

namespace everseal::notify {
namespace {

using base::is_letter_or_digit;

constexpr std::size_t kLine = 78;           // RFC 5322 §2.1.1
constexpr std::size_t kMostWordBytes = 45;  // 60 of base64, 72 with its frame of at most 75
constexpr std::size_t kQuotedLine = 75;     // and the "=" of a soft line break
constexpr std::size_t kMostLocal = 64, kMostAddress = 254;  // RFC 5321 §4.5.3.1, RFC 3696 erratum

// RFC 5322 §3.2.3, atext.
bool is_atom(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_letter_or_digit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c);
  });
}

// Atoms with dots between them.
bool is_local_part(std::string_view text) {
  if (text.size() > kMostLocal) return false;
  for (;;) {
    const std::size_t dot = std::min(text.find('.'), text.size());
    if (!is_atom(text.substr(0, dot))) return false;
    if (dot == text.size()) return true;
    text.remove_prefix(dot + 1);
  }
}

// Names of one label are of local networks, and domain names otherwise.
Result<std::string> parse_domain(std::string_view text) {
  const bool is_one_label =
      !text.empty() && text.front() != '-' && text.back() != '-' &&
      std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '-'; });
  if (is_one_label) return std::string(text);
  std::string name = TRY(base::parse_domain_name(text));
  if (name.starts_with('*')) return base::invalid("a mail address has no wildcard");
  return name;
}

bool is_plain(std::string_view text) {
  return !text.contains("=?") &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

// No line may hold nothing but spaces (RFC 5322 §3.2.2).
std::string single_spaced(std::string text) {
  const auto both = [](char one, char other) { return one == ' ' && other == ' '; };
  text.erase(std::unique(text.begin(), text.end(), both), text.end());
  if (text.ends_with(' ')) text.pop_back();
  return text;
}

// At its last space that fits, each line.
std::string folded(std::string_view text, std::size_t used) {
  std::string lines;
  while (used + text.size() > kLine) {
    const std::size_t room = kLine > used ? kLine - used : 0;
    std::size_t space = text.rfind(' ', room);
    if (space == text.npos || space == 0) space = text.find(' ', 1);
    if (space == text.npos) break;
    lines += fmt::format("{}\r\n", text.substr(0, space));
    text.remove_prefix(space);
    used = 0;
  }
  return lines + std::string(text);
}

// How much of `text` goes into one encoded word: whole characters (RFC 2047 §5 (3)).
std::size_t word_length(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    const std::size_t next = std::max<std::size_t>(base::utf8_length(text.substr(length)), 1);
    if (length + next > kMostWordBytes) break;
    length += next;
  }
  return length;
}

std::string encoded_words(std::string_view text) {
  std::string words;
  while (!text.empty()) {
    const std::size_t length = word_length(text);
    words += fmt::format("{}=?UTF-8?B?{}?=", words.empty() ? "" : "\r\n ",
                         base::base64(text.substr(0, length)));
    text.remove_prefix(length);
  }
  return words;
}

std::string header(std::string_view name, std::string_view text) {
  return fmt::format("{}: {}\r\n", name, header_text(text, name.size() + 2));
}

// A phone shows this name instead of the address.
std::string from_header(std::string_view host, std::string_view address) {
  const std::string name = fmt::format("Everseal on {}", host);
  const bool is_quotable = is_plain(name) && !name.contains('"') && !name.contains('\\');
  return fmt::format("From: {}\r\n <{}>\r\n",
                     is_quotable ? fmt::format("\"{}\"", name) : encoded_words(name), address);
}

std::string to_header(const std::vector<std::string>& addresses) {
  return fmt::format("To: {}\r\n", fmt::join(addresses, ",\r\n "));
}

// RFC 5322 §3.6.4: the right side is a domain name, or looks like one.
std::string message_id(const Message& message, std::string_view id) {
  std::string host = message.host;
  std::erase_if(host, [](char c) { return !is_letter_or_digit(c) && c != '.' && c != '-'; });
  if (!is_local_part(host)) host = "everseal.invalid";
  return fmt::format("Message-ID: <{}.{}@{}>\r\n", message.at.time_since_epoch().count(), id, host);
}

std::string date(Time at) {
  std::string text = base::to_http_date(at);
  return fmt::format("Date: {} +0000\r\n", text.substr(0, text.rfind(' ')));
}

}  // namespace

Result<std::string> parse_address(std::string_view text) {
  const std::size_t at = std::min(text.rfind('@'), text.size());
  const std::string_view local = text.substr(0, at);
  if (!is_local_part(local) || local.starts_with('-'))
    return base::invalid(fmt::format("'{}' is not a mail address", base::printable(text, 100)));
  if (at == text.size()) return std::string(local);
  const auto domain = parse_domain(text.substr(at + 1));
  if (!domain)
    return base::invalid(fmt::format("'{}' is not a mail address: {}", base::printable(text, 100),
                                     domain.error().message));
  std::string address = fmt::format("{}@{}", local, *domain);
  if (address.size() > kMostAddress) return base::invalid("a mail address is too long");
  return address;
}

std::string header_text(std::string_view text, std::size_t used) {
  return is_plain(text) ? folded(single_spaced(std::string(text)), used) : encoded_words(text);
}

std::string quoted_printable(std::string_view text) {
  std::string encoded;
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      encoded += "\r\n";
      used = 0;
      continue;
    }
    const bool is_blank_at_end = c == ' ' && (i + 1 == text.size() || text[i + 1] == '\n');
    const bool is_literal = c >= ' ' && c <= '~' && c != '=' && !is_blank_at_end;
    const std::size_t length = is_literal ? 1 : 3;
    if (used + length > kQuotedLine) {
      encoded += "=\r\n";
      used = 0;
    }
    encoded +=
        is_literal ? std::string(1, c) : fmt::format("={:02X}", static_cast<unsigned char>(c));
    used += length;
  }
  return encoded;
}

std::string write_mail(const Message& message, const Envelope& envelope, std::string_view id) {
  return date(message.at) + from_header(message.host, envelope.from) + to_header(envelope.to) +
         header("Subject", message.subject) + message_id(message, id) +
         "Auto-Submitted: auto-generated\r\n"
         "MIME-Version: 1.0\r\n"
         "Content-Type: text/plain; charset=utf-8\r\n"
         "Content-Transfer-Encoding: quoted-printable\r\n"
         "\r\n" +
         quoted_printable(message.text);
}

}  // namespace everseal::notify
