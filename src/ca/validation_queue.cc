#include "ca/validation_queue.h"

#include <tuple>
#include <utility>

namespace everseal::ca {

void ValidationQueue::push(ValidationTask task) {
  const auto [line, is_new] = waiting_.try_emplace(task.validation.requester);
  if (is_new) line->second.turn = ++turns_;
  line->second.tasks.push_back(std::move(task));
}

bool ValidationQueue::has_room(const Requester& requester) const {
  return at_work_.of_account(requester) < shares_.account &&
         at_work_.of_network(requester) < shares_.network && at_work_.of_all() < shares_.all;
}

// Networks first: accounts are made by whoever wants more of them.
bool ValidationQueue::is_before(const std::pair<const Requester, Line>& one,
                                const std::pair<const Requester, Line>& other) const {
  const auto rank = [&](const auto& each) {
    return std::tuple(at_work_.of_network(each.first), at_work_.of_account(each.first),
                      each.second.turn);
  };
  return rank(one) < rank(other);
}

std::optional<ValidationTask> ValidationQueue::take() {
  auto next = waiting_.end();
  for (auto each = waiting_.begin(); each != waiting_.end(); ++each)
    if (has_room(each->first) && (next == waiting_.end() || is_before(*each, *next))) next = each;
  if (next == waiting_.end()) return std::nullopt;
  auto& [requester, line] = *next;
  ValidationTask task = std::move(line.tasks.front());
  line.tasks.pop_front();
  line.turn = ++turns_;
  at_work_.add(requester);
  if (line.tasks.empty()) waiting_.erase(next);
  return task;
}

}  // namespace everseal::ca
