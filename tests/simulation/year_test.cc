// A year of a thousand sites, without a socket, root or sleep: the real client, the real CA and the
// real decisions, on a clock that stands still while anything is done.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <queue>
#include <random>

#include "acme/renewal_info.h"
#include "ca/front_end_fixture.h"
#include "ca/loopback_fixture.h"
#include "ca/loopback_transport.h"
#include "renew/history.h"
#include "renew/plan.h"

namespace everseal::simulation {
namespace {

using base::Milliseconds;
using base::Seconds;
using base::to_rfc3339;
using ca::kStart;
using namespace std::chrono_literals;
using std::chrono::days;

struct Span {
  Time begin, end;
  bool holds(Time time) const { return begin <= time && time < end; }
};

constexpr Seconds kYear = days(365);
const Time kEnd = kStart + kYear;

// When nobody reaches the CA: an evening, a weekend, three days, and a night just when lifetimes
// change.
const std::vector<Span> kOutages = {
    {kStart + days(30) + 17h, kStart + days(30) + 21h},
    {kStart + days(71), kStart + days(73)},
    {*base::parse_rfc3339("2027-02-09T22:00:00Z"), *base::parse_rfc3339("2027-02-10T06:00:00Z")},
    {kStart + days(160) + 3h, kStart + days(163) + 3h},
    {kStart + days(250), kStart + days(250) + 10min},
};

bool is_down(Time time) {
  return std::ranges::any_of(kOutages, [&](const Span& each) { return each.holds(time); });
}

// The way to the CA: 50 ms there and back, and nowhere during an outage. Counts, and remembers
// every refusal for a limit.
class Wire : public http::Transport {
 public:
  Wire(ca::FrontEnd& front_end, base::FakeClock& clock) : inner_(front_end, clock), clock_(clock) {}

  void send(std::uint64_t id, http::Request request) override {
    requests++;
    inner_.is_down = is_down(clock_.now());
    inner_.send(id, std::move(request));
  }

  std::vector<http::Completion> wait(Instant deadline) override {
    auto all = inner_.wait(deadline);
    if (!all.empty()) clock_.advance(50ms);
    for (const http::Completion& each : all) look(each);
    return all;
  }

  std::int64_t requests = 0;
  std::vector<std::string> refusals;

 private:
  void look(const http::Completion& each) {
    if (!each.result || each.result->status < 400) return;
    if (each.result->body.contains("rateLimited")) refusals.push_back(each.result->body);
  }

  ca::LoopbackTransport inner_;
  base::FakeClock& clock_;
};

// A site: its certificate, and what the simulation knows beside it.
struct Site {
  renew::Kept kept;
  std::string profile;
  std::string certificate_id;  // RFC 9773 §4.1
  std::string order_url;       // of an order to resume
};

class Year : public ca::FrontEndTest {
 protected:
  static constexpr const char* kServer = "https://acme-v02.api.letsencrypt.org/directory";

  Year() {
    ca::Policy policy;
    policy.limits.emplace();
    policy.renewal_poll = 24h;
    use(policy);
    EXPECT_TRUE(client_.register_account());
  }

  Site& add(std::vector<std::string> names, std::string profile) {
    Site& site = sites_.emplace_back();
    site.kept.id = static_cast<std::int64_t>(sites_.size()) - 1;
    site.kept.server = kServer;
    site.kept.names = std::move(names);
    site.profile = std::move(profile);
    return site;
  }

  // From `begin` until `end` the CA finds that the name is not ours.
  void die(const std::string& name, Time begin, Time end) {
    at(begin, [=, this] {
      validator_.refused[name] = {.type = "unauthorized", .detail = "404", .status = 403};
    });
    at(end, [=, this] { validator_.refused.erase(name); });
  }

  // All certificates of before are to be replaced at once.
  void incident(Time when) {
    at(when, [=, this] {
      incidents_.push_back(when);
      EXPECT_TRUE(ledger_.set_renewal_window_of_all(
          when - 2h, {when - 2h, when - 1h, "https://ca.test/incident"}));
    });
  }

  void at(Time when, std::function<void()> act) { events_.emplace(when, std::move(act)); }

