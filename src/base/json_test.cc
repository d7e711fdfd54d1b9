#include "base/json.h"

#include <gtest/gtest.h>

namespace everseal::base {
namespace {

std::string error_of(std::string_view text) {
  const auto members = JsonMembers::parse(text);
  return members ? "accepted" : members.error().message;
}

TEST(JsonMembers, AreStringsObjectsOrAbsent) {
  const auto members = *JsonMembers::parse(R"({"alg":"ES256","jwk":{"y":"2","x":"1"},"n":7})");
  EXPECT_EQ(*members.text("alg"), "ES256");
  EXPECT_EQ(*members.object("jwk"), R"({"x":"1","y":"2"})");
  EXPECT_EQ(*members.optional_text("kid"), "");
  EXPECT_TRUE(members.has("n"));
  EXPECT_FALSE(members.has("kid"));
}

TEST(JsonMembers, NameTheOneThatIsWrong) {
  const auto members = *JsonMembers::parse(R"({"alg":5,"jwk":"x"})");
  EXPECT_EQ(members.text("alg").error().message, "\"alg\" is not a string");
  EXPECT_EQ(members.optional_text("alg").error().message, "\"alg\" is not a string");
  EXPECT_EQ(members.object("jwk").error().message, "\"jwk\" is not an object");
  EXPECT_EQ(members.text("url").error().message, "no \"url\"");
}

TEST(JsonMembers, RefuseWhatIsNotOneObject) {
  EXPECT_EQ(error_of(""), "not a JSON object");
  EXPECT_EQ(error_of("[]"), "not a JSON object");
  EXPECT_EQ(error_of("{} {}"), "not a JSON object");
  EXPECT_EQ(error_of("{\"a\":\"\xFF\"}"), "not a JSON object");
  EXPECT_EQ(error_of(std::string("{}\0{}", 5)), "not JSON");
  EXPECT_EQ(error_of(R"({"a":[[[[]]]]})"), "nested too deeply");
}

// RFC 7515 §4: a reader that took the first of two names and one that took the last would differ.
TEST(JsonMembers, RefuseANameTwiceAtAnyDepth) {
  EXPECT_EQ(error_of(R"({"a":"1","a":"2"})"), "a JSON object that names a member twice");
  EXPECT_EQ(error_of(R"({"a":{"b":"1","b":"2"}})"), "a JSON object that names a member twice");
  EXPECT_EQ(error_of(R"({"a":{"a":"1"},"b":{"a":"2"}})"), "accepted");
}

}  // namespace
}  // namespace everseal::base
