#include "crypto/key_examiner.h"

#include "crypto/private_key.h"

namespace everseal::crypto {

Result<KeyInFile> DirectKeyExaminer::examine(const base::FileDescriptor& file) {
  std::uint64_t bytes = 0;
  const PrivateKey key = TRY(PrivateKey::read_first(file, "a key on disk", bytes));
  return KeyInFile{key.public_key_der(), bytes};
}

}  // namespace everseal::crypto
