#include "nginx/trivia.h"

#include <gmock/gmock.h>

namespace everseal::nginx {
namespace {

TEST(Trivia, PutsFilesTogetherAgain) {
  for (const char* text :
       {"", " ", "#", "#\n", "a;", "\r\n a \t'b' # c ; {\n { #d\n } ", "a{b;}c{};",
        "if ($a = \"x\")\n# {\n{ x_by_lua_block{ \"}\" -- }\n} }", "a \\\n \"b\\\"\" ${{c;"}) {
    const auto document = Document::parse("t", text);
    if (document) {
      EXPECT_EQ(compose(*document), text);
    }
  }
  EXPECT_EQ(compose(*Document::parse("t", "a {\n # b\n c 'd';\n}\n")), "a {\n # b\n c 'd';\n}\n");
}

TEST(Trivia, FindsComments) {
  const auto document = Document::parse("t", "# a\n\n  #b # c\r\nd;");
  std::vector<std::string_view> comments;
  for (const Span& span : comments_in(*document, {0, document->statements()[0].span.begin}))
    comments.push_back(document->raw(span));
  EXPECT_THAT(comments, testing::ElementsAre("# a", "#b # c\r"));
}

}  // namespace
}  // namespace everseal::nginx
