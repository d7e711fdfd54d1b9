// The one who holds keys.
#pragma once

#include <string>
#include <vector>

#include "acme/signer.h"
#include "base/file_system.h"
#include "crypto/private_key.h"
#include "store/certificate_store.h"

namespace everseal::privsep {

// Keeps the account key of one CA and the keys of certificates; others see signatures, requests and
// public keys, never a key. `files` and `certificates` must outlive it.
class Keeper : public acme::Signer {
 public:
  // `state_directory`/accounts/CA/key.pem, CA made from the directory URL. Nothing is read yet.
  Keeper(FileSystem& files, store::CertificateStore& certificates,
         const std::string& state_directory, const std::string& server_url);

  bool has_account_key() const;

  // Reads the account key, or makes one (ECDSA P-256) that is durable when it returns.
  Result<> open_account_key();

  Result<std::string> sign(const crypto::JwsHeader& header, std::string_view payload) override;
  Result<std::string> thumbprint() override;
  Result<std::string> bind_external_account(std::string_view url,
                                            const crypto::ExternalAccount& account) override;

  // Makes the key of a version to come; durable when it returns.
  Result<> make_key(const std::string& name, int version, crypto::KeyType type);

  // A certificate request by that key, in DER.
  Result<std::string> certificate_request(const std::string& name, int version,
                                          const std::vector<std::string>& names);

  // DER SubjectPublicKeyInfo of that key.
  Result<std::string> public_key(const std::string& name, int version);

 private:
  Result<crypto::PrivateKey> key(const std::string& name, int version) const;

  FileSystem& files_;
  store::CertificateStore& certificates_;
  const std::string account_path_;
  std::optional<crypto::PrivateKey> account_key_;
};

}  // namespace everseal::privsep
