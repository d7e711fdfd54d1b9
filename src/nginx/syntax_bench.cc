#include <benchmark/benchmark.h>

#include "nginx/syntax.h"

namespace everseal::nginx {
namespace {

// About 1 MB of ordinary sites.
std::string many_sites() {
  std::string text;
  while (text.size() < (1 << 20)) {
    text +=
        "server {\n"
        "    listen 80;\n"
        "    listen [::]:80;\n"
        "    server_name example.com www.example.com; # the shop\n"
        "    root /var/www/example.com;\n"
        "    location ~ \\.php$ {\n"
        "        fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n"
        "        add_header X-Frame-Options \"SAMEORIGIN\" always;\n"
        "    }\n"
        "}\n";
  }
  return text;
}

void parse(benchmark::State& state) {
  std::string text = many_sites();
  for (auto _ : state) benchmark::DoNotOptimize(Document::parse("bench", text));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(parse);

}  // namespace
}  // namespace everseal::nginx
