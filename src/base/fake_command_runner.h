// Programs that are not started, for tests.
#pragma once

#include <vector>

#include "base/command_runner.h"

namespace everseal::base {

// Remembers what it was to run, and says what a test tells it to.
class FakeCommandRunner : public CommandRunner {
 public:
  Result<CommandOutput> run(const Command& command) override {
    commands.push_back(command);
    return answer;
  }
  std::vector<Command> commands;
  CommandOutput answer;
};

}  // namespace everseal::base
