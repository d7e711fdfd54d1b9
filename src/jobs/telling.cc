#include "jobs/telling.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/encoding.h"
#include "crypto/random.h"
#include "jobs/chores.h"
#include "jobs/trust.h"
#include "renew/words.h"

namespace everseal::jobs {
namespace {

constexpr std::string_view kCertificate = "certificate ";

// Whom a worker tells.
class WorkersCourier : public notify::Courier {
 public:
  explicit WorkersCourier(const Environment& environment) : environment_(environment) {}
  Result<> deliver(const notify::Delivery& delivery, const std::string& ca_bundle) override {
    const auto trusted = TRY(open_trusted(environment_.files, ca_bundle));
    return environment_.workers.deliver(delivery, trusted);
  }

 private:
  const Environment& environment_;
};

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name[0] ? name.data() : "this machine";
}

std::vector<notify::Told> tell(const Environment& environment, const notify::Message& message) {
  constexpr std::size_t kIdBytes = 8;
  WorkersCourier courier(environment);
  const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY");  // systemd.exec(5)
  return notify::tell(message, environment.settings.notify,
                      {.files = environment.files,
                       .commands = environment.commands,
                       .courier = courier,
                       .credentials = credentials ? credentials : "",
                       .id = base::hex(crypto::random_bytes(kIdBytes))});
}

std::string key_of(const std::string& certificate) {
  return std::string(kCertificate) + certificate;
}

// "12 days left", "expired".
std::string urgency(const store::CertificateRecord& certificate, Time now) {
  if (certificate.version == 0) return "there is none yet";
  if (certificate.not_after <= now) return "expired";
  return renew::in_words(certificate.not_after - now) + " left";
}

std::string validity(const store::CertificateRecord& certificate, Time now) {
  const std::string moment = notify::in_words(certificate.not_after);
  if (certificate.version == 0) return "There is no certificate yet.";
  if (certificate.not_after <= now)
    return fmt::format("The certificate expired on {}: browsers refuse it.", moment);
  return fmt::format("The present certificate is good until {}.", moment);
}

std::string names_of(const store::CertificateRecord& certificate) {
  if (certificate.names.size() < 2) return {};
  return fmt::format("It is for {}.\n\n", fmt::join(certificate.names, ", "));
}

std::string tried(const store::CertificateRecord& certificate) {
  if (certificate.failures < 2) return "What went wrong:";
  return fmt::format("It was tried {} times since {}. What went wrong last:", certificate.failures,
                     notify::in_words(certificate.first_failure));
}

std::string next_try(const store::CertificateRecord& certificate, Time now) {
  return certificate.next_attempt <= now ? "It is tried again with the next run of everseal renew."
                                         : fmt::format("It is tried again after {}.",
                                                       notify::in_words(certificate.next_attempt));
}

std::vector<notify::Fact> facts_of(const store::CertificateRecord& certificate,
                                   const std::string& error) {
  const auto moment = [](Time time) {
    return time == Time{} ? std::string() : base::to_rfc3339(time);
  };
  return {{"certificate", certificate.name},
          {"names", fmt::format("{}", fmt::join(certificate.names, " "))},
          {"expires", moment(certificate.not_after)},
          {"failures", std::to_string(certificate.failures)},
          {"error", error},
          {"next_attempt", moment(certificate.next_attempt)}};
}

// The names that the live version does without.
std::vector<store::FailingName> left_out(const store::CertificateRecord& certificate) {
  std::vector<store::FailingName> names;
  if (certificate.version == 0) return names;
  std::ranges::copy_if(
      certificate.failing, std::back_inserter(names), [&](const store::FailingName& each) {
        return std::ranges::find(certificate.covered, each.name) == certificate.covered.end();
      });
  return names;
}

notify::Trouble left_out_trouble(const store::CertificateRecord& certificate) {
  std::vector<std::string> names;
  std::string words;
  for (const store::FailingName& each : left_out(certificate)) {
    names.push_back(each.name);
    words += fmt::format("\n\n{}: {}", each.name, each.words);
  }
  const std::string all = fmt::format("{}", fmt::join(names, ", "));
  return {.key = fmt::format("names of {}: {}", certificate.name, all),
          .headline = fmt::format("{} was renewed without {}", certificate.name, all),
          .urgency = "",
          .text = fmt::format(
              "The certificate is good until {} for {}. Browsers refuse it for what "
              "is missing, which is tried again by itself as long as nginx has "
              "it. The CA's words:{}",
              notify::in_words(certificate.not_after), fmt::join(certificate.covered, ", "), words),
          .facts = facts_of(certificate, all)};
}

// Issued, but not what visitors see.
notify::Trouble installation_trouble(const store::CertificateRecord& certificate,
                                     const std::string& error, Time now) {
  return {.key = key_of(certificate.name),
          .headline = fmt::format("the new certificate of {} is not in use", certificate.name),
          .urgency = urgency(certificate, now),
          .text = fmt::format("{}{}\n\nWhat went wrong:\n{}\n\nIt is tried again with the next run "
                              "of everseal renew; the CA is not asked again.",
                              names_of(certificate), validity(certificate, now), error),
          .facts = facts_of(certificate, error)};
}

notify::Trouble run_trouble(const Error& error) {
  return {.key = "renew",
          .headline = "everseal renew failed",
          .text = fmt::format("Nothing is renewed as long as this is so:\n{}", error.message),
          .facts = {{"error", error.message}}};
}

struct ChoreWords {
  const char* kind;
  const char* headline;  // of the subject
  const char* meanwhile;
  const char* again;  // what tries it at once
};
constexpr std::array<ChoreWords, 4> kChoreWords = {{
    {kAccountKey, "the account key at {} could not be changed",
     "The old key stays in use; certificates are renewed as before.", "everseal rotate account"},
    {kDhparam, "the parameters in {} could not be replaced", "The old ones stay in use.",
     "everseal rotate dhparam"},
    {kHook, "the hook {} failed",
     "The certificate itself is in use; what the hook does with it was not done.",
     "everseal renew --force NAME"},
    {kCopy, "the copies in {} could not be made",
     "The certificate itself is in use; who reads the copies still has the old one.",
     "everseal renew --force NAME"},
}};

notify::Trouble chore_trouble(const ChoreWords& words, const store::ChoreRecord& chore) {
  const std::string tries =
      chore.failures < 2
          ? "What went wrong:"
          : fmt::format("It was tried {} times since {}. What went wrong last:", chore.failures,
                        notify::in_words(chore.first_failure));
  return {
      .key = fmt::format("{} {}", chore.kind, chore.subject),
      .headline = fmt::format(fmt::runtime(words.headline), chore.subject),
      .text = fmt::format("{}\n\n{}\n{}\n\nIt is tried again after {}, by everseal renew. To try "
                          "at once: {}",
                          words.meanwhile, tries, chore.last_error,
                          notify::in_words(chore.next_attempt), words.again),
      .facts = {{"kind", chore.kind},
                {"subject", chore.subject},
                {"failures", std::to_string(chore.failures)},
                {"error", chore.last_error},
                {"next_attempt", base::to_rfc3339(chore.next_attempt)}}};
}

notify::Trouble rotation_trouble(const Error& error) {
  return {.key = "rotate",
          .headline = "everseal rotate failed",
          .text = fmt::format("The keys are as they were. What went wrong:\n{}", error.message),
          .facts = {{"error", error.message}}};
}

notify::Trouble clock_trouble(const std::string& doubt) {
  return {.key = "clock",
          .headline = "the clock is wrong",
          .text = fmt::format("Nothing is renewed by such a clock: {}.", doubt),
          .facts = {{"error", doubt}}};
}

// What is wrong after a run of `everseal renew`: by the catalog, and by what the run itself says.
struct Findings {
  std::vector<notify::Trouble> troubles;
  notify::Coverage coverage = notify::Coverage::all;  // part: the run ended early
};

// All that is found wrong, each key once.
class Search {
 public:
  Search(const Environment& environment, State& state)
      : now_(environment.clock.now()), state_(state) {}

