// Moments and delays: pure functions of their arguments. Nothing here depends on how long today's
// certificates live.
#pragma once

#include "acme/resources.h"
#include "base/clock.h"

namespace everseal::renew {

// A number in [0, 1), drawn once for each version of a certificate and remembered with it: the same
// window then gives the same moment however often it is asked.
using Draw = double;

// The n-th further number of a draw: as good as drawn anew, and the same each time.
Draw nth(Draw draw, int n);

// Whether a certificate lives so short that half of it is kept in reserve (ten days; Let's Encrypt,
// integration guide).
bool is_short(base::Seconds life);

// From when on a certificate is to be renewed where its CA says nothing: when a third of its life
// is left, or a half of a short one.
Time renewal_time(Time not_before, Time not_after);

// A uniformly random moment of the window (RFC 9773 §4.2), but none that leaves less than a sixth
// of the life: no CA's mistake makes a certificate expire.
Time moment_in(const acme::RenewalWindow& window, Draw draw, Time not_before, Time not_after);

// How long to wait after the `failures`-th failure in a row (from 1): 1, 10, 100 minutes, then a
// day (Let's Encrypt, integration guide, "Retrying failures").
base::Seconds backoff(int failures);

// What went wrong since it last went well.
struct Setbacks {
  int failures = 0;  // in a row
  Time first{}, last{};
  Time not_before{};  // by the CA's Retry-After
};

// Whether the last of them is still to come: they were noted by a clock that was ahead, and are
// nothing to wait for, which might take years.
bool are_to_come(const Setbacks& setbacks, Time now);

// Whether a CA may be asked that was not to be before `ask_at`; Time::max(): never. A moment that
// is days away was noted by a clock that was ahead, as each is asked daily.
bool may_be_asked(Time ask_at, Time now);

// When to try again: after the backoff, a day or a week being up to a tenth more or less of one; a
// week when there have been nothing but failures for 30 days. While a certificate of these names
// lives (`not_after`), never later than after an eighth of what is left to it, though not before
// 100 minutes have passed: an outage of days must not find the next try beyond its end.
Time next_attempt(const Setbacks& setbacks, Time not_after, Draw draw);

}  // namespace everseal::renew
