#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "nginx/trivia.h"

namespace everseal::nginx {
namespace {

// What real configurations are made of: short words, long comments, regular expressions, quoted
// headers, data, Lua, Windows line ends.
constexpr std::string_view kSite = R"conf(
# ---------------------------------------------------------------------------------------------
# The shop. Ask Ann before you touch the rewrite rules below: "old" links still lead here; see
# https://wiki.example.com/Shop#links {and} the ticket's comments
# ---------------------------------------------------------------------------------------------
map $http_upgrade $connection_upgrade { default upgrade; '' close; ~*^web(socket)?$ upgrade; }
upstream shop { server 10.0.0.1:8080 max_fails=3 fail_timeout=30s; server unix:/run/shop backup; }
server {
	listen 80;
	listen [::]:80;
	listen 443 ssl http2;
	server_name example.com www.example.com ~^(?<branch>[a-z0-9-]+)\.preview\.example\.com$;

	ssl_certificate     /etc/letsencrypt/live/example.com/fullchain.pem;  # managed
	ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
	ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM;
	add_header Content-Security-Policy "default-src 'self'; img-src *; script-src 'self'" always;
	log_format main '$remote_addr - $remote_user [$time_local] "$request" '
	                '$status $body_bytes_sent "$http_referer" "$http_user_agent"';

	if ($http_user_agent ~* "(bot|crawl|spider)[^;{}]*") { return 403 "no \"robots\"\n"; }
	rewrite "^/old/(\d{4})/(.*)$" /new/$1/$2?from=${scheme}://${host} permanent;
	location / {
		try_files $uri $uri/ /index.php?$args;
	}
	location ~ "^/(?<year>\d{4})/.+\.php(/|$)" {
  include fastcgi_params;
  fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
  fastcgi_pass unix : / run / php / php8.2 - fpm.sock;
  fastcgi_read_timeout 300s;
}
location @app {
  proxy_set_header X - Forwarded - For $proxy_add_x_forwarded_for;
  proxy_set_header Upgrade $http_upgrade;
  proxy_pass http :  // shop;
                     content_by_lua_block { ngx.say("}", [[ { ]]) -- }
  }
}
}
types {
  text / html html htm shtml;
  application / x - perl pl pm;
  image / svg + xml svg svgz;
}
)conf";

std::string like_the_corpus() {
  std::string text;
  while (text.size() < (1 << 20)) {
    text += kSite;
    for (char c : kSite) text += c == '\n' ? "\r\n" : std::string(1, c);
  }
  return text;
}

// The files of the corpus that nginx can read, one after the other, if it is here.
std::string corpus() {
  const char* source = std::getenv("EVERSEAL_SOURCE");
  const auto directory =
      std::filesystem::path(source ? source : ".").parent_path() / "shared" / "nginx" / "corpus";
  std::string text;
  if (!std::filesystem::exists(directory)) return text;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::string file{std::istreambuf_iterator<char>(in), {}};
    if (Document::parse("bench", file)) text += file + "\n";
  }
  return text;
}

void measure(benchmark::State& state, const std::string& text) {
  for (auto _ : state) {
    if (!Document::parse("bench", text)) state.SkipWithError("it does not parse");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void parse(benchmark::State& state) { measure(state, like_the_corpus()); }
BENCHMARK(parse);

void parse_corpus(benchmark::State& state) {
  const std::string text = corpus();
  if (text.empty()) return state.SkipWithError("the corpus is not here: set EVERSEAL_SOURCE");
  measure(state, text);
}
BENCHMARK(parse_corpus);

void parse_and_write_back(benchmark::State& state) {
  const std::string text = like_the_corpus();
  for (auto _ : state) {
    const auto document = Document::parse("bench", text);
    if (!document || compose(*document) != text) state.SkipWithError("it is not the same");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(parse_and_write_back);

}  // namespace
}  // namespace everseal::nginx
