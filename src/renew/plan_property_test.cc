// What holds for every plan: shown on random inventories, outages, incidents and clocks.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/registered_domain.h"
#include "renew/plan.h"

namespace everseal::renew {
namespace {

using base::Seconds;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

const Time kStart = *base::parse_rfc3339("2026-11-21T00:00:00Z");
constexpr const char* kServer = "https://acme-v02.api.letsencrypt.org/directory";

// A CA as far as counting goes, written from what Let's Encrypt says rather than from LimitLedger.
class CountingCa {
 public:
  // Whether it takes the order; counts it as issued.
  bool takes(const Action& order, Time now) {
    if (order.kind == OrderKind::replacement) return true;
    const auto names = fmt::format("set {}", fmt::join(order.names, " "));
    const bool known = issued_.contains(names);
    bool room = has(names, 5, hours(34), now);
    if (!known) {
      room = room && has("orders", 300, Seconds(36), now);
      for (const auto& each : domains(order)) room = room && has(each, 50, minutes(202), now);
    }
    if (!room) return false;
    take(names, hours(34), now);
    if (!known) take("orders", Seconds(36), now);
    if (!known)
      for (const auto& each : domains(order)) take(each, minutes(202), now);
    issued_.insert(names);
    return true;
  }

 private:
  static std::set<std::string> domains(const Action& order) {
    std::set<std::string> all;
    for (const std::string& name : order.names) all.insert(base::registered_domain(name));
    return all;
  }
  bool has(const std::string& bucket, int burst, Seconds refill, Time now) {
    return full_at_[bucket] <= now + (burst - 1) * refill;
  }
  void take(const std::string& bucket, Seconds refill, Time now) {
    full_at_[bucket] = std::max(full_at_[bucket], now) + refill;
  }
  std::map<std::string, Time> full_at_;
  std::set<std::string> issued_;
};

// A hundred days of one server, whose clock may be wrong and whose CA may be away.
class World {
 public:
  explicit World(unsigned seed) : random_(seed) {
    const int count = between(1, 70);
    const int domains = between(0, 1) == 0 ? 1 : count;  // one is more than a week allows
    for (int i = 0; i < count; i++) {
      Kept& one = inventory_.emplace_back();
      one.id = i;
      one.server = kServer;
      one.names = {fmt::format("n{}.d{}.com", i, between(0, domains - 1))};
      if (between(0, 3) == 0) one.names.push_back(fmt::format("www.{}", one.names[0]));
      one.is_used = true;
      lives_.push_back(std::vector<Seconds>{hours(160), days(45), days(64),
                                            days(90)}[static_cast<std::size_t>(between(0, 3))]);
    }
    while (outages_.empty() || outages_.back().second < kStart + days(100)) {
      const Time begin =
          (outages_.empty() ? kStart : outages_.back().second) + hours(between(48, 24 * 10));
      // The longest leaves five hours of the reserve of a certificate that lives 160.
      outages_.push_back({begin, begin + hours(between(0, 1) == 0 ? 75 : between(1, 48))});
    }
  }

  void live() {
    while (now_ < kStart + days(100)) {
      turn();
      if (testing::Test::HasFailure()) return;
    }
  }

  int orders = 0, doubted = 0;

 private:
  int between(int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(random_);
  }
  double draw() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  bool is_up() const {
    return std::ranges::none_of(
        outages_, [this](const auto& each) { return each.first <= now_ && now_ < each.second; });
  }

  // Now and then the machine's clock is off, by days to years.
  Clocks look_at_the_clocks() {
    Clocks clocks{.now = now_};
    if (between(0, 20) == 0) {
      const Seconds off = days(between(2, 800));
      clocks = {.now = between(0, 1) == 0 ? now_ + off : now_ - off, .expected = now_};
    }
    return clocks;
  }

  void turn() {
    const Clocks clocks = look_at_the_clocks();
    const Plan all = plan(inventory_, clocks, limits_);
    std::set<std::int64_t> seen;
    for (const Action& each : all.actions) {
      EXPECT_TRUE(seen.insert(each.id).second) << "two actions for one certificate";
      EXPECT_FALSE(each.why.empty());
      EXPECT_TRUE(each.what != Do::nothing || each.at > clocks.now) << each.why;
      if (each.what == Do::ask) ask(inventory_[static_cast<std::size_t>(each.id)]);
      if (each.what == Do::order) order(each, all);
    }
    if (!all.doubt.empty()) {
      doubted++;
      now_ += minutes(10);
      return;
    }
    now_ = std::clamp(all.next, now_ + Seconds(1), now_ + days(5));
    happen();
    for (const Kept& each : inventory_)
      EXPECT_TRUE(each.covered.empty() || now_ < each.not_after)
          << each.names[0] << " expired at " << base::to_rfc3339(each.not_after);
  }

  void happen() {
    Kept& one =
        inventory_[static_cast<std::size_t>(between(0, static_cast<int>(inventory_.size()) - 1))];
    if (between(0, 200) == 0 && one.window && is_up())
      one.window = {now_ - hours(2), now_ - hours(1), "https://ca.test/incident"};
  }

  void ask(Kept& one) {
    one.ask_at = now_ + days(1);
    if (!is_up()) return;
    const Seconds life = one.not_after - one.not_before;
    const Time middle = one.not_before + (life < days(10) ? life / 2 : life * 2 / 3);
    const bool has_window = one.id % 5 != 0;  // some CAs have none
    if (has_window && !one.window) one.window = {middle - life / 100, middle + life / 100, ""};
  }

  void order(const Action& action, const Plan& all) {
    EXPECT_TRUE(all.doubt.empty()) << "ordered by a clock that is not believed";
    Kept& one = inventory_[static_cast<std::size_t>(action.id)];
    const Intent intent{kServer, action.names, action.kind};
    orders++;
    if (!is_up()) {
      if (one.setbacks.failures++ == 0) one.setbacks.first = now_;
      one.setbacks.last = now_;
      return;
    }
    EXPECT_TRUE(ca_.takes(action, now_)) << "beyond a limit: " << action.why;
    limits_.reserve(intent, now_);
    one.covered = action.names;
    one.not_before = now_ - hours(1);
    one.not_after = one.not_before + lives_[static_cast<std::size_t>(one.id)];
    one.draw = draw();
    one.window.reset();
    one.ask_at = {};
    one.setbacks = {};
  }

  std::mt19937_64 random_;
  std::vector<Kept> inventory_;
  std::vector<Seconds> lives_;
  std::vector<std::pair<Time, Time>> outages_;
  Time now_ = kStart;
  LimitLedger limits_;
  CountingCa ca_;
};

TEST(PlanProperty, NothingExpiresNoLimitIsHitAndNoClockIsTrustedBlindly) {
  int orders = 0, doubted = 0;
  for (unsigned seed = 1; seed <= 30; seed++) {
    SCOPED_TRACE(seed);
    World world(seed);
    world.live();
    orders += world.orders;
    doubted += world.doubted;
    if (HasFailure()) break;
  }
  EXPECT_GT(orders, 3000);
  EXPECT_GT(doubted, 500);
}

}  // namespace
}  // namespace everseal::renew
