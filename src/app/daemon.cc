#include "app/daemon.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "app/alarm.h"
#include "app/metrics_server.h"
#include "app/progress_printer.h"
#include "app/reckoning.h"
#include "app/service_manager.h"
#include "app/streams.h"
#include "app/terminal.h"
#include "base/stop.h"
#include "jobs/metrics.h"
#include "jobs/renew.h"
#include "privsep/process_workers.h"
#include "renew/schedule.h"

namespace everseal::app {
namespace {

// Between two looks: at least, so that nothing can keep the processor busy; at most, so that what
// other runs do is seen, and after a failure.
constexpr base::Seconds kShortestSleep{1};
constexpr base::Seconds kLongestSleep = std::chrono::minutes(15);
constexpr base::Seconds kLongestRetry = std::chrono::hours(1);

std::atomic<bool> reload_requested = false;

void catch_reload() {
  struct sigaction reload{};
  reload.sa_handler = [](int) { reload_requested = true; };
  sigaction(SIGHUP, &reload, nullptr);
}

// The lines that a job reports, as a sign of life.
class LivingPrinter : public ProgressPrinter {
 public:
  LivingPrinter(const PrinterOptions& options, const ServiceManager& manager)
      : ProgressPrinter(options), manager_(manager) {}
  void progress(std::string_view subject, std::string_view step) override {
    manager_.tell("WATCHDOG=1");
    ProgressPrinter::progress(subject, step);
  }

 private:
  const ServiceManager& manager_;
};

PrinterOptions printing(const CommandLine& line) {
  PrinterOptions options;
  options.is_terminal = can_redraw(options.output);
  options.quiet = line.quiet;
  return options;
}

class Daemon {
 public:
  Daemon(CommandLine line, Alarm alarm) : line_(std::move(line)), alarm_(std::move(alarm)) {
    listen();
  }

  int run(const std::function<std::expected<CommandLine, Usage>()>& read) {
    manager_.tell("READY=1");
    while (!base::stop_requested) {
      const Time next = turn();
      manager_.tell(fmt::format("WATCHDOG=1\nSTATUS=Looks again at {}", base::to_rfc3339(next)));
      sleep(next);
      if (reload_requested.exchange(false)) reload(read);
    }
    manager_.tell("STOPPING=1");
    return 0;
  }

 private:
  // Does what is due; returns when to look again.
  Time turn() {
    alarm_.let_signals();
    LivingPrinter printer(printing(line_), manager_);
    privsep::ProcessWorkers workers(line_.settings.sandbox,
                                    {.tell = [&](const std::string& text) { printer.note(text); },
                                     .stop = &base::stop_requested});
    const jobs::Environment environment{base::real_file_system(),
                                        base::real_command_runner(),
                                        clock_,
                                        printer,
                                        line_.settings,
                                        workers};
    const ClockReading begin = read_clocks(clock_);
    const auto done = jobs::renew(
        environment, {.names = {}, .look = look_, .expected = reckoning_.expected(begin)});
    if (!done) printer.failed("renew", done.error().message);
    if (done && done->ca_time) reckoning_.learn(begin, *done->ca_time);
    if (done && done->next_looks_are_noted) look_ = jobs::Look::when_noted;
    failures_ = done && done->failed.empty() ? 0 : failures_ + 1;
    if (metrics_) show_metrics(environment);
    alarm_.hold_signals();
    return next_turn(done ? done->next_look : std::nullopt);
  }

  // Makes what the settings want of metrics.
  void listen() {
    metrics_.reset();
    if (line_.settings.metrics) metrics_.emplace(*line_.settings.metrics, line_.settings.sandbox);
    metrics_problem_.clear();
  }

  // Says once what is wrong: certificates are renewed all the same.
  // Takes at most a twentieth of the time.
  void show_metrics(const jobs::Environment& environment) {
    const Instant begin = std::chrono::steady_clock::now();
    if (begin < metrics_rest_) return;
    const auto report = jobs::status(environment, {});
    Result<> shown =
        report ? metrics_->show(jobs::to_prometheus(*report)) : std::unexpected(report.error());
    const std::string problem = shown ? "" : shown.error().message;
    if (!problem.empty() && problem != metrics_problem_)
      environment.reporter.failed("metrics", problem);
    metrics_problem_ = problem;
    const Instant end = std::chrono::steady_clock::now();
    metrics_rest_ = end + 20 * (end - begin);
  }

  // What has failed for no certificate's sake, or could not be installed, has no moment of its own.
  Time next_turn(std::optional<Time> next_look) const {
    const Time now = clock_.now();
    const base::Seconds pause =
        failures_ == 0 ? kShortestSleep : std::min(renew::backoff(failures_), kLongestRetry);
    const Time latest = now + std::max(kLongestSleep, pause);
    return std::clamp(next_look.value_or(latest), now + pause, latest);
  }

  void sleep(Time until) {
    const auto patience = manager_.patience().value_or(std::chrono::hours(1)) / 2;
    for (;;) {
      if (base::stop_requested || reload_requested) return;
      switch (alarm_.sleep(until, patience)) {
        case Woken::at_the_moment:
        case Woken::by_a_signal:
          return;
        case Woken::by_the_clock:
          look_ = jobs::Look::at_all;
          return;
        case Woken::to_say_so:
          manager_.tell("WATCHDOG=1");
      }
    }
  }

  // Settings that are wrong change nothing.
  void reload(const std::function<std::expected<CommandLine, Usage>()>& read) {
    manager_.tell("RELOADING=1");
    if (auto line = read()) {
      const jobs::Settings before = std::exchange(line_, *std::move(line)).settings;
      if (before.metrics != line_.settings.metrics || before.sandbox != line_.settings.sandbox)
        listen();
      metrics_rest_ = {};
    } else {
      say(stderr, line.error().text + "The settings stay as they were.\n");
    }
    manager_.tell("READY=1");
  }

  const Clock& clock_ = base::real_clock();
  CommandLine line_;
  ServiceManager manager_;
  Alarm alarm_;
  Reckoning reckoning_{read_clocks(clock_)};
  std::optional<MetricsServer> metrics_;
  std::string metrics_problem_;  // as it was told; empty: none
  Instant metrics_rest_{};       // until then
  int failures_ = 0;             // turns in a row
  // At all when the clock was set: what was noted by another one says nothing.
  jobs::Look look_ = jobs::Look::when_noted;
};

}  // namespace

int run_daemon(CommandLine line, const std::function<std::expected<CommandLine, Usage>()>& read) {
  catch_reload();
  auto alarm = Alarm::make();
  if (!alarm) {
    say(stderr, fmt::format("everseal: {}\n", alarm.error().message));
    return 1;
  }
  alarm->hold_signals();
  return Daemon(std::move(line), *std::move(alarm)).run(read);
}

}  // namespace everseal::app
