#include "deploy/proof.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <thread>

#include "base/encoding.h"
#include "base/stop.h"
#include "deploy/error_log.h"
#include "scan/probe.h"

namespace everseal::deploy {
namespace {

constexpr base::Milliseconds kTimeout{2000};  // of one look
constexpr base::Milliseconds kPause{10};      // between two rounds of looks
constexpr base::Milliseconds kSettling{200};  // in which workers that live are the same
constexpr base::Milliseconds kDying{50};      // after which the death of a worker that we met shows
constexpr int kRounds = 4;                    // of which one must find them the same
constexpr int kLooks = 10;                    // in the time of settling
constexpr std::string_view kToken = "everseal-looks-whether-this-path-is-answered";

scan::Target target(const nginx::Endpoint& endpoint) {
  return {endpoint.address, static_cast<std::uint16_t>(endpoint.port), endpoint.proxy_protocol};
}

Result<> look(scan::Visitor& visitor, const ServesLeaf& expected) {
  const auto leaf = TRY(see(visitor, expected));
  if (leaf.fingerprint == expected.fingerprint) return {};
  return base::transient(fmt::format("{}: serves another certificate ({}, until {})",
                                     seen_at(expected.endpoint), leaf.issuer,
                                     base::to_rfc3339(leaf.not_after)));
}

Result<> look(scan::Visitor& visitor, const Redirects& expected) {
  const nginx::Endpoint& endpoint = expected.endpoint;
  const auto answer = TRY(visitor.get(target(endpoint), endpoint.name, "/", kTimeout));
  if ((answer.status == 301 || answer.status == 308) &&
      answer.location == fmt::format("https://{}/", endpoint.name))
    return {};
  return base::transient(fmt::format("{}: does not redirect to https (status {}, location '{}')",
                                     seen_at(endpoint), answer.status,
                                     base::printable(answer.location)));
}

Result<> look(scan::Visitor& visitor, const AnswersChallenge& expected) {
  const nginx::Endpoint& endpoint = expected.endpoint;
  const auto answer =
      TRY(visitor.get(target(endpoint), endpoint.name,
                      fmt::format("/.well-known/acme-challenge/{}", kToken), kTimeout));
  if (answer.status == 200 && answer.body == fmt::format("{}.{}", kToken, expected.thumbprint))
    return {};
  return base::transient(
      fmt::format("{}: /.well-known/acme-challenge/ is answered by something else (status {})",
                  seen_at(endpoint), answer.status));
}

Result<> look(scan::Visitor& visitor, const Expectation& expectation) {
  return std::visit([&](const auto& expected) { return look(visitor, expected); }, expectation);
}

Result<> not_reached() {
  return base::transient("was not looked at: nginx answers too slowly, or not at all");
}

// Where there are two masters, workers of both take connections, and only those of one get the
// configuration: the one before an upgrade of the binary does not even read it (nginx.org,
// "Controlling nginx"). So a look would prove by luck.
Result<pid_t> only_master(const nginx::Instance& instance, base::Milliseconds patience) {
  const Instant deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    const pid_t master = TRY(instance.master());
    const auto others = TRY(instance.other_masters(master));
    if (others.empty()) return master;
    if (std::chrono::steady_clock::now() >= deadline)
      return base::transient(fmt::format(
          "nginx has two masters, processes {} and {}, which both take connections: an upgrade of "
          "its binary was begun and not ended. End it with `kill -QUIT {}` if nginx works well, "
          "and run again",
          master, others.front(), others.front()));
    std::this_thread::sleep_for(kPause);
  }
}

// Looks at the workers that a reload has started, again and again, for one that dies. Where the
// error log can be read it says so. Else those that have died are told from those that another
// reload has sent away by this: nginx starts new ones before it sends old ones away
// (ngx_master_process_cycle), but in place of a dead one after its death.
class Watch {
 public:
  explicit Watch(const NewWorkers& workers) : log_(workers.log), workers_(workers.pids) {}

  // Whether all are there, or those that are not have not died. What is there now is what is
  // expected the next time.
  bool is_well(const std::vector<pid_t>& now) {
    gone_.clear();
    std::ranges::set_difference(workers_, now, std::back_inserter(gone_));
    const bool none_died = gone_.empty() || (log_.is_readable() && !died());
    if (none_died && !workers_.empty() && !now.empty()) return true;
    workers_ = now;  // none, where the dead are not replaced yet
    newer_.clear();
    return false;
  }

