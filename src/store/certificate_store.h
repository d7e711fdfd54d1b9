// Certificates on disk: immutable versions and the one switch (docs/formats.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "crypto/verifier.h"

namespace everseal::store {

// The tree
//   certs/NAME/versions/N.new/privkey.pem    a version that waits for its certificate
//   certs/NAME/versions/N/{bundle,fullchain,chain,cert,privkey}.pem
// or, by a request of which the key is not ours,
//   certs/NAME/versions/N.new/csr.pem
//   certs/NAME/versions/N/{fullchain,chain,cert,csr}.pem
//   live/NAME -> ../certs/NAME/versions/N
// each complete version with certificate.json, which says what was asked for (store/note.h), so
// that the catalog can be built anew; all under the state directory. A version becomes visible
// whole, by one rename; live is switched by one rename. Names come from base::parse_domain_name.
// `files` must outlive it.
class CertificateStore {
 public:
  CertificateStore(FileSystem& files, std::string state_directory)
      : files_(files), state_(std::move(state_directory)) {}

  // What nginx is told to read: key and full chain in one file.
  std::string bundle_path(const std::string& name) const;

  // Keeps the key of a version to come, as `write_key` writes it in PEM; durable when it returns.
  Result<> begin(const std::string& name, int version, const base::ContentWriter& write_key);

  // The same for a version to come whose key is not ours: keeps its certificate request in PEM.
  Result<> begin_by_request(const std::string& name, int version, const std::string& pem);
  bool is_begun_by_request(const std::string& name, int version) const;

  // The key of a version, complete or not: a file in PEM. Errors: not_found.
  Result<base::FileDescriptor> open_key(const std::string& name, int version) const;

  // Gives a version its chain and makes it complete; durable when it returns. Again is no error,
  // but another chain never replaces one that is there. The key goes from file to file within the
  // kernel. `note` says what was asked for. Errors: rejected, if there is another certificate.
  Result<> complete(const std::string& name, int version, const crypto::EncodedChain& chain,
                    const std::string& note = {});

  // Forgets a version that was not completed; one that is not there is no error.
  Result<> discard(const std::string& name, int version);

  // Removes a complete version with its key, but never the live one. It disappears whole, by one
  // rename; one that is not there is no error. Errors: rejected.
  Result<> remove(const std::string& name, int version);

  // Makes a complete version the live one; durable when it returns. What somebody else has put in
  // the link's place is kept beside it as .NAME.set-aside, .NAME.set-aside-2 …
  Result<> switch_live(const std::string& name, int version);

  // The version that live refers to; nullopt if there is none.
  Result<std::optional<int>> live(const std::string& name) const;

  bool is_complete(const std::string& name, int version) const;

  // What is on disk, whatever the catalog knows of it; by name, in order.
  Result<std::vector<std::string>> names() const;
  // What live/ names, whether it leads anywhere or not; in order.
  Result<std::vector<std::string>> live_names() const;
  struct Versions {
    std::vector<int> complete{}, pending{};  // ascending
    int last() const;                        // the highest number; 0 if there is none
  };
  Result<Versions> versions(const std::string& name) const;

  // A file of a complete version, which is no key. Errors: those of reading it.
  Result<std::string> read(const std::string& name, int version, std::string_view file) const;

  // ---- Of a complete version, where somebody else was at its files.

  static constexpr std::string_view kBundle = "bundle.pem", kKey = "privkey.pem",
                                    kChain = "fullchain.pem", kIssuers = "chain.pem",
                                    kLeaf = "cert.pem";

  // One of its files. Errors: not_found, and those of the file system.
  Result<base::FileDescriptor> open_file(const std::string& name, int version,
                                         std::string_view file) const;

  // Whether a file is regular, ours, 0600 and not empty; one that is not there is not.
  bool is_well_kept(const std::string& name, int version, std::string_view file) const;

  // Whether live/NAME is the link to this version that switch_live() makes.
  bool leads_to(const std::string& name, int version) const;

  // Whether this version, and what live/NAME leads to, have what nginx is told to read: a quick
  // look.
  bool is_at_hand(const std::string& name, int version, bool has_key) const;

  // Writes one of its files of certificates anew.
  Result<> restore(const std::string& name, int version, std::string_view file,
                   std::string_view pem);

  // The bundle from the first bytes of privkey.pem and a chain in PEM; privkey.pem from the first
  // bytes of the bundle.
  Result<> restore_bundle(const std::string& name, int version, std::uint64_t key_bytes,
                          const std::string& chain);
  Result<> restore_key(const std::string& name, int version, std::uint64_t key_bytes);

 private:
  std::string versions_path(const std::string& name) const;
  std::string version_path(const std::string& name, int version) const;
  std::string pending_path(const std::string& name, int version) const;
  Result<> begin_with(const std::string& name, int version, std::string_view file,
                      const base::ContentWriter& write);
  Result<> check_is(const std::string& name, int version, const crypto::EncodedChain& chain) const;
  std::string file_path(const std::string& name, int version, std::string_view file) const;
  base::ContentWriter bundle_writer(const std::string& directory, std::uint64_t key_bytes,
                                    const std::string& chain) const;
  Result<> make_way(const std::string& path);

  FileSystem& files_;
  const std::string state_;
};

}  // namespace everseal::store
