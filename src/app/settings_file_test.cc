#include "app/settings_file.h"

#include <gtest/gtest.h>

#include "base/fake_file_system.h"

namespace everseal::app {
namespace {

std::string refusal(std::string_view text) {
  const auto settings = parse_settings(text, "e.toml");
  return settings ? "accepted" : settings.error().message;
}

TEST(SettingsFile, ReadsEverySetting) {
  const auto settings = parse_settings(R"(
server = "https://ca.example/directory"
ca_bundle = "/etc/ssl/ca.pem"
state = "/srv/everseal"
email = ["a@example.com", "b@example.com"]
key_type = "rsa-3072"
preferred_chain = "Root X"
sandbox = "relaxed"
[external_account]
kid = "kid-1"
hmac_key = "c2VjcmV0"
[nginx]
binary = "/opt/nginx"
config = "/srv/nginx.conf"
redirect = "off"
redirect_status = 308
hsts = 300
profile = "modern"
harden = false
)",
                                       "e.toml");
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->server, "https://ca.example/directory");
  EXPECT_EQ(settings->contacts, (std::vector<std::string>{"a@example.com", "b@example.com"}));
  EXPECT_EQ(settings->key_type, crypto::KeyType::rsa_3072);
  EXPECT_EQ(settings->external_account->kid, "kid-1");
  EXPECT_EQ(settings->redirect, nginx::Redirect::off);
  EXPECT_EQ(settings->redirect_status, 308);
  EXPECT_EQ(settings->hsts->max_age, 300);
  EXPECT_EQ(settings->profile, nginx::Profile::modern);
  EXPECT_FALSE(settings->harden);
  EXPECT_EQ(settings->sandbox, privsep::Strictness::relaxed);
}

TEST(SettingsFile, NamesThePlaceOfWhatIsWrong) {
  EXPECT_EQ(refusal("server = \"x\"\nsevrer = \"y\"\n"), "e.toml:2:1: unknown setting 'sevrer'");
  EXPECT_EQ(refusal("state = 7\n"), "e.toml:1:9: state: expected a string");
  EXPECT_EQ(refusal("[nginx]\nredirect_status = 302\n"),
            "e.toml:2:19: nginx.redirect_status: expected 301 or 308");
  EXPECT_EQ(refusal("[nginx]\nredirect = \"maybe\"\n"),
            "e.toml:2:12: nginx.redirect: expected \"automatic\", \"on\" or \"off\"");
  EXPECT_TRUE(refusal("key_type = \"dsa\"\n").starts_with("e.toml:1:12: key_type: "))
      << refusal("key_type = \"dsa\"\n");
  EXPECT_TRUE(refusal("server = \n").starts_with("e.toml:1:")) << refusal("server = \n");
  EXPECT_EQ(refusal("external_account.kid = \"k\"\n"),
            "e.toml: external_account needs both kid and hmac_key");
}

TEST(SettingsFile, MayBeMissingUnlessItWasNamed) {
  const base::FakeFileSystem files;
  EXPECT_TRUE(load_settings(files, "/e.toml", Presence::optional));
  EXPECT_FALSE(load_settings(files, "/e.toml", Presence::required));
}

}  // namespace
}  // namespace everseal::app
