#include "jobs/named.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "base/encoding.h"
#include "jobs/server.h"
#include "jobs/words.h"

namespace everseal::jobs {

Result<NamedInNginx> find_named(const Environment& environment) {
  const store::CertificateStore certificates(environment.files, environment.settings.state);
  const Server server = TRY(Server::find(environment));
  const nginx::Model model = TRY(server.model());
  NamedInNginx found;
  for (const nginx::Site& site : nginx::find_sites(model).sites)
    for (const nginx::CertificatePair& pair : site.pairs) {
      const std::string name = base::name_of(base::directory_of(pair.certificate));
      if (pair.certificate != certificates.bundle_path(name)) continue;
      std::vector<std::string>& names = found[name];
      std::ranges::copy_if(site.names, std::back_inserter(names), [&](const std::string& each) {
        return std::ranges::find(names, each) == names.end();
      });
    }
  return found;
}

Result<std::vector<LostCertificate>> find_lost(const Environment& environment,
                                               store::Catalog* catalog) {
  const store::CertificateStore certificates(environment.files, environment.settings.state);
  std::vector<std::string> known;
  if (catalog) known = TRY(catalog->certificate_names());
  std::set<std::string> doubtful;
  if (const auto named = find_named(environment))
    for (const auto& [name, sites] : *named) doubtful.insert(name);
  if (const auto live = certificates.live_names())
    std::ranges::set_difference(*live, known, std::inserter(doubtful, doubtful.end()));
  std::vector<LostCertificate> lost;
  for (const std::string& name : doubtful) {
    const bool is_known = std::ranges::binary_search(known, name),
               has_files = base::exists(environment.files, certificates.bundle_path(name));
    if (!is_known || !has_files) lost.push_back({base::printable(name), is_known, has_files});
  }
  return lost;
}

std::string lost_in_words(const std::vector<LostCertificate>& lost, const Settings& settings) {
  std::vector<std::string> unknown, missing;
  for (const LostCertificate& each : lost) (each.is_known ? missing : unknown).push_back(each.name);
  std::string text;
  if (!unknown.empty())
    text = fmt::format(
        "the catalog in {} does not know {} that nginx's configuration names or live/ holds ({}): "
        "`everseal repair` enters what is there and says how the rest is got anew, `everseal "
        "restore FILE` brings a backup back",
        settings.state, count_of(unknown.size(), "certificate"), some_of(unknown));
  if (!missing.empty())
    text += fmt::format(
        "{}nginx does not start again without the files of {} that its configuration names ({}): "
        "`everseal renew` orders them; where nginx keeps it from that, `everseal repair` says what "
        "is to be done before",
        text.empty() ? "" : "; ", count_of(missing.size(), "certificate"), some_of(missing));
  return text;
}

Result<> check_not_deleted(const Environment& environment) {
  const auto found = find_named(environment);
  if (!found || found->empty()) return {};  // whoever has no nginx misses nothing there
  return base::invalid(fmt::format(
      "nginx's configuration names {} of {}, which are not there: move the directory back, or "
      "`everseal restore FILE` if you have a backup; `everseal repair` notes what is "
      "to be ordered anew",
      count_of(found->size(), "certificate"), environment.settings.state));
}

Result<> check_history_is_known(const Environment& environment) {
  const auto server = Server::find(environment);
  if (!server) return {};
  const auto files = environment.files.list(server->own_directory());
  if (!files || files->empty()) return {};
  return base::invalid(fmt::format(
      "the catalog knows of no change to nginx, but {} holds files of everseal: what was there "
      "before its edits was lost with an earlier catalog, and everseal cannot take them back. "
      "`everseal restore FILE`, if you have a backup that knows it, or take the edits out by hand",
      server->own_directory()));
}

}  // namespace everseal::jobs
