// The history of each certificate, as the jobs write it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jobs/state.h"

namespace everseal::jobs {

// Collects what happens and enters it at once. What cannot be entered is said, and stops nothing.
class Chronicle {
 public:
  Chronicle(const Environment& environment, State& state)
      : environment_(environment), state_(state) {}
  ~Chronicle() { enter(); }
  Chronicle(const Chronicle&) = delete;
  Chronicle& operator=(const Chronicle&) = delete;

  // `text` may hold a stranger's words.
  void add(const std::string& certificate, store::EventKind kind, std::string_view text);

  // All that was added since, durable when it returns.
  void enter();

 private:
  const Environment& environment_;
  State& state_;
  std::vector<store::EventRecord> events_;
};

}  // namespace everseal::jobs
