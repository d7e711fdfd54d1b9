#include "ca/authority.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "ca/own_files.h"
#include "ca/x509.h"
#include "crypto/random.h"

namespace everseal::ca {
namespace {

using base::join_path;
using crypto::Certificate;
using crypto::PrivateKey;

constexpr auto kRootLife = std::chrono::days(20 * 365);
constexpr auto kIntermediateLife = std::chrono::days(5 * 365);
constexpr base::Seconds kClockSkew = std::chrono::hours(1);  // of clients, towards the past
constexpr std::string_view kOrganization = "Everseal";

Result<PrivateKey> read_key_file(const FileSystem& files, const std::string& path) {
  if (base::exists(files, path)) TRY(check_secret(files, path));
  PrivateKey key = TRY(PrivateKey::read(TRY(files.open(path)), fmt::format("read {}", path)));
  if (key.type() == crypto::KeyType::ecdsa_p256) return key;
  return base::invalid(fmt::format("{}: not an ECDSA P-256 key", path));
}

// A key without a certificate is left by a run that was killed.
Result<PrivateKey> read_or_make_key(FileSystem& files, const std::string& path) {
  auto there = read_key_file(files, path);
  if (there || there.error().kind != ErrorKind::not_found) return there;
  auto key = TRY(PrivateKey::generate(crypto::KeyType::ecdsa_p256));
  const auto write = [&](const base::FileDescriptor& file) {
    return key.write(file, fmt::format("write {}", path));
  };
  TRY(base::write_durably_with(files, path, write, 0600));
  return key;
}

Result<Certificate> read_certificate(const FileReader& files, const std::string& path) {
  return base::within(path, Certificate::from_pem(TRY(files.read(path))));
}

Result<Certificate> write_certificate(FileSystem& files, const std::string& path,
                                      std::string_view der) {
  auto certificate = TRY(Certificate::from_der(der));
  TRY(base::write_durably(files, path, certificate.pem(), 0644));
  return certificate;
}

// No two CAs have the same: trust stores tell them by it. "Everseal Root 1 3f9a2c".
std::string subject_of(std::string_view role, std::string_view id, std::string_view public_key) {
  const std::string mark = base::hex(x509::key_identifier(public_key)).substr(0, 6);
  return x509::name(kOrganization, fmt::format("Everseal {} {} {}", role, id, mark));
}

// What all certificates of CAs share.
x509::Certificate authority_certificate(const std::string& public_key, Time now,
                                        base::Seconds life) {
  x509::Certificate content;
  content.serial = x509::random_serial(crypto::random_bytes);
  content.not_before = now - kClockSkew;
  content.not_after = content.not_before + life - base::Seconds(1);
  content.public_key = public_key;
  content.extensions = x509::key_usage(x509::Usage::authority) +
                       x509::subject_key_identifier(x509::key_identifier(public_key));
  return content;
}

Result<std::string> self_signed(PrivateKey key, std::string_view id, Time now) {
  const std::string public_key = key.public_key_der();
  auto content = authority_certificate(public_key, now, kRootLife);
  content.subject = content.issuer = subject_of("Root", id, public_key);
  content.extensions += x509::authority();
  return x509::sign_certificate(content, OwnKey(std::move(key)));
}

Result<std::string> certified(const std::string& public_key, std::string_view id, const Root& root,
                              PrivateKey root_key, Time now) {
  auto content = authority_certificate(public_key, now, kIntermediateLife);
  content.not_after = std::min(content.not_after, root.certificate().not_after());
  content.subject = subject_of("CA", id, public_key);
  content.issuer = root.certificate().subject_der();
  content.extensions += x509::lowest_authority() + x509::server_authentication() +
                        x509::authority_key_identifier(root.certificate().subject_key_id());
  return x509::sign_certificate(content, OwnKey(std::move(root_key)));
}

std::string key_path(const std::string& directory, const std::string& name) {
  return join_path(directory, name + ".key");
}

std::string certificate_path(const std::string& directory, const std::string& name) {
  return join_path(directory, name + ".pem");
}

std::string intermediate_name(const std::string& id) { return "intermediate-" + id; }

// By the first root "intermediate-1.pem", by others "intermediate-1-by-root-2.pem".
std::string path_by_root(const std::string& directory, const std::string& id,
                         const std::vector<Root>& roots, std::size_t number) {
  const std::string name = intermediate_name(id);
  return certificate_path(directory, number == 0 ? name : name + "-by-" + roots[number].name());
}

Result<Certificate> read_or_certify(FileSystem& files, const std::string& directory,
                                    const std::string& path, const PrivateKey& key,
                                    const std::string& id, const Root& root, Time now) {
  auto there = read_certificate(files, path);
  if (there || there.error().kind != ErrorKind::not_found) return there;
  PrivateKey root_key = TRY(root.read_key(files, directory));
  return write_certificate(
      files, path, TRY(certified(key.public_key_der(), id, root, std::move(root_key), now)));
}

Result<> check_match(const Certificate& certificate, const PrivateKey& key,
                     const std::string& path) {
  if (key_matches(certificate, key)) return {};
  return base::invalid(fmt::format("{}: its key is another than the one beside it", path));
}

// A new key beside an old certificate would only hide that the old one is lost.
Result<> check_there(const FileReader& files, const std::string& key_file) {
  if (base::exists(files, key_file)) return {};
  return base::invalid(fmt::format(
      "{} is missing, the certificate beside it is there: put the key back from a backup, or move "
      "the certificate away to have another one made",
      key_file));
}

}  // namespace

Result<Root> Root::open(FileSystem& files, const std::string& directory, const std::string& name,
                        Time now) {
  const std::string path = certificate_path(directory, name);
  auto there = read_certificate(files, path);
  if (there) return Root(name, *std::move(there));
  if (there.error().kind != ErrorKind::not_found) return std::unexpected(there.error());
  PrivateKey key = TRY(read_or_make_key(files, key_path(directory, name)));
  const std::string_view id = std::string_view(name).substr(name.find('-') + 1);
  return Root(name, TRY(write_certificate(files, path, TRY(self_signed(std::move(key), id, now)))));
}

Result<Root> Root::read(const FileReader& files, const std::string& directory,
                        const std::string& name) {
  return Root(name, TRY(read_certificate(files, certificate_path(directory, name))));
}

Result<PrivateKey> Root::read_key(const FileSystem& files, const std::string& directory) const {
  const std::string path = key_path(directory, name_);
  auto key = TRY(read_key_file(files, path));
  TRY(check_match(certificate_, key, path));
  return key;
}

Intermediate::Intermediate(std::string id, std::shared_ptr<const SigningKey> key,
                           std::vector<Certificate> certificates)
    : id_(std::move(id)),
      key_(std::move(key)),
      certificates_(std::move(certificates)),
      subject_(certificates_.front().subject_der()),
      key_identifier_(certificates_.front().subject_key_id()) {}

bool Intermediate::exists(const FileReader& files, const std::string& directory,
                          const std::string& id) {
  return base::exists(files, certificate_path(directory, intermediate_name(id)));
}

Result<Intermediate> Intermediate::open(FileSystem& files, const std::string& directory,
                                        const std::string& id, const std::vector<Root>& roots,
                                        Time now) {
  const std::string key_file = key_path(directory, intermediate_name(id));
  if (exists(files, directory, id)) TRY(check_there(files, key_file));
  PrivateKey key = TRY(read_or_make_key(files, key_file));
  std::vector<Certificate> certificates;
  for (std::size_t i = roots.size(); i-- > 0;) {
    const std::string path = path_by_root(directory, id, roots, i);
    certificates.insert(certificates.begin(),
                        TRY(read_or_certify(files, directory, path, key, id, roots[i], now)));
    TRY(check_match(certificates.front(), key, path));
  }
  return Intermediate(id, std::make_shared<OwnKey>(std::move(key)), std::move(certificates));
}

Result<Intermediate> Intermediate::read(const FileReader& files, const std::string& directory,
                                        const std::string& id, const std::vector<Root>& roots,
                                        const KeySource& keys) {
  std::vector<Certificate> certificates;
  for (std::size_t i = 0; i < roots.size(); i++)
    certificates.push_back(TRY(read_certificate(files, path_by_root(directory, id, roots, i))));
  return Intermediate(id, keys(id), std::move(certificates));
}

}  // namespace everseal::ca
