#include "jobs/telling.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <thread>

#include "base/encoding.h"
#include "base/stop.h"
#include "crypto/random.h"
#include "jobs/chores.h"
#include "jobs/haproxy.h"
#include "jobs/kept.h"
#include "jobs/memory.h"
#include "jobs/notices.h"
#include "jobs/trust.h"
#include "renew/words.h"

namespace everseal::jobs {
namespace {

using base::stop_requested;

// Keys of incidents begin so.
constexpr std::string_view kCertificate = "certificate ", kServed = "served ", kUnused = "unused ",
                           kUnsecured = "unsecured ";
constexpr const char* kNobodyAnswers = "unreachable";
constexpr const char* kSilence = "silence";
constexpr const char* kRun = "renew";
constexpr std::size_t kMostPlaces = 5;
// More than all ways together may take.
constexpr base::Seconds kLongestTelling = std::chrono::minutes(5);
constexpr base::Milliseconds kTick{100};

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

std::vector<notify::Told> tell(
    const Environment& environment, const notify::Message& message,
    std::function<void()> heard = [] {}) {
  constexpr std::size_t kIdBytes = 8;
  WorkersCourier courier(environment);
  const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY");  // systemd.exec(5)
  return notify::tell(message, environment.settings.notify,
                      {.files = environment.files,
                       .commands = environment.commands,
                       .courier = courier,
                       .credentials = credentials ? credentials : "",
                       .id = base::hex(crypto::random_bytes(kIdBytes)),
                       .heard = std::move(heard)});
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
  return {.key = kRun,
          .headline = "everseal renew failed",
          .text = fmt::format("Nothing is renewed as long as this is so:\n{}", error.message),
          .facts = {{"error", error.message}}};
}

notify::Trouble unrecorded_trouble(const Error& error) {
  return {.key = kRun,
          .headline = "everseal renew could not record what it did",
          .text = fmt::format("Certificates are in place as before, but the next run does not know "
                              "what this one has done:\n{}",
                              error.message),
          .facts = {{"error", error.message}}};
}

struct ChoreWords {
  const char* kind;
  const char* headline;  // of the subject
  const char* meanwhile;
  const char* again;  // what tries it at once
};
constexpr std::array<ChoreWords, 6> kChoreWords = {{
    {kNginxTest, "nginx would not start again with {}",
     "It goes on with what it has read; a restart would end it, a reload is refused.", "nginx -t"},
    {kAccountKey, "the account key at {} could not be changed",
     "The old key stays in use; certificates are renewed as before.", "everseal rotate account"},
    {kDhparam, "the parameters in {} could not be replaced", "The old ones stay in use.",
     "everseal rotate dhparam"},
    {kHook, "the hook {} failed",
     "The certificate itself is in use; what the hook does with it was not done.",
     "everseal renew --force NAME"},
    {kHooks, "the hooks in {} could not be read",
     "The certificates themselves are in use; what these hooks do with them is not done.",
     "everseal renew"},
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

notify::Trouble step_trouble(const RenewalFailure& step) {
  return {.key = "step " + step.name,
          .headline = step.name,
          .text = fmt::format("Certificates are renewed all the same. What went wrong:\n{}",
                              step.error.message),
          .facts = {{"error", step.error.message}}};
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

// One for all certificates that wait for it.
notify::Trouble haproxy_trouble(std::span<const std::string> names, const std::string& error) {
  const auto shown = names.first(std::min(names.size(), kMostPlaces));
  const std::string more =
      shown.size() == names.size() ? "" : fmt::format(" and {} more", names.size() - shown.size());
  return {
      .key = "haproxy",
      .headline = "HAProxy's socket gives no answer",
      .text = fmt::format(
          "HAProxy keeps the certificates that it has; new ones wait for it: {}{}.\n\nWhat went "
          "wrong:\n{}\n\nIt is tried again with the next run of everseal renew.",
          fmt::join(shown, ", "), more, error),
      .facts = {{"certificates", std::to_string(names.size())}, {"error", error}}};
}

notify::Trouble unreachable_trouble(const std::vector<store::ServedRecord>& all) {
  std::string places;
  for (const store::ServedRecord& each : std::span(all).first(std::min(all.size(), kMostPlaces)))
    places += each.problem + '\n';
  const std::string what =
      all.size() == 1 ? "a certificate" : fmt::format("{} certificates", all.size());
  return {.key = kNobodyAnswers,
          .headline = fmt::format("nobody answers where {} should be served", what),
          .text = fmt::format("By the configuration {} should be served where this was seen:\n{}\n"
                              "It is looked at again with the next run of everseal renew.",
                              what, places),
          .facts = {{"certificates", std::to_string(all.size())}, {"error", places}}};
}

notify::Trouble unlooked_trouble(const Error& error) {
  return {.key = "served",
          .headline = "what nginx serves could not be looked at",
          .text = fmt::format("Whether visitors get the right certificates is not known:\n{}",
                              error.message),
          .facts = {{"error", error.message}}};
}

notify::Trouble silence_trouble(std::string headline) {
  return {
      .key = kSilence,
      .headline = std::move(headline),
      .text =
          "It is to run every day. This run has done what was due; see to it that its timer, or "
          "its line in cron, is as it should be.",
      .once = true};
}

notify::Trouble notice_trouble(const store::IncidentRecord& notice) {
  return {
      .key = notice.key,
      .headline = notice.headline,
      .text = fmt::format("everseal saw this on {} and goes on by itself. If you do not know why "
                          "it is so, look for what removes or changes files there.",
                          notify::in_words(notice.since)),
      .facts = {{"subject", notice.key.substr(kNotice.size())}},
      .once = true};
}

notify::Trouble unsecured_trouble(const std::string& name, const std::string& where) {
  return {
      .key = std::string(kUnsecured) + name,
      .headline = fmt::format("{} is new in nginx and not secured", name),
      .text = fmt::format("{}No certificate is kept for it. If it should have one: "
                          "everseal secure {} --dry-run shows what would change.",
                          where.empty() ? "" : fmt::format("It was found at {}. ", where), name),
      .facts = {{"name", name}, {"where", where}},
      .once = true};
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
      : now_(environment.clock.now()),
        has_haproxy_(environment.settings.haproxy.has_value()),
        state_(state) {}

  Result<Findings> find(const Result<RenewSummary>& renewed) {
    add_failing(TRY(state_.catalog().failing_certificates()));
    TRY(add_chores());
    if (renewed) {
      if (renewed->unrecorded) add(unrecorded_trouble(*renewed->unrecorded));
      if (!renewed->doubt.empty()) add(clock_trouble(renewed->doubt));
      TRY(add_failures(renewed->failed));
      for (const RenewalFailure& each : renewed->failed_steps) add(step_trouble(each));
    } else {
      add(run_trouble(renewed.error()));
      findings_.coverage = notify::Coverage::part;
    }
    TRY(add_what_waits());
    TRY(add_served());
    if (renewed) add_found(*renewed);
    TRY(add_what_nobody_heard(renewed && renewed->served));
    return std::move(findings_);
  }

  // After a run that has not looked at everything.
  Result<Findings> find_in_part(const Result<>& rotated,
                                const std::vector<RenewalFailure>& failed) {
    add_failing(TRY(state_.catalog().failing_certificates()));
    TRY(add_chores());
    TRY(add_failures(failed));
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

  Result<> add_failures(const std::vector<RenewalFailure>& failures) {
    std::vector<std::string> unheard;
    for (const RenewalFailure& each : failures) {
      if (!each.is_unheard)
        TRY(add_failure(each));
      else
        unheard.push_back(each.name);
    }
    if (!unheard.empty())
      add(haproxy_trouble(
          unheard, std::ranges::find_if(failures, &RenewalFailure::is_unheard)->error.message));
    return {};
  }

  // What is not in the catalog: a version that was issued and could not be installed, or a failure
  // that could not be recorded.
  Result<> add_failure(const RenewalFailure& failure) {
    auto certificate = TRY(state_.catalog().certificate(failure.name));
    if (!certificate) return {};
    const bool is_to_be_shown =
        has_haproxy_ && certificate->version > 0 && !is_in_haproxy(*certificate);
    if (is_to_be_shown || TRY(is_ready(*certificate))) {
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

  // By the last look, whenever that was.
  Result<> add_served() {
    std::vector<store::ServedRecord> unreachable;
    for (store::ServedRecord& each : TRY(state_.catalog().served_troubles())) {
      if (each.sight == store::Sight::unreachable) {
        unreachable.push_back(std::move(each));
      } else if (const auto certificate = TRY(state_.catalog().certificate(each.certificate_id))) {
        add(served_trouble(*certificate, each, now_));
      }
    }
    if (!unreachable.empty()) add(unreachable_trouble(unreachable));
    return {};
  }

  void add_found(const RenewSummary& renewed) {
    if (renewed.not_looked) add(unlooked_trouble(*renewed.not_looked));
    if (renewed.silence > base::Seconds(0))
      add(silence_trouble(
          fmt::format("everseal renew had not run for {}", renew::in_words(renewed.silence))));
    if (!renewed.served) return;
    for (const UnsecuredName& each : renewed.served->unsecured)
      add(unsecured_trouble(each.name, each.where));
  }

  // What an earlier run found, and this one has not looked for.
  Result<> add_what_nobody_heard(bool has_looked) {
    for (const store::IncidentRecord& known : TRY(state_.catalog().incidents())) {
      if (has(known.key)) continue;
      if (known.key == kSilence && known.told_at == Time()) add(silence_trouble(known.headline));
      if (known.key.starts_with(kNotice) && known.told_at == Time()) add(notice_trouble(known));
      if (known.key.starts_with(kUnsecured) && !has_looked)
        add(unsecured_trouble(known.key.substr(kUnsecured.size()), ""));
    }
    return {};
  }

  const Time now_;
  const bool has_haproxy_;
  State& state_;
  Findings findings_;
};

// Names that were there when nginx's configuration was looked at for the first time are no news:
// whoever ran `everseal secure` has seen them.
Result<std::vector<notify::Incident>> names_of_the_first_look(State& state,
                                                              const Result<RenewSummary>& renewed,
                                                              Time now) {
  std::vector<notify::Incident> known;
  if (!renewed || !renewed->served ||
      TRY(state.catalog().last(store::Moment::names_check)) != Time())
    return known;
  for (const UnsecuredName& each : renewed->served->unsecured) {
    notify::Trouble trouble = unsecured_trouble(each.name, each.where);
    known.push_back({std::move(trouble.key), std::move(trouble.headline), now, now, true});
  }
  return known;
}

std::vector<notify::Incident> read_incidents(std::vector<store::IncidentRecord> records) {
  std::vector<notify::Incident> incidents;
  for (store::IncidentRecord& each : records)
    incidents.push_back(
        {std::move(each.key), std::move(each.headline), each.since, each.told_at, each.once});
  return incidents;
}

Result<> save(store::Catalog& catalog, const std::vector<notify::Incident>& incidents) {
  std::vector<store::IncidentRecord> records;
  for (const notify::Incident& each : incidents)
    records.push_back({each.key, each.headline, each.since, each.told_at, each.once});
  return catalog.save_incidents(records);
}

// What somebody has heard of: in the catalog, and beside it where that could not take it.
class ToldIncidents {
 public:
  // `catalog`: null, where there is none.
  ToldIncidents(const MemoryPlaces& places, store::Catalog* catalog)
      : places_(places), catalog_(catalog), memory_(places.read()) {
    auto recorded = catalog ? catalog->incidents() : Result<std::vector<store::IncidentRecord>>();
    if (recorded)
      recorded_ = read_incidents(*std::move(recorded));
    else
      catalog_ = nullptr;  // it is damaged
  }

  std::vector<notify::Incident> known() const {
    if (!memory_) return recorded_;
    if (memory_->is_whole) return memory_->incidents;
    std::vector<notify::Incident> all = recorded_;
    for (const notify::Incident& each : memory_->incidents) {
      std::erase_if(all, [&](const notify::Incident& known) { return known.key == each.key; });
      all.push_back(each);
    }
    return all;
  }

  bool is_recorded(const std::vector<notify::Incident>& incidents) const {
    return catalog_ && !memory_ && recorded_ == incidents;
  }

  // Into the catalog; where that cannot take it, or for `problem`, which kept this run from working
  // or from recording what it did, also beside it. Errors: those of the catalog, and of all places.
  Result<> save(const std::vector<notify::Incident>& incidents, std::string problem, Time now) {
    Result<> saved;
    if (catalog_ && (memory_ || recorded_ != incidents)) saved = jobs::save(*catalog_, incidents);
    if (catalog_ && saved) recorded_ = incidents;
    if (!saved && problem.empty()) problem = saved.error().message;
    if (!problem.empty()) {
      const bool is_whole = catalog_ || (memory_ && memory_->is_whole);
      memory_ = Memory{now, std::move(problem), incidents, is_whole};
      const Result<> beside = within("remember what was told", places_.save(*memory_));
      if (saved) saved = beside;
    } else if (memory_) {
      places_.forget();
      memory_.reset();
    }
    return saved;
  }

 private:
  const MemoryPlaces& places_;
  store::Catalog* catalog_;
  std::optional<Memory> memory_;
  std::vector<notify::Incident> recorded_;  // in the catalog
};

// Waits for others who tell: nobody hears of anything twice. Where nobody can take a turn it is
// none, and not waited for.
Result<base::FileDescriptor> wait_for_turn(const MemoryPlaces& places) {
  const Instant deadline = std::chrono::steady_clock::now() + kLongestTelling;
  for (;;) {
    auto turn = places.take_turn();
    if (!turn) return base::FileDescriptor();
    if (*turn) return **std::move(turn);
    if (stop_requested || std::chrono::steady_clock::now() >= deadline)
      return base::transient("another everseal tells, and does not end");
    std::this_thread::sleep_for(kTick);
  }
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

// What one run has to tell.
struct RunReport {
  Findings findings;
  std::vector<std::string> renewed{};
  std::string problem{};                    // as Memory has it
  std::vector<notify::Incident> no_news{};  // that somebody is taken to know
};

notify::Decision decide(const ToldIncidents& told_before, const RunReport& run, Time now) {
  auto known = told_before.known();
  known.insert(known.end(), run.no_news.begin(), run.no_news.end());
  return notify::decide(known, run.findings.troubles, run.findings.coverage, now);
}

// Whether this run has nothing to say, and nothing that others should remember.
bool is_quiet(const ToldIncidents& told_before, const RunReport& run, Time now) {
  const notify::Decision decision = decide(told_before, run, now);
  return decision.news.empty() && run.renewed.empty() && run.problem.empty() &&
         told_before.is_recorded(decision.if_told);
}

Result<> tell_of(const Environment& environment, store::Catalog* catalog, const RunReport& run) {
  const MemoryPlaces places(environment.settings.state, ::geteuid());
  const Time now = environment.clock.now();
  if (is_quiet(ToldIncidents(places, catalog), run, now)) return {};
  const base::FileDescriptor turn = TRY(wait_for_turn(places));
  ToldIncidents told_before(places, catalog);
  notify::Decision decision = decide(told_before, run, now);
  // Before anybody is told. What cannot be remembered is told by each run: that is better than
  // silence, which any user could bring about who takes the places.
  const Result<> saved = told_before.save(decision.if_nobody_was, run.problem, now);
  const notify::Tidings tidings{.news = std::move(decision.news), .renewed = run.renewed};
  const bool has_something = !tidings.news.empty() || !tidings.renewed.empty();
  if (!has_something || !environment.settings.notify.has_any() || stop_requested) return saved;
  const auto remember = [&] {  // once more below, where it is an error if it fails
    static_cast<void>(told_before.save(decision.if_told, run.problem, now));
  };
  const notify::Message message = notify::compose(tidings, host_name(), now);
  if (!report(environment, tell(environment, message, remember))) return saved;
  return told_before.save(decision.if_told, run.problem, now);
}

// By what it says in the end: why it could not work, or could not record what it did.
std::string problem_of(const Result<RenewSummary>& renewed) {
  if (!renewed) return renewed.error().message;
  return renewed->unrecorded ? renewed->unrecorded->message : "";
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

notify::Trouble served_trouble(const store::CertificateRecord& certificate,
                               const store::ServedRecord& served, Time now) {
  const std::string& name = certificate.name;
  const auto facts = facts_of(certificate, served.problem);
  if (served.sight == store::Sight::unused)
    return {.key = std::string(kUnused) + name,
            .headline = fmt::format("nginx no longer uses the certificate of {}", name),
            .urgency = urgency(certificate, now),
            .text =
                "Its configuration does not name it any more, so it is not renewed. If that was "
                "meant, there is nothing to do. If not: everseal secure " +
                name,
            .facts = facts,
            .once = true};
  const std::string left = served.not_after <= now
                               ? "what is served has expired"
                               : renew::in_words(served.not_after - now) + " left";
  const bool in_nginx = certificate.in_nginx || !is_in_haproxy(certificate);
  const char* const who = !in_nginx                    ? "HAProxy"
                          : is_in_haproxy(certificate) ? "nginx or HAProxy"
                                                       : "nginx";
  return {
      .key = std::string(kServed) + name,
      .headline = fmt::format("{} serves something else than the certificate of {}", who, name),
      .urgency = left,
      .text = fmt::format("{}This was seen where {} should serve it:\n{}\n\n"
                          "Often {} was not reloaded, or its configuration names another file.{}",
                          names_of(certificate), who, served.problem, in_nginx ? "nginx" : "it",
                          in_nginx ? " nginx -s reload may be all that is missing." : ""),
      .facts = facts};
}

Result<> tell_of_renewal(const Environment& environment, State& state,
                         const Result<RenewSummary>& renewed) {
  auto findings = Search(environment, state).find(renewed);
  if (!findings) {  // the catalog cannot be read
    state.let_others_work();
    tell_of_no_run(environment, findings.error());
    return std::unexpected(std::move(findings).error());
  }
  RunReport run{.findings = *std::move(findings), .problem = problem_of(renewed)};
  if (renewed && environment.settings.notify.success) run.renewed = renewed->renewed;
  const Time now = environment.clock.now();
  run.no_news = TRY(names_of_the_first_look(state, renewed, now));
  state.let_others_work();
  TRY(tell_of(environment, &state.catalog(), run));
  if (!renewed || !renewed->served) return {};
  return state.catalog().save_last(store::Moment::names_check, now);
}

void tell_of_no_run(const Environment& environment, const Error& why) {
  const RunReport run{.findings = {{run_trouble(why)}, notify::Coverage::part},
                      .problem = why.message};
  if (const auto told = tell_of(environment, nullptr, run); !told)
    environment.reporter.failed("telling the administrator", told.error().message);
}

Result<> tell_of_rotation(const Environment& environment, State& state, const Result<>& rotated,
                          const std::vector<RenewalFailure>& failed) {
  const RunReport run{.findings = TRY(Search(environment, state).find_in_part(rotated, failed))};
  state.let_others_work();
  return tell_of(environment, &state.catalog(), run);
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
