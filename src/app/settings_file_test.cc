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

TEST(SettingsFile, ReadsWhatIsRotatedAndHandedOver) {
  const auto settings = parse_settings(R"(
[keys]
pin = ["Example.com"]
[rotate]
account = "1 year"
dhparam = "2 weeks"
[dhparam]
files = ["/etc/nginx/dh.pem"]
[hooks]
deploy = "/etc/everseal/hooks/mail"
directory = "/etc/everseal/hooks.d/"
timeout = 5
[[copy]]
name = "mail.example.com"
to = "/etc/exim4/tls/"
owner = "Debian-exim"
mode = "0640"
reload = ["systemctl", "reload", "exim4"]
[[copy]]
name = "db.example.com"
to = "/etc/postgresql/tls"
files = "bundle"
)",
                                       "e.toml");
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->pinned, std::vector<std::string>{"example.com"});
  EXPECT_EQ(settings->account_key_life, std::chrono::days(365));
  EXPECT_EQ(settings->dhparam_life, std::chrono::days(14));
  EXPECT_EQ(settings->dhparam_files, std::vector<std::string>{"/etc/nginx/dh.pem"});
  EXPECT_EQ(settings->hooks, std::vector<std::string>{"/etc/everseal/hooks/mail"});
  EXPECT_EQ(settings->hooks_directory, "/etc/everseal/hooks.d");
  EXPECT_EQ(settings->hook_timeout, base::Seconds(5));
  ASSERT_EQ(settings->copies.size(), 2u);
  EXPECT_EQ(settings->copies[0].directory, "/etc/exim4/tls");
  EXPECT_EQ(settings->copies[0].owner, "Debian-exim");
  EXPECT_EQ(settings->copies[0].mode, mode_t{0640});
  EXPECT_EQ(settings->copies[0].files, (std::vector<std::string>{"fullchain", "privkey"}));
  EXPECT_EQ(settings->copies[1].files, std::vector<std::string>{"bundle"});
  EXPECT_EQ(settings->copies[1].mode, mode_t{0600});
}

TEST(SettingsFile, ReadsPeriods) {
  EXPECT_EQ(jobs::Settings{}.account_key_life, std::chrono::days(182));
  EXPECT_EQ(parse_settings("rotate.account = \"never\"\n", "e")->account_key_life, std::nullopt);
  EXPECT_EQ(*parse_period("6 months"), std::chrono::days(180));
  EXPECT_EQ(*parse_period("1day"), std::chrono::days(1));
  for (const char* bad : {"", "6", "months", "-1 days", "0 days", "6 moons", "1001 days", "6  days",
                          "6 days ago", "99999999999 days"})
    EXPECT_FALSE(parse_period(bad)) << bad;
}

TEST(SettingsFile, RefusesCopiesThatCannotBe) {
  EXPECT_EQ(
      refusal("[[copy]]\nname = \"a.example\"\nto = \"/x\"\nmode = \"0644\"\n"),
      "e.toml:1:1: copy: line 4: expected a mode like \"0640\", without rights for all users");
  EXPECT_EQ(refusal("[[copy]]\nname = \"a.example\"\n"),
            "e.toml:1:1: copy: each [[copy]] needs name and to");
  EXPECT_EQ(refusal("[[copy]]\nname = \"a.example\"\nto = \"/x\"\n"
                    "[[copy]]\nname = \"b.example\"\nto = \"/x\"\n"),
            "e.toml:1:1: copy: two copies go to /x");
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

TEST(SettingsFile, RefusesAKeyOfTooManyParts) {
  std::string key;
  for (int i = 0; i < 50'000; i++) key += "a.";
  EXPECT_EQ(refusal(key + "a = 1\n"), "e.toml:1: nested too deeply");
}

TEST(SettingsFile, MayBeMissingUnlessItWasNamed) {
  const base::FakeFileSystem files;
  EXPECT_TRUE(load_settings(files, "/e.toml", Presence::optional));
  EXPECT_FALSE(load_settings(files, "/e.toml", Presence::required));
}

TEST(SettingsFile, IsNotMissingWhereItCannotBeReached) {
  base::FakeFileSystem files;
  ASSERT_TRUE(files.make_symlink("/not/mounted", "/everseal"));
  files.put("/file", "");
  for (const char* path : {"/everseal", "/everseal/e.toml", "/file/e.toml"})
    EXPECT_FALSE(load_settings(files, path, Presence::optional)) << path;
}

TEST(SettingsFile, WithASecretThatEveryUserMayReadStillSaysWhomToTell) {
  base::FakeFileSystem files;
  ASSERT_TRUE(files.create("/e.toml",
                           "[external_account]\nkid = \"k\"\nhmac_key = \"c2VjcmV0\"\n"
                           "[notify]\ncommand = [\"/usr/bin/tell\"]\n",
                           0644));
  const auto refused = load_settings(files, "/e.toml", Presence::required);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message.ends_with("chmod o-rwx /e.toml")) << refused.error().message;
  EXPECT_EQ(readable_settings(files, "/e.toml", refused.error()).notify.command,
            std::vector<std::string>{"/usr/bin/tell"});
}

}  // namespace
}  // namespace everseal::app
