#include <benchmark/benchmark.h>

#include "crypto/certificate_request.h"
#include "crypto/jws.h"
#include "crypto/public_key.h"
#include "crypto/received_jws.h"

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

// What every request costs a CA that knows the account's key.
void verify_a_request(benchmark::State& state) {
  const PrivateKey key = *PrivateKey::generate(static_cast<KeyType>(state.range(0)));
  const PublicKey account = *PublicKey::from_jwk(key.public_jwk());
  const std::string body = *sign_jws(
      key, {.url = "https://ca.test/order/1", .nonce = "bm9uY2U", .kid = "https://ca/a/1"}, "{}");
  for (auto _ : state) benchmark::DoNotOptimize(parse_jws(body)->verify(account));
}
BENCHMARK(verify_a_request)
    ->Arg(static_cast<int>(KeyType::ecdsa_p256))
    ->Arg(static_cast<int>(KeyType::ecdsa_p384))
    ->Arg(static_cast<int>(KeyType::rsa_2048));

// What a CA pays once for each account, and again when it has forgotten the key.
void read_a_public_key(benchmark::State& state) {
  const std::string jwk = PrivateKey::generate(static_cast<KeyType>(state.range(0)))->public_jwk();
  for (auto _ : state) benchmark::DoNotOptimize(PublicKey::from_jwk(jwk));
}
BENCHMARK(read_a_public_key)
    ->Arg(static_cast<int>(KeyType::ecdsa_p256))
    ->Arg(static_cast<int>(KeyType::rsa_2048));

void read_a_certificate_request(benchmark::State& state) {
  const PrivateKey key = *PrivateKey::generate(KeyType::ecdsa_p256);
  const std::string names[] = {"example.com", "www.example.com"};
  const std::string der = *make_certificate_request(key, names);
  for (auto _ : state) benchmark::DoNotOptimize(parse_certificate_request(der));
}
BENCHMARK(read_a_certificate_request);

}  // namespace
}  // namespace everseal::crypto