  // Whether some have gone while newer ones, who were met beside all of them, live.
  bool have_changed_places(const std::vector<pid_t>& now) {
    if (std::ranges::includes(now, workers_)) {
      newer_.clear();
      std::ranges::set_difference(now, workers_, std::back_inserter(newer_));
      return false;
    }
    return !workers_.empty() && !newer_.empty() && std::ranges::includes(now, newer_);
  }

  bool none_was_left() const { return gone_.empty(); }

 private:
  bool died() const {
    const auto complaints = log_.complaints();
    return std::ranges::any_of(gone_, [&](pid_t pid) { return tells_death_of(complaints, pid); });
  }

  const ErrorLog& log_;
  std::vector<pid_t> workers_;  // sorted, as all
  std::vector<pid_t> gone_, newer_;
};

const std::string& name_of(const Expectation& expectation) {
  return std::visit(
      [](const auto& expected) -> const std::string& { return expected.endpoint.name; },
      expectation);
}

}  // namespace

std::string seen_at(const nginx::Endpoint& endpoint) {
  return fmt::format("{} at {}", endpoint.name, scan::to_string(target(endpoint)));
}

Result<scan::Leaf> see(scan::Visitor& visitor, const ServesLeaf& expected) {
  scan::Target where = target(expected.endpoint);
  where.key = expected.key;
  return visitor.handshake(where, expected.endpoint.name, kTimeout);
}

Result<NewWorkers> reload(const nginx::Instance& instance, base::Milliseconds patience) {
  const pid_t master = TRY(only_master(instance, patience));
  const std::vector<pid_t> before = TRY(instance.children(master));
  const auto is_new = [&](pid_t pid) { return !std::ranges::binary_search(before, pid); };
  NewWorkers started{{},
                     ErrorLog(instance.error_log_path(), master),
                     TRY(instance.leaving_workers(master)).size()};
  TRY(instance.reload());
  const Instant deadline = std::chrono::steady_clock::now() + patience;
  std::vector<pid_t>& workers = started.pids;
  std::vector<std::string> complaints;
  while (std::chrono::steady_clock::now() < deadline &&
         std::ranges::none_of(complaints, is_final)) {
    std::this_thread::sleep_for(kPause);
    workers = TRY(instance.workers(master));
    if (!workers.empty() && std::ranges::all_of(workers, is_new)) {
      // A worker calls itself "shutting down" right before it closes its listeners.
      std::this_thread::sleep_for(kPause);
      return started;
    }
    complaints = started.log.complaints();
  }
  const std::string words =
      complaints.empty() ? "" : fmt::format(": {}", fmt::join(complaints, "; "));
  if (!workers.empty() && std::ranges::none_of(workers, is_new))
    return base::rejected("nginx was told to reload and goes on with the configuration of before" +
                          words);
  return base::transient("nginx's new workers do not live" + words);
}

Result<> check_alive(const nginx::Instance& instance, const NewWorkers& workers) {
  const pid_t master = TRY(only_master(instance, base::Milliseconds(0)));
  Watch watch(workers);
  std::this_thread::sleep_for(kDying);
  for (int round = 0; round < kRounds; ++round) {
    if (watch.is_well(TRY(instance.workers(master)))) return {};
    for (int look = 0; look < kLooks; ++look) {
      std::this_thread::sleep_for(kSettling / kLooks);
      if (watch.have_changed_places(TRY(instance.workers(master)))) return {};
    }
  }
  return base::transient(
      fmt::format("nginx's new workers do not live: {} within {} ms of the reload",
                  watch.none_was_left() ? "none was left" : "one was gone",
                  (kDying + kRounds * kSettling).count()));
}

std::vector<Disproof> prove(scan::Visitor& visitor, std::span<const Expectation> expectations,
                            base::Milliseconds patience) {
  const Instant deadline = std::chrono::steady_clock::now() + patience;
  const Instant hard_deadline = deadline + patience;  // for one round of looks that all wait
  std::vector<const Expectation*> open;
  for (const Expectation& expectation : expectations) open.push_back(&expectation);
  while (true) {
    std::vector<Disproof> unseen;
    std::vector<const Expectation*> still_open;
    for (const Expectation* expectation : open) {
      const bool late = std::chrono::steady_clock::now() >= hard_deadline;
      Result<> seen = late ? not_reached() : look(visitor, *expectation);
      if (!seen) {
        unseen.push_back({name_of(*expectation), std::move(seen).error()});
        still_open.push_back(expectation);
      }
    }
    open = std::move(still_open);
    if (open.empty() || base::stop_requested || std::chrono::steady_clock::now() >= deadline)
      return unseen;
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace everseal::deploy
