// What the terminal can show.
#pragma once

#include <cstddef>
#include <cstdio>

namespace everseal::app {

// In columns: as COLUMNS says, else the terminal; 80 where there is neither.
std::size_t terminal_width(std::FILE* output);

// Whether it is a terminal whose lines can be written anew: one that is not dumb.
bool can_redraw(std::FILE* output);

// On such a terminal, unless NO_COLOR is set (no-color.org).
bool wants_colour(std::FILE* output);

}  // namespace everseal::app
