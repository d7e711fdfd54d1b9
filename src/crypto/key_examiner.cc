#include "crypto/key_examiner.h"

#include <fmt/format.h>

#include "crypto/key_file.h"
#include "crypto/private_key.h"

namespace everseal::crypto {

Result<KeyInFile> DirectKeyExaminer::examine(const base::FileDescriptor& file) {
  constexpr const char* kAttempt = "a key on disk";
  constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "PRIVATE KEY-----\n";
  KeyFile bytes(kMostFileBytes + 1);
  const std::string_view text = TRY(bytes.read(file, kAttempt));
  const std::size_t end = text.find(kEnd, text.find("-----END "));
  if (!text.starts_with(kBegin) || end == text.npos)
    return base::invalid(fmt::format("{}: no key at its beginning", kAttempt));
  const std::size_t size = end + kEnd.size();
  if (text.size() > kMostFileBytes || text.substr(size).contains("PRIVATE KEY"))
    return base::invalid(fmt::format("{}: more than a key and a chain", kAttempt));
  const PrivateKey key = TRY(within(kAttempt, PrivateKey::from_pem(text.substr(0, size))));
  return KeyInFile{key.public_key_der(), size};
}

}  // namespace everseal::crypto
