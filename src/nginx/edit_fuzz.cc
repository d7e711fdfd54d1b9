#include <cstdint>
#include <cstdlib>
#include <map>

#include "base/fake_file_system.h"
#include "nginx/edit.h"

namespace everseal::nginx {
namespace {

constexpr const char* kMain = "/n/nginx.conf";

// The simplest statements as written, and how often; without those that an edit is about.
using Texts = std::map<std::string, int>;

void count(const Directive& directive, Texts& texts) {
  const std::string_view name = directive.name();
  const bool is_meant = name == "listen" || name == "return" || name == "rewrite" ||
                        name == "include" || name == "add_header" || name.starts_with("ssl_");
  if (directive.statement->ending == Ending::block)
    for (const Directive& child : directive.children) count(child, texts);
  else if (!is_meant)
    ++texts[std::string(directive.file->document.raw(directive.statement->span))];
}

Texts texts_of(const Model& model) {
  Texts texts;
  for (const Directive& directive : model.config().directives()) count(directive, texts);
  return texts;
}

// An edit of any configuration that we can read leaves one that we can read, with every byte of
// what it is not about. The bits of `wishes` choose what is asked for.
void edit(const std::string& text, unsigned wishes) {
  base::FakeFileSystem files;
  files.put(kMain, text);
  const auto before = Model::load(files, kMain);
  if (!before) return;
  const Sites sites = find_sites(*before);
  std::vector<SiteRequest> requests;
  for (const Site& site : sites.sites) {
    SiteRequest& request = requests.emplace_back();
    request.site = &site;
    request.mode = SiteMode::tls;
    request.bundles = {{"/s/bundle.pem"}};
    if (wishes & 1) request.bundles.push_back({"/s/rsa.pem", KeyFamily::rsa});
    if (wishes & 2) request.hsts = HstsWish{.may_step = (wishes & 4) != 0};
    request.replace_existing = (wishes & 8) != 0;
    request.redirect = wishes & 16 ? Redirect::on : Redirect::automatic;
  }
  EditOptions options;
  options.own_directory = "/n/everseal";
  options.thumbprint = "T";
  options.catch_all = (wishes & 32) != 0;
  options.remove_dead_lines = (wishes & 64) != 0;
  if (wishes & 128) options.responders = {{"/s/bundle.pem", false}};
  const auto plan = plan_tls(*before, requests, options, files);
  if (!plan || plan->edits.empty()) return;
  const OverlayReader overlay(files, texts_after(*plan));
  const auto after = Model::load(overlay, kMain);
  if (!after) std::abort();
  const Texts kept = texts_of(*after);
  for (const auto& [statement, times] : texts_of(*before)) {
    const auto found = kept.find(statement);
    if (found == kept.end() || found->second < times) std::abort();
  }
}

}  // namespace
}  // namespace everseal::nginx

// The last byte is the wishes: seeds are configurations, which end with a line feed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  everseal::nginx::edit(text, size == 0 ? 0 : data[size - 1]);
  return 0;
}
