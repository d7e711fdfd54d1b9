#include "base/processors.h"

#include <sched.h>

#include <algorithm>
#include <thread>

namespace everseal::base {

unsigned usable_processors() {
  cpu_set_t usable;
  if (::sched_getaffinity(0, sizeof usable, &usable) == 0)
    return static_cast<unsigned>(CPU_COUNT(&usable));
  return std::max(1u, std::thread::hardware_concurrency());  // more than a cpu_set_t has room for
}

}  // namespace everseal::base
