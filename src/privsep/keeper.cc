#include "privsep/keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "crypto/certificate_request.h"

namespace everseal::privsep {
namespace {

// "acme-v02.api.letsencrypt.org_directory" of the URL; nothing in it can leave the directory.
std::string directory_name(std::string_view url) {
  if (url.starts_with("https://")) url.remove_prefix(8);
  std::string name(url);
  std::ranges::replace_if(
      name, [](unsigned char c) { return !std::isalnum(c) && c != '-' && c != '.'; }, '_');
  if (name.starts_with('.')) name[0] = '_';
  return name;
}

}  // namespace

Keeper::Keeper(FileSystem& files, store::CertificateStore& certificates,
               const std::string& state_directory, const std::string& server_url)
    : files_(files),
      certificates_(certificates),
      account_path_(
          fmt::format("{}/accounts/{}/key.pem", state_directory, directory_name(server_url))) {}

bool Keeper::has_account_key() const { return base::exists(files_, account_path_); }

Result<> Keeper::open_account_key() {
  const auto pem = files_.read(account_path_);
  if (pem) {
    account_key_ = TRY(within(account_path_, crypto::PrivateKey::from_pem(*pem)));
    return {};
  }
  if (pem.error().kind != ErrorKind::not_found) return std::unexpected(pem.error());
  auto key = TRY(crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256));
  TRY(base::make_directories(files_, base::directory_of(account_path_), 0700));
  TRY(base::write_durably(files_, account_path_, key.to_pem(), 0600));
  account_key_ = std::move(key);
  return {};
}

Result<std::string> Keeper::sign(const crypto::JwsHeader& header, std::string_view payload) {
  return crypto::sign_jws(*account_key_, header, payload);
}

Result<std::string> Keeper::thumbprint() { return crypto::thumbprint(*account_key_); }

Result<std::string> Keeper::bind_external_account(std::string_view url,
                                                  const crypto::ExternalAccount& account) {
  return crypto::bind_external_account(*account_key_, url, account);
}

Result<> Keeper::make_key(const std::string& name, int version, crypto::KeyType type) {
  const auto key = TRY(crypto::PrivateKey::generate(type));
  return certificates_.begin(name, version, key.to_pem());
}

Result<crypto::PrivateKey> Keeper::key(const std::string& name, int version) const {
  return crypto::PrivateKey::from_pem(TRY(certificates_.key(name, version)));
}

Result<std::string> Keeper::certificate_request(const std::string& name, int version,
                                                const std::vector<std::string>& names) {
  return crypto::make_certificate_request(TRY(key(name, version)), names);
}

Result<std::string> Keeper::public_key(const std::string& name, int version) {
  return TRY(key(name, version)).public_key_der();
}

}  // namespace everseal::privsep
