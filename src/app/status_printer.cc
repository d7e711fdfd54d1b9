#include "app/status_printer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/encoding.h"
#include "jobs/words.h"
#include "notify/message.h"
#include "renew/words.h"

namespace everseal::app {
namespace {

using base::Seconds;
using jobs::CertificateStatus;
using jobs::Level;
using jobs::StatusReport;
using renew::in_words;

constexpr std::size_t kGap = 2, kNarrowestName = 20, kMostFailures = 10, kMostWords = 1000;
constexpr std::size_t kLabel = 12;

enum Column { name, expires, renewal, result, key, served, kColumns };
using Cells = std::array<std::string, kColumns>;
constexpr std::array<const char*, kColumns> kHeadings = {"NAME",   "EXPIRES IN", "RENEWAL",
                                                         "RESULT", "KEY AGE",    "SERVED BY"};
// What is given up first where there is no room.
constexpr std::array kDispensable = {key, served, renewal};

struct Row {
  Cells cells;
  Level level = Level::ok;
};

std::string coloured(std::string text, Level level, const Look& look) {
  if (!look.has_colours || level == Level::ok) return text;
  return fmt::format("\x1b[{}m{}\x1b[0m", level == Level::critical ? "31;1" : "33", text);
}

// "long-na... +2 more": what follows the first word stays.
std::string cut(std::string text, std::size_t width) {
  if (text.size() <= width) return text;
  std::string rest = text.substr(std::min(text.find(' '), text.size()));
  if (rest.size() + 4 > width) rest.clear();
  return text.substr(0, width - rest.size() - 3) + "..." + rest;
}

std::string ago(Time at, Time now) { return at < now ? in_words(now - at) + " ago" : "just now"; }

std::string moment(Time at, Time now) {
  if (at <= now) return fmt::format("{} ({})", base::to_rfc3339(at), ago(at, now));
  return fmt::format("{} (in {})", base::to_rfc3339(at), in_words(at - now));
}

std::string times(int count) {
  return count == 1 ? std::string("once") : fmt::format("{} times", count);
}

// ---- The table

std::string expiry_cell(const CertificateStatus& status, Time now) {
  if (status.expires == Time()) return "none yet";
  return status.expires <= now ? "expired" : in_words(status.expires - now);
}

std::string renewal_cell(const CertificateStatus& status, Time now) {
  if (status.next.at == Time::max()) return "never";
  return status.next.at <= now ? "now" : "in " + in_words(status.next.at - now);
}

std::string result_cell(const CertificateStatus& status) {
  const auto& certificate = status.certificate;
  const store::Sight sight = status.served ? status.served->sight : store::Sight::right;
  if (certificate.version == 0 && certificate.in_nginx) return "missing";
  if (!status.is_at_hand) return "files missing";
  if (sight == store::Sight::wrong) return "another served";
  if (sight == store::Sight::unreachable) return "no answer";
  if (certificate.failures > 0) return "failed " + times(certificate.failures);
  if (status.progress == renew::Progress::ready) return "not installed";
  if (certificate.version == 0) return "begun";
  return status.is_used ? "ok" : "not in use";
}

std::string key_cell(const CertificateStatus& status, Time now) {
  const store::CertificateRecord& certificate = status.certificate;
  if (certificate.version == 0 || certificate.key_since == Time()) return "-";
  return in_words(std::max(Seconds(0), now - certificate.key_since));
}

Row row_of(const CertificateStatus& status, Time now) {
  const auto& names = status.certificate.names;
  std::string heading = status.certificate.name;
  if (names.size() > 1) heading += fmt::format(" +{} more", names.size() - 1);
  return {{std::move(heading), expiry_cell(status, now), renewal_cell(status, now),
           result_cell(status), key_cell(status, now), served_by(status)},
          status.level};
}

// How wide each column is; 0: there is no room for it.
std::array<std::size_t, kColumns> fit(const std::vector<Row>& rows, std::size_t width) {
  std::array<std::size_t, kColumns> widths{};
  for (const Row& row : rows)
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row.cells[i].size());
  const auto rest = [&] {
    std::size_t others = 0;
    for (std::size_t i = 1; i < kColumns; ++i) others += widths[i] == 0 ? 0 : widths[i] + kGap;
    return width > others ? width - others : 0;
  };
  for (const Column column : kDispensable)
    if (rest() < std::min(widths[name], kNarrowestName)) widths[column] = 0;
  widths[name] = std::min(widths[name], std::max(rest(), kNarrowestName));
  return widths;
}

std::string line_of(const Row& row, const std::array<std::size_t, kColumns>& widths,
                    const Look& look) {
  std::string line;
  for (std::size_t i = 0; i < kColumns; ++i)
    if (widths[i] > 0)
      line += fmt::format("{:<{}}", cut(row.cells[i], widths[i]), widths[i] + kGap);
  line.erase(line.find_last_not_of(' ') + 1);
  return coloured(std::move(line), row.level, look) + '\n';
}

std::string table(const StatusReport& report, const Look& look) {
  std::vector<Row> rows(1);
  std::ranges::copy(kHeadings, rows.front().cells.begin());
  for (const CertificateStatus& each : report.certificates)
    rows.push_back(row_of(each, report.now));
  const auto widths = fit(rows, look.width);
  std::string text;
  for (const Row& row : rows) text += line_of(row, widths, look);
  return text;
}

// ---- Around it

std::string incidents(const StatusReport& report, const Look& look) {
  std::string text;
  if (!report.loss.empty()) text += coloured(report.loss, report.level, look) + '\n';
  if (!report.hindrance.empty())
    text += coloured(base::printable(report.hindrance), Level::warning, look) + '\n';
  if (!report.lateness.empty())
    text += coloured(report.lateness + ": is its timer on?", Level::warning, look) + '\n';
  for (const store::IncidentRecord& each : report.incidents)
    text += coloured(fmt::format("Since {}: {}", notify::in_words(each.since),
                                 base::printable(each.headline)),
                     Level::warning, look) +
            '\n';
  return text.empty() ? text : text + '\n';
}

// The CA's words, once for all certificates of which it said the same.
std::string failures(const StatusReport& report) {
  struct Failure {
    const CertificateStatus* first;
    std::size_t others = 0;
  };
  std::vector<Failure> found;
  for (const CertificateStatus& each : report.certificates) {
    if (each.certificate.failures == 0) continue;
    const auto same = std::ranges::find_if(found, [&](const Failure& failure) {
      return failure.first->certificate.last_error == each.certificate.last_error;
    });
    if (same != found.end())
      ++same->others;
    else if (found.size() < kMostFailures)
      found.push_back({&each});
  }
  std::string text;
  for (const Failure& failure : found) {
    const auto& certificate = failure.first->certificate;
    text += fmt::format("{}{} failed; the next try is {}:\n  {}\n", certificate.name,
                        failure.others == 0 ? "" : fmt::format(" and {} more", failure.others),
                        certificate.next_attempt <= report.now
                            ? "with the next run"
                            : "after " + base::to_rfc3339(certificate.next_attempt),
                        base::printable(certificate.last_error, kMostWords));
  }
  return text.empty() ? text : '\n' + text;
}

// What is wrong with which, once for all of which it is the same. What failed is said already.
std::string concerns(const StatusReport& report, const Look& look) {
  struct Concern {
    const CertificateStatus* first;
    std::vector<std::string> names;
  };
  std::vector<Concern> found;
  for (const CertificateStatus& each : report.certificates) {
    if (each.concern.empty() || each.concern.starts_with("failed ")) continue;
    const auto same = std::ranges::find_if(
        found, [&](const Concern& one) { return one.first->concern == each.concern; });
    if (same != found.end())
      same->names.push_back(each.certificate.name);
    else if (found.size() < kMostFailures)
      found.push_back({&each, {each.certificate.name}});
  }
  std::string text;
  for (const Concern& each : found)
    text += coloured(fmt::format("{}: {}", jobs::some_of(each.names), each.first->concern),
                     each.first->level, look) +
            '\n';
  return text.empty() ? text : '\n' + text;
}

std::string totals(const StatusReport& report) {
  const auto count = [&](Level level) {
    return std::ranges::count(report.certificates, level, &CertificateStatus::level);
  };
  const std::size_t all = report.certificates.size();
  std::string text =
      fmt::format("\n{}: {} well", jobs::count_of(all, "certificate"), count(Level::ok));
  if (const auto late = count(Level::warning)) text += fmt::format(", {} to look at", late);
  if (const auto worst = count(Level::critical)) text += fmt::format(", {} critical", worst);
  Time next = Time::max();
  for (const CertificateStatus& each : report.certificates) next = std::min(next, each.next.at);
  if (next != Time::max())
    text += next <= report.now ? "; renewal is due"
                               : "; next renewal in " + in_words(next - report.now);
  if (report.last_run != Time())
    text += fmt::format("; last run {}", ago(report.last_run, report.now));
  return text + ".\n";
}

// ---- All about one

std::string next_in_words(const CertificateStatus& status, Time now) {
  const renew::Action& next = status.next;
  const char* const what = next.what == renew::Do::install ? "it is installed" : "it is renewed";
  if (next.at == Time::max()) return fmt::format("nothing: {}", next.why);
  const std::string when = next.at <= now ? "with the next run" : moment(next.at, now);
  return fmt::format("{} {}: {}", what, when, next.why);
}

std::string served_in_words(const CertificateStatus& status, Time now) {
  std::string text = "by " + jobs::served_by(status);
  if (!status.served) return text;
  if (!status.served->places.empty())
    text += fmt::format(" at {}", fmt::join(status.served->places, ", "));
  return text + fmt::format("; looked at {}", ago(status.served->checked_at, now));
}

class Details {
 public:
  Details(const CertificateStatus& status, const StatusReport& report, const Look& look)
      : status_(status),
        certificate_(status.certificate),
        report_(report),
        now_(report.now),
        look_(look) {}

