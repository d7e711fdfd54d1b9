#include "nginx/edit.h"

#include <gmock/gmock.h>

#include "base/fake_file_system.h"
#include "nginx/verify.h"

namespace everseal::nginx {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kMain = "/etc/nginx/nginx.conf";
constexpr const char* kSite = "/etc/nginx/sites-enabled/a";

// A configuration in memory that is planned on, and the outcome.
class Edit : public testing::Test {
 protected:
  Edit() {
    files_.put(kMain, "events {}\nhttp {\n    include /etc/nginx/sites-enabled/*;\n}\n");
    request_.mode = SiteMode::tls;
    request_.bundles = {{"/b.pem"}};
    options_.own_directory = "/etc/nginx/everseal";
    options_.thumbprint = "THUMB";
    options_.harden = false;
  }

  // Plans for all sites; checks the meaning, and that nothing is left to do afterwards.
  EditPlan plan() {
    auto model = Model::load(files_, kMain);
    EXPECT_TRUE(model) << model.error().message;
    Sites sites = find_sites(*model);
    EditPlan plan = run(*model, sites, files_);
    OverlayReader overlay(files_, texts_after(plan));
    auto after = Model::load(overlay, kMain);
    EXPECT_TRUE(after) << after.error().message;
    auto verdict = verify_edit(*model, *after, sites.sites);
    EXPECT_TRUE(verdict) << verdict.error().message;
    EXPECT_THAT(run(*after, find_sites(*after), overlay).edits, IsEmpty());
    return plan;
  }

  EditPlan run(const Model& model, const Sites& sites, const FileReader& files) {
    std::vector<SiteRequest> requests;
    for (const Site& site : sites.sites) {
      requests.push_back(request_);
      requests.back().site = &site;
    }
    auto plan = plan_tls(model, requests, options_, files);
    EXPECT_TRUE(plan);
    return *std::move(plan);
  }

  // What kSite becomes; the text itself if it does not change.
  std::string edited(const std::string& text) {
    files_.put(kSite, text);
    plan_ = plan();
    return after(kSite).value_or(text);
  }

  std::optional<std::string> after(const std::string& path) {
    for (const FileEdit& edit : plan_.edits) {
      if (edit.path == path) return edit.after;
    }
    return std::nullopt;
  }

  std::vector<std::string> refusals() {
    std::vector<std::string> texts;
    for (const Note& note : plan_.refusals) texts.push_back(note.where + ": " + note.text);
    return texts;
  }

