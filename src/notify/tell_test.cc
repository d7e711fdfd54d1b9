#include "notify/tell.h"

#include <gtest/gtest.h>

#include "base/fake_command_runner.h"
#include "base/fake_file_system.h"
#include "base/stop.h"

namespace everseal::notify {
namespace {

class FakeCourier : public Courier {
 public:
  Result<> deliver(const Delivery& delivery, const std::string& ca_bundle) override {
    deliveries.push_back(delivery);
    bundles.push_back(ca_bundle);
    return answer;
  }
  std::vector<Delivery> deliveries;
  std::vector<std::string> bundles;
  Result<> answer;
};

const Message kMessage{.event = "trouble",
                       .host = "web1",
                       .at = Time(base::Seconds(1'795'000'000)),
                       .subject = "a.example could not be renewed",
                       .text = "No.\n"};

class Telling : public testing::Test {
 protected:
  std::vector<Told> tell(const Settings& settings, const std::string& credentials = "") {
    return notify::tell(kMessage, settings, {files_, runner_, courier_, credentials, "7f"});
  }

  base::FakeFileSystem files_;
  base::FakeCommandRunner runner_;
  FakeCourier courier_;
};

TEST_F(Telling, WritesByTheLocalSendmail) {
  const auto told = tell({.to = {"root"}});
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].result);
  EXPECT_EQ(told[0].way, "mail to root by /usr/sbin/sendmail");
  const base::Command& command = runner_.commands.at(0);
  EXPECT_EQ(command.arguments, (std::vector<std::string>{"/usr/sbin/sendmail", "-i", "-t"}));
  EXPECT_TRUE(command.input.contains("To: root\nSubject: a.example could not be renewed\n"))
      << command.input;
  EXPECT_FALSE(command.input.contains('\r'));
}

TEST_F(Telling, SaysWhatSendmailSaid) {
  runner_.answer = {.exit_status = 75, .output = "queue\nis full \x1b[2J"};
  EXPECT_EQ(tell({.to = {"root"}})[0].result.error().message,
            "/usr/sbin/sendmail ended with status 75: queue\\x0ais full \\x1b[2J");
}

TEST_F(Telling, WritesBySmtpWithASecretOfSystemd) {
  files_.put("/run/credentials/smtp", "pass word\n", 0400);
  const SmtpSettings smtp{
      .host = "mail.example.org", .user = "u", .password_file = "smtp", .ca_bundle = "/ca.pem"};
  const auto told = tell({.to = {"a@example.org"}, .smtp = smtp}, "/run/credentials");
  ASSERT_TRUE(told[0].result) << told[0].result.error().message;
  EXPECT_EQ(told[0].way, "mail to a@example.org by mail.example.org:587");
  const auto& mail = std::get<ByMail>(courier_.deliveries.at(0));
  EXPECT_EQ(mail.server.password, "pass word");
  EXPECT_EQ(mail.server.security, Security::starttls);
  EXPECT_EQ(mail.from, "a@example.org");
  EXPECT_EQ(courier_.bundles.at(0), "/ca.pem");
}

TEST_F(Telling, TriesEachWayWhateverComesOfTheOthers) {
  courier_.answer = base::transient("no connection");
  const auto told = tell({.to = {"a@example.org"},
                          .smtp = SmtpSettings{.host = "m"},
                          .webhook = WebhookSettings{.url = "https://hook.example/T0/SECRET"},
                          .command = {"/usr/local/bin/page", "oncall"}});
  ASSERT_EQ(told.size(), 3u);
  EXPECT_FALSE(told[0].result);
  EXPECT_FALSE(told[1].result);
  EXPECT_EQ(told[1].way, "webhook https://hook.example:443");
  EXPECT_TRUE(told[2].result);
  EXPECT_EQ(runner_.commands.at(0).arguments.at(1), "oncall");
  EXPECT_EQ(runner_.commands.at(0).input, to_json(kMessage));
  EXPECT_EQ(runner_.commands.at(0).environment,
            (std::vector<std::string>{"EVERSEAL_EVENT=trouble", "EVERSEAL_HOST=web1",
                                      "EVERSEAL_SUBJECT=a.example could not be renewed"}));
}

TEST_F(Telling, SaysThatSomebodyHasHeardBeforeItTriesAnotherWay) {
  courier_.answer = base::transient("away");
  std::vector<std::size_t> commands;  // that had run by then
  notify::tell(
      kMessage,
      {.to = {"a@example.org"}, .smtp = SmtpSettings{.host = "mail"}, .command = {"/page"}},
      {files_, runner_, courier_, "", "7f", [&] { commands.push_back(runner_.commands.size()); }});
  EXPECT_EQ(commands, std::vector<std::size_t>{1}) << "the mail was heard by nobody";
  commands.clear();
  courier_.answer = {};
  notify::tell(
      kMessage,
      {.to = {"a@example.org"}, .smtp = SmtpSettings{.host = "mail"}, .command = {"/page"}},
      {files_, runner_, courier_, "", "7f", [&] { commands.push_back(runner_.commands.size()); }});
  EXPECT_EQ(commands, std::vector<std::size_t>{1}) << "once, before the second command";
}

TEST_F(Telling, FaultX7_NothingIsBegunAfterASignal) {
  base::stop_requested = true;
  const auto told = tell({.to = {"root"}, .command = {"/page"}});
  base::stop_requested = false;
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[1].result.error().message, "not tried: a signal asked us to end");
  EXPECT_TRUE(runner_.commands.empty());
}

// As `printf %s "1795000000.$BODY" | openssl dgst -sha256 -hmac k` gives it.
TEST(Webhook, IsSignedWithItsMoment) {
  const ByWebhook post = to_webhook({.at = kMessage.at}, "https://hook.example/", "k");
  ASSERT_EQ(post.headers.size(), 2u);
  EXPECT_EQ(post.headers[1].name, "Everseal-Signature");
  EXPECT_EQ(post.headers[1].value,
            "t=1795000000,v1=f8b42922b8fb012c586fd7b433d6dcd77682c20955c7500c70d750da3da6e8f1");
  EXPECT_EQ(to_webhook({}, "https://hook.example/", "").headers.size(), 1u);
}

}  // namespace
}  // namespace everseal::notify
