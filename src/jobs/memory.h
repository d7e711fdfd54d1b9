// What is remembered of runs that could not do their work, where the catalog may be out of reach.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/directory.h"
#include "base/file_descriptor.h"
#include "notify/incident.h"

namespace everseal::jobs {

struct Memory {
  Time at{};              // of the last such run
  std::string problem{};  // what kept it from working or from recording what it did
  std::vector<notify::Incident> incidents{};  // that last
  bool is_whole = false;  // those of the catalog are among them, as they were then
};

// The places for it, in this order: the state directory; /run/everseal-renew, which root makes for
// itself and systemd for our units; a directory of the user in /dev/shm, and in /var/tmp, whose
// name goes on with digits where another has taken the name. A place counts only if it is a
// directory of `owner` into which nobody else writes; all is done by descriptors of it, and no link
// is followed.
class MemoryPlaces {
 public:
  MemoryPlaces(std::string state, uid_t owner);

  // The last one of all places; nullopt: there is none.
  std::optional<Memory> read() const;

  // In the first place that takes it. Errors: those of the last place.
  Result<> save(const Memory& memory) const;

  void forget() const;

  // Whose turn it is to tell: one process for one state. Held as long as the descriptor; nullopt
  // while another process has it. Errors: not_found, where there is no place; those of flock(2).
  Result<std::optional<base::FileDescriptor>> take_turn() const;

 private:
  struct Place {
    std::string directory;
    bool is_made;  // where it is missing
  };
  enum class Purpose { to_read, to_write };
  bool is_state(const Place& place) const { return &place == &places_.front(); }
  std::string file_in(const Place& place) const;
  bool counts(const Place& place, const base::Directory& directory) const;
  std::vector<base::Directory> open(const Place& place, Purpose purpose) const;
  std::vector<base::Directory> open_private(const Place& place, Purpose purpose) const;

  uid_t owner_;
  std::vector<Place> places_;
};

// For tests and the file's reader.
std::string to_json(const Memory& memory);
std::optional<Memory> parse_memory(std::string_view text);

}  // namespace everseal::jobs
