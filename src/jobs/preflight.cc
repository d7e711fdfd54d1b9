#include "jobs/preflight.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "challenge/http01.h"

namespace everseal::jobs {
namespace {

constexpr base::Milliseconds kLookUpTime{5'000};  // for all names
constexpr base::Milliseconds kAskTime{2'000};     // for one address
constexpr base::Milliseconds kAllTime{10'000};    // after the names are looked up

// Asks for one name after the other, and no address twice that did not answer at all.
class Walk {
 public:
  explicit Walk(scan::Scout& scout) : scout_(scout) {}

  void look_at(const PlacedAnswer& placed, const scan::Whereabouts& found) {
    if (found.addresses.empty()) return meet(placed.name, "", found.problem);
    bool is_answered = false;
    for (const std::string& address : found.addresses) {
      if (std::chrono::steady_clock::now() >= deadline_) return;
      is_answered |= ask(placed, address);
    }
    if (!is_answered) result_.unanswered.push_back(placed.name);
  }

  Preflight take() { return std::move(result_); }

 private:
  // Whether anybody answers.
  bool ask(const PlacedAnswer& placed, const std::string& address) {
    if (const auto dead = dead_.find(address); dead != dead_.end()) {
      meet(placed.name, address, dead->second);
      return false;
    }
    const std::string path = std::string(challenge::kHttp01Path) + placed.token;
    const auto answer = scout_.get({address, challenge::kHttp01Port}, placed.name, path, kAskTime);
    if (!answer) {
      const std::string why = base::printable(answer.error().message);
      dead_.emplace(address, why);
      meet(placed.name, address, why);
    } else if (answer->status != 200 || answer->body != placed.body) {
      meet(placed.name, address,
           fmt::format("something else answers {}, with status {}", challenge::kHttp01Path,
                       answer->status));
    }
    return answer.has_value();
  }

  void meet(const std::string& name, const std::string& address, std::string why) {
    const auto same = std::ranges::find_if(result_.hindrances, [&](const Hindrance& each) {
      return !address.empty() && each.address == address && each.why == why;
    });
    if (same == result_.hindrances.end())
      result_.hindrances.push_back({{name}, address, std::move(why)});
    else
      same->names.push_back(name);
  }

  scan::Scout& scout_;
  const Instant deadline_ = std::chrono::steady_clock::now() + kAllTime;
  std::map<std::string, std::string> dead_;  // addresses, and why
  Preflight result_;
};

}  // namespace

Result<Preflight> look_ahead(scan::Scout& scout, std::span<const PlacedAnswer> answers) {
  std::vector<std::string> names;
  for (const PlacedAnswer& each : answers) names.push_back(each.name);
  const auto found = TRY(scout.look_up(names, kLookUpTime));
  Walk walk(scout);
  for (std::size_t i = 0; i < std::min(found.size(), answers.size()); ++i)
    walk.look_at(answers[i], found[i]);
  return walk.take();
}

std::string to_string(const Hindrance& hindrance) {
  std::string names = hindrance.names.front();
  if (const std::size_t more = hindrance.names.size() - 1; more > 0)
    names += fmt::format(" and {} more", more);
  if (hindrance.address.empty())
    return fmt::format(
        "{}: a CA will look for it in the DNS; this machine finds nothing there ({})", names,
        hindrance.why);
  return fmt::format(
      "{}: a CA may ask at {}, where the {} record leads; seen from here that fails ({})", names,
      hindrance.address, hindrance.address.contains(':') ? "AAAA" : "A", hindrance.why);
}

}  // namespace everseal::jobs
