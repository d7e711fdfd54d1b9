// Who is told what, and how often: each incident once, then daily, then that it is over.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/clock.h"

namespace everseal::notify {

// For programs.
struct Fact {
  std::string name{};  // snake_case
  std::string value{};
};

// Something that is wrong now and needs a person.
struct Trouble {
  std::string key{};       // the same as long as it lasts: "certificate example.org"
  std::string headline{};  // one line: "example.org could not be renewed"
  std::string urgency{};   // one line, or empty: "12 days left"
  std::string text{};      // paragraphs, with a blank line between them
  std::vector<Fact> facts{};
  bool once = false;  // worth one word: no reminder follows, and no word that it is over
};

// A trouble of earlier runs that is not over yet, as it is remembered.
struct Incident {
  std::string key{};
  std::string headline{};
  Time since{};
  Time told_at{};  // when somebody heard of it last; 0: nobody has
  bool once = false;
  bool operator==(const Incident&) const = default;
};

enum class Stage { begun, lasting, over };

// "begun", "lasting", "over".
std::string_view to_string(Stage stage);

struct News {
  Stage stage = Stage::begun;
  Trouble trouble{};  // of one that is over: key and headline
  Time since{};
};

// How much of what may be wrong was looked at: only after all of it is what was not found over.
enum class Coverage { all, part };

struct Decision {
  std::vector<News> news{};               // what begun, what lasts, what is over; empty: be quiet
  std::vector<Incident> if_told{};        // what to remember if somebody heard the news
  std::vector<Incident> if_nobody_was{};  // and if nobody could be reached: it is news again
};

// A reminder comes a day after the last word (less the random delay of a daily timer). Of a trouble
// that nobody heard of nobody hears that it is over. A last word in the future is none: the clock
// was wrong then.
Decision decide(std::span<const Incident> known, std::span<const Trouble> troubles,
                Coverage coverage, Time now);

}  // namespace everseal::notify
