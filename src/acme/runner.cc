#include "acme/runner.h"

#include <algorithm>
#include <list>
#include <map>
#include <set>
#include <utility>

#include "acme/order_search.h"

namespace everseal::acme {
namespace {

constexpr base::Milliseconds kStopLatency{200};

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::ranges::sort(names);
  return names;
}

// All issuances of one run(), and what they asked for but do not have yet.
class Runner {
 public:
  Runner(Client& client, std::vector<IssuanceRequest> requests, Host& host,
         const RunnerOptions& options, const IssuanceContext& context)
      : client_(client),
        host_(host),
        options_(options),
        context_(context),
        queue_(std::make_move_iterator(requests.begin()), std::make_move_iterator(requests.end())) {
  }

  void run() {
    recover_unknown_orders();
    for (;;) {
      if (stopping()) stop_all();
      advance_all();
      if (jobs_.empty()) return;
      for (const Reply& each : client_.wait(wait_deadline())) deliver(each);
    }
  }

 private:
  struct Job {
    Issuance issuance;
    std::vector<std::string> names;  // sorted
    Step shown = Step::queued;
  };
  using Slot = std::uint32_t;  // names a job for the length of the run

  bool stopping() const { return options_.stop && *options_.stop; }

  // Replies to newOrder that were lost with an earlier process.
  void recover_unknown_orders() {
    if (std::ranges::none_of(queue_, &IssuanceRequest::recover_unknown_order)) return;
    for (const IssuanceRequest& each : queue_) known_urls_.insert(each.order_url);
    OrdersByNames found = find_open_orders(client_, known_urls_);
    for (IssuanceRequest& each : queue_) {
      if (!std::exchange(each.recover_unknown_order, false) || !each.order_url.empty()) continue;
      each.order_url = take(found, sorted(each.names));
    }
  }

  std::string take(OrdersByNames& orders, const std::vector<std::string>& names) {
    const auto node = orders.extract(names);
    if (node.empty()) return {};
    known_urls_.insert(node.mapped());
    return node.mapped();
  }

  // Until each issuance waits for the CA or for time.
  void advance_all() {
    do {
      start_queued();
      wake_ = Instant::max();
      for (auto& [slot, job] : jobs_) advance(slot, job);
    } while (answer_all());
  }

  void start_queued() {
    for (auto each = queue_.begin();
         each != queue_.end() && jobs_.size() < options_.most_at_once;) {
      auto names = sorted(each->names);
      if (!busy_names_.insert(names).second) {
        ++each;
        continue;
      }
      jobs_.emplace(next_slot_++, Job{.issuance = Issuance(std::move(*each), context_),
                                      .names = std::move(names)});
      each = queue_.erase(each);
    }
  }

  void advance(Slot slot, Job& job) {
    bool more = true;
    while (more) {
      const Action action = job.issuance.next();
      show_progress(job);
      more = std::visit([&](const auto& each) { return act(slot, job, each); }, action);
    }
  }

  void show_progress(Job& job) {
    const Step step = job.issuance.step();
    if (std::exchange(job.shown, step) != step) host_.progress(job.issuance.id(), step);
  }

  // Each returns whether the issuance may have more to do at once.
  bool act(Slot slot, Job&, const action::Send& send) {
    client_.send(std::uint64_t{slot} << 32 | send.tag, send.request);
    return true;
  }
  bool act(Slot slot, Job&, const action::FindOrder&) {
    searching_.push_back(slot);
    return true;
  }
  bool act(Slot slot, Job&, const action::SaveOrder& save) {
    known_urls_.insert(save.record.url);
    saving_.push_back(slot);
    records_.push_back(save.record);
    return true;
  }
  bool act(Slot, Job& job, const action::Publish& publish) {
    job.issuance.on_published(publish.response.token, host_.publish(publish.response));
    return true;
  }
  bool act(Slot, Job&, const action::Retract& retract) {
    host_.retract(retract.response);
    return true;
  }
  bool act(Slot, Job&, const action::Wait& wait) {
    wake_ = std::min(wake_, wait.until);
    return false;
  }
  bool act(Slot slot, Job&, const action::Finished& finished) {
    ended_.push_back(slot);
    outcomes_.push_back(finished.outcome);
    return false;
  }

