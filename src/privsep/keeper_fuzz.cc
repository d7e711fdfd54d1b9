// The keeper asked by a stranger: whatever it signs is for the CA, the account and the names that
// it was told of.
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "http/message.h"
#include "privsep/keeper.h"
#include "privsep/messages.h"

using namespace everseal;
using namespace everseal::privsep;
using nlohmann::json;

namespace {

const std::string kAccount = "https://ca.test/account/1";
const char* const kUrls[] = {
    "https://ca.test/order/1", "https://ca.test/account/1", "https://ca.test/account/01",
    "https://ca.test/reg/1",   "https://evil.test/",        "https://ca.test:443/x",
    "http://ca.test/x"};

std::string url(FuzzedDataProvider& data) {
  std::string text = data.PickValueInArray(kUrls);
  if (data.ConsumeBool()) text += data.ConsumeRandomLengthString(40);
  return text;
}

acme::Payload payload(FuzzedDataProvider& data) {
  switch (data.ConsumeIntegralInRange(0, 7)) {
    case 0:
      return acme::payload::PostAsGet();
    case 1:
      return acme::payload::FindAccount();
    case 2:
      return acme::payload::NewAccount();
    case 3: {
      acme::payload::NewOrder order;
      while (data.ConsumeBool())
        order.names.push_back(data.ConsumeBool() ? "a.com" : data.ConsumeRandomLengthString(20));
      if (data.ConsumeBool()) order.replaces = data.ConsumeRandomLengthString(20);
      if (data.ConsumeBool()) order.profile = data.ConsumeRandomLengthString(20);
      return order;
    }
    case 4:
      return acme::payload::AnswerChallenge();
    case 5:
      return acme::payload::Deactivate();
    case 6:
      return acme::payload::ChangeKey();
    default:
      return acme::payload::Finalize{data.ConsumeIntegral<std::uint64_t>()};
  }
}

void expect(bool good) {
  if (!good) std::abort();
}

// The key's own JSON is known to be well-formed.
void check(const std::string& jws) {
  const json parts = json::parse(jws, nullptr, false);
  expect(parts.is_object());
  const auto part = [&](const char* name) {
    return *base::decode_base64url(parts.at(name).get<std::string>());
  };
  const json header = json::parse(part("protected"), nullptr, false);
  expect(header.is_object());
  const auto origin = http::https_origin(header.at("url").get<std::string>());
  expect(origin && *origin == "https://ca.test:443");
  const std::string body = part("payload");
  expect(header.contains("kid") != header.contains("jwk"));
  expect(!header.contains("kid") || header.at("kid").get<std::string>() == kAccount);
  expect(!header.contains("jwk") || body == acme::kFindAccount);
  if (body.empty()) return;
  const std::string to = header.at("url").get<std::string>();
  expect(to != kAccount);
  expect(body != acme::kDeactivate || !to.starts_with("https://ca.test/account/"));
  const json said = json::parse(body, nullptr, false);
  expect(said.is_object() && !said.contains("termsOfServiceAgreed"));
  if (said.contains("identifiers"))
    expect(said.at("identifiers").dump() == R"([{"type":"dns","value":"a.com"}])" &&
           !said.contains("replaces") && said.value("profile", "p") == "p");
}

// With one planned certificate; made once, for keys are slow.
Keeper prepared() {
  Keeper keeper;
  const base::FileDescriptor account(::memfd_create("account", 0)), key(::memfd_create("key", 0));
  expect(keeper.use_ca("https://ca.test/dir").has_value() &&
         keeper.make_account_key(account).has_value() && keeper.use_account(kAccount).has_value() &&
         keeper.make_key(7, {{"a.com"}, "", "p"}, crypto::KeyType::ecdsa_p256, key).has_value());
  return keeper;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static Keeper keeper = prepared();
  static int left = 0;
  if (--left < 0) {  // signatures are counted
    keeper = prepared();
    left = 5000;
  }
  FuzzedDataProvider data(bytes, size);
  const crypto::JwsHeader header{.url = url(data),
                                 .nonce = data.ConsumeRandomLengthString(20),
                                 .kid = data.ConsumeBool() ? url(data) : ""};
  if (const auto jws = keeper.sign(header, payload(data))) check(*jws);
  return 0;
}
