#include "ca/reach.h"

#include <gtest/gtest.h>

namespace everseal::ca {
namespace {

std::vector<base::Network> networks(std::initializer_list<const char*> all) {
  std::vector<base::Network> result;
  for (const char* each : all) result.push_back(*base::Network::parse(each));
  return result;
}

TEST(Reach, ExcludesWhatNobodyOutsideSees) {
  const Reach reach;
  EXPECT_EQ(reach.fault_of("127.0.0.1"), "a loopback address");
  EXPECT_EQ(reach.fault_of("::1"), "a loopback address");
  EXPECT_EQ(reach.fault_of("169.254.169.254"), "a link-local address");
  EXPECT_EQ(reach.fault_of("0.0.0.0"), "an unspecified address");
  EXPECT_EQ(reach.fault_of("ff02::1"), "a multicast address");
  EXPECT_EQ(reach.fault_of("fd00:ec2::254"), "the address of a cloud's metadata service");
}

TEST(Reach, SeesThroughAddressesThatCarryOthers) {
  const Reach reach;
  EXPECT_EQ(reach.fault_of("::ffff:127.0.0.1"), "a loopback address");
  EXPECT_EQ(reach.fault_of("64:ff9b::7f00:1"), "a loopback address");
  EXPECT_EQ(reach.fault_of("2002:a9fe:a9fe::"), "a link-local address");
  EXPECT_EQ(reach.fault_of("64:ff9b::a00:1"), "");
}

TEST(Reach, IncludesIntranets) {
  for (const char* address : {"10.0.0.1", "172.16.0.1", "192.168.0.1", "fd00::1", "192.0.2.1"})
    EXPECT_EQ(Reach().fault_of(address), "") << address;
}

TEST(Reach, IncludesLoopbackWhereOnlyThisMachineCanAsk) {
  const Reach reach{.loopback = Reach::Loopback::allowed};
  EXPECT_EQ(reach.fault_of("127.0.0.1"), "");
  EXPECT_EQ(reach.fault_of("::ffff:127.0.0.1"), "");
  EXPECT_EQ(reach.fault_of("169.254.169.254"), "a link-local address");
}

TEST(Reach, IsWidenedAndNarrowedByThePolicy) {
  const Reach reach{.also = networks({"169.254.7.0/24"}), .never = networks({"10.0.0.0/24"})};
  EXPECT_EQ(reach.fault_of("169.254.7.1"), "");
  EXPECT_EQ(reach.fault_of("::ffff:169.254.7.1"), "");
  EXPECT_EQ(reach.fault_of("169.254.8.1"), "a link-local address");
  EXPECT_EQ(reach.fault_of("10.0.0.9"), "an address that the policy excludes");
  EXPECT_EQ(reach.fault_of("::ffff:10.0.0.9"), "an address that the policy excludes");
  EXPECT_EQ(reach.fault_of("10.0.1.9"), "");
}

}  // namespace
}  // namespace everseal::ca