  std::string print() {
    text_ = coloured(certificate_.name, status_.level, look_) + '\n';
    if (!status_.concern.empty()) line("concern", coloured(status_.concern, status_.level, look_));
    line("names", fmt::format("{}", fmt::join(certificate_.names, ", ")));
    line("CA", certificate_.server);
    for (const jobs::MadeThing& each : report_.account_keys)
      if (each.of == certificate_.server && each.since != Time())
        line("account",
             fmt::format("its key is {} old", in_words(std::max(Seconds(0), now_ - each.since))));
    if (certificate_.version > 0)
      add_version();
    else
      line("key", certificate_.key_type);
    add_next();
    if (!certificate_.last_error.empty()) add_failures();
    add_failing_names();
    add_history();
    return std::move(text_);
  }

 private:
  void line(std::string_view label, std::string_view text) {
    text_ += fmt::format("  {:<{}}{}\n", label, kLabel, text);
  }

  void add_version() {
    line("key", certificate_.key_since == Time()
                    ? certificate_.key_type
                    : fmt::format("{}, {} old", certificate_.key_type, key_cell(status_, now_)));
    line("version", fmt::format("{}, SHA-256 {}", certificate_.version, certificate_.fingerprint));
    line("expires", moment(certificate_.not_after, now_));
    if (status_.expires != certificate_.not_after)
      line("", "what is served: " + moment(status_.expires, now_));
    line("served", served_in_words(status_, now_));
    if (!status_.served) return;
    std::string_view problem = status_.served->problem;
    for (std::size_t end = 0; !problem.empty();
         problem.remove_prefix(std::min(end + 1, problem.size()))) {
      end = std::min(problem.find('\n'), problem.size());
      line("", coloured(std::string(problem.substr(0, end)), Level::warning, look_));
    }
  }

