#include "ca/nonces.h"

#include <gtest/gtest.h>

namespace everseal::ca {
namespace {

const std::string kKey(32, 'k');

TEST(Nonces, AreGoodOnce) {
  Nonces nonces(kKey);
  const std::string first = nonces.make(), second = nonces.make();
  EXPECT_EQ(first.size(), 32u);
  EXPECT_TRUE(nonces.use(second));
  EXPECT_FALSE(nonces.use(second));
  EXPECT_TRUE(nonces.use(first));
}

TEST(Nonces, AreOursOrBad) {
  Nonces nonces(kKey), others(std::string(32, 'o'));
  const std::string made = nonces.make();
  EXPECT_FALSE(nonces.use(others.make()));
  EXPECT_FALSE(nonces.use(""));
  EXPECT_FALSE(nonces.use("x"));
  EXPECT_FALSE(nonces.use(std::string(32, 'A')));
  EXPECT_FALSE(nonces.use(made + "A"));
  std::string changed = made;
  changed[20] = changed[20] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(nonces.use(changed));
  EXPECT_TRUE(nonces.use(made));
}

TEST(Nonces, AreForgottenWhenAMillionMoreWereMade) {
  Nonces nonces(kKey);
  const std::string oldest = nonces.make(), kept = nonces.make();
  for (int i = 0; i < (1 << 20) - 1; i++) nonces.make();
  EXPECT_FALSE(nonces.use(oldest));
  EXPECT_TRUE(nonces.use(kept));
}

}  // namespace
}  // namespace everseal::ca
