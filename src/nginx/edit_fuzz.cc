#include <cstdint>
#include <cstdlib>

#include "base/fake_file_system.h"
#include "nginx/edit.h"

namespace everseal::nginx {
namespace {

// An edit of any configuration that we can read leaves one that we can read.
void edit(const std::string& text) {
  base::FakeFileSystem files;
  files.put("/n/nginx.conf", text);
  const auto before = Model::load(files, "/n/nginx.conf");
  if (!before) return;
  const Sites sites = find_sites(*before);
  std::vector<SiteRequest> requests;
  for (const Site& site : sites.sites) {
    SiteRequest& request = requests.emplace_back();
    request.site = &site;
    request.mode = SiteMode::tls;
    request.bundles = {{"/s/bundle.pem"}};
  }
  EditOptions options;
  options.own_directory = "/n/everseal";
  options.thumbprint = "T";
  const auto plan = plan_tls(*before, requests, options, files);
  if (!plan || plan->edits.empty()) return;
  const OverlayReader overlay(files, texts_after(*plan));
  const auto after = Model::load(overlay, "/n/nginx.conf");
  if (!after) std::abort();
}

}  // namespace
}  // namespace everseal::nginx

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  everseal::nginx::edit(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
