// A lack of memory, told from other failures.
#pragma once

#include <cstddef>
#include <new>

namespace everseal::base {

// Does nothing where there is memory to be had; else what operator new does: the new-handler of the
// process ends it. For failures of libraries, which give a lack of memory many names and would be
// asked again and again.
inline void insist_on_memory() {
  constexpr std::size_t kEnough = 1 << 20;
  ::operator delete(::operator new(kEnough));
}

// Has the kernel give this thread's stack now what its calls will need: where there is no memory to
// grow it later, the process would be ended without a word.
[[gnu::noinline]] inline void claim_stack() {
  constexpr std::size_t kEnough = 512 << 10;
  char bytes[kEnough];
  bytes[0] = 0;
  asm volatile("" : : "r"(bytes) : "memory");  // it is written
}

}  // namespace everseal::base
