#include "ca/own_names.h"

#include <gtest/gtest.h>

namespace everseal::ca {
namespace {

OwnNames some() {
  OwnNames names;
  names.add("CA.example", 443);
  names.add("localhost", 8555);
  names.add("::1", 8555);
  names.add("192.0.2.1", 80);
  return names;
}

TEST(OwnNames, IncludeHostsWithTheirPorts) {
  for (const char* ours : {"https://ca.example", "https://ca.example:443", "https://CA.example",
                           "http://ca.example:443", "https://localhost:8555", "https://[::1]:8555",
                           "https://[0:0::1]:8555", "http://192.0.2.1"})
    EXPECT_TRUE(some().include(ours)) << ours;
}

TEST(OwnNames, IncludeNothingElse) {
  for (const char* other :
       {"https://other.example", "https://ca.example:8555", "http://ca.example",
        "https://localhost", "https://localhost:443", "https://localhost:85550",
        "https://localhost:8555x", "https://localhost.:8555", "https://a.localhost:8555",
        "https://[::2]:8555", "https://", "https://:8555", "https://[::1", "ftp://ca.example:443",
        "ca.example:443", ""})
    EXPECT_FALSE(some().include(other)) << other;
}

TEST(OwnNames, AreRead) {
  const auto read = [](const char* text) {
    const auto name = OwnNames::parse(text);
    return name ? name->host + " " + std::to_string(name->port) : name.error().message;
  };
  EXPECT_EQ(read("CA.example"), "ca.example 0");
  EXPECT_EQ(read("ca.example:8443"), "ca.example 8443");
  EXPECT_EQ(read("::1"), "::1 0");
  EXPECT_EQ(read("[::1]:443"), "::1 443");
  for (const char* text : {"", ":443", "ca.example:", "ca.example:0", "ca.example:65536", "a b",
                           "https://ca.example", "[::1", "[ca.example]x"})
    EXPECT_EQ(read(text),
              std::string("'") + text + "' is no host such as ca.example or ca.example:8443");
}

}  // namespace
}  // namespace everseal::ca
