// New keys and parameters in place of old ones, which are back if anything fails.
#pragma once

#include <string>
#include <vector>

#include "jobs/renew.h"

namespace everseal::jobs {

enum class Rotation { due, keys, account, dhparam, all };

struct RotateOptions {
  Rotation what = Rotation::due;
  std::vector<std::string> names;  // with `keys`: certificates that have one of them; empty: all
};

struct RotateSummary {
  std::vector<std::string> rotated;    // in words: "account key of URL", "key of NAME", …
  std::vector<std::string> unchanged;  // likewise, with the reason
  std::vector<RenewalFailure> failed;  // `name` is in the same words, or a certificate's
};

// Certificates get new versions with new keys (renew_certificates()), accounts new keys
// (Issuer::change_key()), nginx new Diffie-Hellman parameters. Of `all` the parameters come back if
// a certificate's key could not be changed; each certificate stands for itself; an account's new
// key stays, since the CA has taken it. The administrator is told what failed. Errors: what stops
// all of it.
Result<RotateSummary> rotate(const Environment& environment, const RotateOptions& options);

// What the settings' schedule says is due, and what has failed and may be tried again; for
// certificates that is renewal, not this. Next to nothing where nothing is due.
Result<RotateSummary> rotate_what_is_due(const Environment& environment, State& state);

}  // namespace everseal::jobs
