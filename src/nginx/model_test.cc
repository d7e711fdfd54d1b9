#include "nginx/model.h"

#include <gmock/gmock.h>

#include "base/fake_file_system.h"
#include "nginx/site.h"

namespace everseal::nginx {
namespace {

using testing::ElementsAre;

constexpr const char* kMain = "/etc/nginx/nginx.conf";

Model model_of(const std::string& http) {
  base::FakeFileSystem files;
  files.put(kMain, "http {\n" + http + "}\n");
  auto model = Model::load(files, kMain);
  EXPECT_TRUE(model) << model.error().message;
  return *std::move(model);
}

std::size_t line_for(const Model& model, std::string_view address, std::string_view name) {
  return model.server_for(*model.socket(address), name)->directive->statement->line;
}

std::string error_of(const base::FakeFileSystem& files) {
  auto config = Config::load(files, kMain);
  return config ? "read" : config.error().message;
}

TEST(Config, FoldsIncludesInBytewiseOrderWithoutDotFiles) {
  base::FakeFileSystem files;
  files.put(kMain, "include d/*;\nb;\n");
  files.put("/etc/nginx/d/a", "from_a;");
  files.put("/etc/nginx/d/B", "from_B;");
  files.put("/etc/nginx/d/.hidden", "never;");
  files.put("/etc/nginx/d/a~", "backup;");
  auto config = Config::load(files, kMain);
  std::vector<std::string_view> names;
  for (const Directive& directive : config->directives()) names.push_back(directive.name());
  EXPECT_THAT(names, ElementsAre("from_B", "from_a", "backup", "b"));
}

TEST(Config, NamesTheIncludeThatFails) {
  base::FakeFileSystem files;
  files.put(kMain, "a;\ninclude missing.conf;\n");
  EXPECT_THAT(Config::load(files, kMain).error().message,
              testing::StartsWith("/etc/nginx/nginx.conf:2: "));
  files.put(kMain, "include x;");
  files.put("/etc/nginx/x", "\ninclude nginx.conf;");
  EXPECT_EQ(Config::load(files, kMain).error().message,
            "/etc/nginx/x:2: \"/etc/nginx/nginx.conf\" is included by itself; remove this include");
}

TEST(Config, FindsCyclesThroughLinksAndEndsLongChains) {
  base::FakeFileSystem files;
  files.put(kMain, "include d/link;");
  ASSERT_TRUE(files.make_directory("/etc/nginx/d", 0755));
  ASSERT_TRUE(files.make_symlink("../nginx.conf", "/etc/nginx/d/link"));
  EXPECT_EQ(error_of(files),
            "/etc/nginx/nginx.conf:1: \"/etc/nginx/d/link\" is included by itself; remove this "
            "include");
  for (int i = 0; i < 1000; ++i)
    files.put("/etc/nginx/" + std::to_string(i), "include " + std::to_string(i + 1) + ";");
  files.put(kMain, "include 0;");
  EXPECT_EQ(error_of(files), "/etc/nginx/98:1: at most 100 files inside each other are read");
}

TEST(Config, BoundsWhatIsIncludedOverAndOver) {
  base::FakeFileSystem files;
  for (int i = 0; i < 30; ++i) {
    const std::string next = "include " + std::to_string(i + 1) + ";";
    files.put("/etc/nginx/" + std::to_string(i), next + next);
  }
  files.put("/etc/nginx/30", "a;");
  files.put(kMain, "include 0;");
  EXPECT_THAT(error_of(files), testing::HasSubstr("too much is included"));
}

TEST(Config, RefusesADirectoryThatAWildcardMatches) {
  base::FakeFileSystem files;
  files.put(kMain, "\ninclude d/*;");
  ASSERT_TRUE(files.make_directory("/etc/nginx/d", 0755));
  ASSERT_TRUE(files.make_directory("/etc/nginx/d/e", 0755));
  EXPECT_EQ(error_of(files),
            "/etc/nginx/nginx.conf:2: \"/etc/nginx/d/*\" matches the directory /etc/nginx/d/e, "
            "which nginx cannot read");
}

TEST(Config, TakesTheLinesOfSomeBlocksForData) {
  base::FakeFileSystem files;
  files.put("/etc/nginx/more", "text/plain txt;");
  files.put(kMain,
            "types { include more; server x; }\n"
            "map $a $b { include more; }\n"
            "split_clients $a $b { include more; }\n");
  auto config = Config::load(files, kMain);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->directives()[0].children[0].name(), "text/plain");
  EXPECT_EQ(config->directives()[1].children[0].name(), "text/plain");
  EXPECT_EQ(config->directives()[2].children[0].name(), "include");
  files.put(kMain, "geo $a {\n default 0;\n x { y z; } }");
  EXPECT_EQ(error_of(files),
            "/etc/nginx/nginx.conf:3: unexpected \"{\"; this block holds data, expected \";\"");
}

TEST(Config, KnowsGlobsBackslashesAndBrackets) {
  base::FakeFileSystem files;
  files.put(kMain, "include d\\-x/[ab]?.conf; include nothing/*; include d-x/*/deep;");
  files.put("/etc/nginx/d-x/a1.conf", "a1;");
  files.put("/etc/nginx/d-x/b2.conf", "b2;");
  files.put("/etc/nginx/d-x/c3.conf", "c3;");
  files.put("/etc/nginx/d-x/in/deep", "deep;");
  auto config = Config::load(files, kMain);
  std::vector<std::string_view> names;
  for (const Directive& directive : config->directives()) names.push_back(directive.name());
  EXPECT_THAT(names, ElementsAre("a1", "b2", "deep"));
}

TEST(Config, ReadsWhatIsLaidOverFiles) {
  base::FakeFileSystem files;
  files.put(kMain, "include d/*;");
  files.put("/etc/nginx/available", "old;");
  ASSERT_TRUE(files.make_directory("/etc/nginx/d", 0755));
  ASSERT_TRUE(files.make_symlink("../available", "/etc/nginx/d/link"));
  OverlayReader overlay(files, {{"/etc/nginx/available", "new;"}, {"/etc/nginx/d/z", "added;"}});
  auto config = Config::load(overlay, kMain);
  EXPECT_EQ(config->directives()[0].name(), "new");
  EXPECT_EQ(config->directives()[0].file->real_path, "/etc/nginx/available");
  EXPECT_EQ(config->directives()[1].name(), "added");
}

TEST(Model, SelectsServersAsNginxDoes) {
  Model model = model_of(
      "server { listen 80; server_name a.b.example; }\n"       // 2
      "server { listen 80; server_name *.example; }\n"         // 3
      "server { listen 80; server_name *.b.example; }\n"       // 4
      "server { listen 80; server_name c.b.*; }\n"             // 5
      "server { listen 80 default_server; server_name _; }\n"  // 6
      "server { listen 80; server_name a.b.example; }\n"       // 7
      "server { listen 80; server_name .dot.test; }\n");       // 8
  EXPECT_EQ(line_for(model, "*:80", "a.b.example"), 2u);
  EXPECT_EQ(line_for(model, "*:80", "x.example"), 3u);
  EXPECT_EQ(line_for(model, "*:80", "x.b.example"), 4u);
  EXPECT_EQ(line_for(model, "*:80", "c.b.test"), 5u);
  EXPECT_EQ(line_for(model, "*:80", "dot.test"), 8u);
  EXPECT_EQ(line_for(model, "*:80", "x.dot.test"), 8u);
  EXPECT_EQ(line_for(model, "*:80", "other.test"), 6u);
}

TEST(Model, RunsRegularExpressionsAsNginxDoes) {
  Model model = model_of(
      "server { listen 80; server_name _; }\n"                                 // 2
      "server { listen 80; server_name ~^r\\d+\\.a; }\n"                       // 3
      "server { listen 80; server_name ~^R\\d+\\.B\\.test$; }\n"               // 4
      "server { listen 80; server_name \"~^(?<x>[a-z]{2})\\.b\\.test$\"; }\n"  // 5
      "server { listen 80; server_name ~test$ r1.b.test; }\n");                // 6
  EXPECT_EQ(line_for(model, "*:80", "r1.a.example"), 3u);
  EXPECT_EQ(line_for(model, "*:80", "r2.b.test"), 4u);
  EXPECT_EQ(line_for(model, "*:80", "r1.b.test"), 6u);
  EXPECT_EQ(line_for(model, "*:80", "ab.b.test"), 5u);
  EXPECT_EQ(line_for(model, "*:80", "abc.b.test"), 6u);
  EXPECT_EQ(line_for(model, "*:80", "other.example"), 2u);
}

TEST(Model, DoesNotGuessWhatARefusedRegexMatches) {
  Model model = model_of(
      "server { listen 80; }\nserver { listen 80; server_name ~^(www; }\n"
      "server { listen 80; server_name a.test; }\n");
  const Socket& socket = *model.socket("*:80");
  EXPECT_EQ(model.server_for(socket, "www.test"), nullptr);
  EXPECT_THAT(model.servers_for(socket, "www.test"),
              ElementsAre(&model.servers()[1], &model.servers()[0]));
  EXPECT_EQ(model.server_for(socket, "a.test"), &model.servers()[2]);
}

TEST(Model, IgnoresConflictingNamesAsNginxDoes) {
  Model model = model_of(
      "server { listen 80; server_name _; }\n"                  // 2
      "server { listen 80; server_name a.test; }\n"             // 3
      "server { listen 80; server_name .a.test; }\n"            // 4
      "server { listen 80; server_name *.b.test; }\n"           // 5
      "server { listen 80; server_name .b.test; }\n"            // 6
      "server { listen 80; server_name b.test; }\n"             // 7
      "server { listen 80; server_name .c.test; }\n"            // 8
      "server { listen 80; server_name *.c.test c.test; }\n");  // 9
  EXPECT_EQ(line_for(model, "*:80", "a.test"), 3u);
  EXPECT_EQ(line_for(model, "*:80", "x.a.test"), 2u);
  EXPECT_EQ(line_for(model, "*:80", "b.test"), 2u);
  EXPECT_EQ(line_for(model, "*:80", "x.b.test"), 5u);
  EXPECT_EQ(line_for(model, "*:80", "c.test"), 8u);
  EXPECT_EQ(line_for(model, "*:80", "y.x.c.test"), 8u);
}

TEST(Model, ReadsEveryFormOfListen) {
  Model model = model_of(
      "server { listen 8080-8082; listen 127.0.0.1; listen [0:0::1]:081; listen *:99 default;\n"
      "listen unix:/run/x; listen LocalHost:82 ssl; listen 0.0.0.0:443 quic; listen [::]:443; }\n");
  std::vector<std::string> addresses;
  for (const Socket& socket : model.sockets()) addresses.push_back(socket.address);
  EXPECT_THAT(addresses,
              ElementsAre("*:8080", "*:8081", "*:8082", "127.0.0.1:80", "[::1]:81", "*:99",
                          "unix:/run/x", "localhost:82", "*:443 udp", "[::]:443"));
  EXPECT_TRUE(model.socket("*:443 udp")->is_tls());
  EXPECT_EQ(model.socket("unix:/run/x")->port, "");
}

TEST(Model, TakesSslOnFromHttpToo) {
  Model model = model_of("ssl on;\nserver { listen 443; }\nserver { listen 80; ssl off; }\n");
  EXPECT_TRUE(model.socket("*:443")->is_tls());
  EXPECT_FALSE(model.socket("*:80")->is_tls());
}

TEST(Model, UnitesTheFlagsOfASocket) {
  Model model = model_of(
      "server { listen 443; }\nserver { listen *:443 ssl http2; }\nserver { listen [::]:443; }\n");
  EXPECT_TRUE(model.has_tls(model.servers()[0]));
  EXPECT_FALSE(model.has_tls(model.servers()[2]));
  EXPECT_TRUE(model.socket("*:443")->http2);
}

TEST(Model, InheritsFromHttp) {
  Model model = model_of(
      "ssl_protocols TLSv1.3;\nserver { ssl_protocols TLSv1.2; }\nserver { listen 81; }\n");
  EXPECT_EQ(model.effective(model.servers()[0], "ssl_protocols")[0]->where(),
            "/etc/nginx/nginx.conf:3");
  EXPECT_EQ(model.effective(model.servers()[1], "ssl_protocols")[0]->where(),
            "/etc/nginx/nginx.conf:2");
}

TEST(Sites, JoinServersThatShareNames) {
  Model model = model_of(
      "server { listen 80; server_name Example.com; }\n"
      "server { listen 80; server_name other.test; }\n"
      "server { listen 443 ssl; server_name www.example.com example.com;\n"
      "  ssl_certificate c.pem; ssl_certificate_key /k.pem; }\n");
  Sites sites = find_sites(model);
  ASSERT_EQ(sites.sites.size(), 2u);
  EXPECT_THAT(sites.sites[0].names, ElementsAre("example.com", "www.example.com"));
  EXPECT_TRUE(sites.sites[0].has_tls);
  EXPECT_EQ(sites.sites[0].pairs[0].certificate, "/etc/nginx/c.pem");
  EXPECT_EQ(sites.sites[0].pairs[0].key, "/k.pem");
  EXPECT_FALSE(sites.sites[1].has_tls);
  EXPECT_EQ(sites.sites[1].where, "/etc/nginx/nginx.conf:3");
}

TEST(Sites, SayWhyNamesAreSkipped) {
  Model model = model_of(
      "server { server_name a.test _ \"\" ~x localhost host 10.0.0.1 *.a.test www.* .b.test\n"
      "  $hostname printer.local b\xc3\xbc"
      "cher.example; }\nserver { server_name a.test; }\n");
  Sites sites = find_sites(model);
  ASSERT_EQ(sites.sites.size(), 1u);
  EXPECT_THAT(sites.sites[0].names, ElementsAre("a.test", "b.test"));
  std::vector<std::string> skipped;
  for (const SkippedName& name : sites.skipped) skipped.push_back(name.name + ": " + name.reason);
  EXPECT_THAT(
      skipped,
      ElementsAre("_: \"_\" is a name that no client asks for",
                  ": the empty name stands for requests without a Host",
                  "~x: a regular expression is not a name", "localhost: it names only this machine",
                  "host: a name of one label cannot be reached from the Internet",
                  "10.0.0.1: an IP address is not a domain name",
                  "*.a.test: a wildcard certificate needs a DNS challenge (RFC 8555 §8.4)",
                  "www.*: no certificate covers a name without its end",
                  "*.b.test: a wildcard certificate needs a DNS challenge (RFC 8555 §8.4)",
                  "$hostname: nginx puts the machine's own name here; write it out",
                  "printer.local: no public CA issues for .local",
                  "b\xc3\xbc"
                  "cher.example: nginx compares bytes and clients send "
                  "\"xn--bcher-kva.example\": write that beside it",
                  "a.test: conflicting server name: /etc/nginx/nginx.conf:2 already answers it"));
}

}  // namespace
}  // namespace everseal::nginx
