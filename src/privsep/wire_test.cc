#include "privsep/wire.h"

#include <gtest/gtest.h>

#include "privsep/messages.h"

namespace everseal::privsep {
namespace {

// The same message again, by its bytes.
template <class Message>
Message again(const Message& message) {
  auto read = decode<Message>(encode(message));
  EXPECT_TRUE(read);
  return *std::move(read);
}

TEST(Wire, GivesBackWhatWasWritten) {
  const NetEvent event = again(NetEvent(tell::Finished{{.id = 7,
                                                        .chain = base::transient("later"),
                                                        .problems = {{"a.com", "no"}},
                                                        .problem_type = "dns",
                                                        .retry_at = Time(base::Seconds(5)),
                                                        .order_url = "https://ca.test/1"}}));
  const acme::Outcome& outcome = std::get<tell::Finished>(event).outcome;
  EXPECT_EQ(outcome.id, 7u);
  EXPECT_EQ(outcome.chain.error().kind, ErrorKind::transient);
  EXPECT_EQ(outcome.chain.error().message, "later");
  EXPECT_EQ(outcome.problems.at(0).text, "no");
  EXPECT_EQ(outcome.retry_at, Time(base::Seconds(5)));

  const KeeperRequest request = again(KeeperRequest(
      ask_keeper::AllowRegistration{{{"a@b.com"}, true, crypto::ExternalAccount{"kid", "mac"}}}));
  EXPECT_EQ(std::get<ask_keeper::AllowRegistration>(request).registration.external_account->kid,
            "kid");
  const NetRequest deliver = again(NetRequest(ask_net::Deliver{notify::ByMail{
      {"mail.test", 465, notify::Security::none, "u", "p"}, "a@b", {"c@d"}, "text"}}));
  const auto& mail = std::get<notify::ByMail>(std::get<ask_net::Deliver>(deliver).delivery);
  EXPECT_EQ(mail.server.port, 465);
  EXPECT_EQ(mail.server.security, notify::Security::none);
  EXPECT_EQ(mail.to.at(0), "c@d");
  EXPECT_EQ(again(Result<std::string>("x")), "x");
  EXPECT_TRUE(again(Result<>()));
}

// Every prefix of a message, and every message with a byte too many, is none.
TEST(Wire, RefusesWhatIsCutOrTooLong) {
  const std::string bytes = encode(SignerRequest(
      Sign{{"https://ca.test/x", "nonce", "kid"}, acme::payload::NewOrder{{"a.com", "b.com"}}}));
  EXPECT_TRUE(decode<SignerRequest>(bytes));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode<SignerRequest>(bytes.substr(0, size))) << size;
  EXPECT_FALSE(decode<SignerRequest>(bytes + '\0'));
}

TEST(Wire, RefusesNumbersThatMeanNothing) {
  const std::string huge(8, '\xff');
  EXPECT_FALSE(decode<std::string>(huge));
  EXPECT_FALSE(decode<std::vector<std::string>>(huge));
  EXPECT_FALSE(decode<std::optional<std::string>>(huge));
  EXPECT_FALSE(decode<NetRequest>(huge));
  EXPECT_FALSE(decode<Time>(huge));
  EXPECT_FALSE(decode<base::Milliseconds>(huge));
  EXPECT_FALSE(decode<std::uint16_t>(huge));
  EXPECT_FALSE(decode<crypto::KeyType>(huge));
  EXPECT_FALSE(decode<bool>(huge));
}

}  // namespace
}  // namespace everseal::privsep
