#include "jobs/memory.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/file_system.h"
#include "base/json.h"
#include "crypto/jws.h"
#include "crypto/random.h"

namespace everseal::jobs {
namespace {

using Json = nlohmann::json;
using base::FileDescriptor;

constexpr std::size_t kMostBytes = 1 << 20;
constexpr int kMostDepth = 4;
constexpr std::size_t kMostNames = 1 << 16, kDigits = 16;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO, kOthersWrite = S_IWGRP | S_IWOTH;

// Only what the user has written.
std::optional<Memory> read(const base::Directory& directory, const std::string& name, uid_t owner) {
  const auto status = directory.status(name);
  if (!status || status->owner != owner || status->size > kMostBytes) return std::nullopt;
  const auto file = directory.open_file(name);
  const auto text = file ? base::read_all(*file, "read what is remembered") : Result<std::string>();
  return file && text ? parse_memory(*text) : std::nullopt;
}

Result<> write(const base::Directory& directory, const std::string& name, const Memory& memory) {
  const auto text = [&](const FileDescriptor& file) {
    return base::write_all(file, to_json(memory), "write " + name);
  };
  return directory.write_durably(name, text, {});
}

const Json* member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::optional<std::string> text_of(const Json& object, const char* name) {
  const Json* const value = member(object, name);
  return value && value->is_string() ? std::optional(value->get<std::string>()) : std::nullopt;
}

std::optional<Time> time_of(const Json& object, const char* name) {
  const Json* const value = member(object, name);
  if (!value || !value->is_number_integer()) return std::nullopt;
  return Time(base::Seconds(value->get<std::int64_t>()));
}

std::optional<bool> flag_of(const Json& object, const char* name) {
  const Json* const value = member(object, name);
  return value && value->is_boolean() ? std::optional(value->get<bool>()) : std::nullopt;
}

std::optional<notify::Incident> parse_incident(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  const auto key = text_of(json, "key"), headline = text_of(json, "headline");
  const auto since = time_of(json, "since"), told_at = time_of(json, "told_at");
  const auto once = flag_of(json, "once");
  if (!key || !headline || !since || !told_at || !once) return std::nullopt;
  return notify::Incident{*key, *headline, *since, *told_at, *once};
}

}  // namespace

std::string to_json(const Memory& memory) {
  Json incidents = Json::array();
  for (const notify::Incident& each : memory.incidents)
    incidents.push_back({{"key", each.key},
                         {"headline", each.headline},
                         {"since", each.since.time_since_epoch().count()},
                         {"told_at", each.told_at.time_since_epoch().count()},
                         {"once", each.once}});
  const Json document = {{"version", 1},
                         {"at", memory.at.time_since_epoch().count()},
                         {"problem", memory.problem},
                         {"is_whole", memory.is_whole},
                         {"incidents", std::move(incidents)}};
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::optional<Memory> parse_memory(std::string_view text) {
  if (!base::check_before_parsing(text, kMostDepth)) return std::nullopt;
  const Json document = Json::parse(text, nullptr, false);
  if (!document.is_object()) return std::nullopt;
  const auto at = time_of(document, "at");
  const auto problem = text_of(document, "problem");
  const auto is_whole = flag_of(document, "is_whole");
  const Json* const incidents = member(document, "incidents");
  if (!at || !problem || !is_whole || !incidents || !incidents->is_array()) return std::nullopt;
  Memory memory{.at = *at, .problem = *problem, .is_whole = *is_whole};
  for (const Json& each : *incidents)
    if (auto incident = parse_incident(each)) memory.incidents.push_back(*std::move(incident));
  return memory;
}

MemoryPlaces::MemoryPlaces(std::string state, uid_t owner) : owner_(owner) {
  places_.push_back({std::move(state), false});
  places_.push_back({"/run/everseal-renew", owner == 0});
  for (const char* const parent : {"/dev/shm", "/var/tmp"})
    places_.push_back({fmt::format("{}/everseal-{}", parent, owner), true});
}

// Outside the state directory there may be several of one user. Most runs find no such place, and
// need no digest, for which OpenSSL would read its settings.
std::string MemoryPlaces::file_in(const Place& place) const {
  if (is_state(place)) return "memory.json";
  return base::hex(crypto::sha256(places_.front().directory)).substr(0, 16) + ".json";
}

bool MemoryPlaces::counts(const Place& place, const base::Directory& directory) const {
  const auto status = directory.status();
  const mode_t forbidden = is_state(place) ? kOthersWrite : kOthers;
  return status && status->owner == owner_ && (status->mode & forbidden) == 0;
}

// The directories of a place that count; to write, one is made where there is none.
std::vector<base::Directory> MemoryPlaces::open(const Place& place, Purpose purpose) const {
  if (!is_state(place)) return open_private(place, purpose);
  std::vector<base::Directory> found;
  if (auto state = base::Directory::open(place.directory); state && counts(place, *state))
    found.push_back(*std::move(state));
  return found;
}

// No link is followed to it: in /dev/shm and /var/tmp anybody makes them, and directories of that
// name, too. So the name may go on, with what nobody guesses.
std::vector<base::Directory> MemoryPlaces::open_private(const Place& place, Purpose purpose) const {
  std::vector<base::Directory> found;
  const auto parent = base::Directory::open(base::directory_of(place.directory));
  if (!parent) return found;
  const std::string name = base::name_of(place.directory);
  const auto take = [&](Result<base::Directory> directory) {
    if (directory && counts(place, *directory)) found.push_back(*std::move(directory));
  };
  take(parent->open_directory(name));
  if (!place.is_made) return found;
  for (const std::string& each : parent->list(kMostNames).value_or(std::vector<std::string>()))
    if (each.starts_with(name + ".")) take(parent->open_directory(each));
  if (purpose == Purpose::to_read || !found.empty()) return found;
  const bool is_free = !parent->status(name);
  const std::string made =
      is_free ? name : fmt::format("{}.{}", name, base::hex(crypto::random_bytes(kDigits / 2)));
  if (auto directory = parent->make_directory(made, 0700)) take(std::move(directory->directory));
  return found;
}

std::optional<Memory> MemoryPlaces::read() const {
  std::optional<Memory> last;
  for (const Place& place : places_)
    for (const base::Directory& directory : open(place, Purpose::to_read))
      if (auto found = jobs::read(directory, file_in(place), owner_);
          found && (!last || last->at < found->at))
        last = std::move(found);
  return last;
}

Result<> MemoryPlaces::save(const Memory& memory) const {
  Result<> done = base::not_found("there is no place for it");
  for (const Place& place : places_)
    for (const base::Directory& directory : open(place, Purpose::to_write)) {
      done = write(directory, file_in(place), memory);
      if (done) return done;
    }
  return done;
}

void MemoryPlaces::forget() const {
  for (const Place& place : places_)
    for (const base::Directory& directory : open(place, Purpose::to_read))
      static_cast<void>(directory.remove_file(file_in(place)));
}

Result<std::optional<FileDescriptor>> MemoryPlaces::take_turn() const {
  for (const Place& place : places_)
    for (const base::Directory& directory : open(place, Purpose::to_write)) return directory.lock();
  return base::not_found("there is no place to remember what was told");
}

}  // namespace everseal::jobs