  void live() {
    for (std::size_t i = 0; i < sites_.size(); i++) agenda_.emplace(kStart, i);
    for (int day = 1; day < 365; day++)
      at(kStart + days(day), [this] { EXPECT_TRUE(ledger_.forget(clock_.now() - days(8))); });
    while (sleep_to_next()) turn(due_sites());
  }

  int renewals_ = 0, failures_ = 0, first_ = 0, inside_ = 0, shrunk_ = 0;
  std::vector<std::string> late_;  // what was renewed outside its window without excuse
  Wire wire_{front_end_, clock_};
  std::vector<Site> sites_;

 private:
  // ---- Time

  // To the next exact moment at which somebody wants something; false at the end of the year.
  bool sleep_to_next() {
    Time next = agenda_.begin()->first;
    if (!events_.empty()) next = std::min(next, events_.begin()->first);
    if (next >= kEnd) return false;
    if (next > clock_.now()) clock_.advance(next - clock_.now());
    while (!events_.empty() && events_.begin()->first <= clock_.now()) {
      const auto event = events_.extract(events_.begin());
      event.mapped()();
    }
    return true;
  }

  std::vector<std::size_t> due_sites() {
    std::vector<std::size_t> due;
    while (!agenda_.empty() && agenda_.begin()->first <= clock_.now()) {
      due.push_back(agenda_.begin()->second);
      agenda_.erase(agenda_.begin());
    }
    return due;
  }

  // ---- One turn of the scheduler: ask, decide again, order, decide again

  void turn(const std::vector<std::size_t>& due) {
    renew::Plan plan = decide(due);
    if (ask(plan)) plan = decide(due);
    if (order(plan)) plan = decide(due);
    for (const renew::Action& each : plan.actions)
      agenda_.emplace(std::max(each.at, clock_.now() + 1s), static_cast<std::size_t>(each.id));
  }

  renew::Plan decide(const std::vector<std::size_t>& due) const {
    std::vector<renew::Kept> inventory;
    for (const std::size_t each : due) inventory.push_back(sites_[each].kept);
    return renew::plan(inventory, {.now = clock_.now()}, limits_);
  }

  Site& site_of(const renew::Action& action) {
    return sites_[static_cast<std::size_t>(action.id)];
  }

  bool ask(const renew::Plan& plan) {
    std::vector<Site*> asked;
    std::vector<std::string> ids;
    for (const renew::Action& each : plan.actions) {
      if (each.what != renew::Do::ask) continue;
      asked.push_back(&site_of(each));
      ids.push_back(asked.back()->certificate_id);
    }
    if (ids.empty()) return false;
    const auto answers = acme::fetch_renewal_info(client_, ids);
    EXPECT_TRUE(answers);
    for (std::size_t i = 0; i < asked.size(); i++)
      renew::enter_answer(asked[i]->kept, (*answers)[i], clock_.now());
    return true;
  }

  bool order(const renew::Plan& plan) {
    std::vector<acme::IssuanceRequest> requests;
    std::map<std::uint64_t, renew::Action> ordered;
    for (const renew::Action& each : plan.actions) {
      if (each.what != renew::Do::order) continue;
      const auto id = static_cast<std::uint64_t>(each.id);
      look_at_window(each);
      signer_.names[id] = each.names;
      requests.push_back({.id = id,
                          .names = each.names,
                          .order_url = site_of(each).order_url,
                          .replaces = site_of(each).certificate_id,
                          .profile = site_of(each).profile});
      ordered.emplace(id, each);
    }
    if (requests.empty()) return false;
    EXPECT_TRUE(acme::run(client_, std::move(requests), host_, {.most_at_once = 20}));
    for (const auto& [id, outcome] : std::exchange(host_.outcomes, {}))
      finish(ordered.at(id), outcome);
    return true;
  }

  void finish(const renew::Action& action, const acme::Outcome& outcome) {
    Site& site = site_of(action);
    renew::count(limits_, {kServer, action.names, action.kind}, outcome, clock_.now());
    if (outcome.chain) return take(site, action, outcome);
    failures_++;
    site.order_url = outcome.order_url;
    site.kept.progress =
        outcome.order_url.empty() ? renew::Progress::none : renew::Progress::ordered;
    renew::enter_failure(site.kept, action, outcome, clock_.now());
  }

