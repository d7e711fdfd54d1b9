#include "base/network.h"

#include <gtest/gtest.h>

namespace everseal::base {
namespace {

bool is_in(const char* address, const char* network) {
  return Network::parse(network)->contains(address);
}

TEST(Network, ContainsWhatBeginsWithItsBits) {
  EXPECT_TRUE(is_in("10.255.0.1", "10.0.0.0/8"));
  EXPECT_FALSE(is_in("11.0.0.0", "10.0.0.0/8"));
  EXPECT_TRUE(is_in("172.31.255.255", "172.16.0.0/12"));
  EXPECT_FALSE(is_in("172.32.0.0", "172.16.0.0/12"));
  EXPECT_TRUE(is_in("febf::1", "fe80::/10"));
  EXPECT_FALSE(is_in("fec0::1", "fe80::/10"));
  EXPECT_TRUE(is_in("192.0.2.7", "0.0.0.0/0"));
}

TEST(Network, OfOneAddressContainsIt) {
  EXPECT_TRUE(is_in("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(is_in("192.0.2.6", "192.0.2.7/32"));
  EXPECT_TRUE(is_in("2001:DB8::1", "2001:db8::1"));
}

TEST(Network, ContainsNothingOfTheOtherFamily) {
  EXPECT_FALSE(is_in("::10.0.0.1", "0.0.0.0/0"));
  EXPECT_FALSE(is_in("10.0.0.1", "::/0"));
  EXPECT_FALSE(is_in("a.example", "::/0"));
}

TEST(Network, IsReadStrictly) {
  for (const char* text : {"", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/8 ", "10.0.0.0/-1", "10/8",
                           "10.0.0.1/8", "::/129", "a.example/8"})
    EXPECT_EQ(Network::parse(text).error().message,
              std::string("'") + text + "' is no network such as 10.0.0.0/8 or 2001:db8::/32");
}

TEST(AddressKind, OfWhatIsOnOneMachineOrOneWire) {
  const std::vector<std::pair<const char*, AddressKind>> all = {
      {"127.0.0.1", AddressKind::loopback},
      {"127.255.255.254", AddressKind::loopback},
      {"::1", AddressKind::loopback},
      {"0.0.0.0", AddressKind::unspecified},
      {"0.1.2.3", AddressKind::unspecified},
      {"::", AddressKind::unspecified},
      {"169.254.169.254", AddressKind::link_local},
      {"fe80::1", AddressKind::link_local},
      {"224.0.0.1", AddressKind::multicast},
      {"239.255.255.250", AddressKind::multicast},
      {"ff02::1", AddressKind::multicast},
      {"255.255.255.255", AddressKind::broadcast},
      {"240.0.0.1", AddressKind::reserved},
      {"192.0.0.8", AddressKind::reserved},
      {"::127.0.0.1", AddressKind::reserved},
      {"64:ff9b:1::7f00:1", AddressKind::reserved},
      {"2001:0:1::1", AddressKind::reserved},
      {"fec0::1", AddressKind::reserved},
      {"a.example", AddressKind::reserved},
      {"100.100.100.200", AddressKind::metadata},
      {"168.63.129.16", AddressKind::metadata},
      {"192.0.0.192", AddressKind::metadata},
      {"fd00:ec2::254", AddressKind::metadata},
      {"fd20:ce::254", AddressKind::metadata}};
  for (const auto& [address, kind] : all)
    EXPECT_EQ(to_string(kind_of(address)), to_string(kind)) << address;
}

TEST(AddressKind, OfIntranetsAndTheInternetIsOrdinary) {
  for (const char* address : {"10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "192.0.2.1",
                              "8.8.8.8", "fd00::1", "2606:4700::1111", "64:ff9b::808:808"})
    EXPECT_EQ(to_string(kind_of(address)), "an ordinary address") << address;
}

TEST(Meanings, AreTheAddressAndThatOfIpv4WhichItCarries) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(meanings_of("127.0.0.1"), (Texts{"127.0.0.1"}));
  EXPECT_EQ(meanings_of("2001:db8::1"), (Texts{"2001:db8::1"}));
  for (const char* carrier :
       {"::ffff:169.254.169.254", "::ffff:0:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
        "2001:db8::5efe:a9fe:a9fe", "fd00::200:5efe:a9fe:a9fe"})
    EXPECT_EQ(meanings_of(carrier), (Texts{carrier, "169.254.169.254"}));
}

}  // namespace
}  // namespace everseal::base
