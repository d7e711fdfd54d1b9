// Decisions in words.
#pragma once

#include <string>

#include "base/clock.h"

namespace everseal::renew {

// "7 days", "26 hours", "100 minutes", "30 seconds": the largest unit of which there are two,
// rounded down; of exactly one "1 day", "1 hour", "1 minute".
std::string in_words(base::Seconds span);

}  // namespace everseal::renew
