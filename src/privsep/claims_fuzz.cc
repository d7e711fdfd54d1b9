// What net tells, event after event: what passes is about what was asked for, at the CA, and safe
// to show and to use as a file's name.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>

#include "acme/resources.h"
#include "http/message.h"
#include "privsep/claims.h"

using namespace everseal;
using namespace everseal::privsep;

namespace {

void expect(bool good) {
  if (!good) std::abort();
}

bool known(std::uint64_t id) { return id == 1 || id == 2; }

bool at_ca(const std::string& url) {
  return http::https_origin(url).value_or("") == "https://ca.test:443";
}

bool printable(const std::string& text) {
  return text.find_first_of(std::string_view("\x00\x1b\r\n", 4)) == text.npos;
}

void check(const tell::SaveOrders& event) {
  for (const auto& each : event.records) expect(known(each.id) && at_ca(each.url));
}
void check(const tell::Publish& event) {
  expect(known(event.response.id) && acme::is_token(event.response.token) &&
         event.response.name == (event.response.id == 1 ? "a.com" : "b.com"));
}
void check(const tell::Finished& event) {
  const acme::Outcome& outcome = event.outcome;
  expect(known(outcome.id) && (outcome.order_url.empty() || at_ca(outcome.order_url)));
  if (!outcome.chain) expect(printable(outcome.chain.error().message));
  for (const auto& each : outcome.problems) expect(printable(each.name) && printable(each.text));
}
void check(const tell::Progress& event) { expect(known(event.id)); }
void check(const tell::Retract& event) { expect(acme::is_token(event.response.token)); }
void check(const tell::Ended&) {}

acme::ChallengeResponse response(FuzzedDataProvider& data) {
  return {.id = data.ConsumeIntegralInRange<std::uint64_t>(0, 3),
          .name = data.ConsumeBool() ? "a.com" : data.ConsumeRandomLengthString(10),
          .token = data.ConsumeBool() ? std::string(30, 'a') : data.ConsumeRandomLengthString(40)};
}

NetEvent event(FuzzedDataProvider& data) {
  const auto id = data.ConsumeIntegralInRange<std::uint64_t>(0, 3);
  const std::string url = data.ConsumeBool() ? "https://ca.test/1" : "https://evil.test/1";
  switch (data.ConsumeIntegralInRange(0, 6)) {
    case 0:
      return tell::SaveOrders{{{id, url}}};
    case 1:
      return tell::Publish{response(data)};
    case 2:
      return tell::Retract{response(data)};
    case 3:
      return tell::Finished{{.id = id,
                             .chain = base::transient(data.ConsumeRandomLengthString(50)),
                             .problems = {{data.ConsumeRandomLengthString(9), "x"}},
                             .order_url = url}};
    case 4:
      return tell::Ended{};
    case 5:
      return tell::Progress{id, acme::Step::ordering};
    default:
      return decode<NetEvent>(data.ConsumeRandomLengthString(200)).value_or(NetEvent());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  FuzzedDataProvider data(bytes, size);
  Claims claims("https://ca.test:443",
                {{.id = 1, .names = {"a.com"}}, {.id = 2, .names = {"b.com"}}});
  while (data.remaining_bytes() > 0) {
    NetEvent next = event(data);
    if (claims.check(next)) std::visit([](const auto& each) { check(each); }, next);
    for (const auto& each : claims.published()) expect(acme::is_token(each.token));
  }
  return 0;
}
