// Load for a CA: our own client without its processes, its disk and a key for each certificate.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

#include "base/file_system.h"
#include "ca/loopback_fixture.h"
#include "http/curl_transport.h"

namespace everseal {
namespace {

// Publishes in a directory that a web server shows.
class Webroot : public ca::LoopbackHost {
 public:
  Webroot(std::string directory, std::string thumbprint)
      : directory_(std::move(directory)), thumbprint_(std::move(thumbprint)) {}

  Result<> publish(const acme::ChallengeResponse& response) override {
    std::ofstream(directory_ + "/" + response.token) << response.token << '.' << thumbprint_;
    return {};
  }
  void retract(const acme::ChallengeResponse& response) override {
    std::remove((directory_ + "/" + response.token).c_str());
  }

 private:
  std::string directory_, thumbprint_;
};

struct Load {
  std::string directory_url, trust_file, challenges, domain;
  std::uint64_t orders;
};

// Seconds from the first order to the last certificate.
Result<double> run(const Load& load) {
  const Clock& clock = base::real_clock();
  const auto transport = TRY(http::CurlTransport::open(
      {.trusted_pem = TRY(base::real_file_system().read(load.trust_file)), .addresses = {}}));
  ca::LoopbackSigner signer;
  acme::Client client(*transport, signer, clock, load.directory_url);
  static_cast<void>(TRY(client.register_account()));
  std::vector<acme::IssuanceRequest> requests;
  for (std::uint64_t i = 0; i < load.orders; i++) {
    signer.names[i] = {fmt::format("n{}.{}", i, load.domain)};
    requests.push_back({.id = i, .names = signer.names[i]});
  }
  Webroot host(load.challenges, signer.thumbprint());
  const Instant start = clock.steady_now();
  TRY(acme::run(client, std::move(requests), host));
  const std::chrono::duration<double> time = clock.steady_now() - start;
  for (const auto& [id, outcome] : host.outcomes) static_cast<void>(TRY(outcome.chain));
  return time.count();
}

}  // namespace
}  // namespace everseal

int main(int count, char** words) {
  if (count != 6) {
    fmt::print(stderr, "ca_load DIRECTORY_URL TRUST_FILE CHALLENGES DOMAIN ORDERS\n");
    return 2;
  }
  const auto seconds = everseal::run(
      {words[1], words[2], words[3], words[4], std::strtoull(words[5], nullptr, 10)});
  if (!seconds) {
    fmt::print(stderr, "ca_load: {}\n", seconds.error().message);
    return 1;
  }
  fmt::print("{:.3f}\n", *seconds);
  return 0;
}
