#include "nginx/request.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/fake_file_system.h"

namespace everseal::nginx {
namespace {

constexpr std::string_view kPath = "/.well-known/acme-challenge/token";

Model model_of(const std::string& server, const std::string& http = "") {
  base::FakeFileSystem files;
  files.put("/n/nginx.conf", "http {" + http + "\nserver {\n" + server + "\n} }");
  auto model = Model::load(files, "/n/nginx.conf");
  EXPECT_TRUE(model) << model.error().message;
  return *std::move(model);
}

// "KIND LINE …" of what the challenge runs into; the server's first line is 3.
std::string met(const std::string& server, const std::string& http = "") {
  const Model model = model_of(server, http);
  std::string text;
  for (const Obstacle& obstacle : obstacles(model, model.servers()[0], kPath))
    text += fmt::format("{} {} ", to_string(obstacle.kind), obstacle.directive->statement->line);
  return text;
}

std::size_t location_line(const std::string& server, std::string_view path) {
  const Model model = model_of(server);
  const Directive* location = location_for(model.servers()[0], path);
  return location == nullptr ? 0 : location->statement->line;
}

TEST(Request, GetsTheLocationThatNginxGivesIt) {
  const std::string server =
      "location / { location ~ \\.txt$ { } }\n"                         // 3
      "location /a { }\n"                                               // 4
      "location ^~ /a/b { }\n"                                          // 5
      "location ~ ^/a/ { }\n"                                           // 6
      "location ~*\\.PHP$ { }\n"                                        // 7
      "location =/a/exact { }\n"                                        // 8
      "location @named { }\n"                                           // 9
      "location /n {\n location /n/in {\n }\n location ~ z$ {\n }\n}";  // 10, 11, 13
  EXPECT_EQ(location_line(server, "/x"), 3u);
  EXPECT_EQ(location_line(server, "/x.txt"), 3u);
  EXPECT_EQ(location_line(server, "/ab"), 4u);
  EXPECT_EQ(location_line(server, "/a/b.php"), 5u);
  EXPECT_EQ(location_line(server, "/a/c"), 6u);
  EXPECT_EQ(location_line(server, "/x.php"), 7u);
  EXPECT_EQ(location_line(server, "/a/exact"), 8u);
  EXPECT_EQ(location_line(server, "/n/in/x"), 11u);
  EXPECT_EQ(location_line(server, "/n/z"), 13u);
  EXPECT_EQ(location_line("location = /a { }", "/b"), 0u);
}

TEST(Request, MeetsWhatDecidesBeforeItsLocation) {
  EXPECT_EQ(met("root /x;"), "");
  EXPECT_EQ(met("location / { }\nreturn 301 https://$host$request_uri;"), "answer 4 ");
  EXPECT_EQ(met("rewrite ^/other x;\nrewrite ^ https://$host$uri permanent;"), "answer 4 ");
  EXPECT_EQ(met("rewrite ^(.*)$ /index.php last;\nreturn 403;"), "rewrite 3 ");
  EXPECT_EQ(met("if ($a) { set $b 1; }\nif ($a) {\n return 403; }\nreturn 404;"),
            "condition 4 answer 6 ");
  EXPECT_EQ(met("server_rewrite_by_lua_block { }\nreturn 404;"), "script 3 answer 4 ");
  EXPECT_EQ(met("rewrite ^(/\\.well-known/.*)$ $1 break;\nreturn 404;"), "");
}

TEST(Request, MeetsWhatGuardsItsLocation) {
  EXPECT_EQ(met("location ~ /\\. {\n deny all; }"), "access 4 ");
  EXPECT_EQ(met("auth_basic x;\nlocation / { }"), "access 3 ");
  EXPECT_EQ(met("auth_basic x;\nlocation / { auth_basic off; }"), "");
  EXPECT_EQ(met("location / {\n return 301 /x; }\ndeny all;"), "answer 4 ");
  EXPECT_EQ(met("location / { }", "deny all; auth_request /a;"), "access 1 access 1 ");
  EXPECT_EQ(met("location /.well-known {\n rewrite_by_lua_block { }\n access_by_lua_file x; }"),
            "script 4 script 5 ");
}

}  // namespace
}  // namespace everseal::nginx
