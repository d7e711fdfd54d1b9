#include "app/ca_command.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "app/settings_file.h"
#include "app/streams.h"
#include "base/stop.h"
#include "ca/service.h"

namespace everseal::app {
namespace {

constexpr const char* kListen = "127.0.0.1:8555";

// Of root below its other state; of others where the XDG base directory specification has it.
Result<std::string> default_state() {
  if (::geteuid() == 0) return "/var/lib/everseal/ca";
  const passwd* const user = ::getpwuid(::geteuid());
  if (!user || user->pw_dir[0] != '/')
    return base::invalid(
        "this user has no home directory: say by --state where the CA keeps itself");
  return fmt::format("{}/.local/state/everseal/ca", user->pw_dir);
}

Result<ca::ServiceOptions> to_options(const CaCommand& command, const FileReader& files) {
  ca::ServiceOptions options{.listen = command.listen,
                             .management = command.management,
                             .name = command.name,
                             .resolver = command.resolver};
  options.state = command.state.empty() ? TRY(default_state())
                                        : std::filesystem::absolute(command.state).string();
  if (command.new_ledger) options.lost_ledger = ca::ServiceOptions::LostLedger::begin_anew;
  if (options.listen.empty()) options.listen = {kListen};
  options.validation.http_port = command.http_port;
  options.validation.https_port = options.validation.tls_port = command.tls_port;
  if (!command.policy_file.empty())
    options.policy = TRY(
        within(command.policy_file, ca::parse_policy(TRY(read_toml(files, command.policy_file)))));
  if (!command.faults_file.empty()) options.faults = TRY(read_toml(files, command.faults_file));
  options.log = [](const std::string& text) { say(stderr, fmt::format("everseal: {}\n", text)); };
  return options;
}

// Errors: transient (nobody hears it).
Result<> announce(const CaCommand& command, const ca::Service& service) {
  const std::string use = fmt::format("everseal secure --server {} --ca-bundle {}",
                                      service.directory_url(), service.root_file());
  if (command.json) {
    const Json document = {{"version", 1},
                           {"command", "ca"},
                           {"directory", service.directory_url()},
                           {"root", service.root_file()},
                           {"listen", service.addresses()}};
    say_as_is(stdout, document.dump(2) + "\n");
  } else if (!command.quiet) {
    say(stdout, fmt::format("directory  {}\nroot       {}\nuse it     {}\n",
                            service.directory_url(), service.root_file(), use));
  }
  return check_standard_output();
}

}  // namespace

Result<Output> execute(const CaCommand& command, const jobs::Environment& environment) {
  auto options = TRY(to_options(command, environment.files));
  ca::Service service =
      TRY(ca::Service::open(environment.files, environment.clock, std::move(options)));
  TRY(announce(command, service));
  TRY(service.run(base::stop_requested));
  Output output;
  output.bytes = "";  // all is said
  return output;
}

}  // namespace everseal::app
