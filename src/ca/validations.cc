#include "ca/validations.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace everseal::ca {
namespace {

// Under way at once. An account gets through some hundreds in minutes, even of names that never
// answer, and an order has at most a hundred.
constexpr Shares kMost = {.account = 500, .network = 2'000, .all = 10'000};
constexpr base::Seconds kRetry{10};

std::unexpected<Refusal> too_many() {
  auto refusal = rate_limited("too many validations are under way; try again later", kRetry);
  refusal.error().problem.status = 503;
  return refusal;
}

}  // namespace

void Validations::add(std::uint64_t id, Validation validation) {
  counts_.add(validation.requester);
  planned_.push_back({id, std::move(validation)});
}

Checked<> Validations::check_room(std::size_t before) const {
  for (std::size_t i = before; i < planned_.size(); i++) {
    const Requester& requester = planned_[i].validation.requester;
    if (counts_.of_account(requester) > kMost.account)
      return rate_limited(fmt::format("this account may have {} validations under way at once; try "
                                      "again when some have ended",
                                      kMost.account),
                          kRetry);
    if (counts_.of_network(requester) > kMost.network || counts_.of_all() > kMost.all)
      return too_many();
  }
  return {};
}

std::vector<ValidationTask> Validations::take_back(std::size_t before) {
  const auto first = planned_.begin() + static_cast<std::ptrdiff_t>(before);
  std::vector<ValidationTask> taken(std::make_move_iterator(first),
                                    std::make_move_iterator(planned_.end()));
  planned_.erase(first, planned_.end());
  for (const ValidationTask& each : taken) counts_.remove(each.validation.requester);
  return taken;
}

void Validations::start(Validator& validator) {
  for (auto& [id, validation] : std::exchange(planned_, {})) {
    begun_.emplace(id, validation.requester);
    validator.start(id, std::move(validation));
  }
}

std::vector<ValidationOutcome> Validations::finished(Validator& validator) {
  auto outcomes = validator.finished();
  for (const ValidationOutcome& each : outcomes) {
    const auto begun = begun_.find(each.id);
    if (begun == begun_.end()) continue;
    counts_.remove(begun->second);
    begun_.erase(begun);
  }
  return outcomes;
}

}  // namespace everseal::ca
