// `everseal status` in words: a table of all certificates, or all about one.
#pragma once

#include <cstddef>
#include <string>

#include "jobs/status.h"

namespace everseal::app {

// How to print it.
struct Look {
  std::size_t width = 80;  // of a line, in columns
  bool has_colours = false;
};

// What is wrong, a line for each certificate, what failed in the CA's words, and a line of totals.
// Columns that find no room are left out, names are cut.
std::string print_table(const jobs::StatusReport& report, const Look& look);

// All about each certificate of a report by name.
std::string print_details(const jobs::StatusReport& report, const Look& look);

}  // namespace everseal::app
