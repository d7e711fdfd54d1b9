// The keys and certificates of the CA itself, in files.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"
#include "ca/signing_key.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"

namespace everseal::ca {

// Where all begins: what clients trust. Its key is only read while an intermediate is made, so that
// an administrator may keep it elsewhere.
class Root {
 public:
  // Reads DIRECTORY/NAME.pem, or makes it and NAME.key (ECDSA P-256, 20 years). Errors: of files;
  // invalid (they are not what was written).
  static Result<Root> open(FileSystem& files, const std::string& directory, const std::string& name,
                           Time now);

  // Without making it.
  static Result<Root> read(const FileReader& files, const std::string& directory,
                           const std::string& name);

  const crypto::Certificate& certificate() const { return certificate_; }
  const std::string& name() const { return name_; }

  // Errors: not_found (it is kept elsewhere).
  Result<crypto::PrivateKey> read_key(const FileSystem& files, const std::string& directory) const;

 private:
  Root(std::string name, crypto::Certificate certificate)
      : name_(std::move(name)), certificate_(std::move(certificate)) {}

  std::string name_;
  crypto::Certificate certificate_;
};

// Gives the key of an intermediate, by its id.
using KeySource = std::function<std::shared_ptr<const SigningKey>(const std::string& id)>;

// What signs leaves, CRLs and OCSP responses: one key, certified by every root.
class Intermediate {
 public:
  // Reads DIRECTORY/intermediate-ID.key and a certificate for each root, or makes what is missing
  // (ECDSA P-256, 5 years, the first root's certificate last). Errors: as above.
  static Result<Intermediate> open(FileSystem& files, const std::string& directory,
                                   const std::string& id, const std::vector<Root>& roots, Time now);

  // Reads its certificates; the key comes from `keys`.
  static Result<Intermediate> read(const FileReader& files, const std::string& directory,
                                   const std::string& id, const std::vector<Root>& roots,
                                   const KeySource& keys);

  // Whether open() would find it whole.
  static bool exists(const FileReader& files, const std::string& directory, const std::string& id);

  const std::string& id() const { return id_; }  // "1", "2", …: part of URLs
  const SigningKey& key() const { return *key_; }

  // One by each root, in their order; never empty.
  const std::vector<crypto::Certificate>& certificates() const { return certificates_; }

  // Of the one by the first root: the last second of its life.
  Time not_after() const { return certificates_.front().not_after(); }

  const std::string& subject() const { return subject_; }                // DER
  const std::string& key_identifier() const { return key_identifier_; }  // bytes

 private:
  Intermediate(std::string id, std::shared_ptr<const SigningKey> key,
               std::vector<crypto::Certificate> certificates);

  std::string id_;
  std::shared_ptr<const SigningKey> key_;
  std::vector<crypto::Certificate> certificates_;
  std::string subject_, key_identifier_;
};

}  // namespace everseal::ca
