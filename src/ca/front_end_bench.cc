#include <benchmark/benchmark.h>

#include "ca/front_end_fixture.h"

namespace everseal::ca {
namespace {

class Bench : public FrontEndTest {
 public:
  using FrontEndTest::authorize;
  using FrontEndTest::issued;
  using FrontEndTest::nonce;
  using FrontEndTest::order;
  using FrontEndTest::post;
  using FrontEndTest::post_as_get;
  using FrontEndTest::registered;

 private:
  void TestBody() override {}
};

// All that the CA does for one order, first request to chain, and the client's signatures: seven
// requests in the ledger's memory.
void serve_an_order(benchmark::State& state) {
  Bench bench;
  const auto client = bench.registered();
  int number = 0;
  for (auto _ : state) {
    const json order = bench.issued(client, {fmt::format("n{}.example", number++)});
    benchmark::DoNotOptimize(bench.post_as_get(client, order.at("certificate")));
  }
}
BENCHMARK(serve_an_order)->Unit(benchmark::kMicrosecond);

// One request that only reads.
void show_an_account(benchmark::State& state) {
  Bench bench;
  const auto client = bench.registered();
  for (auto _ : state) benchmark::DoNotOptimize(bench.post_as_get(client, client.account));
}
BENCHMARK(show_an_account)->Unit(benchmark::kMicrosecond);

void make_a_nonce(benchmark::State& state) {
  Bench bench;
  for (auto _ : state) benchmark::DoNotOptimize(bench.nonce());
}
BENCHMARK(make_a_nonce)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace everseal::ca
