#include "deploy/hook.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/absence.h"
#include "base/encoding.h"

namespace everseal::deploy {
namespace {

constexpr std::size_t kShownOutput = 300;  // bytes, in an error
constexpr mode_t kAnybodyExecutes = S_IXUSR | S_IXGRP | S_IXOTH;

bool is_run_parts_name(std::string_view name) {
  return std::ranges::all_of(
      name, [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
}

}  // namespace

Result<std::vector<HookFile>> hooks_in(const FileReader& files, const std::string& directory) {
  std::vector<HookFile> found;
  for (const std::string& name : TRY(base::list_if_there(files, directory))) {
    if (!is_run_parts_name(name)) continue;
    const std::string path = base::join_path(directory, name);
    const auto real = files.real_path(path);
    const auto status = real ? files.status(*real) : std::unexpected(real.error());
    if (!status)
      found.push_back({.path = path});
    else if (status->kind == base::FileKind::regular)
      found.push_back({.path = path, .is_executable = (status->mode & kAnybodyExecutes) != 0});
  }
  return found;
}

std::vector<std::string> hook_environment(const HandedOver& certificate) {
  const std::string& directory = certificate.directory;
  const auto file = [&](const char* name, bool is_there) {
    return is_there ? base::join_path(directory, name) : std::string();
  };
  return {
      "EVERSEAL_NAME=" + certificate.name,
      fmt::format("EVERSEAL_NAMES={}", fmt::join(certificate.names, " ")),
      "EVERSEAL_DIRECTORY=" + directory,
      "EVERSEAL_FULLCHAIN=" + file("fullchain.pem", true),
      "EVERSEAL_KEY=" + file("privkey.pem", certificate.has_key),
      "EVERSEAL_BUNDLE=" + file("bundle.pem", certificate.has_key),
      "EVERSEAL_FINGERPRINT=" + certificate.fingerprint,
      "EVERSEAL_EXPIRES=" + base::to_rfc3339(certificate.expires),
  };
}

Result<> run_hook(const std::string& path, const HandedOver& certificate, base::Seconds timeout,
                  CommandRunner& commands) {
  return run_to_success({.arguments = {path},
                         .timeout = timeout,
                         .environment = hook_environment(certificate),
                         .on_stop = base::OnStop::end},
                        commands);
}

Result<> run_to_success(const base::Command& command, CommandRunner& commands) {
  const auto done = TRY(commands.run(command));
  if (done.exit_status == 0) return {};
  const std::size_t end = done.output.find_last_not_of(" \r\n") + 1;
  const std::string said = base::printable(done.output.substr(0, end), kShownOutput);
  return base::rejected(fmt::format("{} ended with status {}{}{}",
                                    fmt::join(command.arguments, " "), done.exit_status,
                                    said.empty() ? "" : ": ", said));
}

}  // namespace everseal::deploy
