#include "acme/resources.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace everseal::acme {
namespace {

using testing::ElementsAre;

constexpr const char* kOrigin = "https://ca.test:443";

template <class T>
std::string error_of(const Result<T>& result) {
  return result ? "read" : result.error().message;
}

TEST(Directory, NeedsItsUrlsAtTheCa) {
  const auto read = [](const std::string& order) {
    return parse_directory(
        fmt::format(R"({{"newNonce":"https://ca.test/n","newAccount":"https://ca.test/a",
                        "newOrder":"{}","meta":{{"termsOfService":"https://law.test/t"}}}})",
                    order),
        "https://ca.test/dir");
  };
  EXPECT_EQ(read("https://ca.test/o")->terms.terms_of_service, "https://law.test/t");
  EXPECT_EQ(error_of(read("https://evil.test/o")), "the CA's directory has a bad \"newOrder\"");
  EXPECT_EQ(error_of(read("http://ca.test/o")), "the CA's directory has a bad \"newOrder\"");
}

TEST(Order, IsReadWithItsNamesSorted) {
  const auto order = parse_order(R"({"status":"pending","finalize":"https://ca.test/f",
      "identifiers":[{"type":"dns","value":"B.com"},{"type":"dns","value":"a.com"}],
      "authorizations":["https://ca.test/z/1"]})",
                                 kOrigin);
  ASSERT_TRUE(order) << order.error().message;
  EXPECT_THAT(order->names, ElementsAre("a.com", "b.com"));
  EXPECT_THAT(order->authorizations, ElementsAre("https://ca.test/z/1"));
}

TEST(Order, FaultA8_WrongTypesAreNamed) {
  EXPECT_EQ(error_of(parse_order("[]", kOrigin)), "the CA's order is not a JSON object");
  EXPECT_EQ(error_of(parse_order("{\"a\":\"\xff\"}", kOrigin)),
            "the CA's order is not a JSON object");
  EXPECT_EQ(error_of(parse_order(R"({"status":7})", kOrigin)),
            "the CA's order has a bad \"status\"");
  EXPECT_EQ(error_of(parse_order(R"({"status":"ready","identifiers":{}})", kOrigin)),
            "the CA's order has a bad \"identifiers\"");
  EXPECT_EQ(error_of(parse_order(R"({"status":"ready","authorizations":[1]})", kOrigin)),
            "the CA's order has a bad \"authorizations\"");
  EXPECT_EQ(error_of(parse_order(R"({"status":"valid","finalize":"https://ca.test/f"})", kOrigin)),
            "the CA's order has a bad \"certificate\"");
  EXPECT_EQ(error_of(parse_order(std::string(2 << 20, ' '), kOrigin)),
            "the CA's order is larger than 1 MiB");
  EXPECT_EQ(error_of(parse_order(std::string_view("{\"status\":7}\0", 13), kOrigin)),
            "the CA's order is not JSON");
}

TEST(Authorization, FaultA29_HostileTokensAreRefused) {
  for (const char* token : {"../../etc/cron.d/x12345678", "short", "", "a/b4567890123456789012345",
                            "with\\nnewline12345678901234", "nul\\u000012345678901234567890"}) {
    EXPECT_EQ(error_of(parse_authorization(
                  fmt::format(R"({{"status":"pending","identifier":{{"type":"dns","value":"a.com"}},
                      "challenges":[{{"type":"http-01","url":"https://ca.test/c","token":"{}"}}]}})",
                              token),
                  kOrigin)),
              "the CA's authorization has a bad \"token\"")
        << token;
  }
}

TEST(Problem, FaultA30_HostileTextIsMadeHarmless) {
  const Problem problem = parse_problem(
      R"_({"type":"urn:ietf:params:acme:error:dns","detail":"\u001b[2J\r\nx $(reboot)"})_", 400);
  EXPECT_EQ(problem.describe(), "dns: \\x1b[2J\\x0d\\x0ax $(reboot)");
  EXPECT_LT(
      parse_problem("{\"detail\":\"" + std::string(500000, 'x') + "\"}", 400).describe().size(),
      1100u);
}

TEST(Problem, FaultA7_ShowsTheWholeUrlOfAPause) {
  const std::string detail =
      "Your account is temporarily prevented from requesting certificates for a.com. Please visit: "
      "https://ca.test/unpause?jwt=" +
      std::string(700, 'x');
  EXPECT_EQ(Problem{.detail = detail}.describe(), detail);
}

TEST(Problem, FaultA19_NamesTheUrlForAPerson) {
  const Problem problem = parse_problem(
      R"_({"type":"urn:ietf:params:acme:error:userActionRequired","detail":"terms changed",
          "instance":"https://ca.test/\u001bterms"})_",
      403);
  EXPECT_EQ(problem.describe(),
            "userActionRequired: terms changed; see https://ca.test/\\x1bterms");
}

TEST(Problem, FaultA27_TellsWhatMayPass) {
  const auto kind_of = [](const std::string& type) {
    return Problem{.type = type, .status = 400}.error().kind;
  };
  for (const char* type : {"dns", "connection", "rateLimited", "serverInternal", "badNonce"}) {
    EXPECT_EQ(kind_of(type), ErrorKind::transient) << type;
  }
  for (const char* type : {"badCSR", "badPublicKey", "unauthorized", "caa", "tls", "malformed"}) {
    EXPECT_EQ(kind_of(type), ErrorKind::rejected) << type;
  }
}

TEST(Problem, QuotesWhatIsNotAProblem) {
  EXPECT_EQ(parse_problem("<html>", 502).describe(), "status 502: <html>");
  EXPECT_EQ(parse_problem("<html>", 502).error().kind, ErrorKind::transient);
}

}  // namespace
}  // namespace everseal::acme
