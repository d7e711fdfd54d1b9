#include "jobs/lasting.h"

#include <array>
#include <string_view>

#include "jobs/chores.h"
#include "jobs/haproxy.h"

namespace everseal::jobs {
namespace {

// What the key of an incident has behind these words; nullopt: it does not begin so.
std::optional<std::string> subject_of(const std::string& key, std::string_view kind) {
  const std::string begin = std::string(kind) + ' ';
  if (!key.starts_with(begin)) return std::nullopt;
  return key.substr(begin.size());
}

// What is issued, installed and shown by HAProxy, if it is to be.
Result<bool> is_well(const Settings& settings, store::Catalog& catalog, const std::string& name) {
  const auto certificate = TRY(catalog.certificate(name));
  if (!certificate) return false;
  if (certificate->failures > 0 || certificate->version == 0) return false;
  if (settings.haproxy && !is_in_haproxy(*certificate)) return false;
  return !TRY(catalog.version(certificate->id, store::VersionState::ready)).has_value();
}

Result<bool> is_over(const Settings& settings, store::Catalog& catalog, const std::string& key) {
  if (const auto name = subject_of(key, "certificate")) return is_well(settings, catalog, *name);
  for (const char* kind : {kAccountKey, kDhparam, kHook, kCopy, kNginxTest})
    if (const auto subject = subject_of(key, kind))
      return TRY(catalog.chore(kind, *subject)).failures == 0;
  return false;
}

}  // namespace

Result<std::vector<store::IncidentRecord>> lasting_incidents(const Settings& settings,
                                                             store::Catalog& catalog) {
  std::vector<store::IncidentRecord> lasting;
  for (store::IncidentRecord& each : TRY(catalog.incidents()))
    if (!each.once && !TRY(is_over(settings, catalog, each.key)))
      lasting.push_back(std::move(each));
  return lasting;
}

}  // namespace everseal::jobs
