#include "base/toml.h"

#include <fmt/format.h>

#include <algorithm>

namespace everseal::base {
namespace {

constexpr int kMostDepth = 32;

// Goes over a text as TOML's grammar does, but for what is between brackets and dots. Where the
// text is no TOML it counts too much rather than too little.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  }

  // What is wrong, at line(); empty: nothing.
  std::string_view scan() {
    while (at_ < text_.size()) {
      if (static_cast<unsigned char>(text_[at_]) > 0x7F)
        return "only text in quotes and comments may have other characters than ASCII";
      if (!take()) return "nested too deeply";
    }
    return {};
  }

  std::size_t line() const {
    return 1 + static_cast<std::size_t>(std::ranges::count(text_.substr(0, at_), '\n'));
  }

 private:
  bool take() {
    const char c = text_[at_];
    if (c == '"' || c == '\'') {
      skip_string(c);
      return true;
    }
    if (c == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size());
      return true;
    }
    at_++;
    return count(c);
  }

  bool count(char c) {
    if (c == '.') return ++parts_ < kMostDepth;
    if (c == '[' || c == '{') return parts_ = 0, ++depth_ <= kMostDepth;
    if (c == ']' || c == '}') depth_ = std::max(depth_ - 1, 0);
    if (std::string_view("]}=,\n").contains(c)) parts_ = 0;
    return true;
  }

  // A string of one line ends with the line at the latest, one of several by three quotes, before
  // which there may be two that are its own.
  void skip_string(char quote) {
    const std::string three(3, quote);
    const bool is_long = text_.substr(at_).starts_with(three);
    at_ += is_long ? 3 : 1;
    while (at_ < text_.size()) {
      const std::string_view rest = text_.substr(at_);
      if (quote == '"' && rest.starts_with('\\'))
        at_ += 2;
      else if (is_long && rest.starts_with(three))
        return skip_quotes(quote);
      else if (!is_long && (rest.front() == quote || rest.front() == '\n'))
        return void(at_ += rest.front() == quote);
      else
        at_++;
    }
  }

  void skip_quotes(char quote) {
    for (int count = 0; count < 5 && at_ < text_.size() && text_[at_] == quote; count++) at_++;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0, parts_ = 0;
};

}  // namespace

Result<> check_toml_before_parsing(std::string_view text, const std::string& path) {
  Scanner scanner(text);
  const std::string_view wrong = scanner.scan();
  if (wrong.empty()) return {};
  return invalid(fmt::format("{}:{}: {}", path, scanner.line(), wrong));
}

}  // namespace everseal::base
