#include "base/access_list.h"

#include <gmock/gmock.h>

namespace everseal::base {
namespace {

using testing::ElementsAre;
using Tag = AccessEntry::Tag;

constexpr Identity kRoot{0, 0};
constexpr Identity kAcme{999, 995};
constexpr Identity kWww{33, 33};

TEST(AccessList, IsReadAndWrittenAsTheKernelKeepsIt) {
  const AccessList list = {{Tag::owner, 6, 0},
                           {Tag::user, 4, 0x10203},
                           {Tag::owning_group, 0, 0},
                           {Tag::mask, 4, 0},
                           {Tag::other, 0, 0}};
  const std::string bytes = serialize(list);
  EXPECT_EQ(bytes.size(), 4u + 5 * 8);
  EXPECT_EQ(bytes.substr(12, 8), std::string("\x02\x00\x04\x00\x03\x02\x01\x00", 8));
  EXPECT_EQ(parse_access_list(bytes).value(), list);
}

TEST(AccessList, RefusesOtherBytes) {
  for (const std::string& bytes :
       {std::string(), std::string("\x01\x00\x00\x00", 4), std::string("\x02\x00\x00\x00\x01", 5)})
    EXPECT_EQ(parse_access_list(bytes).error().message, "not an access control list");
}

TEST(RightsOf, FollowsTheOrderOfAcl5) {
  const AccessList list = {{Tag::owner, 6, 0},   {Tag::user, 6, 999}, {Tag::owning_group, 4, 0},
                           {Tag::group, 1, 995}, {Tag::mask, 4, 0},   {Tag::other, 1, 0}};
  EXPECT_EQ(rights_of(kRoot, kWww, list), 7u);
  EXPECT_EQ(rights_of(kWww, kWww, list), 6u);
  EXPECT_EQ(rights_of(kAcme, kWww, list), 4u) << "under the mask";
  EXPECT_EQ(rights_of({1000, 33}, kWww, list), 4u);
  EXPECT_EQ(rights_of({1000, 995}, kWww, list), 0u) << "a group's entry, not that of others";
  EXPECT_EQ(rights_of({1000, 1000}, kWww, list), 1u);
}

TEST(KeepAccess, NamesWhoOwnedTheFile) {
  EXPECT_THAT(keep_access(access_list_of(0640), kWww, kAcme),
              ElementsAre(AccessEntry{Tag::owner, 6, 0}, AccessEntry{Tag::user, 6, 33},
                          AccessEntry{Tag::owning_group, 0, 0}, AccessEntry{Tag::group, 4, 33},
                          AccessEntry{Tag::mask, 6, 0}, AccessEntry{Tag::other, 0, 0}));
}

TEST(KeepAccess, NeedsNoNamesWhereEverybodyMayReadAndRootOwned) {
  EXPECT_EQ(keep_access(access_list_of(0644), kRoot, kAcme), access_list_of(0644));
  EXPECT_EQ(keep_access(access_list_of(0600), kRoot, kAcme), access_list_of(0600));
}

TEST(KeepAccess, GivesNobodyMoreThanTheMaskDid) {
  const AccessList list = {{Tag::owner, 6, 0},
                           {Tag::user, 7, 50},
                           {Tag::owning_group, 4, 0},
                           {Tag::mask, 4, 0},
                           {Tag::other, 0, 0}};
  const AccessList kept = keep_access(list, kWww, kAcme);
  for (const Identity& who : {Identity{50, 1}, kWww, Identity{1000, 33}, Identity{1000, 1000}})
    EXPECT_EQ(rights_of(who, kAcme, kept), rights_of(who, kWww, list)) << who.user;
}

}  // namespace
}  // namespace everseal::base
