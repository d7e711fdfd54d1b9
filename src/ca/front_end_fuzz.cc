#include <fmt/format.h>

#include "base/encoding.h"
#include "base/fake_file_system.h"
#include "ca/fake_validator.h"
#include "ca/front_end.h"
#include "crypto/jws.h"
#include "http/request_reader.h"

namespace everseal::ca {
namespace {

constexpr const char* kOrigin = "https://ca.test";

// A CA with an account, which has an order with its authorizations and a certificate.
class Fuzzed {
 public:
  Fuzzed() {
    post("/new-account", "{}");
    account_ = "https://ca.test/account/1";
    for (const char* status : {"valid", "pending"}) make_order(status);
  }

  // A request as it is.
  void raw(http::Request request) {
    request.url = kOrigin + request.url;
    check(front_end_.handle(request));
  }

  // A payload of the account, rightly signed: "/path\npayload".
  void post(const std::string& path, const std::string& payload) {
    const std::string url = kOrigin + path;
    const auto jws =
        crypto::sign_jws(key_, {.url = url, .nonce = nonce(), .kid = account_}, payload);
    if (!jws) return;
    check(front_end_.handle({.method = http::Method::post,
                             .url = url,
                             .headers = {{"Content-Type", "application/jose+json"}},
                             .body = *jws}));
  }

 private:
  std::string nonce() {
    return *front_end_
                .handle({.method = http::Method::head, .url = std::string(kOrigin) + "/new-nonce"})
                .header("Replay-Nonce");
  }

  void make_order(const std::string& name) {
    post("/new-order",
         fmt::format(R"({{"identifiers":[{{"type":"dns","value":"{}.example"}}]}})", name));
  }

  // Whatever comes in, it is no failure of ours.
  static void check(const http::Response& response) {
    if (response.status == 500) __builtin_trap();
  }

  static const Issuer& issuer() {
    static base::FakeFileSystem files;
    static const Issuer made =
        *Issuer::open(files, "/ca", *base::parse_rfc3339("2026-11-21T04:00:00Z"));
    return made;
  }

  base::FakeClock clock_{*base::parse_rfc3339("2026-11-21T04:00:00Z")};
  Ledger ledger_ = *Ledger::open(":memory:");
  FakeValidator validator_;
  FrontEnd front_end_{ledger_, issuer(), validator_, clock_, {.host = "ca.test"}};
  const crypto::PrivateKey key_ = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
  std::string account_;
};

}  // namespace
}  // namespace everseal::ca

// The first byte says how the rest comes in: as bytes of a connection, or as a signed payload.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace everseal;
  static std::unique_ptr<ca::Fuzzed> fuzzed;
  static int runs = 0;
  if (runs++ % 1000 == 0) fuzzed = std::make_unique<ca::Fuzzed>();
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 2 == 0) {
    http::RequestReader reader;
    reader.feed(rest);
    while (auto read = reader.next())
      if (read->refused == 0) fuzzed->raw(std::move(read->request));
  } else {
    const std::size_t line = std::min(rest.find('\n'), rest.size());
    fuzzed->post(rest.substr(0, line), rest.substr(std::min(line + 1, rest.size())));
  }
  return 0;
}
