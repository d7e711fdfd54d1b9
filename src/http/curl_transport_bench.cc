#include <benchmark/benchmark.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "http/certificate_fixture.h"
#include "http/curl_transport.h"
#include "http/tls_server.h"

namespace everseal::http {
namespace {

// A server that answers all with a few bytes, as a CA does to questions of renewal.
class Answerer {
 public:
  Answerer() {
    server_.watch(stop_.get());
    thread_ = std::thread([this] {
      while (!stopped_)
        for (const Arrival& each : server_.wait(std::chrono::steady_clock::now() + kLong))
          server_.answer(each.id, {.status = 200, .headers = {}, .body = std::string(200, 'a')});
    });
  }
  ~Answerer() {
    stopped_ = true;
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }
  std::string url() const { return fmt::format("https://{}/", server_.addresses().front()); }
  std::string trusted() const { return files_.trusted(); }

 private:
  static constexpr base::Seconds kLong{10};

  CertificateFiles files_;
  TlsServer server_ = *TlsServer::listen({"127.0.0.1:0"}, files_.names());
  base::FileDescriptor stop_{::eventfd(0, EFD_CLOEXEC)};
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

void ask_a_thousand(benchmark::State& state) {
  const Answerer server;
  for (auto _ : state) {
    const auto transport = *CurlTransport::open({.trusted_pem = server.trusted(), .addresses = {}});
    for (std::uint64_t id = 0; id < 1000; id++) transport->send(id, {.url = server.url()});
    for (std::size_t left = 1000; left > 0;)
      left -= transport->wait(std::chrono::steady_clock::now() + base::Seconds(100)).size();
  }
}
BENCHMARK(ask_a_thousand)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(1)
    ->Repetitions(50)
    ->ReportAggregatesOnly()
    ->ComputeStatistics("slowest", [](const std::vector<double>& times) {
      return *std::ranges::max_element(times);
    });

}  // namespace
}  // namespace everseal::http
