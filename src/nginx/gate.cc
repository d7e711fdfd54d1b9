#include "nginx/gate.h"

#include <fmt/format.h>

#include <charconv>
#include <ranges>

#include "base/connection.h"
#include "base/encoding.h"

namespace everseal::nginx {
namespace {

constexpr std::string_view kSudo = "sudo: ";  // starts what sudo itself says
constexpr std::string_view kStatus = "status ";
constexpr std::size_t kMostOutput = 1 << 20;  // as base::CommandRunner

// "…\nstatus 0\n".
Result<base::CommandOutput> read_answer(std::string_view answer) {
  const std::size_t at = answer.rfind(kStatus);
  if (at != answer.npos && (at == 0 || answer[at - 1] == '\n')) {
    base::CommandOutput output{0, std::string(answer.substr(0, at))};
    const char* const end = answer.data() + answer.size();
    const auto read = std::from_chars(answer.data() + at + kStatus.size(), end, output.exit_status);
    if (read.ec == std::errc() && std::string_view(read.ptr, end) == "\n") return output;
  }
  return base::invalid(fmt::format(
      "\"{}\" is no answer of everseal-nginx@.service: see its journal", base::printable(answer)));
}

}  // namespace

Gate gate_for(const FileReader& files, uid_t user) {
  const auto socket = files.status(kGateSocket);
  return socket && socket->owner == user ? Gate::socket : Gate::sudo;
}

// nginx ends every failure with a line of its own name.
Result<base::CommandOutput> run_by_sudo(CommandRunner& runner, std::vector<std::string> command) {
  command.insert(command.begin(), {"sudo", "-n"});
  const auto answer = TRY(runner.run({std::move(command)}));
  base::CommandOutput nginx{answer.exit_status, ""};
  std::string sudo;
  bool is_nginx = answer.exit_status == 0;
  for (const auto part : answer.output | std::views::split('\n')) {
    const std::string_view line(part);
    is_nginx = is_nginx || line.starts_with("nginx: ");
    if (!line.starts_with(kSudo)) nginx.output += fmt::format("{}\n", line);
    if (line.empty() || line.contains("unable to resolve host")) continue;  // sudo's own worry
    sudo += sudo.empty() ? "" : "; ";
    sudo += line.substr(line.starts_with(kSudo) ? kSudo.size() : 0);
  }
  if (is_nginx) return nginx;
  return base::rejected(
      "sudo does not run nginx for this user: " + sudo +
      ". Run `everseal setup --user NAME` as root, NAME being the user that runs this");
}

Result<base::CommandOutput> ask_gate(const std::string& path, std::string_view what,
                                     base::Seconds timeout) {
  const auto ask = [&]() -> Result<base::CommandOutput> {
    auto gate = TRY(base::Connection::open(TRY(base::SocketAddress::local(path)),
                                           std::chrono::steady_clock::now() + timeout));
    TRY(gate.send(fmt::format("{}\n", what)));
    return read_answer(TRY(gate.receive(kMostOutput)));
  };
  return base::within(fmt::format("have nginx do its {} through {}", what, path), ask());
}

}  // namespace everseal::nginx