  void add_next() {
    line("next", next_in_words(status_, now_));
    const auto& window = certificate_.window;
    if (window.end > window.start)
      line("window",
           fmt::format(
               "the CA suggests {} to {}{}", base::to_rfc3339(window.start),
               base::to_rfc3339(window.end),
               window.explanation.empty() ? "" : ": " + base::printable(window.explanation)));
    std::string_view label = "limits";
    for (const renew::LimitLedger::Use& each : status_.limits) {
      line(std::exchange(label, ""),
           fmt::format("an order now would be {} of {}: {} in {}", each.order, each.of, each.what,
                       in_words(each.span)));
    }
  }

  void add_failures() {
    line("failed", fmt::format("{} since {}, last {}", times(certificate_.failures),
                               base::to_rfc3339(certificate_.first_failure),
                               base::to_rfc3339(certificate_.last_attempt)));
    line("", base::printable(certificate_.last_error, kMostWords));
    line("next try", certificate_.next_attempt <= now_ ? "with the next run"
                                                       : moment(certificate_.next_attempt, now_));
  }

  void add_failing_names() {
    std::string_view label = "failing";
    for (const store::FailingName& each : certificate_.failing)
      line(std::exchange(label, ""),
           fmt::format("{}, {}, since {}: {}{}", each.name, times(each.failures),
                       base::to_rfc3339(each.first), base::printable(each.words, kMostWords),
                       is_covered(each.name) ? "" : " (it is left out)"));
  }

  bool is_covered(const std::string& name_of) const {
    return certificate_.version == 0 ||
           std::ranges::find(certificate_.covered, name_of) != certificate_.covered.end();
  }

  void add_history() {
    std::string_view label = "history";
    for (const store::EventRecord& each : status_.history)
      line(std::exchange(label, ""),
           fmt::format("{}  {}: {}", base::to_rfc3339(each.at), to_string(each.kind), each.text));
  }

  const CertificateStatus& status_;
  const store::CertificateRecord& certificate_;
  const StatusReport& report_;
  const Time now_;
  const Look& look_;
  std::string text_;
};

}  // namespace

std::string print_table(const StatusReport& report, const Look& look) {
  std::string text = incidents(report, look);
  if (report.certificates.empty() && !report.lost.empty()) return text;
  if (report.certificates.empty())
    return text + "No certificates yet. Start with: everseal secure --all --dry-run\n";
  return text + table(report, look) + concerns(report, look) + failures(report) + totals(report);
}

std::string print_details(const StatusReport& report, const Look& look) {
  std::string text;
  for (const CertificateStatus& each : report.certificates)
    text += (text.empty() ? "" : "\n") + Details(each, report, look).print();
  return text;
}

}  // namespace everseal::app
