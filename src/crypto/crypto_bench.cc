#include <benchmark/benchmark.h>

#include "crypto/certificate_request.h"
#include "crypto/jws.h"

namespace everseal::crypto {
namespace {

// What every request to a CA costs.
void sign_a_request(benchmark::State& state) {
  const PrivateKey key = *PrivateKey::generate(KeyType::ecdsa_p256);
  const JwsHeader header{.url = "https://ca.test/order/1", .nonce = "n", .kid = "https://ca/a/1"};
  for (auto _ : state) benchmark::DoNotOptimize(sign_jws(key, header, "{}"));
}
BENCHMARK(sign_a_request);

// What every certificate costs before it is ordered.
void make_key_and_request(benchmark::State& state) {
  const std::string names[] = {"example.com", "www.example.com"};
  for (auto _ : state) {
    const PrivateKey key = *PrivateKey::generate(KeyType::ecdsa_p256);
    benchmark::DoNotOptimize(make_certificate_request(key, names));
  }
}
BENCHMARK(make_key_and_request);

}  // namespace
}  // namespace everseal::crypto
