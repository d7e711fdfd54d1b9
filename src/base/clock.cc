#include "base/clock.h"

#include <fmt/format.h>
#include <time.h>

#include <ctime>

namespace everseal::base {
namespace {

class RealClock : public Clock {
 public:
  Time now() const override {
    return std::chrono::floor<Seconds>(std::chrono::system_clock::now());
  }
  Instant steady_now() const override { return std::chrono::steady_clock::now(); }
};

Time from_utc(tm parts) { return Time(Seconds(timegm(&parts))); }

}  // namespace

const Clock& real_clock() {
  static const RealClock clock;
  return clock;
}

namespace {

tm to_parts(Time time) {
  const time_t seconds = time.time_since_epoch().count();
  tm parts{};
  gmtime_r(&seconds, &parts);
  return parts;
}

}  // namespace

std::string to_http_date(Time time) {
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const tm parts = to_parts(time);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday],
                     parts.tm_mday, kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour,
                     parts.tm_min, parts.tm_sec);
}

std::string to_rfc3339(Time time) {
  const tm parts = to_parts(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

Result<Time> parse_rfc3339(std::string_view text) {
  const auto refuse = [&] {
    return invalid(fmt::format("not an RFC 3339 time: '{}'", text.substr(0, 40)));
  };
  const std::string copy(text.substr(0, 64));
  tm parts{};
  const char* rest = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (!rest) return refuse();
  if (*rest == '.') {
    do ++rest;
    while (*rest >= '0' && *rest <= '9');
  }
  const Time local = from_utc(parts);
  if ((*rest == 'Z' || *rest == 'z') && rest[1] == '\0') return local;
  int hours = 0, minutes = 0, length = 0;
  if ((*rest != '+' && *rest != '-') ||
      std::sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 ||
      rest[1 + length] != '\0')
    return refuse();
  const Seconds offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  return *rest == '+' ? local - offset : local + offset;
}

Result<Time> parse_http_date(std::string_view text) {
  const std::string copy(text.substr(0, 64));
  for (const char* form :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    tm parts{};
    if (const char* end = strptime(copy.c_str(), form, &parts); end && *end == '\0')
      return from_utc(parts);
  }
  return invalid(fmt::format("not an HTTP date: '{}'", copy));
}

}  // namespace everseal::base
