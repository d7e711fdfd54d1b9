#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "nginx/site.h"

namespace everseal::nginx {
namespace {

constexpr int kServers = 10'000;

// Texts by path; every directory is sites/.
class Texts : public FileReader {
 public:
  Result<std::string> read(const std::string& path) const override { return texts.at(path); }
  Result<base::FileStatus> status(const std::string& path) const override {
    if (!texts.contains(path)) return base::not_found(path);
    return base::FileStatus{.kind = base::FileKind::regular};
  }
  Result<std::string> real_path(const std::string& path) const override { return path; }
  Result<std::string> read_link(const std::string& path) const override {
    return base::invalid(path);
  }
  Result<std::vector<std::string>> list(const std::string&) const override { return names; }

  std::map<std::string, std::string> texts;
  std::vector<std::string> names;
};

std::string server(int number) {
  return fmt::format(
      "server {{\n"
      "    listen 80;\n"
      "    listen [::]:80;\n"
      "    listen 443 ssl;\n"
      "    server_name s{0}.example.com www.s{0}.example.com *.s{0}.example.com{1};\n"
      "    ssl_certificate /etc/ssl/s{0}.pem;\n"
      "    ssl_certificate_key /etc/ssl/s{0}.key;\n"
      "    root /var/www/s{0};\n"
      "    location / {{ try_files $uri =404; }}\n"
      "}}\n",
      number, number % 100 == 0 ? fmt::format(" ~^r{}\\.", number) : "");
}

void load(benchmark::State& state, const Texts& texts) {
  for (auto _ : state) {
    const auto model = Model::load(texts, "/n/nginx.conf");
    if (!model || model->servers().size() != kServers) state.SkipWithError("it does not load");
  }
  state.SetItemsProcessed(state.iterations() * kServers);
}

void model_of_one_file(benchmark::State& state) {
  Texts texts;
  std::string& main = texts.texts["/n/nginx.conf"] = "http {\n";
  for (int i = 0; i < kServers; ++i) main += server(i);
  main += "}\n";
  load(state, texts);
}
BENCHMARK(model_of_one_file)->Unit(benchmark::kMillisecond);

void model_of_a_file_for_each_server(benchmark::State& state) {
  Texts texts;
  texts.texts["/n/nginx.conf"] = "http { include sites/*; }";
  for (int i = 0; i < kServers; ++i) {
    texts.names.push_back(fmt::format("s{}", i));
    texts.texts["/n/sites/" + texts.names.back()] = server(i);
  }
  load(state, texts);
}
BENCHMARK(model_of_a_file_for_each_server)->Unit(benchmark::kMillisecond);

// What every plan begins with: the sites, for which each name is asked for on each socket.
void find_the_sites(benchmark::State& state) {
  Texts texts;
  std::string& main = texts.texts["/n/nginx.conf"] = "http {\n";
  for (int i = 0; i < kServers; ++i) main += server(i);
  main += "}\n";
  const auto model = Model::load(texts, "/n/nginx.conf");
  for (auto _ : state) {
    if (find_sites(*model).sites.size() != kServers) state.SkipWithError("not all sites");
  }
  state.SetItemsProcessed(state.iterations() * kServers);
}
BENCHMARK(find_the_sites)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace everseal::nginx
