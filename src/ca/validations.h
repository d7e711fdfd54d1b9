// The validations of the front end: what is to begin with the next commit, and what has begun.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "ca/problem.h"
#include "ca/requester.h"
#include "ca/validation_queue.h"
#include "ca/validator.h"

namespace everseal::ca {

class Validations {
 public:
  // To begin with start().
  void add(std::uint64_t id, Validation validation);

  // How many are to begin: for the two functions below.
  std::size_t planned() const { return planned_.size(); }

  // Whether those added since planned() was `before` are as many as their requesters may have under
  // way. Refuses with a moment to come again: 429 where it is the account that has too many, 503
  // else.
  Checked<> check_room(std::size_t before) const;

  // They do not begin.
  std::vector<ValidationTask> take_back(std::size_t before);

  // All begin.
  void start(Validator& validator);

  // What has ended since the last call.
  std::vector<ValidationOutcome> finished(Validator& validator);

 private:
  std::vector<ValidationTask> planned_;
  std::unordered_multimap<std::uint64_t, Requester> begun_;  // by id
  RequesterCounts counts_;                                   // of both
};

}  // namespace everseal::ca
