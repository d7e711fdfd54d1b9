#include "notify/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encoding.h"

namespace everseal::notify {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostInFull = 20;
constexpr std::size_t kMostSubjectBytes = 150;
constexpr std::size_t kMostParagraphBytes = 2000, kMostIncidentBytes = 4000;
// Of all incidents: even where each byte becomes three the mail is a small one.
constexpr std::size_t kMostTextBytes = 24'000;

// Each paragraph on a line of its own, whatever strangers have put into it.
std::string paragraphs(std::string_view text) {
  std::string shown;
  text = text.substr(0, kMostIncidentBytes);
  for (std::size_t end = 0; !text.empty(); text.remove_prefix(std::min(end + 1, text.size()))) {
    end = std::min(text.find('\n'), text.size());
    shown += base::printable(text.substr(0, end), kMostParagraphBytes) + '\n';
  }
  return shown;
}

std::string headline(const Trouble& trouble) {
  return trouble.urgency.empty() ? trouble.headline
                                 : fmt::format("{}, {}", trouble.headline, trouble.urgency);
}

std::string describe(const News& news) {
  const Trouble& trouble = news.trouble;
  switch (news.stage) {
    case Stage::begun:
      return fmt::format("{}.\n\n{}", trouble.headline, trouble.text);
    case Stage::lasting:
      return fmt::format("{}, since {}.\n\n{}", trouble.headline, in_words(news.since),
                         trouble.text);
    case Stage::over:
      return fmt::format("Solved: {}. It had begun on {}.", trouble.headline, in_words(news.since));
  }
  return {};
}

std::string subject_of(const Tidings& tidings) {
  if (tidings.news.empty()) {
    const std::size_t others = tidings.renewed.size() - 1;
    return fmt::format("Renewed: {}{}", tidings.renewed.front(),
                       others == 0 ? "" : fmt::format(" and {} more", others));
  }
  const News& first = tidings.news.front();
  const auto others = std::ranges::count(tidings.news, first.stage, &News::stage) - 1;
  const std::string more = others == 0 ? "" : fmt::format(" (and {} more)", others);
  switch (first.stage) {
    case Stage::begun:
      return headline(first.trouble) + more;
    case Stage::lasting:
      return fmt::format("Still: {}{}", headline(first.trouble), more);
    case Stage::over:
      return fmt::format("Solved: {}{}", first.trouble.headline, more);
  }
  return {};
}

std::string event_of(const Tidings& tidings) {
  if (tidings.news.empty()) return "renewed";
  constexpr const char* kEvents[] = {"trouble", "reminder", "over"};
  return kEvents[static_cast<std::size_t>(tidings.news.front().stage)];
}

std::string footer(const Tidings& tidings, std::string_view host) {
  const bool is_wrong = std::ranges::any_of(tidings.news, [](const News& news) {
    return news.stage != Stage::over && !news.trouble.once;
  });
  return fmt::format("-- \nEverseal on {}.{}\n", host,
                     is_wrong ? " You hear of this once, then daily until it is solved." : "");
}

std::string text_of(const Tidings& tidings, std::string_view host) {
  std::string text;
  std::size_t shown = 0;
  for (; shown < std::min(tidings.news.size(), kMostInFull) && text.size() < kMostTextBytes;
       ++shown)
    text += paragraphs(describe(tidings.news[shown])) + '\n';
  if (shown < tidings.news.size())
    text +=
        fmt::format("And {} more: everseal status shows them.\n\n", tidings.news.size() - shown);
  if (!tidings.renewed.empty()) {
    text += "Renewed:\n";
    for (const std::string& name :
         std::span(tidings.renewed).first(std::min(tidings.renewed.size(), kMostInFull)))
      text += fmt::format("  {}\n", base::printable(name));
    if (tidings.renewed.size() > kMostInFull)
      text += fmt::format("  and {} more\n", tidings.renewed.size() - kMostInFull);
    text += '\n';
  }
  return text + footer(tidings, host);
}

Json to_json(const News& news) {
  Json facts = Json::object();
  for (const Fact& fact : news.trouble.facts) facts[fact.name] = base::printable(fact.value);
  return {{"key", news.trouble.key},
          {"stage", to_string(news.stage)},
          {"since", base::to_rfc3339(news.since)},
          {"headline", base::printable(news.trouble.headline)},
          {"facts", std::move(facts)}};
}

}  // namespace

std::string in_words(Time time) {
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{} {} {} {}, {:02}:{:02} UTC", kDays[std::chrono::weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count());
}

Message compose(const Tidings& tidings, std::string_view host, Time now) {
  const std::string from = base::printable(host, 100);
  return {.event = event_of(tidings),
          .host = from,
          .at = now,
          .subject = base::printable(subject_of(tidings), kMostSubjectBytes),
          .text = text_of(tidings, from),
          .news = {tidings.news.begin(),
                   tidings.news.begin() +
                       static_cast<std::ptrdiff_t>(std::min(tidings.news.size(), kMostInFull))},
          .renewed = tidings.renewed};
}

std::string to_json(const Message& message) {
  Json incidents = Json::array();
  for (const News& news : message.news) incidents.push_back(to_json(news));
  const Json document = {{"version", 1},
                         {"event", message.event},
                         {"host", message.host},
                         {"at", base::to_rfc3339(message.at)},
                         {"subject", message.subject},
                         {"text", message.text},
                         {"incidents", std::move(incidents)},
                         {"renewed", message.renewed}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace everseal::notify
