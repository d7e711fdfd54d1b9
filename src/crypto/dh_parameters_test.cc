#include "crypto/dh_parameters.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

// What `openssl dhparam -check` asks.
bool is_good(const std::string& pem) {
  const KeyPointer key(PEM_read_bio_Parameters(reader(pem).get(), nullptr));
  const std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  return EVP_PKEY_param_check(context.get()) == 1;
}

TEST(DhParameters, KnowsTheGroupsOfRfc7919) {
  const std::pair<const char*, int> groups[] = {{"ffdhe2048", 2048},
                                                {"ffdhe3072", 3072},
                                                {"ffdhe4096", 4096},
                                                {"ffdhe6144", 6144},
                                                {"ffdhe8192", 8192}};
  for (const auto& [name, bits] : groups) {
    const auto pem = dh_group(name);
    ASSERT_TRUE(pem) << pem.error().message;
    EXPECT_TRUE(pem->starts_with("-----BEGIN DH PARAMETERS-----\n")) << *pem;
    EXPECT_EQ(dh_bits(*pem), bits);
    EXPECT_EQ(dh_group_of(*pem), name);
    EXPECT_TRUE(is_good(*pem));
  }
  EXPECT_EQ(dh_group("ffdhe1024").error().message,
            "unknown group \"ffdhe1024\"; known are ffdhe2048, ffdhe3072, ffdhe4096, ffdhe6144, "
            "ffdhe8192");
}

TEST(DhParameters, OfOnesOwnAreGoodAndDifferent) {
  const auto one = generate_dh_parameters({.bits = 512});
  const auto other = generate_dh_parameters({.bits = 512});
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(dh_bits(*one), 512);
  EXPECT_TRUE(is_good(*one));
  EXPECT_NE(*one, *other);
  EXPECT_EQ(dh_group_of(*one), "");
}

TEST(DhParameters, RefusesWhatIsNone) {
  EXPECT_EQ(dh_bits("").error().message, "not Diffie-Hellman parameters in PEM");
  EXPECT_EQ(
      dh_bits("-----BEGIN DH PARAMETERS-----\nMAA=\n-----END DH PARAMETERS-----\n").error().message,
      "not Diffie-Hellman parameters in PEM");
}

}  // namespace
}  // namespace everseal::crypto
