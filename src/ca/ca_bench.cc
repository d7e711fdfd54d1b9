#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "base/fake_file_system.h"
#include "ca/issuer.h"

namespace everseal::ca {
namespace {

const Time kNow = *base::parse_rfc3339("2026-11-21T12:00:00Z");

LeafRequest leaf_request(std::size_t names) {
  LeafRequest request{
      .public_key_der = crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256)->public_key_der(),
      .not_before = kNow,
      .not_after = kNow + std::chrono::days(45),
      .serial = "0102030405060708090a0b0c0d0e0f10",
      .crl_directory_url = "http://ca.test/crl/"};
  for (std::size_t i = 0; i < names; i++)
    request.dns_names.push_back(fmt::format("n{}.example", i));
  return request;
}

// What each order costs once its request has been read; the argument is the number of names.
void issue_a_leaf(benchmark::State& state) {
  base::FakeFileSystem files;
  const Issuer issuer = *Issuer::open(files, "/ca", kNow);
  const LeafRequest request = leaf_request(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(issuer.issue(request));
}
BENCHMARK(issue_a_leaf)->Arg(1)->Arg(100);

// What each download costs.
void write_the_chains(benchmark::State& state) {
  base::FakeFileSystem files;
  const Issuer issuer = *Issuer::open(files, "/ca", kNow);
  const auto issued = *issuer.issue(leaf_request(1));
  for (auto _ : state) benchmark::DoNotOptimize(issuer.chains(issued.der));
}
BENCHMARK(write_the_chains);

void sign_a_crl(benchmark::State& state) {
  base::FakeFileSystem files;
  const Issuer issuer = *Issuer::open(files, "/ca", kNow);
  RevocationList list{.number = 1, .this_update = kNow, .next_update = kNow};
  for (std::int64_t i = 0; i < state.range(0); i++)
    list.certificates.push_back({.serial = fmt::format("01{:030x}", i), .at = kNow, .reason = 4});
  for (auto _ : state) benchmark::DoNotOptimize(issuer.sign_crl("1", list));
}
BENCHMARK(sign_a_crl)->Arg(10'000);

}  // namespace
}  // namespace everseal::ca
