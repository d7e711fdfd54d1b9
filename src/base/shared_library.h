// Libraries that only some runs need: opened when they are, so that no other process has their code
// or the time that they take to start.
#pragma once

#include <string>

#include "base/result.h"

namespace everseal::base {

// A library that stays open for the life of the process.
class SharedLibrary {
 public:
  // `name` as the dynamic loader knows it: "libidn2.so.0". Errors: not_found, naming the Debian
  // `package` to install.
  static Result<SharedLibrary> open(const char* name, const char* package);

  // Sets `function` to the library's function of this name. Errors: not_found.
  template <class Function>
  Result<> find(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(address(name));
    if (function) return {};
    return not_found(std::string("the library has no function ") + name);
  }

 private:
  explicit SharedLibrary(void* handle) : handle_(handle) {}
  void* address(const char* name) const;

  void* handle_;
};

}  // namespace everseal::base
