// What happened without a person and is worth one word to him.
#pragma once

#include <string>

#include "jobs/state.h"

namespace everseal::jobs {

// Keys of incidents that are notices begin so.
inline constexpr std::string_view kNotice = "notice ";

// Says it to the reporter, and has it told with the next `everseal renew`, once; `subject` is the
// same for what happens again. What cannot be kept is said, and stops nothing.
void enter_notice(const Environment& environment, State& state, const std::string& subject,
                  const std::string& headline);

}  // namespace everseal::jobs
