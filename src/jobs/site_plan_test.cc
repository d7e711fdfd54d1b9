#include "jobs/site_plan.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/fake_file_system.h"
#include "crypto/fake_authority.h"
#include "nginx/model.h"
#include "privsep/fake_workers.h"

namespace everseal::jobs {
namespace {

const Time kNow = *base::parse_rfc3339("2026-11-21T00:00:00Z");

class Silent : public Reporter {
 public:
  void progress(std::string_view, std::string_view) override {}
  void done(std::string_view, std::string_view) override {}
  void failed(std::string_view, std::string_view) override {}
  void note(std::string_view) override {}
  void show(std::string_view) override {}
  bool confirm(std::string_view) override { return false; }
};

class SitePlanTest : public testing::Test {
 protected:
  SitePlanTest() {
    files_.put("/etc/nginx/nginx.conf",
               "events {}\nhttp {\n"
               "server { listen 80; server_name plain.example www.plain.example; }\n"
               "server { listen 443 ssl; server_name tls.example;\n"
               "  ssl_certificate /ssl/cert.pem; ssl_certificate_key /ssl/key.pem; }\n"
               "server { listen 80 default_server; server_name _; }\n}\n");
  }

  nginx::Sites sites() {
    model_.emplace(*nginx::Model::load(files_, "/etc/nginx/nginx.conf"));
    return nginx::find_sites(*model_);
  }

  std::vector<SitePlan> plan(const std::vector<nginx::Site>& sites,
                             Wish wish = Wish::what_is_needed) {
    Environment environment{files_,  base::real_command_runner(), clock_, reporter_, settings_,
                            workers_};
    auto plans = plan_sites(environment, nullptr, sites, wish);
    EXPECT_TRUE(plans) << plans.error().message;
    return *std::move(plans);
  }

  // A certificate for tls.example, `left` days before its end, of 90.
  void put_certificate(int left, bool self_signed) {
    const crypto::FakeAuthority root("Root"), intermediate("Intermediate", &root);
    const auto key = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
    crypto::FakeLeaf leaf;
    leaf.public_key_der = key.public_key_der();
    leaf.names = {"tls.example"};
    leaf.not_after = kNow + std::chrono::days(left);
    leaf.not_before = leaf.not_after - std::chrono::days(90);
    files_.put("/ssl/cert.pem",
               self_signed ? root.certificate().pem()
                           : intermediate.issue(leaf).pem() + intermediate.certificate().pem());
  }

  base::FakeFileSystem files_;
  base::FakeClock clock_{kNow};
  Silent reporter_;
  Settings settings_;
  privsep::FakeWorkers workers_;
  std::optional<nginx::Model> model_;
};

TEST_F(SitePlanTest, AsksForACertificateForEachPlainSite) {
  put_certificate(80, false);
  const auto found = sites();
  const auto plans = plan(found.sites);
  ASSERT_EQ(plans.size(), 2u);
  EXPECT_EQ(plans[0].need, Need::issue);
  EXPECT_EQ(plans[0].why, "new");
  EXPECT_EQ(plans[0].certificate.names,
            (std::vector<std::string>{"plain.example", "www.plain.example"}));
  EXPECT_EQ(plans[0].certificate.key_type, "ecdsa-p256");
}

TEST_F(SitePlanTest, LeavesAGoodCertificateOfTheAdministratorsInPlace) {
  put_certificate(80, false);
  const auto found = sites();
  EXPECT_EQ(plan(found.sites)[1].need, Need::nothing);
  EXPECT_EQ(plan(found.sites)[1].why,
            "keeps its certificate /ssl/cert.pem, which is good; --force replaces it");
  EXPECT_EQ(plan(found.sites, Wish::new_certificates)[1].need, Need::issue);
}

TEST_F(SitePlanTest, ReplacesOneThatIsSelfSignedMissingOrNearItsEnd) {
  const auto found = sites();
  EXPECT_EQ(plan(found.sites)[1].need, Need::issue);
  put_certificate(80, true);
  EXPECT_EQ(plan(found.sites)[1].need, Need::issue);
  put_certificate(29, false);
  EXPECT_EQ(plan(found.sites)[1].need, Need::issue);
}

TEST_F(SitePlanTest, SelectsSitesByAnyOfTheirNames) {
  const auto found = sites();
  const std::vector<std::string> names = {"WWW.plain.example", "plain.example"};
  const auto selected = select_sites(*model_, found, names);
  ASSERT_TRUE(selected);
  ASSERT_EQ(selected->size(), 1u);
  EXPECT_EQ(selected->front().name, "plain.example");
}

TEST_F(SitePlanTest, NamesWhatItCannotSelect) {
  const auto found = sites();
  const std::vector<std::string> unknown = {"other.example"}, hostile = {"a;b.example"};
  EXPECT_EQ(select_sites(*model_, found, unknown).error().message,
            "no server of the nginx configuration has the name other.example. "
            "/etc/nginx/nginx.conf:6 answers it now, for want of a better one, and is left alone: "
            "add \"server_name other.example;\" to the server that is meant, or a server with it, "
            "then run again");
  EXPECT_EQ(select_sites(*model_, found, hostile).error().message,
            "'a;b.example' is not a domain name: unexpected ';' at byte 2");
}

}  // namespace
}  // namespace everseal::jobs
