// The configurations on which other clients' editing broke: shared/nginx/edits, run when present.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "base/diff.h"
#include "base/fake_file_system.h"
#include "nginx/edit.h"
#include "nginx/verify.h"

namespace everseal::nginx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMain = "/etc/nginx/nginx.conf";

fs::path cases() {
  const char* source = std::getenv("EVERSEAL_SOURCE");
  return fs::path(source ? source : ".").parent_path() / "shared" / "nginx" / "edits";
}

void read_tree(const fs::path& root, base::FakeFileSystem& files) {
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || entry.path().filename() == "expect.json") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    files.put("/" + fs::relative(entry.path(), root).string(),
              std::string(std::istreambuf_iterator<char>(in), {}));
  }
}

enum class Asked { certificates, everything };

EditPlan plan_all(const Model& model, const FileReader& files, const Sites& sites, Asked asked) {
  std::vector<SiteRequest> requests;
  for (const Site& site : sites.sites) {
    requests.push_back({.site = &site,
                        .mode = SiteMode::tls,
                        .bundles = {{"/var/lib/everseal/live/x/bundle.pem"}},
                        .hsts = std::nullopt,
                        .replace_existing = true});
    if (asked == Asked::certificates) continue;
    requests.back().bundles.push_back({"/var/lib/everseal/live/x-rsa/bundle.pem", KeyFamily::rsa});
    requests.back().hsts = HstsWish{};
  }
  EditOptions options;
  options.own_directory = "/etc/nginx/everseal";
  options.thumbprint = "THUMB";
  options.catch_all = options.remove_dead_lines = asked == Asked::everything;
  return plan_tls(model, requests, options, files).value();
}

class EditCase : public testing::TestWithParam<std::string> {
 protected:
  void run(Asked asked);
};

TEST_P(EditCase, KeepsMeaningAndIsDoneAfterOneRun) { run(Asked::certificates); }

TEST_P(EditCase, KeepsMeaningWithEveryOption) { run(Asked::everything); }

void EditCase::run(Asked asked) {
  fs::path tree = cases() / GetParam();
  if (!fs::exists(tree)) GTEST_SKIP() << tree << " is not here";
  base::FakeFileSystem files;
  read_tree(tree, files);
  auto model = Model::load(files, kMain);
  ASSERT_TRUE(model) << model.error().message;
  Sites sites = find_sites(*model);
  EditPlan plan = plan_all(*model, files, sites, asked);
  OverlayReader overlay(files, texts_after(plan));
  auto after = Model::load(overlay, kMain);
  ASSERT_TRUE(after) << after.error().message;
  auto verdict = verify_edit(*model, *after, sites.sites);
  EXPECT_TRUE(verdict) << verdict.error().message;
  Sites sites_after = find_sites(*after);
  EditPlan second = plan_all(*after, overlay, sites_after, asked);
  EXPECT_THAT(second.edits, testing::IsEmpty());
  for (const Site& site : sites.sites) {
    if (plan.refused(site)) continue;
    auto found = endpoints(*after, site);
    EXPECT_TRUE(std::ranges::any_of(found, &Endpoint::tls)) << site.name;
  }
  if (std::getenv("EVERSEAL_SHOW") == nullptr) return;
  for (const FileEdit& edit : plan.edits) {
    std::cout << base::unified_diff(edit.path, edit.before, edit.after);
  }
  for (const Note& note : plan.notes)
    std::cout << "note " << note.where << ": " << note.text << "\n";
  for (const Note& note : plan.refusals) {
    std::cout << "refused " << note.where << ": " << note.text << "\n";
  }
  for (const SkippedName& name : sites.skipped) {
    std::cout << "skipped " << name.file << ":" << name.line << ": \"" << name.name
              << "\": " << name.reason << "\n";
  }
}

std::vector<std::string> names() {
  std::vector<std::string> names;
  if (fs::exists(cases())) {
    for (const auto& entry : fs::directory_iterator(cases())) {
      names.push_back(entry.path().filename());
    }
  }
  std::ranges::sort(names);
  return names;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EditCase);
INSTANTIATE_TEST_SUITE_P(Shared, EditCase, testing::ValuesIn(names()), [](const auto& each) {
  std::string name = each.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace everseal::nginx
