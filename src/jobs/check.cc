#include "jobs/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "jobs/words.h"
#include "renew/words.h"

namespace everseal::jobs {
namespace {

constexpr int kUnknown = 3;
constexpr std::array kWords = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
constexpr std::size_t kMostNamed = 3;

Check answer(int exit_status, std::string text, std::string_view data = "") {
  std::ranges::replace(text, '|', '/');  // what follows is data
  return {exit_status,
          fmt::format("EVERSEAL {} - {}{}{}\n", kWords[static_cast<std::size_t>(exit_status)], text,
                      data.empty() ? "" : " | ", data)};
}

// Used ones that are or were live.
std::vector<const CertificateStatus*> ending(const StatusReport& report) {
  std::vector<const CertificateStatus*> found;
  for (const CertificateStatus& each : report.certificates)
    if (each.is_used && each.expires != Time()) found.push_back(&each);
  std::ranges::stable_sort(found, {}, &CertificateStatus::expires);
  return found;
}

std::string all_is_well(const StatusReport& report) {
  std::string text = count_of(report.certificates.size(), "certificate");
  const auto first = ending(report);
  if (first.empty()) return text;
  return text + fmt::format(", the first to expire is {} in {}", first.front()->certificate.name,
                            renew::in_words(first.front()->expires - report.now));
}

void join(std::string& text, std::string_view more) {
  text += text.empty() ? "" : "; ";
  text += more;
}

// Whether it is one of a certificate, which says of itself that it is not well.
bool is_of_a_certificate(const store::IncidentRecord& incident) {
  return std::ranges::any_of(std::array{"certificate ", "served ", "names of ", "unreachable"},
                             [&](const char* key) { return incident.key.starts_with(key); });
}

void add_incidents(std::string& text, const StatusReport& report, bool others_are_said) {
  std::size_t shown = 0, all = 0;
  for (const store::IncidentRecord& each : report.incidents) {
    if (others_are_said && is_of_a_certificate(each)) continue;
    if (++all > kMostNamed) continue;
    join(text, base::printable(each.headline));
    ++shown;
  }
  if (all > shown) join(text, fmt::format("and {} more", all - shown));
}

std::string what_is_wrong(const StatusReport& report) {
  std::string text = report.loss;
  std::size_t shown = 0, wrong = 0;
  for (const CertificateStatus& each : report.certificates) {
    if (each.level == Level::ok) continue;
    if (++wrong > kMostNamed) continue;
    join(text, fmt::format("{}: {}", each.certificate.name, each.concern));
    ++shown;
  }
  if (wrong > shown) join(text, fmt::format("and {} more", count_of(wrong - shown, "certificate")));
  if (!report.lateness.empty()) join(text, report.lateness);
  if (!report.hindrance.empty()) join(text, base::printable(report.hindrance));
  add_incidents(text, report, wrong > 0);
  return text;
}

// The seconds of the first to expire, and counts.
std::string performance(const StatusReport& report) {
  const auto count = [&](Level level) {
    return std::ranges::count(report.certificates, level, &CertificateStatus::level);
  };
  std::string data =
      fmt::format("certificates={};;;0 warning={};;;0 critical={};;;0 incidents={};;;0",
                  report.certificates.size(), count(Level::warning), count(Level::critical),
                  report.incidents.size());
  if (const auto first = ending(report); !first.empty())
    data += fmt::format(" first_expiry={}s", (first.front()->expires - report.now).count());
  if (report.last_run != Time())
    data += fmt::format(" last_run={}s;{};;0", (report.now - report.last_run).count(),
                        kLongestSilence.count());
  return data;
}

}  // namespace

Check check_without_status(const Error& why, bool is_lost) {
  return answer(is_lost ? static_cast<int>(Level::critical) : kUnknown,
                base::printable(why.message));
}

Check check(const StatusReport& report) {
  if (report.certificates.empty() && report.lost.empty())
    return answer(kUnknown, "there are no certificates yet");
  return answer(static_cast<int>(report.level),
                report.level == Level::ok ? all_is_well(report) : what_is_wrong(report),
                performance(report));
}

}  // namespace everseal::jobs
