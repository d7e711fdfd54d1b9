#include "jobs/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/encoding.h"

namespace everseal::jobs {
namespace {

using Buffer = std::back_insert_iterator<std::string>;

// A label's value: backslash, quote and line feed are escaped.
std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : base::printable(value)) {
    if (c == '\\' || c == '"') text += '\\';
    text += c;
  }
  return text;
}

void heading(std::string& page, std::string_view name, std::string_view help) {
  fmt::format_to(Buffer(page), "# HELP everseal_{0} {1}\n# TYPE everseal_{0} gauge\n", name, help);
}

void gauge(std::string& page, std::string_view name, std::string_view help, std::int64_t value) {
  heading(page, name, help);
  fmt::format_to(Buffer(page), "everseal_{} {}\n", name, value);
}

std::int64_t seconds(Time time) { return time.time_since_epoch().count(); }

// A metric of each certificate that has it.
struct Metric {
  const char* name;
  const char* help;
  bool (*has)(const CertificateStatus&);
  std::int64_t (*value)(const CertificateStatus&);
};

bool always(const CertificateStatus&) { return true; }
bool is_live(const CertificateStatus& each) { return each.certificate.version > 0; }
bool is_looked_up(const CertificateStatus& each) { return each.served && each.is_used; }
bool is_seen(const CertificateStatus& each) {
  return is_looked_up(each) && each.served->not_after != Time();
}

constexpr Metric kMetrics[] = {
    {"certificate_not_before_seconds", "When the certificate's life began, in seconds since 1970.",
     is_live, [](const auto& each) { return seconds(each.certificate.not_before); }},
    {"certificate_not_after_seconds", "When the certificate expires, in seconds since 1970.",
     is_live, [](const auto& each) { return seconds(each.certificate.not_after); }},
    {"certificate_served_not_after_seconds",
     "When the certificate expires that nginx was seen to serve, in seconds since 1970.", is_seen,
     [](const auto& each) { return seconds(each.served->not_after); }},
    {"certificate_served_ok", "Whether nginx was seen to serve the certificate everywhere.",
     is_looked_up,
     [](const auto& each) { return std::int64_t{each.served->sight == store::Sight::right}; }},
    {"certificate_renew_at_seconds", "When the certificate is renewed next, in seconds since 1970.",
     [](const auto& each) { return each.next.at != Time::max(); },
     [](const auto& each) { return seconds(each.next.at); }},
    {"certificate_failures", "Failed attempts to renew the certificate, in a row.", always,
     [](const auto& each) { return std::int64_t{each.certificate.failures}; }},
    {"certificate_level", "0 all is well, 1 somebody should look, 2 critical.", always,
     [](const auto& each) { return static_cast<std::int64_t>(each.level); }},
};

void add(std::string& page, const Metric& metric, const StatusReport& report) {
  heading(page, metric.name, metric.help);
  for (const CertificateStatus& each : report.certificates)
    if (metric.has(each))
      fmt::format_to(Buffer(page), "everseal_{}{{name=\"{}\"}} {}\n", metric.name,
                     escaped(each.certificate.name), metric.value(each));
}

}  // namespace

std::string to_prometheus(const StatusReport& report) {
  std::string page;
  gauge(page, "certificates", "Certificates that are kept.",
        static_cast<std::int64_t>(report.certificates.size()));
  gauge(page, "incidents", "What is wrong and not solved yet.",
        static_cast<std::int64_t>(report.incidents.size()));
  gauge(page, "last_run_timestamp_seconds",
        "When everseal renew ran last, in seconds since 1970; 0 for never.",
        seconds(report.last_run));
  gauge(page, "last_check_timestamp_seconds",
        "When it was looked up last what is served, in seconds since 1970; 0 for never.",
        seconds(report.last_check));
  for (const Metric& each : kMetrics) add(page, each, report);
  return page;
}

}  // namespace everseal::jobs
