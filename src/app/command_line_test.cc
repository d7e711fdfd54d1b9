#include "app/command_line.h"

#include <gtest/gtest.h>

#include "base/fake_file_system.h"

namespace everseal::app {
namespace {

std::expected<CommandLine, Usage> parse(std::vector<const char*> arguments,
                                        const FileReader& files) {
  arguments.insert(arguments.begin(), "everseal");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data(), files);
}

std::expected<CommandLine, Usage> parse(std::vector<const char*> arguments) {
  return parse(std::move(arguments), base::FakeFileSystem());
}

std::string refusal(std::vector<const char*> arguments) {
  const auto line = parse(std::move(arguments));
  if (line) return "accepted";
  EXPECT_EQ(line.error().exit_status, 2);
  return line.error().text.substr(0, line.error().text.find('\n'));
}

TEST(CommandLine, ReadsTheMainJob) {
  const auto line =
      parse({"secure", "Example.com", "--dry-run", "--json", "--server", "https://ca/dir",
             "--state", "/s", "--key-type", "p384", "--email", "a@b.c", "--no-redirect"});
  ASSERT_TRUE(line) << line.error().text;
  const auto& secure = std::get<jobs::SecureOptions>(line->command);
  EXPECT_EQ(secure.names, std::vector<std::string>{"example.com"});
  EXPECT_TRUE(secure.dry_run);
  EXPECT_TRUE(line->json);
  EXPECT_EQ(line->settings.server, "https://ca/dir");
  EXPECT_EQ(line->settings.state, "/s");
  EXPECT_EQ(line->settings.key_type, crypto::KeyType::ecdsa_p384);
  EXPECT_EQ(line->settings.redirect, nginx::Redirect::off);
  EXPECT_EQ(line->settings.contacts, std::vector<std::string>{"a@b.c"});
}

TEST(CommandLine, ReadsHowToShowTheStatus) {
  const auto shown = [](std::vector<const char*> arguments) {
    return std::get<StatusCommand>(parse(std::move(arguments))->command);
  };
  EXPECT_EQ(shown({"status"}).format, StatusFormat::usual);
  EXPECT_EQ(shown({"status", "A.example"}).options.name, "a.example");
  EXPECT_EQ(shown({"status", "--json"}).format, StatusFormat::json);
  EXPECT_EQ(shown({"status", "--prometheus"}).format, StatusFormat::prometheus);
  const StatusCommand check = shown({"status", "--check", "--warning", "14", "--critical=7"});
  EXPECT_EQ(check.format, StatusFormat::check);
  EXPECT_EQ(check.options.thresholds.warning, std::chrono::days(14));
  EXPECT_EQ(check.options.thresholds.critical, std::chrono::days(7));
  EXPECT_FALSE(parse({"status", "--warning", "14"}));
  EXPECT_FALSE(parse({"status", "--prometheus", "--check"}));
  EXPECT_FALSE(parse({"status", "--check", "--warning", "-1"}));
}

TEST(CommandLine, ReadsWhatToRotate) {
  EXPECT_EQ(std::get<jobs::RotateOptions>(parse({"rotate"})->command).what, jobs::Rotation::due);
  EXPECT_EQ(std::get<jobs::RotateOptions>(parse({"rotate", "all"})->command).what,
            jobs::Rotation::all);
  const auto line = parse({"rotate", "keys", "A.example"});
  ASSERT_TRUE(line) << line.error().text;
  const auto& rotate = std::get<jobs::RotateOptions>(line->command);
  EXPECT_EQ(rotate.what, jobs::Rotation::keys);
  EXPECT_EQ(rotate.names, std::vector<std::string>{"a.example"});
  EXPECT_EQ(refusal({"rotate", "everything"}),
            "everseal: rotate everything: expected keys, account, dhparam or all");
  EXPECT_EQ(refusal({"rotate", "account", "a.example"}), "everseal: rotate: names go with keys");
}

TEST(CommandLine, ReadsCertificateRequests) {
  const auto line = parse({"issue", "--csr", "/x.csr", "--webroot", "/w", "-d", "a.example:/v"});
  ASSERT_TRUE(line) << line.error().text;
  const auto& issue = std::get<jobs::IssueOptions>(line->command);
  EXPECT_EQ(issue.request, "/x.csr");
  EXPECT_EQ(issue.webroot, "/w");
  EXPECT_EQ(issue.names.front().webroot, "/v");
  EXPECT_EQ(refusal({"issue"}),
            "everseal: issue: give names with --domain, or a certificate request with --csr");
  EXPECT_EQ(refusal({"issue", "--csr", "/x", "--separate"}),
            "everseal: --csr and --separate exclude each other");
}

TEST(CommandLine, SendsHstsOnlyWhenAsked) {
  EXPECT_EQ(parse({"secure"})->settings.hsts, std::nullopt);
  using Kind = nginx::HstsWish::Kind;
  EXPECT_EQ(parse({"secure", "--hsts"})->settings.hsts->kind, Kind::ramp);
  EXPECT_EQ(parse({"secure", "--no-hsts"})->settings.hsts->kind, Kind::withdraw);
  const auto fixed = parse({"secure", "--hsts=300;subdomains"})->settings.hsts;
  EXPECT_EQ(fixed,
            (nginx::HstsWish{.kind = Kind::fixed, .max_age = 300, .include_subdomains = true}));
  for (const char* bad : {"--hsts=-1", "--hsts=0", "--hsts=x", "--hsts=300;preload", "--hsts=300;"})
    EXPECT_FALSE(parse({"secure", bad})) << bad;
  EXPECT_FALSE(parse({"secure", "--hsts", "--no-hsts"}));
  EXPECT_EQ(parse({"secure", "--profile", "modern"})->settings.profile, nginx::Profile::modern);
  EXPECT_FALSE(parse({"secure", "--profile", "strong"}));
}

TEST(CommandLine, OverridesEverySettingOfNginx) {
  const auto line = parse({"secure", "--redirect-status", "308", "--no-hardening", "--nginx-binary",
                           "/n", "--nginx-config", "/c"});
  ASSERT_TRUE(line) << line.error().text;
  EXPECT_EQ(line->settings.redirect_status, 308);
  EXPECT_FALSE(line->settings.harden);
  EXPECT_EQ(line->settings.nginx_binary, "/n");
  EXPECT_EQ(line->settings.nginx_config, "/c");
  EXPECT_NE(refusal({"secure", "--redirect-status", "302"}), "accepted");
}

TEST(CommandLine, ReadsNamesWithWebroots) {
  const auto line =
      parse({"issue", "-d", "a.example:/var/www", "-d", "b.example:/srv", "--separate"});
  ASSERT_TRUE(line) << line.error().text;
  const auto& issue = std::get<jobs::IssueOptions>(line->command);
  ASSERT_EQ(issue.names.size(), 2u);
  EXPECT_EQ(issue.names[1].name, "b.example");
  EXPECT_EQ(issue.names[1].webroot, "/srv");
  EXPECT_TRUE(issue.separate);
}

TEST(CommandLine, ReadsWhichDiffieHellmanParameters) {
  const auto dhparam = [](std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "dhparam");
    return std::get<DhparamCommand>(parse(std::move(arguments))->command);
  };
  EXPECT_EQ(dhparam({}).bits, 0);
  EXPECT_EQ(dhparam({"--bits", "2048"}).bits, 2048);
  EXPECT_EQ(dhparam({"--group", "ffdhe4096", "-o", "dh.pem"}).group, "ffdhe4096");
  EXPECT_EQ(dhparam({"-o", "dh.pem"}).output, "dh.pem");
  EXPECT_EQ(refusal({"dhparam", "--bits", "2048", "--group", "ffdhe2048"}),
            "everseal: --bits and --group exclude each other");
  EXPECT_NE(refusal({"dhparam", "--bits", "511"}), "accepted");
}

