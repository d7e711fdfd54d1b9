#include "app/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace everseal::app {
namespace {

constexpr std::size_t kNarrowest = 20, kWidest = 1000, kUsual = 80;

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::size_t terminal_width(std::FILE* output) {
  const std::size_t said = std::strtoul(std::string(variable("COLUMNS")).c_str(), nullptr, 10);
  if (said > kNarrowest && said <= kWidest) return said;
  winsize size{};
  const bool is_known = ::ioctl(::fileno(output), TIOCGWINSZ, &size) == 0;
  return is_known && size.ws_col > kNarrowest ? size.ws_col : kUsual;
}

bool can_redraw(std::FILE* output) {
  return ::isatty(::fileno(output)) != 0 && variable("TERM") != "dumb";
}

bool wants_colour(std::FILE* output) { return can_redraw(output) && variable("NO_COLOR").empty(); }

}  // namespace everseal::app
