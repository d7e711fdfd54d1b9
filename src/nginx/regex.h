// Regular expressions as nginx runs them: PCRE on bytes, unanchored.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"

struct pcre2_real_code_8;

namespace everseal::nginx {

enum class Case { sensitive, insensitive };

// A compiled expression (ngx_regex_compile). Move-only.
class Regex {
 public:
  // Errors: invalid, with PCRE's own words.
  static Result<Regex> compile(std::string_view pattern, Case how);

  // Whether it is found anywhere in `subject`. An expression that PCRE gives up on, for its
  // backtracking, is not found.
  bool matches(std::string_view subject) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  explicit Regex(pcre2_real_code_8* code) : code_(code) {}

  std::unique_ptr<pcre2_real_code_8, Free> code_;
};

}  // namespace everseal::nginx
