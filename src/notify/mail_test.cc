#include "notify/mail.h"

#include <gtest/gtest.h>

namespace everseal::notify {
namespace {

std::string refusal(std::string_view text) {
  const auto address = parse_address(text);
  return address ? "accepted" : address.error().message;
}

TEST(MailAddress, IsReadAsServersTakeIt) {
  EXPECT_EQ(parse_address("a.b+c@example.org"), "a.b+c@example.org");
  EXPECT_EQ(parse_address("root"), "root");
  EXPECT_EQ(parse_address("root@localhost"), "root@localhost");
  EXPECT_EQ(parse_address("anna@bücher.example"), "anna@xn--bcher-kva.example");
}

// S5.
TEST(MailAddress, CannotBeAnythingElse) {
  EXPECT_EQ(refusal("a@b\r\nBcc: x@y"), "'a@b\\x0d\\x0aBcc: x@y' is not a mail address");
  for (const char* text : {"", "@example.org", "a@", "a b@example.org", "a,b@example.org", "a@-x",
                           "<a@example.org>", "a@example.org>", "\"a b\"@example.org",
                           "a..b@example.org", ".a@example.org", "a.@example.org", "-oQ/tmp",
                           "-oQ@example.org", "a@*.example.org", "a@[127.0.0.1]", "a@b@c\n"})
    EXPECT_NE(refusal(text), "accepted") << text;
  EXPECT_NE(refusal(std::string(65, 'a') + "@example.org"), "accepted");
}

TEST(HeaderText, IsPlainWhereItCanBe) {
  EXPECT_EQ(header_text("a.example could not be renewed, 12 days left", 9),
            "a.example could not be renewed, 12 days left");
}

TEST(HeaderText, IsFoldedAtSpaces) {
  EXPECT_EQ(header_text("a-very-long-name.of-a-site.example could not be renewed, 12 days left "
                        "(and 17 more)",
                        9),
            "a-very-long-name.of-a-site.example could not be renewed, 12 days left\r\n"
            " (and 17 more)");
  EXPECT_EQ(header_text(std::string(70, 'x') + std::string(100, ' ') + "y  ", 9),
            std::string(70, 'x') + "\r\n y");
  EXPECT_EQ(header_text(std::string(200, 'x'), 9), std::string(200, 'x'));
  EXPECT_EQ(header_text(std::string(100, 'x') + " y", 9), std::string(100, 'x') + "\r\n y");
}

TEST(HeaderText, IsEncodedInWordsOfWholeCharacters) {
  EXPECT_EQ(header_text("bücher.example", 9), "=?UTF-8?B?YsO8Y2hlci5leGFtcGxl?=");
  EXPECT_EQ(header_text("=?UTF-8?B?YQ==?=", 9), "=?UTF-8?B?PT9VVEYtOD9CP1lRPT0/PQ==?=");
  std::string umlauts;
  for (int i = 0; i < 30; ++i) umlauts += "ü";
  EXPECT_EQ(header_text(umlauts, 9),
            "=?UTF-8?B?w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7w=?=\r\n"
            " =?UTF-8?B?w7zDvMO8w7zDvMO8w7zDvA==?=");
}

TEST(HeaderText, HasNoLineOfSomebodyElse) {
  EXPECT_EQ(header_text("a\r\nBcc: x@y", 9), "=?UTF-8?B?YQ0KQmNjOiB4QHk=?=");
}

TEST(QuotedPrintable, KeepsWhatIsPlain) {
  EXPECT_EQ(quoted_printable("One.\n\n.\nTwo\n"), "One.\r\n\r\n.\r\nTwo\r\n");
}

TEST(QuotedPrintable, EncodesTheRest) {
  EXPECT_EQ(quoted_printable("a=b\r\n-- \nü"), "a=3Db=0D\r\n--=20\r\n=C3=BC");
}

TEST(QuotedPrintable, BreaksLongLines) {
  EXPECT_EQ(quoted_printable(std::string(80, 'x')),
            std::string(75, 'x') + "=\r\n" + std::string(5, 'x'));
  EXPECT_EQ(quoted_printable(std::string(74, 'x') + "="), std::string(74, 'x') + "=\r\n=3D");
}

TEST(Mail, IsWhole) {
  const Message message{.event = "trouble",
                        .host = "web1.example",
                        .at = Time(base::Seconds(1'795'000'000)),
                        .subject = "a.example could not be renewed",
                        .text = "No.\n"};
  EXPECT_EQ(write_mail(message, {"everseal@example.org", {"a@example.org", "b@example.org"}}, "7f"),
            "Date: Wed, 18 Nov 2026 11:06:40 +0000\r\n"
            "From: \"Everseal on web1.example\"\r\n"
            " <everseal@example.org>\r\n"
            "To: a@example.org,\r\n"
            " b@example.org\r\n"
            "Subject: a.example could not be renewed\r\n"
            "Message-ID: <1795000000.7f@web1.example>\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n"
            "\r\n"
            "No.\r\n");
}

TEST(Mail, StaysMailWhateverTheMachineIsCalled) {
  const std::string mail = write_mail({.host = "w\"eb>\n"}, {"a@b", {"a@b"}}, "7f");
  EXPECT_NE(mail.find("From: =?UTF-8?B?RXZlcnNlYWwgb24gdyJlYj4K?=\r\n <a@b>\r\n"),
            std::string::npos)
      << mail;
  EXPECT_NE(mail.find("Message-ID: <0.7f@web>\r\n"), std::string::npos) << mail;
}

}  // namespace
}  // namespace everseal::notify
