// Whatever is told, from whatever machine and to whatever address is taken for one: the headers of
// the mail are ours alone, and its lines are as SMTP takes them.
#include <algorithm>
#include <cstdlib>

#include "notify/mail.h"

namespace everseal::notify {
namespace {

void insist(bool holds) {
  if (!holds) std::abort();
}

// Up to the next byte of 0xff.
std::string take(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\xff'), rest.size());
  std::string part(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

constexpr std::size_t kMostLine = 998;  // RFC 5322 §2.1.1

// Ends each line by \r\n, and has nothing but ASCII without controls in it.
void check_lines(std::string_view mail) {
  while (!mail.empty()) {
    const std::size_t end = mail.find("\r\n");
    insist(end != mail.npos && end <= kMostLine);
    insist(std::ranges::all_of(mail.substr(0, end), [](char c) { return c >= ' ' && c <= '~'; }));
    mail.remove_prefix(end + 2);
  }
}

// The names of the headers, each followed by a space.
std::string header_names(std::string_view mail) {
  std::string names;
  for (;;) {
    const std::string_view line = mail.substr(0, mail.find("\r\n"));
    if (line.empty()) return names;
    if (!line.starts_with(' ')) names += std::string(line.substr(0, line.find(':'))) + ' ';
    mail.remove_prefix(line.size() + 2);
  }
}

void check_mail(std::string_view data) {
  const std::string host = take(data), address = take(data), headline = take(data);
  const auto parsed = parse_address(address);
  const Trouble trouble{
      .key = "k", .headline = headline, .urgency = take(data), .text = {data.begin(), data.end()}};
  const Message message =
      compose({.news = {{.trouble = trouble}}, .renewed = {host}}, host, Time{});
  const std::string to = parsed.value_or("root");
  const std::string mail = write_mail(message, {to, {to, to}}, "7f");
  check_lines(mail);
  insist(header_names(mail) ==
         "Date From To Subject Message-ID Auto-Submitted MIME-Version Content-Type "
         "Content-Transfer-Encoding ");
}

}  // namespace
}  // namespace everseal::notify

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  everseal::notify::check_mail({reinterpret_cast<const char*>(data), size});
  return 0;
}
