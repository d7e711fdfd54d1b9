#include "base/shared_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "base/memory.h"

namespace everseal::base {

Result<SharedLibrary> SharedLibrary::open(const char* name, const char* package) {
  void* const handle = ::dlopen(name, RTLD_LAZY | RTLD_LOCAL);
  if (handle) return SharedLibrary(handle);
  insist_on_memory();
  return not_found(fmt::format("{}; install {}", ::dlerror(), package));
}

void* SharedLibrary::address(const char* name) const { return ::dlsym(handle_, name); }

}  // namespace everseal::base
