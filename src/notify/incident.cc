#include "notify/incident.h"

#include <algorithm>

namespace everseal::notify {
namespace {

// Less than a day by more than a daily timer's random delay.
constexpr base::Seconds kReminder = std::chrono::hours(22);

bool was_told(const Incident& incident) { return incident.told_at != Time{}; }

bool is_reminder_due(const Incident& incident, Time now) {
  return now < incident.told_at || incident.told_at + kReminder <= now;
}

// One run's decision as it is made.
class Teller {
 public:
  Teller(std::span<const Incident> known, Time now) : known_(known), now_(now) {}

  void add(const Trouble& trouble) {
    const auto found = std::ranges::find(known_, trouble.key, &Incident::key);
    if (found == known_.end())
      return tell(Stage::begun, trouble, {trouble.key, trouble.headline, now_, {}, trouble.once});
    Incident incident = *found;
    incident.headline = trouble.headline;
    if (!was_told(incident))
      tell(Stage::begun, trouble, incident);
    else if (!incident.once && is_reminder_due(incident, now_))
      tell(Stage::lasting, trouble, incident);
    else
      remember(incident);
  }

  void end(const Incident& incident) {
    if (!was_told(incident) || incident.once) return;
    news_of(Stage::over, {.key = incident.key, .headline = incident.headline}, incident.since);
    decision_.if_nobody_was.push_back(incident);
  }

  void remember(const Incident& incident) {
    decision_.if_told.push_back(incident);
    decision_.if_nobody_was.push_back(incident);
  }

  Decision take() {
    std::ranges::stable_sort(decision_.news, {}, &News::stage);
    return std::move(decision_);
  }

 private:
  void tell(Stage stage, const Trouble& trouble, Incident incident) {
    news_of(stage, trouble, incident.since);
    decision_.if_nobody_was.push_back(incident);
    incident.told_at = now_;
    decision_.if_told.push_back(std::move(incident));
  }

  void news_of(Stage stage, Trouble trouble, Time since) {
    decision_.news.push_back({stage, std::move(trouble), since});
  }

  std::span<const Incident> known_;
  const Time now_;
  Decision decision_;
};

}  // namespace

std::string_view to_string(Stage stage) {
  constexpr std::string_view kWords[] = {"begun", "lasting", "over"};
  return kWords[static_cast<std::size_t>(stage)];
}

Decision decide(std::span<const Incident> known, std::span<const Trouble> troubles,
                Coverage coverage, Time now) {
  Teller teller(known, now);
  for (const Trouble& trouble : troubles) teller.add(trouble);
  for (const Incident& incident : known) {
    if (std::ranges::find(troubles, incident.key, &Trouble::key) != troubles.end()) continue;
    if (coverage == Coverage::all)
      teller.end(incident);
    else
      teller.remember(incident);
  }
  return teller.take();
}

}  // namespace everseal::notify
