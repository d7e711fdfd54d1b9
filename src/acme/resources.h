// The resources of RFC 8555 §7.1 as plain values, and how they are read from what a CA sends.
//
// All of it is hostile until read: JSON of at most 1 MiB and a nesting of at most 16, URLs only
// https and of the directory's origin, tokens only base64url. Unknown members are ignored. Every
// parse returns rejected, naming the member that is wrong.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace everseal::acme {

// Whether all of `text` is of the base64url alphabet, as nonces and tokens must be (RFC 8555
// §6.5.1, §8.3).
bool is_base64url(std::string_view text);

// Whether `text` is a challenge's token: base64url, at least 128 bits, at most 128 characters.
bool is_token(std::string_view text);

// What a CA asks of those who want an account (RFC 8555 §7.1.1).
struct AccountTerms {
  std::string terms_of_service{};  // URL to show, of any origin, printable; empty if there is none
  bool external_account_required = false;
};

// RFC 8555 §7.1.1.
struct Directory {
  std::string new_nonce{}, new_account{}, new_order{};  // URLs
  std::string revoke_cert{}, key_change{};              // URLs; empty if the CA has none
  std::string renewal_info{};                           // URL (RFC 9773); empty if the CA has none
  AccountTerms terms{};
  std::string website{};  // URL to show, of any origin; printable
};
// `url` is where it came from; its origin binds all URLs of the CA.
Result<Directory> parse_directory(std::string_view json, std::string_view url);

// RFC 8555 §6.7 and RFC 7807: why a CA refused.
struct Problem {
  std::string type{};    // without "urn:ietf:params:acme:error:"; empty if it has none
  std::string detail{};  // as sent: hostile; show it through describe()
  int status = 0;
  std::string name{};      // of a subproblem: the domain name it is about
  std::string instance{};  // URL for a person (RFC 7807 §3.1), printable; or empty
  std::vector<Problem> subproblems{};

  // "unauthorized: Invalid response from …; see https://…" on one line, safe to print.
  std::string describe() const;

  // The error that asks for the right reaction: transient for what may pass by itself (dns,
  // connection, rateLimited, serverInternal, badNonce, orderNotReady), rejected for the rest.
  Error error() const;
};
// Never fails: what cannot be read as a problem becomes one that quotes it.
Problem parse_problem(std::string_view json, int http_status);

// RFC 8555 §7.1.2.
struct Account {
  std::string url{};     // the key id
  std::string orders{};  // URL of the list; empty if unknown
  std::string status{};  // "valid", "deactivated", "revoked"; empty if not asked
};
Result<Account> parse_account(std::string_view json, std::string_view origin);

// What a CA knows of an account's key: nothing; an account that has ended, deactivated or revoked;
// or an account that is valid, with its URL.
struct KeyStanding {
  enum class Kind { unknown, ended, valid };
  Kind kind = Kind::unknown;
  std::string account{};
};

enum class OrderStatus { pending, ready, processing, valid, invalid };
std::string_view to_string(OrderStatus status);

// RFC 8555 §7.1.3.
struct Order {
  OrderStatus status = OrderStatus::pending;
  std::vector<std::string> names{};           // lower-case, sorted
  std::vector<std::string> authorizations{};  // URLs
  std::string finalize{};                     // URL
  std::string certificate{};                  // URL; there if the status is valid
  std::optional<Problem> error{};
};
Result<Order> parse_order(std::string_view json, std::string_view origin);

// One page of RFC 8555 §7.1.2.1: URLs of orders.
Result<std::vector<std::string>> parse_order_list(std::string_view json, std::string_view origin);

enum class AuthorizationStatus { pending, valid, invalid, deactivated, expired, revoked };
std::string_view to_string(AuthorizationStatus status);

// RFC 8555 §8.
struct Challenge {
  std::string type{};  // "http-01", …
  std::string url{};
  std::string token{};  // ^[A-Za-z0-9_-]{22,128}$
  std::optional<Problem> error{};
};

// RFC 8555 §7.1.4.
struct Authorization {
  AuthorizationStatus status = AuthorizationStatus::pending;
  std::string name{};
  bool wildcard = false;
  std::vector<Challenge> challenges{};  // of the types we know how to read
};
Result<Authorization> parse_authorization(std::string_view json, std::string_view origin);

// RFC 9773 §4.2: when the CA wants a certificate to be renewed.
struct RenewalWindow {
  Time start{}, end{};        // of the years 1970 to 9999; the start is before the end
  std::string explanation{};  // URL to show, of any origin; printable
};
Result<RenewalWindow> parse_renewal_info(std::string_view json);

}  // namespace everseal::acme
