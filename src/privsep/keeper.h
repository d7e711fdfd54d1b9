// The one who holds keys.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "acme/signer.h"
#include "base/file_descriptor.h"
#include "crypto/private_key.h"

namespace everseal::privsep {

// Holds the account key of one CA and makes the keys of certificates. Others see signatures and
// public keys, never a key; files are given to it open. It signs nothing but what this client's
// issuances need: for URLs of the configured CA, under the one account that it was told, the orders
// that it was told, and for these the requests that it made itself or was given, and, where
// allowed, the change to the account's next key. So it can serve a stranger (faults.md S11).
class Keeper : public acme::Signer {
 public:
  using Order = acme::payload::NewOrder;

  // The CA that is signed for. Errors: invalid (not an https URL).
  Result<> use_ca(const std::string& directory_url);

  // The account that is signed for, by its URL. Errors: invalid (it is not at the CA).
  Result<> use_account(const std::string& url);

  // The account key from a file, or a new one (ECDSA P-256) into it. Gives its thumbprint.
  Result<std::string> open_account_key(const base::FileDescriptor& file);
  Result<std::string> make_account_key(const base::FileDescriptor& file);

  // The account's next key, likewise; it signs nothing before it is chosen. Gives its thumbprint.
  Result<std::string> open_next_key(const base::FileDescriptor& file);
  Result<std::string> make_next_key(const base::FileDescriptor& file);

  // Which of both signs from now on; another than the present one ends what allow_key_change()
  // began. Errors: rejected (there is no such key).
  Result<> choose(acme::AccountKey key);

  // From now on the change to the next key may be signed. Errors: rejected (there is none).
  Result<> allow_key_change();

  // From now on an account may be made, and only for this person.
  void allow_registration(acme::Registration registration);

  // A new key into a file, or one from a file, for the issuance with this order: what it needs
  // later (the certificate request) is made at once, and the key forgotten. Gives the public key in
  // DER.
  Result<std::string> make_key(std::uint64_t id, const Order& order, crypto::KeyType type,
                               const base::FileDescriptor& file);
  Result<std::string> open_key(std::uint64_t id, const Order& order,
                               const base::FileDescriptor& file);

  // An issuance by a request (PKCS #10 in DER) whose key is not ours.
  void use_request(std::uint64_t id, const Order& order, std::string request);

  // Errors: rejected (whatever is not ours to sign).
  Result<std::string> sign(const crypto::JwsHeader& header, const acme::Payload& payload) override;

 private:
  // What is planned for one certificate, and how often it was signed for.
  struct Issuance {
    Order order;          // its names sorted
    std::string request;  // PKCS #10 in DER
    int orders = 0, finalizations = 0;
  };

  using Key = std::optional<crypto::PrivateKey>;
  static Result<std::string> read(Key& key, const base::FileDescriptor& file);
  static Result<std::string> make(Key& key, const base::FileDescriptor& file);
  const Key& chosen() const {
    return choice_ == acme::AccountKey::present ? account_key_ : next_key_;
  }
  Result<std::string> prepare(std::uint64_t id, const Order& order, const crypto::PrivateKey& key);
  Issuance* planned(const Order& order);
  Result<> check(const crypto::JwsHeader& header, const acme::Payload& payload);
  Result<> check_account(const crypto::JwsHeader& header, const acme::Payload& payload) const;

  Result<std::string> text(const crypto::JwsHeader&, const acme::payload::PostAsGet&);
  Result<std::string> text(const crypto::JwsHeader&, const acme::payload::FindAccount&);
  Result<std::string> text(const crypto::JwsHeader&, const acme::payload::NewAccount&);
  Result<std::string> text(const crypto::JwsHeader&, const acme::payload::NewOrder&);
  Result<std::string> text(const crypto::JwsHeader&, const acme::payload::AnswerChallenge&);
  Result<std::string> text(const crypto::JwsHeader&, const acme::payload::Deactivate&);
  Result<std::string> text(const crypto::JwsHeader&, const acme::payload::Finalize&);
  Result<std::string> text(const crypto::JwsHeader&, const acme::payload::ChangeKey&);

  std::string origin_;
  std::string account_;  // its URL; empty: it is not known yet
  Key account_key_, next_key_;
  acme::AccountKey choice_ = acme::AccountKey::present;
  int key_changes_ = 0;  // that may still be signed
  std::optional<acme::Registration> registration_;
  int registrations_ = 0;  // signed
  std::map<std::uint64_t, Issuance> issuances_;
  std::map<std::vector<std::string>, std::vector<std::uint64_t>> ids_;  // of issuances_, by names
  std::uint64_t names_ = 0;                                             // of all issuances_
  std::uint64_t signatures_ = 0, deactivations_ = 0;
};

}  // namespace everseal::privsep