  Result<Findings> find(const Result<RenewSummary>& renewed) {
    add_failing(TRY(state_.catalog().failing_certificates()));
    TRY(add_chores());
    if (renewed) {
      if (!renewed->doubt.empty()) add(clock_trouble(renewed->doubt));
      for (const RenewalFailure& each : renewed->failed) TRY(add_failure(each));
    } else {
      add(run_trouble(renewed.error()));
      findings_.coverage = notify::Coverage::part;
    }
    TRY(add_what_waits());
    return std::move(findings_);
  }

  // After a run that has not looked at everything.
  Result<Findings> find_in_part(const Result<>& rotated,
                                const std::vector<RenewalFailure>& failed) {
    add_failing(TRY(state_.catalog().failing_certificates()));
    TRY(add_chores());
    for (const RenewalFailure& each : failed) TRY(add_failure(each));
    TRY(add_what_waits());
    if (!rotated) add(rotation_trouble(rotated.error()));
    findings_.coverage = notify::Coverage::part;
    return std::move(findings_);
  }

 private:
  bool has(const std::string& key) const {
    return std::ranges::find(findings_.troubles, key, &notify::Trouble::key) !=
           findings_.troubles.end();
  }

  void add(notify::Trouble trouble) {
    if (!has(trouble.key)) findings_.troubles.push_back(std::move(trouble));
  }

  void add_failing(const std::vector<store::CertificateRecord>& certificates) {
    for (const store::CertificateRecord& each : certificates) {
      if (each.failures > 0) add(renewal_trouble(each, now_));
      if (!left_out(each).empty()) add(left_out_trouble(each));
    }
  }

  Result<> add_chores() {
    for (const ChoreWords& words : kChoreWords)
      for (const store::ChoreRecord& each : TRY(state_.catalog().failing_chores(words.kind)))
        add(chore_trouble(words, each));
    return {};
  }