  void take(Site& site, const renew::Action& action, const acme::Outcome& outcome) {
    const auto chain = crypto::verify_chain(*outcome.chain,
                                            {.public_key_der = signer_.key.public_key_der(),
                                             .names = action.names,
                                             .now = clock_.now()});
    ASSERT_TRUE(chain) << chain.error().message;
    if (site.kept.covered.empty()) first_++;
    if (!site.kept.covered.empty()) {
      renewals_++;
      EXPECT_LT(clock_.now(), site.kept.not_after) << site.kept.names.front() << " had expired";
    }
    if (!action.left_out.empty()) shrunk_++;
    site.certificate_id = *crypto::renewal_id(chain->leaf());
    site.order_url.clear();
    renew::enter_version(site.kept, {.names = action.names,
                                     .not_before = chain->leaf().not_before(),
                                     .not_after = chain->leaf().not_after(),
                                     .draw = std::uniform_real_distribution()(random_)});
  }

  // Every renewal begins inside its window if the CA was there to be asked in it. In an incident
  // the window is over; what counts then is that it was asked within a day.
  void look_at_window(const renew::Action& action) {
    const renew::Kept& kept = site_of(action).kept;
    if (!kept.window || action.retries_names) return;
    const Span window{kept.window->start, kept.window->end};
    const Time now = clock_.now();
    const bool is_incident = !kept.window->explanation.empty();
    const bool excused = kept.setbacks.failures > 0 ||
                         std::ranges::any_of(kOutages, [&](const Span& each) {
                           return each.begin < window.end && window.begin < each.end;
                         });
    if (window.holds(now)) inside_++;
    const bool in_time = is_incident ? now < window.end + 1h + 24h + 1h : window.holds(now);
    if (!in_time && !excused)
      late_.push_back(fmt::format("{} at {}: {}", action.names.front(), to_rfc3339(now),
                                  action.why));
  }

  ca::LoopbackSigner signer_;
  ca::LoopbackHost host_;
  acme::Client client_{wire_, signer_, clock_, url("/directory")};
  std::mt19937_64 random_{2026};
  renew::LimitLedger limits_;
  std::multimap<Time, std::size_t> agenda_;  // of sites, by when they want to be looked at
  std::multimap<Time, std::function<void()>> events_;
  std::vector<Time> incidents_;
};

TEST_F(Year, OfAThousandSitesIsQuiet) {
  for (int i = 0; i < 1000; i++) {
    const char* const profile = i % 50 == 0 ? "shortlived" : i % 4 == 1 ? "tlsserver" : "classic";
    // One customer has eighty names under one domain: more than a week's certificates.
    const std::string domain =
        i < 80 ? fmt::format("n{}.customer.com", i) : fmt::format("n{}.d{}.com", i, i % 300);
    std::vector<std::string> names = {domain};
    if (i % 5 == 0) names.push_back("www." + domain);
    add(std::move(names), profile);
  }
  die("www.n5.customer.com", kStart + days(20), kStart + days(140));   // one name of two, for long
  die("www.n50.customer.com", kStart + days(90), kStart + days(100));  // of a short-lived one
  die("n999.d99.com", kStart + days(300), kStart + days(310));
  incident(kStart + days(110));
  incident(kStart + days(200) + 5h);

  const auto begin = std::chrono::steady_clock::now();
  live();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;

  EXPECT_EQ(first_, 1000);
  for (const Site& each : sites_) {
    EXPECT_GT(each.kept.not_after, clock_.now()) << each.kept.names.front() << " has expired";
    EXPECT_EQ(each.kept.covered, each.kept.names);
  }
  EXPECT_THAT(wire_.refusals, testing::IsEmpty());
  EXPECT_THAT(late_, testing::IsEmpty());
  EXPECT_GE(shrunk_, 2);
  fmt::print("{} sites, {} renewals ({} inside their windows), {} failures, {} without a name, "
             "{} requests, {:.1f} seconds\n",
             sites_.size(), renewals_, inside_, failures_, shrunk_, wire_.requests, took.count());
}

}  // namespace
}  // namespace everseal::simulation
