#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <new>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/daemon.h"
#include "app/progress_printer.h"
#include "base/encoding.h"
#include "base/memory.h"
#include "jobs/issuer.h"
#include "privsep/monitor.h"
#include "privsep/process_workers.h"
#include "privsep/roles.h"

namespace everseal::app {
namespace {

void request_stop(int) { jobs::stop_requested = true; }

// The next run takes back, or goes on with, what this one began.
void end_without_memory() {
  constexpr std::string_view kText =
      "everseal: no memory is left; run again, what was begun is resumed\n";
  static_cast<void>(::write(STDERR_FILENO, kText.data(), kText.size()) < 0);
  ::_exit(1);
}

// The first signal ends the job tidily; the second ends the process.
void catch_signals() {
  struct sigaction stop{};
  stop.sa_handler = request_stop;
  stop.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaction(signal, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char** argv) {
  base::claim_stack();
  if (argc > 1 && std::string_view(argv[1]) == "role")
    return privsep::run_role({argv, static_cast<std::size_t>(argc)});
  if (const auto given_up = privsep::give_up_monitor_rights(); !given_up) {
    fmt::print(stderr, "everseal: {}\n", given_up.error().message);
    return 1;
  }
  std::set_new_handler(end_without_memory);
  FileSystem& files = base::real_file_system();
  const auto line = parse_command_line(argc, argv, files);
  if (!line) {
    fmt::print(line.error().exit_status == 0 ? stdout : stderr, "{}",
               base::printable_lines(line.error().text));
    return line.error().exit_status;
  }
  catch_signals();
  if (std::holds_alternative<DaemonCommand>(line->command))
    return run_daemon(*line, [&] { return parse_command_line(argc, argv, files); });
  PrinterOptions printing;
  const bool prints_data = line->json || std::holds_alternative<DhparamCommand>(line->command);
  printing.output = prints_data ? stderr : stdout;
  printing.is_terminal = ::isatty(::fileno(printing.output)) != 0;
  printing.quiet = line->quiet;
  printing.show_preview = !line->json;
  ProgressPrinter printer(printing);
  privsep::ProcessWorkers workers(line->settings.sandbox,
                                  {.tell = [&](const std::string& text) { printer.note(text); },
                                   .stop = &jobs::stop_requested});
  jobs::Environment environment{
      files, base::real_command_runner(), base::real_clock(), printer, line->settings, workers};
  return run(*line, environment);
}

}  // namespace
}  // namespace everseal::app

int main(int argc, char** argv) { return everseal::app::main(argc, argv); }
