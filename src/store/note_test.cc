#include "store/note.h"

#include <gtest/gtest.h>

namespace everseal::store {
namespace {

TEST(Note, SaysWhatWasAskedFor) {
  CertificateRecord record;
  record.name = "a.example";
  record.names = {"a.example", "www.a.example"};
  record.server = "https://ca.example/directory";
  record.key_type = "rsa-2048";
  record.method = Method::webroot;
  record.webroots = {"/var/www", "/srv"};
  record.preferred_chain = "Root \"X\"";
  record.beside = "b.example";
  record.last_error = "not of what was asked for";
  const std::string note = to_note(record);
  EXPECT_EQ(note,
            R"({"beside":"b.example","key_type":"rsa-2048","method":"webroot","name":"a.example",)"
            R"("names":["a.example","www.a.example"],"preferred_chain":"Root \"X\"",)"
            R"("server":"https://ca.example/directory","version":1,"webroots":["/var/www","/srv"]})"
            "\n");
  const auto read = from_note(note);
  ASSERT_TRUE(read) << read.error().message;
  record.last_error.clear();
  EXPECT_EQ(to_note(*read), note);
  EXPECT_TRUE(same_request(*read, record));
}

TEST(Note, IsRefusedWhereItIsNone) {
  for (const char* text :
       {"", "[]", "{", "{}", R"({"name":"a.example","names":["a.example"],"server":"https://a/"})",
        R"({"name":"a.example","names":[],"server":"https://a/","method":"nginx"})",
        R"({"name":"a.example","names":["a.example"],"server":3,"method":"nginx"})",
        R"({"name":"a.example","names":"a.example","server":"https://a/","method":"nginx"})"})
    EXPECT_FALSE(from_note(text)) << text;
}

}  // namespace
}  // namespace everseal::store
