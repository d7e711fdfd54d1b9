#include "app/progress_printer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "app/streams.h"
#include "app/terminal.h"
#include "base/encoding.h"
#include "base/utf8.h"

namespace everseal::app {
namespace {

constexpr std::size_t kMostLines = 12;
constexpr base::Milliseconds kRedrawAfter{50};

// Of the text's characters as many whole ones as fit.
std::string_view begin_of(std::string_view text, std::size_t width) {
  std::size_t length = 0;
  for (; width > 0 && length < text.size(); --width)
    length += std::max<std::size_t>(base::utf8_length(text.substr(length)), 1);
  return text.substr(0, length);
}

// A text may begin with the subject itself, as errors of one name do.
std::string line_of(std::string_view sign, std::string_view subject, std::string_view text) {
  const std::string prefix = fmt::format("{}: ", subject);
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return fmt::format("{} {}{}\n", sign, prefix, text);
}

}  // namespace

void ProgressPrinter::progress(std::string_view subject, std::string_view step) {
  if (options_.quiet || !options_.is_terminal) return;
  const auto live = std::ranges::find(live_, subject, &Live::subject);
  if (live == live_.end())
    live_.push_back({std::string(subject), std::string(step)});
  else
    live->step = step;
  const Instant now = std::chrono::steady_clock::now();
  if (now - last_drawn_ < kRedrawAfter) return;
  last_drawn_ = now;
  draw_live();
}

void ProgressPrinter::done(std::string_view subject, std::string_view what) {
  forget(subject);
  if (!options_.quiet) print(options_.output, line_of("ok    ", subject, what));
}

void ProgressPrinter::failed(std::string_view subject, std::string_view why) {
  forget(subject);
  print(stderr, line_of("failed", subject, why));
}

void ProgressPrinter::note(std::string_view text) {
  if (!options_.quiet) print(options_.output, fmt::format("{}\n", text));
}

void ProgressPrinter::show(std::string_view text) {
  if (!options_.quiet && options_.show_preview) print(options_.output, std::string(text));
}

bool ProgressPrinter::confirm(std::string_view question) {
  if (::isatty(STDIN_FILENO) == 0) {
    say(stderr, fmt::format("{} Nobody can be asked here: run again with --yes.\n", question));
    return false;
  }
  if (!check_standard_output()) {
    say(stderr, fmt::format("{} Nobody agrees to what could not be shown.\n", question));
    return false;
  }
  say(stderr, fmt::format("{} [y/N] ", question));
  std::array<char, 64> answer{};
  if (!std::fgets(answer.data(), answer.size(), stdin)) return false;
  return answer[0] == 'y' || answer[0] == 'Y';
}

void ProgressPrinter::print(std::FILE* stream, const std::string& line) {
  say(stream, line);
  draw_live();
}

void ProgressPrinter::forget(std::string_view subject) {
  std::erase_if(live_, [&](const Live& live) { return live.subject == subject; });
}

void ProgressPrinter::erase_live() { keep_at_end(options_.output, ""); }

void ProgressPrinter::draw_live() {
  if (live_.empty()) return;
  const std::size_t shown = std::min(live_.size(), kMostLines);
  const std::size_t width = terminal_width(options_.output) - 1;
  std::string lines;
  for (std::size_t i = 0; i < shown; ++i) {
    const std::string line =
        base::printable(fmt::format("  ...  {}: {}", live_[i].subject, live_[i].step));
    lines.append(begin_of(line, width)).append("\n");
  }
  if (live_.size() > shown) lines += fmt::format("  ...  and {} more\n", live_.size() - shown);
  keep_at_end(options_.output, lines);
}

}  // namespace everseal::app
