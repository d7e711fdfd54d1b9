#include "jobs/chores.h"

#include "renew/schedule.h"

namespace everseal::jobs {
namespace {

renew::Setbacks setbacks_of(const store::ChoreRecord& chore) {
  return {.failures = chore.failures,
          .first = chore.first_failure,
          .last = chore.last_failure,
          .not_before = {}};
}

}  // namespace

bool may_be_tried(const store::ChoreRecord& chore, Time now) {
  return chore.next_attempt <= now || renew::are_to_come(setbacks_of(chore), now);
}

// Nothing expires that has an end of its own, so that none shortens the delays.
void enter_result(store::ChoreRecord& chore, const Result<>& result, Time now) {
  if (result) {
    chore = {
        .kind = chore.kind, .subject = chore.subject, .done_at = now, .done_for = chore.done_for};
    return;
  }
  if (chore.failures++ == 0) chore.first_failure = now;
  chore.last_failure = now;
  chore.last_error = result.error().message;
  chore.next_attempt = renew::next_attempt(setbacks_of(chore), {}, 0);
}

}  // namespace everseal::jobs
