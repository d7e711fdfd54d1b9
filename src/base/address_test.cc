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

TEST(Address, HasFourOrSixteenBytes) {
  EXPECT_EQ(address_bytes("1.2.3.4"), "\x01\x02\x03\x04");
  EXPECT_EQ(address_text(*address_bytes("2001:db8::1")), "2001:db8::1");
  EXPECT_EQ(address_bytes("a.example"), std::nullopt);
  EXPECT_EQ(address_text("12345"), std::nullopt);
}

TEST(SocketAddress, IsReadAsItIsWritten) {
  for (const char* text : {"192.0.2.1:443", "[2001:db8::1]:0"})
    EXPECT_EQ(SocketAddress::parse(text)->to_string(), text);
  EXPECT_EQ(SocketAddress::parse("[::1]:65535")->port(), 65535);
  EXPECT_EQ(SocketAddress::from("::1", 80)->address(), "::1");
}

TEST(SocketAddress, IsNothingElse) {
  for (const char* text : {"", "192.0.2.1", "::1:80", "[192.0.2.1]:80", "localhost:80",
                           "192.0.2.1:65536", "192.0.2.1:", "192.0.2.1:80 "})
    EXPECT_EQ(
        SocketAddress::parse(text).error().message,
        "'" + std::string(text) + "' is no address and port such as 192.0.2.1:443 or [::1]:443");
  EXPECT_EQ(SocketAddress::from("localhost", 1).error().message,
            "'localhost' is not a numeric address");
}

}  // namespace
}  // namespace everseal::base
