#include "ca/validations.h"

#include <gmock/gmock.h>

#include "ca/fake_validator.h"

namespace everseal::ca {
namespace {

using testing::SizeIs;

class ValidationsTest : public testing::Test {
 protected:
  void add(std::uint64_t id, std::int64_t account, const std::string& network) {
    validations_.add(id, {.name = "a.com", .requester = {.account = account, .network = network}});
  }

  // "503 why", or "room".
  std::string room(std::size_t before) {
    const auto checked = validations_.check_room(before);
    if (checked) return "room";
    const acme::Problem& problem = checked.error().problem;
    return std::to_string(problem.status) + " " + problem.detail;
  }

  FakeValidator validator_;
  Validations validations_;
};

TEST_F(ValidationsTest, BeginWhenTheyAreStarted) {
  add(1, 1, "a");
  EXPECT_THAT(validator_.asked, SizeIs(0));
  validations_.start(validator_);
  EXPECT_THAT(validator_.asked, SizeIs(1));
  EXPECT_EQ(validations_.planned(), 0u);
  EXPECT_THAT(validations_.finished(validator_), SizeIs(1));
}

TEST_F(ValidationsTest, WhatIsTakenBackTakesNoRoom) {
  for (std::uint64_t id = 1; id <= 500; id++) add(id, 1, "a");
  EXPECT_EQ(room(0), "room");
  add(501, 1, "a");
  EXPECT_TRUE(room(0).starts_with("429 ")) << room(0);
  EXPECT_THAT(validations_.take_back(500), SizeIs(1));
  EXPECT_EQ(room(0), "room");
}

// One look at CAA can serve two orders; each is one that is under way.
TEST_F(ValidationsTest, WhatHasEndedTakesNoRoom) {
  for (int i = 0; i < 500; i++) add(7, 1, "a");
  validations_.start(validator_);
  EXPECT_THAT(validations_.finished(validator_), SizeIs(500));
  for (std::uint64_t id = 1; id <= 500; id++) add(id, 1, "a");
  EXPECT_EQ(room(0), "room");
}

// Accounts are made by whoever wants more of them.
TEST_F(ValidationsTest, ManyAccountsOfOneNetworkHaveItsShare) {
  validator_.held = {"a.com"};
  for (std::uint64_t id = 1; id <= 2000; id++) add(id, static_cast<std::int64_t>(id), "a");
  EXPECT_EQ(room(0), "room");
  validations_.start(validator_);
  add(2001, 2001, "a");
  EXPECT_EQ(room(0), "503 too many validations are under way; try again later");
  EXPECT_THAT(validations_.take_back(0), SizeIs(1));
  add(2002, 2002, "b");
  EXPECT_EQ(room(0), "room");
}

}  // namespace
}  // namespace everseal::ca
