// A validator that believes everybody but those it was told of, for tests.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ca/validator.h"

namespace everseal::ca {

class FakeValidator : public Validator {
 public:
  void start(std::uint64_t id, Validation validation) override {
    asked.push_back(validation);
    const auto refusal = refused.find(validation.name);
    if (held.contains(validation.name)) return;
    outcomes_.push_back({.id = id, .problem = {}});
    if (refusal != refused.end()) outcomes_.back().problem = refusal->second;
  }

  std::vector<ValidationOutcome> finished() override { return std::exchange(outcomes_, {}); }

  std::vector<Validation> asked;
  std::map<std::string, acme::Problem> refused;  // by name
  std::set<std::string> held;                    // names that are never decided

 private:
  std::vector<ValidationOutcome> outcomes_;
};

}  // namespace everseal::ca
