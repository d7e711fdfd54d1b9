// Asking the domain name system.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace everseal::dns {

// Numeric, in the order of the answer.
struct Addresses {
  std::vector<std::string> v6{}, v4{};
};

// RFC 8659 §4.1.
struct CaaRecord {
  bool critical = false;
  std::string tag{};    // as sent: compared without case
  std::string value{};  // as sent
};

// Interface for asking a recursive resolver, which follows aliases. Each call waits for its answer
// until `deadline` at most and may be made by several threads at once. A name that exists without
// such records has none, which is no error. Errors: not_found (the name does not exist), transient
// (no answer in time, SERVFAIL, REFUSED, an answer that cannot be read), invalid (not a name).
class Resolver {
 public:
  virtual ~Resolver() = default;

  virtual Result<Addresses> addresses(const std::string& name, Instant deadline) = 0;

  // TXT records, the strings of each put together.
  virtual Result<std::vector<std::string>> texts(const std::string& name, Instant deadline) = 0;

  // The CAA records of this name alone; climbing (RFC 8659 §3) is the caller's.
  virtual Result<std::vector<CaaRecord>> caa(const std::string& name, Instant deadline) = 0;
};

}  // namespace everseal::dns
