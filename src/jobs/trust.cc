#include "jobs/trust.h"

namespace everseal::jobs {
namespace {

// Where distributions keep the certificates that everybody trusts: Debian, Fedora, openSUSE,
// others.
constexpr const char* kSystemBundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                          "/etc/pki/tls/certs/ca-bundle.crt",
                                          "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

}  // namespace

Result<base::FileDescriptor> open_trusted(const FileSystem& files, const std::string& bundle) {
  if (!bundle.empty()) return within("read the CA bundle", files.open(bundle));
  for (const char* const path : kSystemBundles)
    if (auto file = files.open(path)) return file;
  return base::not_found(
      "no certificates to trust servers by: install Debian's ca-certificates, or give --ca-bundle");
}

}  // namespace everseal::jobs
