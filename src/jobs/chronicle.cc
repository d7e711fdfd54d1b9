#include "jobs/chronicle.h"

#include "base/encoding.h"

namespace everseal::jobs {
namespace {

constexpr std::size_t kMostWords = 1000;

}  // namespace

void Chronicle::add(const std::string& certificate, store::EventKind kind, std::string_view text) {
  events_.push_back(
      {environment_.clock.now(), certificate, kind, base::printable(text, kMostWords)});
}

void Chronicle::enter() {
  if (events_.empty()) return;
  if (const auto entered = state_.catalog().add_events(events_); !entered)
    environment_.reporter.note(entered.error().message);
  events_.clear();
}

}  // namespace everseal::jobs
