// In which order validations come to their turn.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "ca/requester.h"
#include "ca/validator.h"

namespace everseal::ca {

struct ValidationTask {
  std::uint64_t id = 0;
  Validation validation{};
};

// Validations that wait and how many are at work, so that nobody waits for the slow names of
// others: whoever has fewest at work is next, and among equals all take turns. Names that never
// answer keep no more than their account's and their network's share at work. Not for use by
// several threads.
class ValidationQueue {
 public:
  // `shares.all` is how many can be at work.
  explicit ValidationQueue(Shares shares) : shares_(shares) {}

  void push(ValidationTask task);

  // The next one, at work from now on; nullopt if none waits whose requester has room.
  std::optional<ValidationTask> take();

  // A task of this requester is at work no more.
  void end(const Requester& requester) { at_work_.remove(requester); }

 private:
  struct Line {
    std::deque<ValidationTask> tasks;  // never empty
    std::uint64_t turn;                // who has the least was served longest ago
  };
  bool has_room(const Requester& requester) const;
  bool is_before(const std::pair<const Requester, Line>& one,
                 const std::pair<const Requester, Line>& other) const;

  const Shares shares_;
  std::map<Requester, Line> waiting_;
  RequesterCounts at_work_;
  std::uint64_t turns_ = 0;
};

}  // namespace everseal::ca
