#include "jobs/preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace everseal::jobs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A world of names, and of servers by address with the status that they answer.
class FakeScout : public scan::Scout {
 public:
  std::map<std::string, scan::Whereabouts> names;
  std::map<std::string, int> servers;  // 200: they answer as they should
  std::vector<std::string> asked;

  Result<std::vector<scan::Whereabouts>> look_up(const std::vector<std::string>& wanted,
                                                 base::Milliseconds) override {
    std::vector<scan::Whereabouts> found;
    for (const std::string& each : wanted) {
      if (!names.contains(each)) break;  // the resolver has taken all of the time
      found.push_back(names[each]);
    }
    return found;
  }

  Result<scan::Answer> get(const scan::Target& target, const std::string& host,
                           const std::string& path, base::Milliseconds) override {
    asked.push_back(host + " at " + to_string(target));
    const auto server = servers.find(target.address);
    if (server == servers.end())
      return base::transient("connect " + to_string(target) + ": Connection refused");
    return scan::Answer{server->second, "", path == "/.well-known/acme-challenge/t" ? "body" : ""};
  }
};

std::vector<PlacedAnswer> placed(const std::vector<std::string>& names) {
  std::vector<PlacedAnswer> answers;
  for (const std::string& each : names) answers.push_back({each, "t", "body"});
  return answers;
}

std::vector<std::string> said(const Preflight& preflight) {
  std::vector<std::string> lines;
  for (const Hindrance& each : preflight.hindrances) lines.push_back(to_string(each));
  return lines;
}

TEST(Preflight, SaysNothingWhereTheAnswerIsThere) {
  FakeScout scout;
  scout.names = {{"a.example", {{"192.0.2.1", "2001:db8::1"}, ""}}};
  scout.servers = {{"192.0.2.1", 200}, {"2001:db8::1", 200}};
  const auto seen = look_ahead(scout, placed({"a.example"}));
  ASSERT_TRUE(seen);
  EXPECT_THAT(said(*seen), IsEmpty());
  EXPECT_THAT(seen->unanswered, IsEmpty());
  EXPECT_THAT(scout.asked,
              ElementsAre("a.example at 192.0.2.1:80", "a.example at [2001:db8::1]:80"));
}

TEST(Preflight, FaultN1_KnowsTheNamesThatNobodyAnswers) {
  FakeScout scout;
  scout.names = {{"a.example", {{"192.0.2.1"}, ""}}, {"b.example", {{"192.0.2.1"}, ""}}};
  const auto seen = look_ahead(scout, placed({"a.example", "b.example"}));
  ASSERT_TRUE(seen);
  EXPECT_THAT(seen->unanswered, ElementsAre("a.example", "b.example"));
  EXPECT_THAT(
      said(*seen),
      ElementsAre("a.example and 1 more: a CA may ask at 192.0.2.1, where the A record leads; "
                  "seen from here that fails (connect 192.0.2.1:80: Connection refused)"));
  EXPECT_THAT(scout.asked, ElementsAre("a.example at 192.0.2.1:80")) << "not twice in vain";
}

TEST(Preflight, FaultN2_NamesTheAddressThatLeadsElsewhere) {
  FakeScout scout;
  scout.names = {{"a.example", {{"192.0.2.1", "2001:db8::1"}, ""}}};
  scout.servers = {{"192.0.2.1", 200}, {"2001:db8::1", 404}};
  const auto seen = look_ahead(scout, placed({"a.example"}));
  ASSERT_TRUE(seen);
  EXPECT_THAT(seen->unanswered, IsEmpty());
  EXPECT_THAT(
      said(*seen),
      ElementsAre(
          "a.example: a CA may ask at 2001:db8::1, where the AAAA record leads; seen from here "
          "that fails (something else answers /.well-known/acme-challenge/, with status 404)"));
}

TEST(Preflight, FaultN3_SaysWhatTheResolverSaid) {
  FakeScout scout;
  scout.names = {{"a.example", {{}, "look up a.example: Name or service not known"}}};
  const auto seen = look_ahead(scout, placed({"a.example", "late.example"}));
  ASSERT_TRUE(seen);
  EXPECT_THAT(seen->unanswered, IsEmpty());
  EXPECT_THAT(said(*seen),
              ElementsAre("a.example: a CA will look for it in the DNS; this machine finds nothing "
                          "there (look up a.example: Name or service not known)"));
}

}  // namespace
}  // namespace everseal::jobs
