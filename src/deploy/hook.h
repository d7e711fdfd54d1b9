// Programs of the administrator that are told of a new certificate.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/command_runner.h"
#include "base/file_system.h"

namespace everseal::deploy {

// What a program is told: a certificate that is live.
struct HandedOver {
  std::string name;
  std::vector<std::string> names;
  std::string directory;  // live/NAME
  bool has_key = true;    // and a bundle
  std::string fingerprint;
  Time expires{};
};

// A file of a directory of hooks.
struct HookFile {
  std::string path;
  bool is_executable = true;  // or it is not known what it is: running it says why
  bool operator==(const HookFile&) const = default;
};

// The files of a directory that have a name as run-parts(8) wants it, in order: of letters, digits,
// '_' and '-'. None if the directory is absent. Errors: why it cannot be read.
Result<std::vector<HookFile>> hooks_in(const FileReader& files, const std::string& directory);

// "EVERSEAL_NAME=…" and so on (docs/hooks.md).
std::vector<std::string> hook_environment(const HandedOver& certificate);

// Runs it to its end, without a shell and with nothing but that environment (and PATH and LANG).
// Errors: those of CommandRunner; rejected with its output, for another exit status than 0.
Result<> run_hook(const std::string& path, const HandedOver& certificate, base::Seconds timeout,
                  CommandRunner& commands);

// Runs a command and takes any exit status but 0 for an error, with what the command said.
Result<> run_to_success(const base::Command& command, CommandRunner& commands);

}  // namespace everseal::deploy
