#include "nginx/syntax.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace everseal::nginx {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// One line for each statement, blocks indented: "name arg ;".
void render(std::span<const Statement> statements, std::string indent, std::string& out) {
  for (const Statement& statement : statements) {
    out += indent;
    for (const Word& word : statement.words) out += "<" + std::string(word.value) + ">";
    switch (statement.ending) {
      case Ending::semicolon:
        out += ";\n";
        break;
      case Ending::raw_body:
        out += "{code}\n";
        break;
      case Ending::block:
        out += "{\n";
        render(statement.children, indent + " ", out);
        out += indent + "}\n";
    }
  }
}

std::string parsed(const std::string& text) {
  auto document = Document::parse("t.conf", text);
  if (!document) return document.error().message;
  std::string out;
  render(document->statements(), "", out);
  return out;
}

TEST(Syntax, ReadsWordsAsNginxDoes) {
  const std::pair<const char*, const char*> cases[] = {
      {"a b c;", "<a><b><c>;\n"},
      {"server{listen 80;}", "<server>{\n <listen><80>;\n}\n"},
      {"a b#c d;", "<a><b#c><d>;\n"},
      {"a }b;", "t.conf:1:3: unexpected \"}\"; expected \";\" before it, or \"{\""},
      {"a a}b;", "<a><a}b>;\n"},
      {"if ($a = \"x\") { }", "<if><($a><=><x><)>{\n}\n"},
      {"return 301 ${scheme}://${host}/;", "<return><301><${scheme}://${host}/>;\n"},
      {"set $x ${{a;", "<set><$x><${{a>;\n"},
      {"location ~ ^/x\\{a\\} { }", "<location><~><^/x\\{a\\}>{\n}\n"},
      {"a \"b\\\"c\\n\\d\";", "<a><b\"c\n\\d>;\n"},
      {"a \"\" '';", "<a><><>;\n"},
      {"a # c } ; {\n b;", "<a><b>;\n"},
      {"a caf\xe9;", "<a><caf\xe9>;\n"},
      {"\xef\xbb\xbf"
       "a b;",
       "<\xef\xbb\xbf"
       "a><b>;\n"},
      {"a\fb;", "<a\fb>;\n"},
      {"", ""},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(parsed(text), expected) << text;
}

TEST(Syntax, NamesThePlaceAndWhatWasExpected) {
  const std::pair<const char*, const char*> cases[] = {
      {"a;\n  b \"c\"d;",
       "t.conf:2:8: unexpected \"d\"; expected a blank, \";\", \"{\" or \")\" after a quoted word"},
      {"events {};", "t.conf:1:10: unexpected \";\"; expected a directive"},
      {"}", "t.conf:1:1: unexpected \"}\"; no block is open"},
      {"a {\n", "t.conf:2:1: unexpected end of file, expecting \"}\""},
      {"a b", "t.conf:1:4: unexpected end of file, expecting \";\" or \"}\""},
      {"content_by_lua_block { \"}\"",
       "t.conf:1:22: unexpected end of file, expecting terminating characters for lua code block; "
       "expected \"}\""},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(parsed(text), expected) << text;
}

TEST(Syntax, KeepsLuaBodiesShut) {
  EXPECT_EQ(
      parsed("content_by_lua_block { say('}') -- }\n --[=[ } ]] ]=] x[[}]] {} \"\\\"}\" } b;"),
      "<content_by_lua_block>{code}\n<b>;\n");
  EXPECT_EQ(parsed("set_by_lua_block $x { return 1 }"), "<set_by_lua_block><$x>{code}\n");
  EXPECT_EQ(parsed("server_name content_by_lua_block;"), "<server_name><content_by_lua_block>;\n");
}

TEST(Syntax, RefusesWordsThatFillNginxsBuffer) {
  std::string longest(4095, 'x');
  EXPECT_EQ(parsed("a " + longest + ";\n"), "<a><" + longest + ">;\n");
  EXPECT_THAT(parsed("a " + longest + "x;\n"),
              StartsWith("t.conf:1:3: too long parameter \"xxxxxxxxxx...\" started"));
  EXPECT_THAT(parsed("a " + longest + " b;\n"), HasSubstr("too long parameter"));
  EXPECT_THAT(parsed("a \"" + longest + "xx\";\n"), HasSubstr("missing terminating \"\"\""));
  EXPECT_EQ(parsed("#" + longest.substr(1) + "\na b;\n"), "<a><b>;\n");
  EXPECT_THAT(parsed("#" + longest + "\na b;\n"), HasSubstr("too long parameter"));
}

TEST(Syntax, BoundsTheDepthOfBlocks) {
  std::string deep;
  for (int i = 0; i < 1'000'000; ++i) deep += "a{";
  EXPECT_THAT(parsed(deep), HasSubstr("at most 500 blocks inside each other are read"));
}

TEST(Syntax, BoundsTheWordsOfAFile) {
  std::string many, long_statement;
  for (std::size_t i = 0; i <= kMaxWords; ++i) {
    many += "a;";
    long_statement += "a ";
  }
  for (const std::string& text : {many + "b;", long_statement + ";"}) {
    const auto document = Document::parse("t.conf", text);
    ASSERT_FALSE(document);
    EXPECT_EQ(document.error().message,
              "t.conf:1:8000002: at most 4000000 words in one file are read");
  }
}

TEST(Syntax, KeepsPlacesOfEverything) {
  std::string text = "# one\nserver {\n  listen\t80; # c\n}\n";
  auto document = Document::parse("t.conf", text);
  const Statement& server = document->statements().front();
  EXPECT_EQ(document->raw(server.span), "server {\n  listen\t80; # c\n}");
  EXPECT_EQ(document->raw(server.body), "\n  listen\t80; # c\n");
  EXPECT_EQ(document->raw(server.children[0].span), "listen\t80;");
  EXPECT_EQ(server.line, 2u);
  EXPECT_EQ(server.children[0].line, 3u);
}

TEST(Syntax, SurvivesBeingMoved) {
  auto document = Document::parse("t.conf", "a 'b\\'c';");
  Document moved = std::move(*document);
  EXPECT_EQ(moved.statements()[0].words[1].value, "b'c");
}

std::filesystem::path shared() {
  const char* source = std::getenv("EVERSEAL_SOURCE");
  return std::filesystem::path(source ? source : ".").parent_path() / "shared" / "nginx";
}

std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string from_latin1_json(const std::string& utf8) {
  std::string bytes;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(utf8[i]);
    if (c < 0x80) {
      bytes += utf8[i];
    } else {
      bytes += static_cast<char>(((c & 3) << 6) | (static_cast<unsigned char>(utf8[++i]) & 0x3f));
    }
  }
  return bytes;
}

// The vector's statements in the form of render().
std::string expected_statements(const nlohmann::json& vector) {
  std::string out;
  std::string indent;
  for (const auto& statement : vector["statements"]) {
    std::string kind = statement["t"];
    if (kind == "}") {
      indent.pop_back();
      out += indent + "}\n";
      continue;
    }
    out += indent;
    for (const auto& word : statement["args"]) {
      out += "<" + from_latin1_json(word.get<std::string>()) + ">";
    }
    out += kind + "\n";
    if (kind == "{") indent += ' ';
  }
  return out;
}

TEST(Syntax, AgreesWithNginxOnTheVectors) {
  auto path = shared() / "lexer-vectors.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
  auto vectors = nlohmann::json::parse(slurp(path));
  for (const auto& vector : vectors) {
    std::string result = parsed(from_latin1_json(vector["input_latin1"].get<std::string>()));
    if (vector["result"] == "ok") {
      EXPECT_EQ(result, expected_statements(vector)) << vector["name"];
      continue;
    }
    EXPECT_THAT(result, StartsWith("t.conf:")) << vector["name"];
    std::string error = vector["error"];
    if (error.empty()) continue;
    std::size_t colon = error.rfind(':');
    EXPECT_THAT(result, HasSubstr(from_latin1_json(error.substr(0, colon)))) << vector["name"];
    EXPECT_THAT(result, StartsWith("t.conf:" + error.substr(colon + 1) + ":")) << vector["name"];
  }
}

TEST(Syntax, AgreesWithNginxOnTheCorpus) {
  auto manifest = shared() / "corpus" / "MANIFEST.tsv";
  if (!std::filesystem::exists(manifest)) GTEST_SKIP() << manifest << " is not here";
  std::istringstream lines(slurp(manifest));
  std::string line;
  std::getline(lines, line);
  int read = 0;
  while (std::getline(lines, line)) {
    std::vector<std::string> fields;
    std::istringstream row(line);
    for (std::string field; std::getline(row, field, '\t');) fields.push_back(field);
    auto path = shared() / "corpus" / fields.at(0);
    if (!std::filesystem::is_regular_file(path)) continue;
    ++read;
    auto document = Document::parse(fields[0], slurp(path));
    EXPECT_EQ(document.has_value(), fields.at(8) == "ok")
        << fields[0] << ": " << fields[8] << (document ? "" : ": " + document.error().message);
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace everseal::nginx