  // What is not in the catalog: a version that was issued and could not be installed.
  Result<> add_failure(const RenewalFailure& failure) {
    auto certificate = TRY(state_.catalog().certificate(failure.name));
    if (!certificate) return {};
    const bool is_issued = certificate->renew_at > now_ || TRY(is_ready(*certificate));
    if (is_issued) {
      add(installation_trouble(*certificate, failure.error.message, now_));
    } else {
      certificate->last_error = failure.error.message;
      add(renewal_trouble(*certificate, now_));
    }
    return {};
  }

  Result<bool> is_ready(const store::CertificateRecord& certificate) {
    return TRY(state_.catalog().version(certificate.id, store::VersionState::ready)).has_value();
  }

  // A version that is not installed yet, though this run has not tried.
  Result<> add_what_waits() {
    for (const store::IncidentRecord& known : TRY(state_.catalog().incidents())) {
      if (!known.key.starts_with(kCertificate) || has(known.key)) continue;
      const auto certificate =
          TRY(state_.catalog().certificate(known.key.substr(kCertificate.size())));
      if (certificate && TRY(is_ready(*certificate)))
        add(installation_trouble(*certificate, certificate->last_error, now_));
    }
    return {};
  }

  const Time now_;
  State& state_;
  Findings findings_;
};

std::vector<notify::Incident> read_incidents(std::vector<store::IncidentRecord> records) {
  std::vector<notify::Incident> incidents;
  for (store::IncidentRecord& each : records)
    incidents.push_back({std::move(each.key), std::move(each.headline), each.since, each.told_at});
  return incidents;
}

Result<> save(State& state, const std::vector<notify::Incident>& incidents) {
  std::vector<store::IncidentRecord> records;
  for (const notify::Incident& each : incidents)
    records.push_back({each.key, each.headline, each.since, each.told_at});
  return state.catalog().save_incidents(records);
}

// Whether anybody was reached.
bool report(const Environment& environment, const std::vector<notify::Told>& all) {
  for (const notify::Told& each : all) {
    if (each.result)
      environment.reporter.note(fmt::format("Told by {}", each.way));
    else
      environment.reporter.failed(each.way, each.result.error().message);
  }
  return std::ranges::any_of(all, [](const notify::Told& each) { return each.result.has_value(); });
}

Result<> tell_of(const Environment& environment, State& state, const Findings& findings,
                 const std::vector<std::string>& renewed) {
  const Time now = environment.clock.now();
  const auto known = read_incidents(TRY(state.catalog().incidents()));
  notify::Decision decision = notify::decide(known, findings.troubles, findings.coverage, now);
  const notify::Tidings tidings{.news = std::move(decision.news), .renewed = renewed};
  if (tidings.news.empty() && tidings.renewed.empty()) return {};
  const bool told =
      report(environment, tell(environment, notify::compose(tidings, host_name(), now)));
  return save(state, told ? decision.if_told : decision.if_nobody_was);
}

}  // namespace

notify::Trouble renewal_trouble(const store::CertificateRecord& certificate, Time now) {
  const std::string& name = certificate.name;
  return {.key = key_of(name),
          .headline = fmt::format("{} could not be renewed", name),
          .urgency = urgency(certificate, now),
          .text = fmt::format("{}{}\n\n{}\n{}\n\n{} To try at once: everseal renew {}",
                              names_of(certificate), validity(certificate, now), tried(certificate),
                              certificate.last_error, next_try(certificate, now), name),
          .facts = facts_of(certificate, certificate.last_error)};
}

Result<> tell_of_renewal(const Environment& environment, State& state,
                         const Result<RenewSummary>& renewed) {
  if (!environment.settings.notify.has_any()) return {};
  const bool wants_successes = environment.settings.notify.success && renewed;
  return tell_of(environment, state, TRY(Search(environment, state).find(renewed)),
                 wants_successes ? renewed->renewed : std::vector<std::string>());
}

Result<> tell_of_rotation(const Environment& environment, State& state, const Result<>& rotated,
                          const std::vector<RenewalFailure>& failed) {
  if (!environment.settings.notify.has_any()) return {};
  return tell_of(environment, state, TRY(Search(environment, state).find_in_part(rotated, failed)),
                 {});
}

Result<std::vector<notify::Told>> notify_test(const Environment& environment) {
  if (!environment.settings.notify.has_any())
    return base::invalid(
        "nobody is to be told: the settings have no [notify] with to, webhook or command");
  const Time now = environment.clock.now();
  store::CertificateRecord certificate;
  certificate.name = "example.org";
  certificate.names = {"example.org", "www.example.org"};
  certificate.version = 1;
  certificate.not_after = now + std::chrono::days(12);
  certificate.failures = 1;
  certificate.last_error = "www.example.org: unauthorized: such are the words of a CA";
  certificate.next_attempt = now + std::chrono::minutes(10);
  notify::Trouble trouble = renewal_trouble(certificate, now);
  trouble.text = "This is a test: nothing is wrong.\n\n" + trouble.text;
  notify::Message message = notify::compose(
      {.news = {{.stage = notify::Stage::begun, .trouble = std::move(trouble), .since = now}},
       .renewed = {}},
      host_name(), now);
  message.event = "test";
  message.subject = "Test: " + message.subject;
  return tell(environment, message);
}

}  // namespace everseal::jobs
