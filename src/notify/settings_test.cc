#include "notify/settings.h"

#include <gtest/gtest.h>

#include "base/fake_file_system.h"

namespace everseal::notify {
namespace {

std::string refusal(const Settings& settings) {
  const auto checked = check(settings);
  return checked ? "accepted" : checked.error().message;
}

TEST(NotifySettings, AreLookedAtTogether) {
  const SmtpSettings smtp{.host = "mail.example.org"};
  EXPECT_EQ(refusal({}), "accepted");
  EXPECT_EQ(refusal({.to = {"root"}}), "accepted");
  EXPECT_EQ(refusal({.to = {"a@example.org"}, .smtp = smtp}), "accepted");
  EXPECT_EQ(refusal({.smtp = smtp}), "notify needs to: whom to write to");
  EXPECT_EQ(refusal({.to = {"root"}, .smtp = smtp}),
            "notify: with notify.smtp each address needs an @");
  EXPECT_EQ(refusal({.to = {"a@b"}, .smtp = SmtpSettings{}}), "notify.smtp needs host");
  EXPECT_EQ(refusal({.to = {"a@b"}, .smtp = SmtpSettings{.host = "m", .user = "u"}}),
            "notify.smtp needs user and password_file, or neither");
}

TEST(NotifySettings, SendNoPasswordWithoutTls) {
  SmtpSettings smtp{
      .host = "m", .security = Security::none, .user = "u", .password_file = "/secret"};
  EXPECT_EQ(refusal({.to = {"a@b"}, .smtp = smtp}),
            "notify.smtp: a password is not sent without TLS");
  smtp.host = "127.example.org";
  EXPECT_NE(refusal({.to = {"a@b"}, .smtp = smtp}), "accepted");
  smtp.host = "127.0.0.1";
  EXPECT_EQ(refusal({.to = {"a@b"}, .smtp = smtp}), "accepted");
}

// S5.
TEST(NotifySettings, TakeOnlyHttpsForAWebhook) {
  EXPECT_EQ(refusal({.webhook = WebhookSettings{.url = "https://hook.example/x"}}), "accepted");
  EXPECT_EQ(refusal({.webhook = WebhookSettings{.url_file = "hook"}}), "accepted");
  EXPECT_EQ(refusal({.webhook = WebhookSettings{}}), "notify.webhook needs url or url_file");
  for (const char* url : {"file:///etc/shadow", "http://hook.example/", "gopher://x/",
                          "https://u:p@hook.example/", "https://hook.example/\r\nX: y"})
    EXPECT_NE(refusal({.webhook = WebhookSettings{.url = url}}), "accepted") << url;
}

TEST(NotifySettings, KnowThePortsOfMail) {
  EXPECT_EQ(server_of({.host = "m"}, "").port, 587);
  EXPECT_EQ(server_of({.host = "m", .security = Security::implicit_tls}, "").port, 465);
  EXPECT_EQ(server_of({.host = "m", .port = 465}, "").security, Security::implicit_tls);
  EXPECT_EQ(server_of({.host = "m", .port = 25}, "").security, Security::starttls);
}

TEST(NotifySettings, ReadHosts) {
  EXPECT_EQ(parse_host("mail.example.org"), "mail.example.org");
  EXPECT_EQ(parse_host("::1"), "[::1]");
  EXPECT_EQ(parse_host("[::1]"), "[::1]");
  for (const char* text : {"", "a b", "a/b", "a@b", "a:25", "-x", "a\r\nb"})
    EXPECT_FALSE(parse_host(text)) << text;
}

TEST(Secret, IsTheFirstLineOfAFileOfItsOwner) {
  base::FakeFileSystem files;
  files.put("/secret", "pass word\r\nmore", 0600);
  files.put("/open", "x", 0644);
  files.put("/empty", "\n", 0600);
  files.put("/run/credentials/everseal/smtp", "x", 0400);
  EXPECT_EQ(read_secret(files, "/secret", ""), "pass word");
  EXPECT_EQ(read_secret(files, "smtp", "/run/credentials/everseal"), "x");
  EXPECT_EQ(read_secret(files, "/open", "").error().message,
            "/open holds a secret that every user may read: chmod 0600 /open");
  EXPECT_EQ(read_secret(files, "/empty", "").error().message,
            "/empty holds no secret in its first line");
  EXPECT_EQ(read_secret(files, "smtp", "").error().message,
            "'smtp' is a credential of systemd, and $CREDENTIALS_DIRECTORY is not set");
  EXPECT_EQ(read_secret(files, "/none", "").error().kind, ErrorKind::not_found);
}

TEST(Delivery, GoesNowhereOnTheLinkAlone) {
  using Addresses = std::vector<std::string>;
  EXPECT_EQ(allowed({"192.0.2.1", "169.254.169.254", "fe80::1", "febf::1", "2001:db8::1", "::1",
                     "::ffff:169.254.169.254"}),
            (Addresses{"192.0.2.1", "2001:db8::1", "::1"}));
  EXPECT_EQ(allowed({}), Addresses());
  EXPECT_FALSE(allowed({"169.254.169.254"}));
  EXPECT_FALSE(allowed({"[fe80::1]"}));
}

}  // namespace
}  // namespace everseal::notify
