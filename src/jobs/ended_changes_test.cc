#include "jobs/ended_changes.h"

#include <gtest/gtest.h>

namespace everseal::jobs {
namespace {

using store::ChangedFile;
using store::ChangeState;

TEST(EndUnfinishedChanges, LeavesNoneUnderWayAndWhatCameOfThemToUndo) {
  auto catalog = *store::Catalog::open(":memory:");
  const auto id = *catalog.begin_change(Time(), "secure a.example", {"a.example"});
  ASSERT_TRUE(catalog.add_changed_files(
      id, std::vector<ChangedFile>{
              {"/site", "one", "two"}, {"/own", std::nullopt, "ours"}, {"/site", "two", "three"}}));
  const auto notes = end_unfinished_changes(catalog);
  ASSERT_TRUE(notes);
  ASSERT_EQ(notes->size(), 1u);
  EXPECT_TRUE(notes->front().contains("everseal undo 1")) << notes->front();
  EXPECT_FALSE(*catalog.last_change(ChangeState::applying));
  const auto change = *catalog.change(id);
  EXPECT_EQ(change->state, ChangeState::applied);
  ASSERT_EQ(change->files.size(), 2u);
  EXPECT_EQ(change->files[0].before, "one");
  EXPECT_EQ(change->files[0].after, "three");
  EXPECT_TRUE(end_unfinished_changes(catalog)->empty());
}

}  // namespace
}  // namespace everseal::jobs
