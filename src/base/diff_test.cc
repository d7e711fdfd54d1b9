#include "base/diff.h"

#include <gtest/gtest.h>

namespace everseal::base {
namespace {

TEST(UnifiedDiff, IsEmptyForEqualTexts) { EXPECT_EQ(unified_diff("/f", "a\nb\n", "a\nb\n"), ""); }

TEST(UnifiedDiff, ShowsThreeLinesOfContext) {
  EXPECT_EQ(unified_diff("/f", "1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nnew\n5\n6\n7\n8\n"),
            "--- /f\n+++ /f\n@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+new\n 5\n 6\n 7\n");
}

TEST(UnifiedDiff, JoinsNearHunksAndSplitsFarOnes) {
  EXPECT_EQ(unified_diff("/f", "a\n1\n2\nb\n", "A\n1\n2\nB\n"),
            "--- /f\n+++ /f\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n-b\n+B\n");
  EXPECT_EQ(unified_diff("/f", "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n"),
            "--- /f\n+++ /f\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n"
            "@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
}

TEST(UnifiedDiff, TellsNewFilesAndMissingNewlines) {
  EXPECT_EQ(unified_diff("/f", std::nullopt, "a\n"), "--- /dev/null\n+++ /f\n@@ -0,0 +1 @@\n+a\n");
  EXPECT_EQ(unified_diff("/f", "a", "b"),
            "--- /f\n+++ /f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n"
            "\\ No newline at end of file\n");
}

TEST(DiffLines, FindsTheShortestEdit) {
  const auto hunks = diff_lines("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n");
  std::size_t changed = 0;
  for (const Hunk& hunk : hunks)
    changed += hunk.before_end - hunk.before_begin + hunk.after_end - hunk.after_begin;
  EXPECT_EQ(changed, 5u);  // Myers' own example
}

TEST(MergeLines, TakesOursAndTheirsWhereTheyLieApart) {
  EXPECT_EQ(merge_lines("a\nb\nc\nd\ne\n", "a\nc\nd\ne\n", "a\nb\nc\nd\nE\nf\n"),
            "a\nc\nd\nE\nf\n");
  EXPECT_EQ(merge_lines("a\nb\nc\nd\ne\n", "a\nb\nc\nd\nX\n", "0\na\nB\nc\nd\ne\n"),
            "0\na\nB\nc\nd\nX\n");
}

TEST(MergeLines, RefusesWhatBothChanged) {
  const auto merged = merge_lines("a\nb\nc\n", "a\nours\nc\n", "a\ntheirs\nc\n");
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error().message,
            "line 2 was changed on both sides\n  it was\n    b\n  it is now\n    theirs\n"
            "  and should become\n    ours\n");
}

TEST(MergeLines, RefusesTwoInsertionsAtOnePlace) {
  EXPECT_FALSE(merge_lines("a\nb\n", "a\nours\nb\n", "a\ntheirs\nb\n"));
}

TEST(MergeLines, KeepsWhatWasPutRightBesideWhatGoes) {
  EXPECT_EQ(merge_lines("a\nours\nb\n", "a\nb\n", "a\nours\ntheirs\nb\n"), "a\ntheirs\nb\n");
  EXPECT_EQ(merge_lines("a\nours\nb\n", "a\nb\n", "a\ntheirs\nours\nb\n"), "a\ntheirs\nb\n");
}

TEST(MergeLines, UndoesByteForByteWhenNothingElseChanged) {
  EXPECT_EQ(merge_lines("x\r\nnew\r\ny", "x\r\ny", "x\r\nnew\r\ny"), "x\r\ny");
}

}  // namespace
}  // namespace everseal::base
