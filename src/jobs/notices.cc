#include "jobs/notices.h"

#include "base/encoding.h"

namespace everseal::jobs {
namespace {

Result<> keep(const Environment& environment, State& state, const std::string& key,
              const std::string& headline) {
  const store::IncidentRecord notice{key, headline, environment.clock.now(), Time(), true};
  return state.catalog().add_incidents({&notice, 1});
}

}  // namespace

void enter_notice(const Environment& environment, State& state, const std::string& subject,
                  const std::string& headline) {
  const std::string text = base::printable(headline);
  environment.reporter.note(text);
  if (const auto kept = keep(environment, state, std::string(kNotice) + subject, text); !kept)
    environment.reporter.note(kept.error().message);
}

}  // namespace everseal::jobs
