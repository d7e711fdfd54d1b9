#include "nginx/regex.h"

#include <fmt/format.h>

#include <algorithm>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace everseal::nginx {
namespace {

// A tenth of PCRE's own limit: an expression that needs more would stall nginx's worker.
constexpr std::uint32_t kMatchLimit = 1'000'000;

template <class Thing, void (*release)(Thing*)>
struct Release {
  void operator()(Thing* thing) const { release(thing); }
};
using MatchData =
    std::unique_ptr<pcre2_match_data, Release<pcre2_match_data, pcre2_match_data_free>>;
using MatchContext =
    std::unique_ptr<pcre2_match_context, Release<pcre2_match_context, pcre2_match_context_free>>;

PCRE2_SPTR bytes(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

void Regex::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Result<Regex> Regex::compile(std::string_view pattern, Case how) {
  int code = 0;
  std::size_t offset = 0;
  const std::uint32_t options = how == Case::insensitive ? PCRE2_CASELESS : 0;
  pcre2_code* const compiled =
      pcre2_compile(bytes(pattern), pattern.size(), options, &code, &offset, nullptr);
  if (compiled != nullptr) return Regex(compiled);
  char words[256] = {};
  pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR*>(words), sizeof words);
  return base::invalid(fmt::format("\"{}\" at \"{}\": {}", pattern,
                                   pattern.substr(std::min(offset, pattern.size())), words));
}

bool Regex::matches(std::string_view subject) const {
  const MatchData data(pcre2_match_data_create(1, nullptr));
  const MatchContext context(pcre2_match_context_create(nullptr));
  if (!data || !context) return false;
  pcre2_set_match_limit(context.get(), kMatchLimit);
  return pcre2_match(code_.get(), bytes(subject), subject.size(), 0, 0, data.get(),
                     context.get()) >= 0;
}

}  // namespace everseal::nginx
