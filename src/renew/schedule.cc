#include "renew/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace everseal::renew {
namespace {

using base::Seconds;
using std::chrono::days;
using std::chrono::minutes;

constexpr Seconds kShortLife = days(10), kDeadAfter = days(30), kWeek = days(7);
constexpr std::array<Seconds, 3> kFirst = {minutes(1), minutes(10), minutes(100)};

Seconds part(double of_one, Seconds whole) {
  return Seconds(static_cast<std::int64_t>(of_one * static_cast<double>(whole.count())));
}

// A day or a week, up to a tenth more or less.
Seconds about(Seconds span, Draw draw) { return part(0.9 + 0.2 * draw, span); }

}  // namespace

// The fractional parts of multiples of the golden ratio spread evenly.
Draw nth(Draw draw, int n) {
  constexpr double kGolden = 0.6180339887498949;
  const double sum = draw + n * kGolden;
  return sum - std::floor(sum);
}

bool is_short(Seconds life) { return life < kShortLife; }

Time renewal_time(Time not_before, Time not_after) {
  const Seconds life = not_after - not_before;
  return not_after - (is_short(life) ? life / 2 : life / 3);
}

Time moment_in(const acme::RenewalWindow& window, Draw draw, Time not_before, Time not_after) {
  const Time latest = not_after - (not_after - not_before) / 6;
  return std::min(window.start + part(draw, window.end - window.start), latest);
}

Seconds backoff(int failures) {
  const auto index = static_cast<std::size_t>(failures < 1 ? 0 : failures - 1);
  return index < kFirst.size() ? kFirst[index] : Seconds(days(1));
}

bool are_to_come(const Setbacks& setbacks, Time now) {
  return setbacks.failures > 0 && now < setbacks.last;
}

bool may_be_asked(Time ask_at, Time now) {
  return ask_at <= now || (ask_at != Time::max() && ask_at > now + days(2));
}

Time next_attempt(const Setbacks& setbacks, Time not_after, Draw draw) {
  if (setbacks.failures == 0) return setbacks.not_before;
  Seconds delay = backoff(setbacks.failures);
  if (setbacks.last - setbacks.first >= kDeadAfter) delay = kWeek;
  if (delay > kFirst.back()) {
    const Draw drawn = nth(draw, setbacks.failures);
    delay = about(delay, drawn);
    const Seconds left = not_after - setbacks.last;
    // Not all at one moment after an outage, either.
    if (left > Seconds(0))
      delay = std::clamp(part(0.8 + 0.2 * drawn, left / 8), kFirst.back(), delay);
  }
  return std::max(setbacks.last + delay, setbacks.not_before);
}

}  // namespace everseal::renew