  base::FakeFileSystem files_;
  SiteRequest request_;
  EditOptions options_;
  EditPlan plan_;
};

TEST_F(Edit, PutsTheChallengeFirst) {
  request_.mode = SiteMode::challenge;
  EXPECT_EQ(edited("server {\n    listen 80;\n    server_name example.com;\n}\n"),
            "server {\n"
            "    include /etc/nginx/everseal/acme.conf;\n"
            "    listen 80;\n    server_name example.com;\n}\n");
  EXPECT_THAT(*after("/etc/nginx/everseal/acme.conf"),
              HasSubstr("if ($request_uri ~ "
                        "\"^/\\.well-known/acme-challenge/([-_A-Za-z0-9]{20,128})$\") {\n"
                        "    return 200 \"$1.THUMB\";\n}\n"));
}

TEST_F(Edit, PutsTheChallengeInTheDefaultServerOfNamesWithoutPort80) {
  request_.mode = SiteMode::challenge;
  files_.put("/etc/nginx/sites-enabled/0", "server { listen 80; return 444; }\n");
  edited("server {\n    listen 443 ssl;\n    server_name example.com;\n}\n");
  EXPECT_EQ(after("/etc/nginx/sites-enabled/0"),
            "server {\n    include /etc/nginx/everseal/acme.conf;\n    listen 80; return 444; }\n");
  EXPECT_EQ(after(kSite), std::nullopt);
}

TEST_F(Edit, TakesNoAddressFromAServerOnAllAddresses) {
  request_.validate = false;  // of a.com, which port 80 does not answer
  const std::string site = "server {\n    listen 10.0.0.1:80;\n    server_name example.com;\n}\n";
  const std::string everywhere = "listen 443 ssl; server_name a.com; ssl_certificate /a.pem; ";
  files_.put("/etc/nginx/sites-enabled/0", "server { " + everywhere + "}\n");
  edited(site);
  EXPECT_THAT(refusals(), ElementsAre(HasSubstr("sites-enabled/0:1")));
  // On port 80 visitors of 10.0.0.1 do not meet it either.
  files_.put("/etc/nginx/sites-enabled/1", "server { listen 80; server_name a.com; }\n");
  EXPECT_THAT(edited(site), HasSubstr("listen 10.0.0.1:443 ssl;"));
  EXPECT_THAT(refusals(), IsEmpty());
}

TEST_F(Edit, SaysWhichNamesHaveNoPort80) {
  request_.mode = SiteMode::challenge;
  edited("server {\n    listen 443 ssl;\n    server_name example.com;\n}\n");
  EXPECT_THAT(plan_.no_http, ElementsAre("example.com"));
  EXPECT_THAT(plan_.edits, IsEmpty());
}

TEST_F(Edit, AddsTlsBesidePort80) {
  request_.redirect = Redirect::off;
  EXPECT_EQ(edited("server {\n"
                   "    listen      80; # all\n"
                   "    listen      [::]:80 ipv6only=on;\n"
                   "    listen      8080;\n"
                   "    server_name example.com;\n"
                   "    root        /srv;\n"
                   "}\n"),
            "server {\n"
            "    include /etc/nginx/everseal/acme.conf;\n"
            "    listen      80; # all\n"
            "    listen      [::]:80 ipv6only=on;\n"
            "    listen      8080;\n"
            "    listen      443 ssl;\n"
            "    listen      [::]:443 ssl;\n"
            "    server_name example.com;\n"
            "    ssl_certificate /b.pem;\n"
            "    ssl_certificate_key /b.pem;\n"
            "    root        /srv;\n"
            "}\n");
}

TEST_F(Edit, MovesPort80ToARedirectingServerInTheSamePlace) {
  EXPECT_EQ(edited("# shop\nserver {\n"
                   "    listen 80 default_server deferred;\n"
                   "    server_name example.com www.example.com;\n"
                   "    location /healthz { return 200 ok; }\n"
                   "    root /srv;\n"
                   "}\n"),
            "# shop\nserver {\n"
            "    listen 80 default_server deferred;\n"
            "    server_name example.com www.example.com;\n"
            "    include /etc/nginx/everseal/acme.conf;\n"
            "    location / {\n"
            "        return 301 https://$host$request_uri;\n"
            "    }\n"
            "}\n"
            "server {\n"
            "    listen 443 ssl;\n"
            "    server_name example.com www.example.com;\n"
            "    ssl_certificate /b.pem;\n"
            "    ssl_certificate_key /b.pem;\n"
            "    location /healthz { return 200 ok; }\n"
            "    root /srv;\n"
            "}\n");
  EXPECT_EQ(plan_.notes.front().text, "no longer served in clear, port 80 redirects: /healthz");
}

TEST_F(Edit, KeepsPort80InPlaceAfterThePhaseOfTheChallenge) {
  std::string text =
      "server {\n    include /etc/nginx/everseal/acme.conf;\n    listen 80;\n"
      "    server_name example.com;\n}\n";
  files_.put("/etc/nginx/everseal/acme.conf", "");
  std::string result = edited(text);
  EXPECT_EQ(result.substr(result.rfind("server {")),
            "server {\n    listen 443 ssl;\n    server_name example.com;\n"
            "    ssl_certificate /b.pem;\n    ssl_certificate_key /b.pem;\n}\n");
}

TEST_F(Edit, FollowsTheAddressOfPort80) {  // A11
  EXPECT_THAT(edited("server {\n    listen 10.10.10.10:80;\n    server_name example.com;\n}\n"),
              HasSubstr("    listen 10.10.10.10:443 ssl;\n"));
}

TEST_F(Edit, FollowsTheFlagsOfTheSocket) {  // A12
  EXPECT_THAT(edited("server {\n    listen 80 proxy_protocol;\n    server_name example.com;\n}\n"
                     "server {\n    listen 443 ssl http2 proxy_protocol;\n"
                     "    server_name other.com;\n    ssl_certificate x;\n"
                     "    ssl_certificate_key x;\n}\n"),
              HasSubstr("    listen 443 ssl http2 proxy_protocol;\n    server_name example.com;"));
}

TEST_F(Edit, KeepsTheDefaultOfASocketThatAnEarlierServerComesTo) {
  request_.redirect = Redirect::off;
  std::string result = edited(
      "server {\n    listen 80;\n    server_name example.com;\n}\n"
      "server {\n    listen 443 ssl;\n    server_name other.com;\n    ssl_certificate x;\n"
      "    ssl_certificate_key x;\n}\n");
  EXPECT_THAT(result, HasSubstr("    listen 443 ssl default_server;\n    server_name other.com;"));
  EXPECT_EQ(plan_.notes.front().text,
            "\"default_server\" added: /etc/nginx/sites-enabled/a:5 stays the default of *:443");
}

TEST_F(Edit, TakesTlsFromTheWholeSocket) {  // A18
  request_.replace_existing = true;
  request_.redirect = Redirect::on;
  std::string first =
      "server {\n    listen 443 ssl;\n    server_name a.com;\n    ssl_certificate /x;\n"
      "    ssl_certificate_key /k;\n}\n";
  std::string result =
      edited(first +
             "server {\n    listen 443;\n    listen 80;\n    server_name example.com;\n"
             "    ssl_certificate /x;\n    ssl_certificate_key /k;\n}\n");
  EXPECT_THAT(result, HasSubstr("}\n"
                                "server {\n"
                                "    listen 80;\n"
                                "    server_name example.com;\n"
                                "    include /etc/nginx/everseal/acme.conf;\n"
                                "    location / {\n"
                                "        return 301 https://$host$request_uri;\n"
                                "    }\n"
                                "}\n"
                                "server {\n"
                                "    listen 443;\n"
                                "    server_name example.com;\n"
                                "    ssl_certificate /b.pem;\n"
                                "    ssl_certificate_key /b.pem;\n"
                                "}\n"));
}

TEST_F(Edit, KeepsTheImplicitDefault) {  // A19
  edited(
      "server {\n    listen 80;\n    server_name example.com;\n}\n\n"
      "server {\n    listen 80;\n    server_name other.com;\n}\n");
  EXPECT_EQ(
      plan_.notes.back().text,
      "as the first server on *:443 it will answer unknown names there too; --catch-all refuses "
      "them by \"listen 443 ssl default_server; ssl_reject_handshake on;\"");
}

TEST_F(Edit, RefusesUnknownNamesWhereNobodyWasChosen) {
  options_.catch_all = true;
  options_.nginx = Version{1, 19, 4};
  files_.put("/etc/nginx/sites-enabled/0",
             "server { listen 8443 ssl default_server; server_name chosen.com; }\n"
             "server { listen [::1]:443 ssl http2; ssl_protocols TLSv1.3; return 404; }\n");
  edited(
      "server {\n    listen 80;\n    server_name example.com;\n}\n"
      "server {\n    listen 80;\n    server_name other.com;\n}\n");
  EXPECT_THAT(*after("/etc/nginx/everseal/catch-all.conf"),
              EndsWith("server {\n"
                       "    listen [::1]:443 ssl http2 default_server;\n"
                       "    server_name _;\n"
                       "    ssl_protocols TLSv1.3;\n"
                       "    ssl_reject_handshake on;\n"
                       "    return 421;\n"
                       "}\n"
                       "server {\n"
                       "    listen 443 ssl http2 default_server;\n"
                       "    ssl_reject_handshake on;\n"
                       "    return 421;\n"
                       "}\n"));
  EXPECT_EQ(after(kMain),
            "events {}\nhttp {\n    include /etc/nginx/everseal/catch-all.conf;\n"
            "    include /etc/nginx/sites-enabled/*;\n}\n");
}

TEST_F(Edit, NeedsNoPinWhereUnknownNamesAreRefused) {
  options_.catch_all = true;
  const std::string secure =
      "server { listen 443 ssl; server_name b.com; ssl_certificate /b.pem; "
      "ssl_certificate_key /b.pem; }\n";
  files_.put("/etc/nginx/sites-enabled/b", secure);
  edited("server {\n    listen 80;\n    server_name a.com;\n}\n");
  EXPECT_EQ(after("/etc/nginx/sites-enabled/b"), std::nullopt);
  EXPECT_TRUE(after("/etc/nginx/everseal/catch-all.conf"));
}

TEST_F(Edit, TakesDeadLinesOutOnRequest) {
  options_.harden = true;
  request_.replace_existing = true;
  request_.validate = false;
  options_.responders = {{"/b.pem", false}};
  const std::string site =
      "server {\n    listen 443 ssl;\n    server_name example.com;\n"
      "    ssl_certificate /old.pem;\n    ssl_certificate_key /old.key;\n";
  const std::string dead = "    ssl_stapling on; # from a guide\n    ssl_stapling_verify on;\n";
  EXPECT_THAT(edited(site + dead + "}\n"), HasSubstr(dead));
  options_.remove_dead_lines = true;
  EXPECT_EQ(edited(site + dead + "}\n"),
            "server {\n    listen 443 ssl;\n    server_name example.com;\n"
            "    ssl_certificate /b.pem;\n    ssl_certificate_key /b.pem;\n"
            "     # from a guide\n}\n");
  // Where what is new goes beside what is old.
  EXPECT_THAT(edited("server {\n    listen 80;\n    listen 443 ssl;\n    server_name a.com;\n" +
                     dead + "}\n"),
              HasSubstr("     # from a guide\n    ssl_certificate /b.pem;\n"));
}

// What goes and what comes at the same place, without a blank between.
TEST_F(Edit, PutsLinesBeforeADeadOneThatGoes) {
  options_.harden = true;
  request_.replace_existing = true;
  options_.remove_dead_lines = true;
  options_.responders = {{"/b.pem", false}};
  const std::string edited_text = edited(
      "server { listen 443 ssl; server_name example.com; ssl_certificate /a.pem;"
      "ssl_certificate_key /a.key;ssl_stapling on; }");
  EXPECT_THAT(edited_text, Not(HasSubstr("ssl_stapling")));
  EXPECT_THAT(edited_text, testing::EndsWith("}"));
  EXPECT_EQ(apply("a;b;", {{2, 2, ""}, {2, 0, "c;"}}), "a;c;");
  EXPECT_EQ(apply("a;b;", {{2, 0, "c;"}, {2, 2, "d;"}, {2, 0, "e;"}}), "a;c;e;d;");
}

TEST_F(Edit, StaplesWhereTheCertificateNamesAResponder) {
  options_.responders = {{"/b.pem", true}};
  request_.redirect = Redirect::off;
  const std::string site = "server {\n    listen 80;\n    server_name example.com;\n";
  EXPECT_THAT(edited(site + "}\n"), Not(HasSubstr("ssl_stapling")));
  EXPECT_THAT(plan_.notes.front().text, HasSubstr("with \"resolver ADDRESS;\" nginx could ask it"));
  EXPECT_THAT(edited(site + "    resolver 127.0.0.1;\n}\n"), HasSubstr("    ssl_stapling on;\n"));
  EXPECT_THAT(edited(site + "    resolver 127.0.0.1;\n    ssl_stapling off;\n}\n"),
              Not(HasSubstr("ssl_stapling on")));
}

TEST_F(Edit, KeepsAChosenDefault) {
  options_.catch_all = true;
  edited("server {\n    listen 443 ssl default_server;\n    server_name example.com;\n}\n");
  EXPECT_EQ(after("/etc/nginx/everseal/catch-all.conf"), std::nullopt);
}

TEST_F(Edit, SaysThatOldVersionsCannotRefuseUnknownNames) {
  options_.catch_all = true;
  options_.nginx = Version{1, 18, 0};
  edited("server {\n    listen 80;\n    server_name example.com;\n}\n");
  EXPECT_EQ(plan_.notes.back().text,
            "unknown names are not refused: ssl_reject_handshake needs nginx 1.19.4 or newer");
}

TEST_F(Edit, ReplacesThePairOfTheSameKeyType) {  // A22
  request_.replace_existing = true;
  files_.put("/rsa.key", "-----BEGIN RSA PRIVATE KEY-----");
  files_.put("/ec.key", "-----BEGIN EC PRIVATE KEY-----");
  std::string head =
      "server {\n    listen 443 ssl;\n    server_name example.com;\n    ssl_certificate /rsa.pem;\n"
      "    ssl_certificate_key /rsa.key;\n";
  EXPECT_EQ(edited(head + "    ssl_certificate /ec.pem;\n"
                          "    ssl_certificate_key /ec.key;\n}\n"),
            head +
                "    ssl_certificate /b.pem;\n"
                "    ssl_certificate_key /b.pem;\n}\n");
}

TEST_F(Edit, PutsTwoCertificatesSideBySide) {
  request_.redirect = Redirect::off;
  request_.bundles = {{"/e.pem", KeyFamily::ecdsa}, {"/r.pem", KeyFamily::rsa}};
  const std::string pairs =
      "    ssl_certificate /e.pem;\n    ssl_certificate_key /e.pem;\n"
      "    ssl_certificate /r.pem;\n    ssl_certificate_key /r.pem;\n";
  EXPECT_THAT(edited("server {\n    listen 80;\n    server_name example.com;\n}\n"),
              HasSubstr(pairs));
  const std::string first =
      "server {\n    listen 443 ssl;\n    server_name example.com;\n"
      "    ssl_certificate /e.pem;\n    ssl_certificate_key /e.pem;\n";
  request_.validate = false;
  request_.replace_existing = true;
  EXPECT_THAT(edited(first + "}\n"), HasSubstr(pairs));
  // A pair of the administrator's own of one family gives way to that of ours.
  files_.put("/foreign.pem", "-----BEGIN RSA PRIVATE KEY-----\n");
  EXPECT_THAT(edited(first + "    ssl_certificate /foreign.pem;\n"
                             "    ssl_certificate_key /foreign.pem;\n}\n"),
              HasSubstr(pairs));
  // One that is no longer asked for stays.
  request_.bundles.pop_back();
  const std::string both = "server {\n    listen 443 ssl;\n    server_name example.com;\n" + pairs;
  EXPECT_EQ(edited(both + "}\n"), both + "}\n");
}

TEST_F(Edit, AsksIfTheKeyTypesAreUnknown) {
  request_.replace_existing = true;
  edited(
      "server {\n    listen 443 ssl;\n    server_name example.com;\n    ssl_certificate /a;\n"
      "    ssl_certificate_key /a;\n    ssl_certificate /c;\n    ssl_certificate_key /c;\n}\n");
  EXPECT_THAT(
      refusals(),
      ElementsAre("/etc/nginx/sites-enabled/a:4: the server has several certificates and it "
                  "is not clear which has the new one's key type: replace that pair by "
                  "hand"));
}

TEST_F(Edit, KeepsTabsAndOnlyChangesThePaths) {  // A32
  request_.replace_existing = true;
  EXPECT_EQ(edited("server {\n\tlisten 443 ssl;\n\tserver_name example.com;\n"
                   "\tssl_certificate /old.pem;\n\tssl_certificate_key /old.key;\n\n"
                   "\t# keep me\n\troot /srv;\n}\n"),
            "server {\n\tlisten 443 ssl;\n\tserver_name example.com;\n"
            "\tssl_certificate /b.pem;\n\tssl_certificate_key /b.pem;\n\n"
            "\t# keep me\n\troot /srv;\n}\n");
}

TEST_F(Edit, EndsLinesAsTheFileDoes) {  // A33
  request_.redirect = Redirect::off;
  EXPECT_EQ(edited("server {\r\n    listen 80;\r\n    server_name example.com;\r\n}\r\n"),
            "server {\r\n    include /etc/nginx/everseal/acme.conf;\r\n    listen 80;\r\n"
            "    listen 443 ssl;\r\n    server_name example.com;\r\n"
            "    ssl_certificate /b.pem;\r\n    ssl_certificate_key /b.pem;\r\n}\r\n");
}

TEST_F(Edit, RecognisesARedirectInAServerOfItsOwn) {  // A36
  request_.replace_existing = true;
  request_.redirect = Redirect::on;
  EXPECT_EQ(edited("server {\n    listen 80;\n    server_name example.com;\n"
                   "    return 301 https://$host$request_uri;\n}\n"
                   "server {\n    listen 443 ssl;\n    server_name example.com;\n"
                   "    ssl_certificate /x;\n    ssl_certificate_key /k;\n}\n"),
            "server {\n    include /etc/nginx/everseal/acme.conf;\n    listen 80;\n"
            "    server_name example.com;\n"
            "    return 301 https://$host$request_uri;\n}\n"
            "server {\n    listen 443 ssl;\n    server_name example.com;\n"
            "    ssl_certificate /b.pem;\n    ssl_certificate_key /b.pem;\n}\n");
}

TEST_F(Edit, RecognisesARedirectByScheme) {  // A37
  request_.replace_existing = true;
  request_.redirect = Redirect::on;
  EXPECT_THAT(edited("server {\n    listen 80;\n    listen 443 ssl;\n    server_name example.com;\n"
                     "    ssl_certificate /x;\n    ssl_certificate_key /k;\n"
                     "    if ($scheme = http) {\n        return 301 https://$host$request_uri;\n"
                     "    }\n}\n"),
              HasSubstr("acme.conf;\n    listen 80;\n    listen 443 ssl;\n"));
}

TEST_F(Edit, RefusesALoop) {
  edited(
      "server {\n    listen 80;\n    server_name example.com;\n"
      "    return 301 https://$host$request_uri;\n}\n");
  EXPECT_EQ(refusals().size(), 1u);
  EXPECT_THAT(refusals()[0], HasSubstr("a:1: the server sends everything to https"));
  EXPECT_THAT(plan_.edits, IsEmpty());
}

TEST_F(Edit, BreaksLinesOfAServerOnOneLine) {  // A42
  request_.redirect = Redirect::off;
  EXPECT_EQ(edited("server{listen 80;server_name example.com;root /srv;}\n"),
            "server{\n    include /etc/nginx/everseal/acme.conf;\n    listen 80;\n"
            "    listen 443 ssl;\n    server_name example.com;\n    ssl_certificate /b.pem;\n"
            "    ssl_certificate_key /b.pem;\n    root /srv;}\n");
}

TEST_F(Edit, SplitsServersThatShareALine) {
  std::string result =
      edited("server{listen 80;server_name a.example;}server{listen 80;server_name b.example;}");
  EXPECT_THAT(result, HasSubstr("server{listen 443 ssl;server_name a.example;\n"));
  EXPECT_THAT(result, HasSubstr("server{listen 443 ssl;server_name b.example;\n"));
}

TEST_F(Edit, GivesAServerWithoutListenBothPorts) {
  request_.redirect = Redirect::off;
  EXPECT_EQ(edited("server {\n    server_name example.com;\n}\n"),
            "server {\n    include /etc/nginx/everseal/acme.conf;\n    server_name example.com;\n"
            "    listen 80;\n    listen 443 ssl;\n"
            "    ssl_certificate /b.pem;\n    ssl_certificate_key /b.pem;\n}\n");
}

TEST_F(Edit, LeavesAServerThatStreamWouldClashWith) {  // A26
  files_.put(kMain,
             "stream {\n    server { listen 443 ssl; proxy_pass x; }\n}\nevents {}\n"
             "http { include sites-enabled/*; }\n");
  edited("server {\n    listen 80;\n    server_name example.com;\n}\n");
  EXPECT_THAT(refusals()[0], HasSubstr("nginx.conf:2 already listens on *:443 outside of http{}"));
}

TEST_F(Edit, LeavesFilesThatAreIncludedTwice) {
  files_.put(kMain, "events {}\nhttp {\n include sites-enabled/a;\n include sites-enabled/*;\n}\n");
  edited("server {\n    listen 80;\n    server_name example.com;\n}\n");
  EXPECT_THAT(refusals()[0],
              HasSubstr("is included from 2 places (/etc/nginx/nginx.conf:3, "
                        "/etc/nginx/nginx.conf:4) and an edit would change them all"));
  EXPECT_THAT(plan_.edits, IsEmpty());
}

TEST_F(Edit, HardensOnlyWhatHttpDoesNotSay) {  // A34
  options_.harden = true;
  files_.put(kMain,
             "events {}\nhttp {\n    ssl_protocols TLSv1.3;\n    ssl_session_tickets off;\n"
             "    include sites-enabled/*;\n}\n");
  edited("server {\n    listen 80;\n    server_name example.com;\n}\n");
  EXPECT_EQ(after(kMain),
            "events {}\nhttp {\n    ssl_protocols TLSv1.3;\n    ssl_session_tickets off;\n"
            "    include /etc/nginx/everseal/tls.conf;\n    include sites-enabled/*;\n}\n");
  std::string policy = *after("/etc/nginx/everseal/tls.conf");
  EXPECT_THAT(policy, testing::Not(HasSubstr("ssl_protocols")));
  EXPECT_THAT(policy, testing::Not(HasSubstr("tickets")));
  EXPECT_THAT(policy, HasSubstr("ssl_prefer_server_ciphers off;\n"));
}

TEST_F(Edit, AddsHstsWhereItDropsNoOtherHeader) {
  request_.hsts = HstsWish{};
  EXPECT_THAT(edited("server {\n    listen 80;\n    server_name example.com;\n}\n"),
              HasSubstr("    ssl_certificate_key /b.pem;\n"
                        "    add_header Strict-Transport-Security max-age=300 always;\n"));
}

TEST_F(Edit, RepeatsHstsWhereAnotherHeaderDropsIt) {
  request_.hsts = HstsWish{.kind = HstsWish::Kind::fixed, .max_age = 63072000};
  request_.redirect = Redirect::off;
  const std::string site =
      "server {\n    listen 443 ssl;\n    server_name example.com;\n"
      "    ssl_certificate /b.pem;\n    ssl_certificate_key /b.pem;\n"
      "    add_header  X-A  1;\n"
      "    location / {\n        add_header X-B 2;\n        root /srv;\n"
      "        if ($args) { add_header X-C 3; }\n    }\n"
      "    location /plain { root /srv; }\n}\n";
  const std::string expected =
      "server {\n    listen 443 ssl;\n    server_name example.com;\n"
      "    ssl_certificate /b.pem;\n    ssl_certificate_key /b.pem;\n"
      "    add_header Strict-Transport-Security max-age=63072000 always;\n"
      "    add_header  X-A  1;\n"
      "    location / {\n        add_header X-B 2;\n"
      "        add_header Strict-Transport-Security max-age=63072000 always;\n"
      "        root /srv;\n"
      "        if ($args) { add_header X-C 3;\n"
      "            add_header Strict-Transport-Security max-age=63072000 always;\n        }\n"
      "    }\n    location /plain { root /srv; }\n}\n";
  EXPECT_EQ(edited(site), expected);
  EXPECT_EQ(edited(expected), expected);
  request_.hsts = HstsWish{.kind = HstsWish::Kind::withdraw};
  EXPECT_THAT(edited(expected), testing::Not(HasSubstr("63072000")));
  // nginx 1.29.3: nothing is dropped.
  request_.hsts = HstsWish{};
  const std::string merging =
      "server {\n    listen 443 ssl;\n    server_name example.com;\n"
      "    ssl_certificate /b.pem;\n    ssl_certificate_key /b.pem;\n"
      "    add_header_inherit merge;\n"
      "    location / { add_header X-B 2; }\n}\n";
  EXPECT_THAT(edited(merging), HasSubstr("    location / { add_header X-B 2; }\n"));
}

TEST_F(Edit, SaysWhereToProveTheSite) {
  edited("server {\n    listen 80;\n    listen [::]:80;\n    server_name example.com;\n}\n");
  OverlayReader overlay(files_, texts_after(plan_));
  auto model = Model::load(overlay, kMain);
  auto found = endpoints(*model, find_sites(*model).sites.front());
  EXPECT_THAT(found, ElementsAre(Endpoint{"example.com", "127.0.0.1", 80, false, false, true},
                                 Endpoint{"example.com", "::1", 80, false, false, true},
                                 Endpoint{"example.com", "127.0.0.1", 443, true, false, false},
                                 Endpoint{"example.com", "::1", 443, true, false, false}));
}

// nginx.md § "Never", by its numbers.

TEST_F(Edit, KeepsEveryByteThatItDoesNotMean) {  // 1
  request_.redirect = Redirect::off;
  const std::string odd = "# caf\xe9 \xff\xfe\t \r\r\n";
  EXPECT_EQ(
      edited(odd + "server {\r\n\tlisten\t80;\r\n\tserver_name example.com;\r\n\t" + odd + "}"),
      odd +
          "server {\r\n\tinclude /etc/nginx/everseal/acme.conf;\r\n\tlisten\t80;\r\n"
          "\tlisten\t443 ssl;\r\n\tserver_name example.com;\r\n"
          "\tssl_certificate /b.pem;\r\n\tssl_certificate_key /b.pem;\r\n\t" +
          odd + "}");
}

TEST_F(Edit, LeavesVariableCertificatePathsAlone) {  // 4
  request_.replace_existing = true;
  edited(
      "server {\n    listen 443 ssl;\n    server_name example.com;\n"
      "    ssl_certificate /c/$ssl_server_name.pem;\n"
      "    ssl_certificate_key /c/$ssl_server_name.key;\n}\n");
  EXPECT_THAT(refusals(),
              ElementsAre("/etc/nginx/sites-enabled/a:4: the path of the certificate holds "
                          "variables, so it is not replaced: point it to the new one by hand"));
  EXPECT_THAT(plan_.edits, IsEmpty());
}

TEST_F(Edit, LeavesACertificateThatOtherNamesNeed) {  // 4
  request_.replace_existing = true;
  edited(
      "server {\n    listen 443 ssl;\n    server_name example.com\n        *.example.com;\n"
      "    ssl_certificate /c.pem;\n    ssl_certificate_key /c.key;\n}\n");
  EXPECT_THAT(
      refusals(),
      ElementsAre("/etc/nginx/sites-enabled/a:3: the certificate of this server may also "
                  "stand for \"*.example.com\", which the new one will not cover: give that "
                  "name a server of its own, or replace the certificate by hand"));
  EXPECT_THAT(plan_.edits, IsEmpty());
}

TEST_F(Edit, DoesNotBreakAPairOfWhichAnotherServerHasAHalf) {  // 4
  request_.replace_existing = true;
  files_.put(kMain,
             "events {}\nhttp {\n    ssl_certificate_key /k;\n    include sites-enabled/*;\n}\n");
  edited(
      "server {\n    listen 443 ssl;\n    server_name example.com;\n"
      "    ssl_certificate /c;\n}\n");
  EXPECT_THAT(refusals()[0], HasSubstr("a:4: certificate and key are not both set in the server"));
}

TEST_F(Edit, PutsNoCertificateWhereARegularExpressionTakesNames) {  // A29
  edited("server {\n    listen 80;\n    server_name example.com ~^(?<sub>[a-z]+)\\.x$;\n}\n");
  EXPECT_THAT(
      refusals(),
      ElementsAre("/etc/nginx/sites-enabled/a:2: \"~^(?<sub>[a-z]+)\\.x$\" stands for names "
                  "that the certificate does not cover: give example.com a server of its own"));
  EXPECT_THAT(plan_.edits, IsEmpty());
}

TEST_F(Edit, TakesNoWildcardNamesFromAnotherServer) {  // 3
  files_.put("/etc/nginx/sites-enabled/b",
             "server {\n    listen 443 ssl;\n    server_name *.example.com;\n"
             "    ssl_certificate /c;\n    ssl_certificate_key /c;\n}\n");
  edited("server {\n    listen 80;\n    server_name example.com *.example.com;\n}\n");
  EXPECT_THAT(refusals(),
              ElementsAre("/etc/nginx/sites-enabled/a:2: /etc/nginx/sites-enabled/b:1 "
                          "answers \"*.example.com\" on *:443 already: give example.com "
                          "a server without that name"));
}

TEST_F(Edit, RepeatsNoSocketOptions) {  // 5, A14
  EXPECT_THAT(edited("server {\n    listen 80 default_server deferred reuseport backlog=7;\n"
                     "    server_name example.com;\n}\n"),
              HasSubstr("    listen 443 ssl;\n"));
}

TEST_F(Edit, OpensNoPortForAServerThatHadNone) {  // 5
  request_.validate = false;
  edited(
      "server {\n    listen unix:/run/x.sock;\n    server_name example.com;\n}\n"
      "server {\n    listen 8080;\n    server_name other.com;\n}\n");
  EXPECT_THAT(refusals(),
              ElementsAre(HasSubstr("a:1: the server does not listen on port 80, so no port 443 is "
                                    "opened for it; add \"listen 443 ssl;\" to it by hand"),
                          HasSubstr("a:5: the server does not listen on port 80")));
  EXPECT_THAT(plan_.edits, IsEmpty());
}

TEST_F(Edit, SetsNoTlsOfItsOwnInServers) {  // 6, A16
  request_.redirect = Redirect::off;
  const std::string result = edited(
      "server {\n    listen 80;\n    server_name example.com;\n    ssl_session_timeout 5m;\n"
      "    ssl_dhparam /dh.pem;\n}\n");
  EXPECT_THAT(result, HasSubstr("    ssl_dhparam /dh.pem;\n    ssl_certificate /b.pem;\n"
                                "    ssl_certificate_key /b.pem;\n}\n"));
}

TEST_F(Edit, WritesBehindCommentsAndNotIntoThem) {  // 7
  request_.redirect = Redirect::off;
  EXPECT_EQ(edited("server { # mine\n    listen 80; # all { of ; them\n"
                   "    #listen 443 ssl;\n    server_name example.com; # it\n}\n"),
            "server { # mine\n    include /etc/nginx/everseal/acme.conf;\n"
            "    listen 80; # all { of ; them\n    listen 443 ssl;\n"
            "    #listen 443 ssl;\n    server_name example.com; # it\n"
            "    ssl_certificate /b.pem;\n    ssl_certificate_key /b.pem;\n}\n");
}

TEST_F(Edit, QuotesPathsThatNeedIt) {  // 7
  request_.redirect = Redirect::off;
  request_.bundles = {{"/my {live}; #\"x\"/b.pem"}};
  EXPECT_THAT(edited("server {\n    listen 80;\n    server_name example.com;\n}\n"),
              HasSubstr("    ssl_certificate \"/my {live}; #\\\"x\\\"/b.pem\";\n"));
}

TEST_F(Edit, RefusesPathsThatNginxCannotBeGiven) {  // 7
  for (const std::string& path : {std::string("/a$b/b.pem"), "/" + std::string(4096, 'a')}) {
    request_.bundles = {{path}};
    edited("server {\n    listen 80;\n    server_name example.com;\n}\n");
    EXPECT_THAT(refusals(), ElementsAre(HasSubstr("a:1: nginx has no way to write this path")));
  }
}

TEST_F(Edit, LeavesFilesThatOtherProgramsWrite) {  // 12
  const std::string site = "server {\n    listen 80;\n    server_name example.com;\n}\n";
  edited("# Ansible managed\n" + site);
  EXPECT_THAT(refusals(),
              ElementsAre("/etc/nginx/sites-enabled/a:2: /etc/nginx/sites-enabled/a is written by "
                          "another program (\"ansible managed\"): make the change there"));
  edited("# This file is managed by Puppet.\n# DO NOT EDIT\n" + site);
  EXPECT_THAT(refusals(), ElementsAre(HasSubstr("(\"managed by puppet\")")));
  edited(
      "server {\n    listen 80;\n    server_name example.com;\n    add_header X \"do not "
      "edit\";\n}\n");
  EXPECT_THAT(refusals(), IsEmpty());
}

TEST_F(Edit, LeavesFilesOfHostingPanels) {  // 12
  files_.put(kMain, "events {}\nhttp {\n    include /home/u/conf/web/*/nginx.conf;\n}\n");
  files_.put("/home/u/conf/web/example.com/nginx.conf",
             "server {\n    listen 80;\n    server_name example.com;\n}\n");
  plan_ = plan();
  EXPECT_THAT(refusals(), ElementsAre(HasSubstr("is written by a hosting panel")));
  EXPECT_THAT(plan_.edits, IsEmpty());
}

TEST_F(Edit, MakesARedirectBeforeContentOneOfPlainRequests) {  // A39
  EXPECT_EQ(edited("server {\n    listen 80;\n    server_name example.com;\n"
                   "    return 301 https://$host$request_uri;\n    root /srv;\n}\n"),
            "server {\n    include /etc/nginx/everseal/acme.conf;\n    listen 80;\n"
            "    listen 443 ssl;\n    server_name example.com;\n    ssl_certificate /b.pem;\n"
            "    ssl_certificate_key /b.pem;\n"
            "    if ($scheme = http) { return 301 https://$host$request_uri; }\n"
            "    root /srv;\n}\n");
}

TEST_F(Edit, ReplacesARedirectThatStandsRightBehindTheBrace) {
  EXPECT_THAT(
      edited("server {return 301 https://$host$request_uri;listen 80;"
             "server_name example.com;root /srv;}\n"),
      HasSubstr("server {\n    include /etc/nginx/everseal/acme.conf;\n    if ($scheme = http) "
                "{ return 301 https://$host$request_uri; }listen 80;"));
}

}  // namespace
}  // namespace everseal::nginx
