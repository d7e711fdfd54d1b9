// What a person reads while a job runs.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "base/clock.h"
#include "jobs/reporter.h"

namespace everseal::app {

struct PrinterOptions {
  std::FILE* output = stdout;  // for all but failures, which go to standard error
  bool is_terminal =
      false;  // whose lines can be redrawn: keep a live line for each certificate in flight
  bool quiet = false;  // failures only
  bool show_preview = true;
};

// Prints a line for each step that is over; on a terminal it also keeps, below them, a line for
// each certificate in flight and redraws it in place.
class ProgressPrinter : public jobs::Reporter {
 public:
  explicit ProgressPrinter(PrinterOptions options) : options_(options) {}
  ~ProgressPrinter() override { erase_live(); }

  void progress(std::string_view subject, std::string_view step) override;
  void done(std::string_view subject, std::string_view what) override;
  void failed(std::string_view subject, std::string_view why) override;
  void note(std::string_view text) override;
  void show(std::string_view text) override;
  bool confirm(std::string_view question) override;

 private:
  struct Live {
    std::string subject;
    std::string step;
  };

  void print(std::FILE* stream, const std::string& line);
  void forget(std::string_view subject);
  void erase_live();
  void draw_live();

  const PrinterOptions options_;
  std::vector<Live> live_;
  Instant last_drawn_{};
};

}  // namespace everseal::app