TEST(CommandLine, LaysOptionsOverTheFile) {
  base::FakeFileSystem files;
  files.put("/e.toml", "server = \"https://file/\"\nstate = \"/file\"\n");
  const auto line = parse({"renew", "--config", "/e.toml", "--state", "/option"}, files);
  ASSERT_TRUE(line) << line.error().text;
  EXPECT_EQ(line->settings.server, "https://file/");
  EXPECT_EQ(line->settings.state, "/option");
}

TEST(CommandLine, RefusesWhatIsWrong) {
  EXPECT_EQ(refusal({"secure", "../x"}),
            "everseal: '../x' is not a domain name: empty label at byte 1");
  EXPECT_EQ(refusal({"secure", "a;b.example"}),
            "everseal: 'a;b.example' is not a domain name: unexpected ';' at byte 2");
  EXPECT_EQ(refusal({"secure", "a.example", "--all"}),
            "everseal: secure: give names or --all, not both");
  EXPECT_EQ(refusal({"issue", "-d", "a.example:"}),
            "everseal: -d a.example:: the webroot after ':' is empty");
  EXPECT_EQ(refusal({"issue", "-d", "a.example", "-d", "A.example"}),
            "everseal: -d A.example: the name is given twice");
  EXPECT_EQ(refusal({"secure", "--staging", "--server", "https://x/"}),
            "everseal: --staging and --server exclude each other");
  EXPECT_EQ(refusal({"secure", "--eab-kid", "k"}),
            "everseal: --eab-kid and --eab-hmac-key go together");
  EXPECT_EQ(refusal({"secure", "--config", "/none.toml"}),
            "everseal: resolve /none.toml: No such file or directory");
  EXPECT_NE(refusal({"secure", "--frobnicate"}).find("--frobnicate"), std::string::npos);
  EXPECT_NE(refusal({"frobnicate"}).find("frobnicate"), std::string::npos);
  EXPECT_NE(refusal({"issue"}).find("--domain"), std::string::npos);
}

TEST(CommandLine, HelpsAPersonToBegin) {
  const auto line = parse({});
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().exit_status, 0);
  EXPECT_NE(line.error().text.find("everseal secure --all --dry-run"), std::string::npos);
  EXPECT_EQ(parse({"secure", "--help"}).error().exit_status, 0);
  EXPECT_EQ(parse({"--version"}).error().text, "everseal 0.1.0\n");
}

}  // namespace
}  // namespace everseal::app
