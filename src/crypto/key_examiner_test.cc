#include "crypto/key_examiner.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/private_key.h"

namespace everseal::crypto {
namespace {

base::FileDescriptor file_of(const std::string& bytes) {
  base::FileDescriptor file(::memfd_create("key", 0));
  EXPECT_TRUE(base::write_all(file, bytes, "write"));
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

TEST(KeyExaminer, ShowsThePublicKeyAndWhereThePrivateOneEnds) {
  for (const KeyType type : {KeyType::ecdsa_p256, KeyType::rsa_2048}) {
    const auto key = PrivateKey::generate(type).value();
    const std::string pem = key.to_pem();
    for (const std::string& behind : {std::string(), std::string("-----BEGIN CERTIFICATE-----\n"),
                                      std::string(32 << 10, 'x')}) {
      const auto found = DirectKeyExaminer().examine(file_of(pem + behind));
      ASSERT_TRUE(found) << found.error().message;
      EXPECT_EQ(found->public_key_der, key.public_key_der());
      EXPECT_EQ(found->bytes, pem.size());
    }
  }
}

// Whoever is told where the key ends may read what is behind it.
TEST(KeyExaminer, RefusesASecondKeyBehindTheFirst) {
  const std::string pem = PrivateKey::generate(KeyType::ecdsa_p256).value().to_pem();
  for (const std::string& bytes : {pem + pem, pem + std::string(64 << 10, 'x')}) {
    const auto found = DirectKeyExaminer().examine(file_of(bytes));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().message, "a key on disk: more than a key and a chain");
  }
}

TEST(KeyExaminer, RefusesWhatDoesNotBeginWithAKey) {
  const std::string pem = PrivateKey::generate(KeyType::ecdsa_p256).value().to_pem();
  for (const std::string& bytes :
       {std::string(), pem.substr(0, pem.size() / 2), "x" + pem, std::string(pem.size(), '\0')}) {
    const auto found = DirectKeyExaminer().examine(file_of(bytes));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().kind, ErrorKind::invalid);
    EXPECT_EQ(found.error().message, "a key on disk: no key at its beginning");
  }
}

}  // namespace
}  // namespace everseal::crypto
