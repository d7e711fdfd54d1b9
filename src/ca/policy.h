// What a CA promises, asks and allows: profiles, terms, limits.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/network.h"
#include "base/result.h"
#include "base/token_bucket.h"

namespace everseal::ca {

// What a profile gives from a day on.
struct ProfileTerms {
  Time since{};
  base::Seconds validity{};             // of a certificate, both ends counted
  base::Seconds authorization_reuse{};  // of one that is valid
};

// A kind of certificate that can be ordered by its name
// (draft-aaron-acme-profiles; Let's Encrypt's of the same names).
struct Profile {
  std::string name{};
  std::string description{};
  std::vector<ProfileTerms> terms{};  // by `since`; the first holds before it, too
  std::size_t most_names = 100;
  bool addresses = false;        // IP identifiers may be ordered
  base::Seconds pending_life{};  // of an authorization
  base::Seconds order_life{};
  // In the certificate, as LeafRequest has them.
  bool common_name = false, key_encipherment = false, subject_key_id = false;

  const ProfileTerms& terms_at(Time now) const;
};

// classic, tlsserver and shortlived as Let's Encrypt announced them.
std::vector<Profile> lets_encrypt_profiles();

using base::Limit;

// Let's Encrypt's of https://letsencrypt.org/docs/rate-limits/.
struct Limits {
  Limit accounts_per_address{10, std::chrono::minutes(18)};
  Limit orders_per_account{300, base::Seconds(36)};
  Limit certificates_per_domain{50, std::chrono::minutes(202)};
  Limit certificates_per_names{5, std::chrono::minutes(34 * 60)};
  Limit failures_per_name{5, std::chrono::minutes(12)};
  Limit failures_in_a_row{1152, std::chrono::days(1)};
  // Of requests by one address, by resource; "" for all others.
  std::map<std::string, Limit, std::less<>> requests = {
      {"new-nonce", {11, base::Milliseconds(50)}},
      {"new-account", {16, base::Milliseconds(200)}},
      {"new-order", {201, base::Milliseconds(3)}},
      {"revoke-cert", {101, base::Milliseconds(100)}},
      {"renewal-info", {101, base::Milliseconds(1)}},
      {"directory", {41, base::Milliseconds(25)}},
      {"", {126, base::Milliseconds(4)}}};
};

struct Policy {
  std::string terms_of_service{};  // URL; empty: there are none
  std::string website{};           // URL
  std::vector<std::string> caa_identities{};
  std::vector<std::string> other_names{};  // of the CA: "ca.example", "ca.example:8443"
  std::vector<base::Network> reach_also{}, reach_never{};  // of validation, as Reach has them
  bool agree_anew = false;  // accounts that agreed to other terms are asked again before all else
  bool external_account_required = false;
  std::map<std::string, std::string, std::less<>> external_accounts{};  // MAC key by key id
  std::vector<Profile> profiles = lets_encrypt_profiles();              // the first is the default
  std::optional<Limits> limits{};
  base::Seconds renewal_poll{std::chrono::hours(6)};  // Retry-After of renewal information
  bool ocsp = false;                                  // answered, and named in certificates

  const Profile* find_profile(std::string_view name) const;  // empty: the default
};

// Reads a policy as JSON, whose members are those above; lengths of time are "90d", "160h",
// "30m" or "10s". `profiles` is an object by name, each with the members of Profile and
// ProfileTerms; one adds to Let's Encrypt's or replaces the one of its name, and the first of all
// is the default. `limits` is true for Let's Encrypt's, or an object of [BURST, REFILL], both
// strings, by name, those that it does not name being Let's Encrypt's. Errors: invalid, naming the
// member.
Result<Policy> parse_policy(std::string_view json);

}  // namespace everseal::ca
