// Other programs: started without a shell, with a deadline, their output caught.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace everseal::base {

// What becomes of a program that runs when a signal asks us to end.
enum class OnStop {
  finish,  // it is waited for: what it does belongs to something that would be half done
  end,     // it is ended, and none is started any more
};

struct Command {
  std::vector<std::string> arguments;  // [0] is the program, found in a fixed PATH if it has no '/'
  Seconds timeout{60};
  std::string input{};                     // what it reads from standard input
  std::vector<std::string> environment{};  // "NAME=value", beside what every program is given
  OnStop on_stop = OnStop::finish;
};

struct CommandOutput {
  int exit_status = 0;  // 128 + signal if a signal ended it
  std::string output;   // standard output and error, interleaved, at most 1 MiB
};

// Interface for running a program to its end.
class CommandRunner {
 public:
  virtual ~CommandRunner() = default;
  // Errors: not_found (no such program), rejected (others than root and we can change it, or the
  // way to it), transient (the deadline passed, or a signal asked us to end: the program was
  // ended), internal (the kernel does not tell how it ended). A non-zero exit status is not an
  // error here.
  virtual Result<CommandOutput> run(const Command& command) = 0;
};

// Runs with a scrubbed environment: PATH, LANG=C.UTF-8 and what the command says; with signals as
// every program finds them, no descriptor but the standard three, "/" as its working directory, and
// in a session of its own, without a terminal. Its process group is ended by SIGTERM, and by
// SIGKILL five seconds later. What is run is the very program that was looked at
// (base/trusted_file.h), under the name that it was given.
CommandRunner& real_command_runner();

}  // namespace everseal::base

namespace everseal {
using base::CommandRunner;
}  // namespace everseal
