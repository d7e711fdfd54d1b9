#include "ca/validation_queue.h"

#include <gmock/gmock.h>

#include <vector>

namespace everseal::ca {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ValidationQueueTest : public testing::Test {
 protected:
  using Ids = std::vector<std::uint64_t>;

  // `count` tasks: the account's number in hundreds, from 1 on.
  void push(std::int64_t account, const std::string& network, std::uint64_t count) {
    for (std::uint64_t i = 1; i <= count; i++)
      queue_.push({static_cast<std::uint64_t>(account) * 100 + i,
                   {.requester = {.account = account, .network = network}}});
  }

  // All that can begin now.
  Ids take() {
    Ids ids;
    while (const auto task = queue_.take()) ids.push_back(task->id);
    return ids;
  }

  // The order of all where each ends before the next begins.
  Ids take_one_by_one() {
    Ids ids;
    while (const auto task = queue_.take()) {
      ids.push_back(task->id);
      queue_.end(task->validation.requester);
    }
    return ids;
  }

  ValidationQueue queue_{{.account = 2, .network = 4, .all = 6}};
};

TEST_F(ValidationQueueTest, AccountsTakeTurns) {
  push(1, "a", 4);
  push(2, "a", 2);
  push(3, "b", 1);
  EXPECT_THAT(take_one_by_one(), ElementsAre(101, 201, 301, 102, 202, 103, 104));
}

// Else whoever has one at a time would always be before those that wait.
TEST_F(ValidationQueueTest, WhoeverComesLaterIsBehindThoseThatWait) {
  push(1, "a", 1);
  push(2, "a", 1);
  push(3, "a", 1);
  EXPECT_EQ(queue_.take()->id, 101u);
  queue_.end({.account = 1, .network = "a"});
  push(1, "a", 1);
  EXPECT_THAT(take_one_by_one(), ElementsAre(201, 301, 101));
}

TEST_F(ValidationQueueTest, OneAccountHasItsShareAtWorkAndNoMore) {
  push(1, "a", 5);
  EXPECT_THAT(take(), ElementsAre(101, 102));
  push(2, "a", 1);
  EXPECT_THAT(take(), ElementsAre(201));
  queue_.end({.account = 1, .network = "a"});
  EXPECT_THAT(take(), ElementsAre(103));
}

TEST_F(ValidationQueueTest, ManyAccountsOfOneNetworkHaveItsShareAtWork) {
  for (std::int64_t account = 1; account <= 9; account++) push(account, "a", 5);
  EXPECT_THAT(take(), ElementsAre(101, 201, 301, 401));
  push(10, "b", 1);
  EXPECT_THAT(take(), ElementsAre(1001));
}

TEST_F(ValidationQueueTest, OneAccountOfManyNetworksHasItsShareAtWork) {
  push(1, "a", 1);
  push(1, "b", 1);
  push(1, "c", 1);
  EXPECT_EQ(take().size(), 2u);
}

TEST_F(ValidationQueueTest, WhoeverHasFewestAtWorkIsNext) {
  push(1, "a", 3);
  push(2, "b", 3);
  push(3, "c", 3);
  EXPECT_THAT(take(), ElementsAre(101, 201, 301, 102, 202, 302));  // all threads
  push(4, "d", 1);
  EXPECT_THAT(take(), IsEmpty());
  queue_.end({.account = 1, .network = "a"});
  EXPECT_THAT(take(), ElementsAre(401));
}

// Accounts of the network that has all its threads do not come before another network.
TEST_F(ValidationQueueTest, NetworksComeBeforeAccounts) {
  push(1, "a", 2);
  EXPECT_THAT(take(), ElementsAre(101, 102));
  for (std::int64_t account = 2; account <= 5; account++) push(account, "a", 1);
  push(6, "b", 1);
  EXPECT_EQ(queue_.take()->id, 601u);
}

}  // namespace
}  // namespace everseal::ca
