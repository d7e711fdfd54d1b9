// A certificate for a server of a test.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/file_system.h"
#include "crypto/fake_authority.h"
#include "http/tls_server.h"

namespace everseal::http {

// The files of one for 127.0.0.1, as long as it lives.
class CertificateFiles {
 public:
  CertificateFiles() {
    const auto key = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
    const auto leaf = authority_.issue({.public_key_der = key.public_key_der(),
                                        .names = {},
                                        .addresses = {"127.0.0.1"},
                                        .not_before = *base::parse_rfc3339("2020-01-01T00:00:00Z"),
                                        .not_after = *base::parse_rfc3339("2100-01-01T00:00:00Z")});
    std::filesystem::create_directories(directory_);
    FileSystem& files = base::real_file_system();
    files.create(names_.chain_file, leaf.pem(), 0600).value();
    files.create(names_.key_file, key.to_pem(), 0600).value();
  }
  ~CertificateFiles() { std::filesystem::remove_all(directory_); }

  const ServerCertificate& names() const { return names_; }
  std::string trusted() const { return authority_.certificate().pem(); }

 private:
  const std::string directory_ = fmt::format(
      "{}/everseal-tls-{}", std::filesystem::temp_directory_path().string(), ::getpid());
  const ServerCertificate names_{directory_ + "/chain.pem", directory_ + "/key.pem"};
  crypto::FakeAuthority authority_{"Test"};
};

}  // namespace everseal::http
