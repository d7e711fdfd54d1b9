#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <new>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/daemon.h"
#include "app/output.h"
#include "app/progress_printer.h"
#include "app/streams.h"
#include "app/terminal.h"
#include "base/inheritance.h"
#include "base/memory.h"
#include "base/stop.h"
#include "jobs/check.h"
#include "jobs/telling.h"
#include "privsep/monitor.h"
#include "privsep/process_workers.h"
#include "privsep/roles.h"

namespace everseal::app {
namespace {

// The next run takes back, or goes on with, what this one began.
void end_without_memory() {
  constexpr std::string_view kText =
      "everseal: no memory is left; run again, what was begun is resumed\n";
  static_cast<void>(::write(STDERR_FILENO, kText.data(), kText.size()) < 0);
  ::_exit(1);
}

// Somebody is told that the settings keep everseal from working: nobody reads what a timer
// prints.
void tell_of_settings(const Usage& usage) {
  ProgressPrinter printer({.output = stderr});
  privsep::ProcessWorkers workers(usage.readable->sandbox,
                                  {.tell = [&](const std::string& text) { printer.note(text); },
                                   .stop = &base::stop_requested});
  jobs::tell_of_no_run({base::real_file_system(), base::real_command_runner(), base::real_clock(),
                        printer, *usage.readable, workers},
                       {ErrorKind::invalid, usage.reason});
}

// A report that was lost is not one without complaints.
int ended(int status) {
  const auto said = check_standard_output();
  if (said || status != kDone) return status;
  say(stderr, fmt::format("everseal: {}; what was to be done is done, what was to be said of it is "
                          "lost\n",
                          said.error().message));
  return kFailed;
}

int main(int argc, char** argv) {
  base::disown_inheritance();
  base::claim_stack();
  hold_standard_streams();
  if (argc > 1 && std::string_view(argv[1]) == "role")
    return privsep::run_role({argv, static_cast<std::size_t>(argc)});
  if (const auto given_up = privsep::give_up_monitor_rights(); !given_up) {
    say(stderr, fmt::format("everseal: {}\n", given_up.error().message));
    return 1;
  }
  std::set_new_handler(end_without_memory);
  FileSystem& files = base::real_file_system();
  base::catch_signals();
  const auto line = parse_command_line(argc, argv, files);
  if (!line && line.error().is_for_monitoring) {
    const auto check = jobs::check_without_status({ErrorKind::invalid, line.error().reason}, false);
    say(stdout, check.line);
    return check.exit_status;
  }
  if (!line) {
    say(line.error().exit_status == 0 ? stdout : stderr, line.error().text);
    if (line.error().readable) tell_of_settings(line.error());
    return ended(line.error().exit_status);
  }
  if (std::holds_alternative<DaemonCommand>(line->command))
    return ended(run_daemon(*line, [&] { return parse_command_line(argc, argv, files); }));
  PrinterOptions printing;
  const bool prints_data = line->json || std::holds_alternative<DhparamCommand>(line->command);
  printing.output = prints_data ? stderr : stdout;
  printing.is_terminal = can_redraw(printing.output);
  printing.quiet = line->quiet;
  printing.show_preview = !line->json;
  ProgressPrinter printer(printing);
  privsep::ProcessWorkers workers(line->settings.sandbox,
                                  {.tell = [&](const std::string& text) { printer.note(text); },
                                   .stop = &base::stop_requested});
  jobs::Environment environment{
      files, base::real_command_runner(), base::real_clock(), printer, line->settings, workers};
  return ended(run(*line, environment));
}

}  // namespace
}  // namespace everseal::app

int main(int argc, char** argv) { return everseal::app::main(argc, argv); }
