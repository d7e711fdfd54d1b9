#include "base/toml.h"

#include <gtest/gtest.h>

namespace everseal::base {
namespace {

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; i++) all += text;
  return all;
}

std::string verdict(const std::string& text) {
  const auto checked = check_toml_before_parsing(text, "f.toml");
  return checked ? "fit" : checked.error().message;
}

TEST(Toml, IsFitAsPeopleWriteIt) {
  EXPECT_EQ(
      verdict("[profiles.intranet]\nvalidity = \"30d\"  # a.b.c\nnotify.mail.to = ['a', 'b']\n"),
      "fit");
  EXPECT_EQ(verdict(repeated("a.b.c = { d = [1.5, 2.5] }\n", 1000)), "fit");
  EXPECT_EQ(verdict(repeated("a.", 31) + "a = 1"), "fit");
}

// 50,000 parts once ended the program.
TEST(Toml, OfManyPartsIsNot) {
  EXPECT_EQ(verdict("x = 1\n" + repeated("a.", 50'000) + "a = 1"), "f.toml:2: nested too deeply");
  EXPECT_EQ(verdict("[" + repeated("a.", 32) + "a]"), "f.toml:1: nested too deeply");
  EXPECT_EQ(verdict(repeated("\"a\" . ", 32) + "a = 1"), "f.toml:1: nested too deeply");
  EXPECT_EQ(verdict(repeated("'a'.", 32) + "a = 1"), "f.toml:1: nested too deeply");
  EXPECT_EQ(verdict("a = " + repeated("[", 33)), "f.toml:1: nested too deeply");
  EXPECT_EQ(verdict(repeated("a = {", 33)), "f.toml:1: nested too deeply");
}

TEST(Toml, HasCharactersBesideAsciiInQuotesAndCommentsAlone) {
  EXPECT_TRUE(check_toml_before_parsing("\xEF\xBB\xBFkey = \"\xCF\x84\" # \xCF\x84\n", "e.toml"));
  const auto found = check_toml_before_parsing("a = 1\n\xCF\x84 = 2\n", "e.toml");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message,
            "e.toml:2: only text in quotes and comments may have other characters than ASCII");
}

TEST(Toml, InStringsAndCommentsIsText) {
  const std::string dots = repeated("a.", 100) + repeated("[", 100);
  for (const std::string& text :
       {"a = \"" + dots + "\"", "a = \"\\\"" + dots + "\"", "a = '" + dots + "\\'",
        "a = \"\"\"\n" + dots + "\n" + dots + "\"\"\"", "a = '''\n" + dots + "''''\nb = 1",
        "a = \"\"\"\\\"\"\" " + dots + "\"\"\"\"\"", "# " + dots})
    EXPECT_EQ(verdict(text), "fit") << text;
  for (const char* before :
       {"a = \"\"", "a = ''", "a = \"\"\"x\"\"\"", "a = \"\"\"x\"\"\"\"\"", "a = '''x''''",
        "a = \"\\\\\"", "a = '\\'", "a = \"", "# \"", "a = \"\"\"\\\"\"\"\""})
    EXPECT_NE(verdict(std::string(before) + "\n" + dots), "fit") << before;
}

}  // namespace
}  // namespace everseal::base
