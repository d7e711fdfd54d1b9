#include "crypto/der.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace everseal::crypto::der {
namespace {

using base::hex;

TEST(Der, WritesLengthsInAsFewBytesAsTheyTake) {
  EXPECT_EQ(hex(octet_string("")), "0400");
  EXPECT_EQ(hex(octet_string(std::string(127, 'x'))).substr(0, 4), "047f");
  EXPECT_EQ(hex(octet_string(std::string(128, 'x'))).substr(0, 6), "048180");
  EXPECT_EQ(hex(octet_string(std::string(256, 'x'))).substr(0, 8), "04820100");
}

TEST(Der, WritesPositiveIntegers) {
  EXPECT_EQ(hex(integer(0)), "020100");
  EXPECT_EQ(hex(integer(127)), "02017f");
  EXPECT_EQ(hex(integer(128)), "02020080");
  EXPECT_EQ(hex(integer(std::string_view("\x00\x00\xFF", 3))), "020200ff");
}

// X.690 §8.19.5 has 2.100.3; the other is of RFC 5758 §3.2.
TEST(Der, WritesObjectIdentifiers) {
  EXPECT_EQ(hex(object_identifier("2.100.3")), "0603813403");
  EXPECT_EQ(hex(object_identifier("1.2.840.10045.4.3.2")), "06082a8648ce3d040302");
}

TEST(Der, WritesStringsOfBits) {
  EXPECT_EQ(hex(bit_string("\x06\x6E")), "030300066e");
  EXPECT_EQ(hex(bit_list(0x80)), "03020780");
  EXPECT_EQ(hex(bit_list(0x06)), "03020106");
}

TEST(Der, ChangesTheFormOfTimesWith2050) {
  EXPECT_EQ(time(*base::parse_rfc3339("2049-12-31T23:59:59Z")),
            "\x17\x0D"
            "491231235959Z");
  EXPECT_EQ(time(*base::parse_rfc3339("2050-01-01T00:00:00Z")),
            "\x18\x0F"
            "20500101000000Z");
}

TEST(Der, Nests) {
  EXPECT_EQ(hex(sequence(boolean_true() + tagged(1, null()) + implicit(2, "a") + enumerated(4))),
            "300d0101ffa10205008201610a0104");
}

}  // namespace
}  // namespace everseal::crypto::der
