#include "ca/requester.h"

#include <gtest/gtest.h>

namespace everseal::ca {
namespace {

TEST(NetworkOf, IsWhatOnePersonHas) {
  EXPECT_EQ(network_of("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(network_of("2001:db8:0:1:2:3:4:5"), "2001:db8:0:1::/64");
  EXPECT_EQ(network_of("::1"), "::/64");
  EXPECT_EQ(network_of("nobody"), "");
}

TEST(RequesterCounts, CountsByAccountAndByNetwork) {
  const Requester one{.account = 1, .network = "a"}, other{.account = 2, .network = "a"};
  RequesterCounts counts;
  counts.add(one);
  counts.add(one);
  counts.add(other);
  EXPECT_EQ(counts.of_account(one), 2u);
  EXPECT_EQ(counts.of_account(other), 1u);
  EXPECT_EQ(counts.of_network(other), 3u);
  EXPECT_EQ(counts.of_all(), 3u);
  counts.remove(other);
  EXPECT_EQ(counts.of_account(other), 0u);
  EXPECT_EQ(counts.of_network(one), 2u);
  EXPECT_EQ(counts.of_all(), 2u);
}

}  // namespace
}  // namespace everseal::ca
