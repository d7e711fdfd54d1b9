// Faults on purpose: what a CA could do wrong, for tests of clients.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "acme/resources.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/random.h"
#include "http/message.h"

namespace everseal::ca {

// What is wrong with a certificate that is issued.
struct IssuanceFault {
  std::vector<std::string> names{};               // instead of the order's
  std::optional<base::Seconds> begins{}, ends{};  // of its life, from now
  std::string key_der{};                          // instead of the request's
};

// One fault: when it strikes, and what happens then. docs/ca.md has its form in files.
struct Fault {
  // When. Every condition that is set must hold.
  std::string resource{};  // "new-order", "finalize", … as in FrontEnd's routes
  std::string name{};      // one of the names that the request is about
  std::int64_t from =
      1;  // of the requests that meet the conditions above the first that it strikes
  std::int64_t times = 0;      // and how many; 0: all
  std::int64_t percent = 100;  // of those, by chance

  // What.
  enum class Drop { no, before, after };      // the effect of the request
  Drop drop = Drop::no;                       // ends the connection without an answer
  bool has_effect = true;                     // whether the request does what it should
  base::Milliseconds delay{};                 // of the answer
  bool hold = false;                          // a challenge is never tried
  std::optional<acme::Problem> validation{};  // what comes of a challenge without trying it
  std::optional<IssuanceFault> issuance{};

  // The answer, where it is another than the right one.
  int status = 0;
  std::optional<acme::Problem> problem{};
  std::optional<std::string> body{};
  std::map<std::string, std::vector<std::string>> headers{};  // by name: these and no others
  std::vector<std::pair<std::string, std::string>> set{};     // JSON pointer (RFC 6901) → JSON
  std::vector<std::string> remove{};                          // JSON pointers
  std::optional<std::vector<std::size_t>> chain{};  // of a PEM chain these certificates, from 0
  std::string append{};                             // to the body
  bool crlf = false;                                // line ends of the body

  // Makes the answer wrong.
  void apply(http::Response& response) const;
};

// All faults that are to come.
class Faults {
 public:
  explicit Faults(crypto::Randomness random) : random_(std::move(random)) {}

  // Adds those of a document {"fault": [{…}, …]}. Errors: invalid ("fault 2: there is no …").
  Result<> add(std::string_view json);
  void clear() { all_.clear(); }
  bool empty() const { return all_.empty(); }

  // The first that strikes a request, which counts for all. It stays until add() or clear().
  const Fault* strike(std::string_view resource, const std::vector<std::string>& names);

 private:
  struct Armed {
    Fault fault;
    std::int64_t seen = 0;  // requests that met its conditions
  };
  bool strikes(Armed& armed);

  crypto::Randomness random_;
  std::vector<Armed> all_;
};

}  // namespace everseal::ca