  // True if an issuance got something to go on with, or made room for another.
  bool answer_all() {
    const bool found = answer_searches(), saved = answer_saves(), ended = hand_out_outcomes();
    return found || saved || ended;
  }

  bool answer_searches() {
    if (searching_.empty()) return false;
    OrdersByNames found = find_open_orders(client_, known_urls_);
    if (stopping()) stop_all();
    for (Slot slot : std::exchange(searching_, {})) {
      Job& job = jobs_.at(slot);
      job.issuance.on_order_found(take(found, job.names));
    }
    return true;
  }

  bool answer_saves() {
    if (records_.empty()) return false;
    const Result<> result = host_.save_orders(std::exchange(records_, {}));
    for (Slot slot : std::exchange(saving_, {})) jobs_.at(slot).issuance.on_saved(result);
    return true;
  }

  bool hand_out_outcomes() {
    if (outcomes_.empty()) return false;
    for (Slot slot : std::exchange(ended_, {})) {
      busy_names_.erase(jobs_.at(slot).names);
      jobs_.erase(slot);
    }
    host_.finished(std::exchange(outcomes_, {}));
    return true;
  }

  Instant wait_deadline() const {
    if (!options_.stop) return wake_;
    return std::min(wake_, client_.clock().steady_now() + kStopLatency);
  }

  void deliver(const Reply& reply) {
    const auto job = jobs_.find(static_cast<Slot>(reply.id >> 32));
    if (job == jobs_.end()) return;  // it ended without waiting for this
    job->second.issuance.on_response(static_cast<std::uint32_t>(reply.id), reply.result);
  }

  void stop_all() {
    for (auto& [slot, job] : jobs_) job.issuance.abort();
    for (IssuanceRequest& each : std::exchange(queue_, {})) {
      outcomes_.push_back({.id = each.id,
                           .chain = base::transient("stopped"),
                           .problems = {},
                           .problem_type = {},
                           .retry_at = {},
                           .order_url = each.order_url,
                           .notices = {},
                           .replaces = {}});
    }
  }

  Client& client_;
  Host& host_;
  const RunnerOptions& options_;
  const IssuanceContext& context_;

  std::list<IssuanceRequest> queue_;
  std::map<Slot, Job> jobs_;
  std::set<std::vector<std::string>> busy_names_;  // of jobs_
  std::set<std::string> known_urls_;               // of orders that some issuance has
  Slot next_slot_ = 1;
  Instant wake_{};

  std::vector<Slot> searching_, saving_, ended_;
  std::vector<OrderRecord> records_;  // of saving_
  std::vector<Outcome> outcomes_;     // of ended_
};

// The client looks at `stop` as long as a run lasts.
class Stoppable {
 public:
  Stoppable(Client& client, const std::atomic<bool>* stop) : client_(client) {
    client.end_on(stop);
  }
  ~Stoppable() { client_.end_on(nullptr); }
  Stoppable(const Stoppable&) = delete;
  Stoppable& operator=(const Stoppable&) = delete;

 private:
  Client& client_;
};

}  // namespace

Result<> run(Client& client, std::vector<IssuanceRequest> requests, Host& host,
             const RunnerOptions& options) {
  const Stoppable stoppable(client, options.stop);
  const IssuanceContext context{.clock = client.clock(),
                                .directory = *TRY(client.directory()),
                                .origin = client.origin(),
                                .deadline = options.deadline};
  Runner(client, std::move(requests), host, options, context).run();
  return {};
}

}  // namespace everseal::acme
