#include "nginx/hsts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

#include "nginx/untouchable.h"

namespace everseal::nginx {
namespace {

constexpr std::int64_t kMinute = 60, kDay = 24 * 60 * kMinute, kYear = 365 * kDay;
constexpr std::int64_t kRamp[] = {5 * kMinute, 60 * kDay, 2 * kYear};
constexpr std::string_view kHeader = "strict-transport-security";

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

bool is_hsts(const Directive* header) { return lower(header->argument(1)) == kHeader; }

const Directive* find_hsts(const std::vector<const Directive*>& headers) {
  const auto found = std::ranges::find_if(headers, is_hsts);
  return found == headers.end() ? nullptr : *found;
}

// In a header's value: RFC 6797 §6.1.1, with or without quotes.
std::optional<std::int64_t> max_age(std::string_view value) {
  const std::string text = lower(value);
  std::size_t at = text.find("max-age=");
  if (at == text.npos) return std::nullopt;
  at += std::string_view("max-age=").size();
  if (at < text.size() && text[at] == '"') ++at;
  std::int64_t seconds = 0;
  const auto read = std::from_chars(text.data() + at, text.data() + text.size(), seconds);
  return read.ec == std::errc() ? std::optional(seconds) : std::nullopt;
}

std::optional<std::int64_t> next_age(const HstsWish& wish, std::optional<std::int64_t> present) {
  switch (wish.kind) {
    case HstsWish::Kind::withdraw:
      return 0;
    case HstsWish::Kind::fixed:
      return present && *present > wish.max_age ? present : wish.max_age;
    case HstsWish::Kind::ramp:
      break;
  }
  if (!present || *present == 0) return kRamp[0];
  const auto step = std::ranges::find(kRamp, *present);
  if (step == std::end(kRamp)) return std::nullopt;
  return wish.may_step && step + 1 != std::end(kRamp) ? *(step + 1) : *present;
}

class Editor {
 public:
  Editor(const Model& model, const Server& server, const HstsEdit& edit)
      : model_(model), server_(server), edit_(edit) {}

  void run(const HstsWish& wish, const Statement* neighbour) {
    const auto headers = model_.effective(server_, "add_header");
    const Directive* const header = find_hsts(headers);
    if (header != nullptr) before_ = std::string(header->argument(2));
    after_ = hsts_value(wish, before_).value_or(before_.value_or(""));
    if (header == nullptr) {
      if (!add(headers, neighbour)) return;
    } else if (after_ == before_) {
      say_what_is_kept(wish, *header);
    } else if (!replace(*server_.directive, *header)) {
      return;
    }
    if (wish.include_subdomains && after_ != before_) warn(wish);
    repeat_inside(*server_.directive, merges(*server_.directive));
  }

 private:
  bool add(const std::vector<const Directive*>& headers, const Statement* neighbour) {
    if (!headers.empty() && children(*server_.directive, "add_header").empty()) {
      edit_.note(server_.where(),
                 fmt::format("no Strict-Transport-Security: an add_header here would drop that of "
                             "{}; add it there",
                             headers.front()->where()));
      return false;
    }
    BlockDraft& draft = edit_.draft(*server_.directive);
    draft.add_after(neighbour, draft.line("add_header", arguments()));
    return true;
  }

  void warn(const HstsWish& wish) const {
    edit_.note(server_.where(),
               fmt::format("Strict-Transport-Security covers every name below these, too: browsers "
                           "will not open one that has no HTTPS{}",
                           wish.preload ? ", and for months after it is taken off their lists "
                                          "(hstspreload.org)"
                                        : ""));
  }

  void say_what_is_kept(const HstsWish& wish, const Directive& header) const {
    const bool is_as_wished =
        wish.kind == HstsWish::Kind::fixed
            ? max_age(after_) == wish.max_age
            : std::ranges::find(kRamp, max_age(after_).value_or(-1)) != std::end(kRamp);
    if (is_as_wished) return;
    edit_.note(header.where(), fmt::format("Strict-Transport-Security \"{}\" is kept", after_));
  }

  bool replace(const Directive& block, const Directive& header) {
    if (!is_own(block, &header)) {
      edit_.note(header.where(),
                 fmt::format("Strict-Transport-Security is set for several servers here, and left "
                             "alone; to have it for {}, write \"{}\"",
                             server_.where(), after_));
      return false;
    }
    edit_.draft(block).replace(header.statement->words[2].span, as_word(after_));
    return true;
  }

  // nginx 1.29.3: what is set outside is added to, not replaced (nginx.org, add_header_inherit).
  bool merges(const Directive& block) const {
    auto found = children(block, "add_header_inherit");
    if (found.empty() && &block == server_.directive)
      found = model_.effective(server_, "add_header_inherit");
    return !found.empty() && found.back()->argument(1) == "merge";
  }

  void repeat_inside(const Directive& block, bool merged) {
    for (const Directive& child : block.children) {
      if (child.statement->ending != Ending::block) continue;
      const bool child_merges = merged || merges(child);
      const auto headers = children(child, "add_header");
      if (const Directive* header = find_hsts(headers)) {
        if (before_ && header->argument(2) == *before_ && after_ != *before_ && may_edit(child))
          static_cast<void>(replace(child, *header));
      } else if (!headers.empty() && !child_merges && may_edit(child)) {
        repeat(child, *headers.back());
      }
      repeat_inside(child, child_merges);
    }
  }

  bool may_edit(const Directive& block) const {
    const std::string why = untouchable(model_, block);
    if (why.empty()) return true;
    edit_.note(block.where(), "Strict-Transport-Security is not sent from here: " + why);
    return false;
  }

  void repeat(const Directive& block, const Directive& last) {
    if (!is_own(block, &last))
      return edit_.note(last.where(),
                        fmt::format("drops Strict-Transport-Security: write \"add_header {};\" "
                                    "beside it",
                                    arguments()));
    BlockDraft& draft = edit_.draft(block);
    draft.add_after(last.statement, draft.line("add_header", arguments(), last.statement));
  }

  std::string arguments() const {
    return "Strict-Transport-Security " + as_word(after_) + " always";
  }

  const Model& model_;
  const Server& server_;
  const HstsEdit& edit_;
  std::optional<std::string> before_;
  std::string after_;
};

}  // namespace

std::optional<std::string> hsts_value(const HstsWish& wish,
                                      const std::optional<std::string>& present) {
  const auto age = present ? max_age(*present) : std::nullopt;
  if (present && !age && wish.kind != HstsWish::Kind::withdraw) return std::nullopt;
  const auto next = next_age(wish, age);
  if (!next) return std::nullopt;
  if (*next == 0) return "max-age=0";
  const std::string kept = lower(present.value_or(""));
  const bool below = wish.include_subdomains || kept.contains("includesubdomains");
  const bool preload = (wish.preload || kept.contains("preload")) && below && *next >= kYear;
  std::string value = fmt::format("max-age={}{}{}", *next, below ? "; includeSubDomains" : "",
                                  preload ? "; preload" : "");
  if (age == next && below == kept.contains("includesubdomains") &&
      preload == kept.contains("preload"))
    return std::nullopt;
  return value;
}

bool has_hsts(const Model& model, const Server& server) {
  return find_hsts(model.effective(server, "add_header")) != nullptr;
}

void edit_hsts(const Model& model, const Server& server, const HstsWish& wish,
               const Statement* neighbour, const HstsEdit& edit) {
  Editor(model, server, edit).run(wish, neighbour);
}

}  // namespace everseal::nginx
