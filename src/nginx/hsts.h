// Strict-Transport-Security (RFC 6797): the header of a server, and of what is inside it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "nginx/model.h"
#include "nginx/placement.h"

namespace everseal::nginx {

// What browsers are to remember, and for how long.
struct HstsWish {
  enum class Kind {
    ramp,      // from five minutes over 60 days to two years, a step at a time
    fixed,     // max_age
    withdraw,  // max-age=0: browsers forget it (RFC 6797 §6.1.1)
  };
  Kind kind = Kind::ramp;
  std::int64_t max_age = 0;         // seconds
  bool may_step = false;            // ramp: where it has begun, the next step is due
  bool include_subdomains = false;  // every name below, too
  bool preload = false;             // for the browsers' lists; from a year on (hstspreload.org)
  bool operator==(const HstsWish&) const = default;
};

// The new value for a server that has `present` now; none if that stays: it is what is wished for,
// longer, or none that the ramp has set. What `present` says beside its age stays in it.
std::optional<std::string> hsts_value(const HstsWish& wish,
                                      const std::optional<std::string>& present);

// Whether the header is set for `server`, by itself or by http{}.
bool has_hsts(const Model& model, const Server& server);

// How an edit reaches the rest: new text for a block, and what to tell.
struct HstsEdit {
  std::function<BlockDraft&(const Directive& block)> draft;
  std::function<void(const std::string& where, std::string text)> note;
};

// Sets the header of `server`, behind `neighbour` where it is new, and repeats it in every block
// inside that has an add_header of its own and so would drop it (nginx.org, add_header).
void edit_hsts(const Model& model, const Server& server, const HstsWish& wish,
               const Statement* neighbour, const HstsEdit& edit);

}  // namespace everseal::nginx
