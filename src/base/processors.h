// How many things this process can do at once.
#pragma once

namespace everseal::base {

// The processors that it may run on (sched_getaffinity(2)); at least 1.
unsigned usable_processors();

}  // namespace everseal::base
