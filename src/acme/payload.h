// What ACME's signed requests say, as meaning: the signer, who answers for it, writes the text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "crypto/jws.h"

namespace everseal::acme {

// All that this client ever has signed. Nothing here can revoke, or name what the signer does not
// know: the account's next key, too, is the signer's.
namespace payload {
struct PostAsGet {};    // RFC 8555 §6.3
struct FindAccount {};  // §7.3.1: the account of this key, if there is one
struct NewAccount {};   // §7.3, for what the signer knows of the person
struct NewOrder {       // §7.4
  std::vector<std::string> names{};
  std::string replaces{};  // RFC 9773 §4.1: the identifier of a certificate; or empty
  std::string profile{};   // draft-aaron-acme-profiles; or empty: the CA's default
};
struct AnswerChallenge {};  // §7.5.1
struct Deactivate {};       // §7.5.2: an authorization that is no longer wanted
struct Finalize {           // §7.4: with the certificate request of this issuance
  std::uint64_t id = 0;
};
struct ChangeKey {};  // §7.3.5: to the key that the signer holds as the account's next one
}  // namespace payload

using Payload = std::variant<payload::PostAsGet, payload::FindAccount, payload::NewAccount,
                             payload::NewOrder, payload::AnswerChallenge, payload::Deactivate,
                             payload::Finalize, payload::ChangeKey>;

// Who asks for an account.
struct Registration {
  std::vector<std::string> contacts{};  // e-mail addresses
  bool terms_agreed = false;
  std::optional<crypto::ExternalAccount> external_account{};
};

// The JSON of each payload that needs more than itself. Errors: invalid (an e-mail address that is
// none; the error quotes it), rejected (an order whose `replaces` or `profile` has a character that
// neither may have). `binding` is crypto::bind_external_account()'s text, or empty.
Result<std::string> new_account_json(const Registration& registration, const std::string& binding);
Result<std::string> new_order_json(const payload::NewOrder& order);
std::string finalize_json(const std::string& request_der);
// `account`: its URL, which must go into a JSON string as it is; `old_key`: its JSON Web Key.
std::string change_key_json(std::string_view account, std::string_view old_key);

// The JSON of the others, which is fixed.
inline constexpr const char* kPostAsGet = "";
inline constexpr const char* kFindAccount = R"({"onlyReturnExisting":true})";
inline constexpr const char* kAnswerChallenge = "{}";
inline constexpr const char* kDeactivate = R"({"status":"deactivated"})";

}  // namespace everseal::acme
