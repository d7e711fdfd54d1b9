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
certificate_profile = "shortlived"
[external_account]
kid = "kid-1"
hmac_key = "c2VjcmV0"
[limits]
certificates_per_names = "7/7d"
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
  EXPECT_EQ(settings->certificate_profile, "shortlived");
  EXPECT_EQ(settings->limits->certificates_per_names.burst, 7);
  EXPECT_EQ(settings->limits->orders_per_account.burst, 300);
  EXPECT_EQ(settings->external_account->kid, "kid-1");
  EXPECT_EQ(settings->redirect, nginx::Redirect::off);
  EXPECT_EQ(settings->redirect_status, 308);
  EXPECT_EQ(settings->hsts->max_age, 300);
  EXPECT_EQ(settings->profile, nginx::Profile::modern);
  EXPECT_FALSE(settings->harden);
  EXPECT_EQ(settings->sandbox, privsep::Strictness::relaxed);
}

TEST(SettingsFile, ReadsWhoIsTold) {
  const auto settings = parse_settings(R"(
[notify]
to = ["admin@example.org", "anna@bücher.example"]
from = "server@example.org"
success = true
command = ["/usr/local/bin/page", "oncall"]
[notify.smtp]
host = "::1"
port = 465
user = "u"
password_file = "smtp"
[notify.webhook]
url = "https://hook.example/x"
secret_file = "/etc/everseal/hook"
)",
                                       "e.toml");
  ASSERT_TRUE(settings) << settings.error().message;
  const notify::Settings& told = settings->notify;
  EXPECT_EQ(told.to, (std::vector<std::string>{"admin@example.org", "anna@xn--bcher-kva.example"}));
  EXPECT_EQ(told.from, "server@example.org");
  EXPECT_TRUE(told.success);
  EXPECT_EQ(told.command.back(), "oncall");
  EXPECT_EQ(told.smtp->host, "[::1]");
  EXPECT_EQ(told.smtp->password_file, "smtp");
  EXPECT_EQ(told.webhook->secret_file, "/etc/everseal/hook");
  EXPECT_EQ(refusal("notify.to = \"a@b\\r\\nBcc: c@d\"\n"),
            "e.toml:1:13: notify.to: 'a@b\\x0d\\x0aBcc: c@d' is not a mail address");
  EXPECT_EQ(refusal("notify.smtp.security = \"ssl\"\n"),
            "e.toml:1:24: notify.smtp.security: expected \"starttls\", \"tls\" or \"none\"");
  EXPECT_EQ(refusal("notify.command = [\"page\"]\n"),
            "e.toml:1:18: notify.command: expected a program's absolute path, then its arguments");
  EXPECT_EQ(refusal("notify.smtp.host = \"m\"\n"), "e.toml: notify needs to: whom to write to");
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
