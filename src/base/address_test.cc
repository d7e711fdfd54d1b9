#include "base/address.h"

#include <gtest/gtest.h>

namespace everseal::base {
namespace {

TEST(Address, IsWrittenInOneForm) {
  EXPECT_EQ(canonical_address("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(canonical_address("2001:DB8:0:0::0:1"), "2001:db8::1");
  EXPECT_EQ(canonical_address("::ffff:192.0.2.1"), "::ffff:192.0.2.1");
}

TEST(Address, IsNothingElse) {
  using std::literals::operator""sv;
  for (const auto text : {""sv, "192.0.2"sv, "192.0.2.01"sv, "0x7f.1"sv, "[::1]"sv, "fe80::1%lo"sv,
                          "a.example"sv, "127.0.0.1\0"sv})
    EXPECT_EQ(canonical_address(text), std::nullopt) << text;
}

}  // namespace
}  // namespace everseal::base
