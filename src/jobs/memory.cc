#include "jobs/memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/json.h"
#include "crypto/jws.h"

namespace everseal::jobs {
namespace {

using Json = nlohmann::json;
using base::FileDescriptor;

constexpr std::size_t kMostBytes = 1 << 20;
constexpr int kMostDepth = 4;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO, kOthersWrite = S_IWGRP | S_IWOTH;

// Of different states of one user.
std::string name_of(const std::string& state) {
  return base::hex(crypto::sha256(state)).substr(0, 16) + ".json";
}

std::optional<std::string> read(const FileDescriptor& directory, const std::string& name,
                                uid_t owner) {
  const FileDescriptor file(
      ::openat(directory.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_uid != owner)
    return std::nullopt;
  std::string text(kMostBytes, '\0');
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

// A new file takes the place of the old one.
Result<> write(const FileDescriptor& directory, const std::string& name, const std::string& text) {
  const std::string draft = name + ".new";
  ::unlinkat(directory.get(), draft.c_str(), 0);
  const FileDescriptor file(::openat(directory.get(), draft.c_str(),
                                     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return base::system_error("create " + draft, errno);
  Result<> done = base::write_all(file, text, "write " + draft);
  if (done && (::fsync(file.get()) != 0 ||
               ::renameat(directory.get(), draft.c_str(), directory.get(), name.c_str()) != 0))
    done = base::system_error("write " + name, errno);
  if (!done) ::unlinkat(directory.get(), draft.c_str(), 0);
  return done;
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
  const std::string name = name_of(state);
  places_.push_back({std::move(state), "memory.json", false});
  places_.push_back({"/run/everseal-renew", name, owner == 0});
  for (const char* const parent : {"/dev/shm", "/var/tmp"})
    places_.push_back({fmt::format("{}/everseal-{}", parent, owner), name, true});
}

// The state directory may be a link; whoever may make one where it is can do worse.
FileDescriptor MemoryPlaces::open(const Place& place, Purpose purpose) const {
  const bool is_state = &place == &places_.front();
  if (purpose == Purpose::to_write && place.is_made) ::mkdir(place.directory.c_str(), 0700);
  FileDescriptor directory(::open(
      place.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | (is_state ? 0 : O_NOFOLLOW)));
  struct stat status{};
  if (!directory || ::fstat(directory.get(), &status) != 0 || status.st_uid != owner_ ||
      (status.st_mode & (is_state ? kOthersWrite : kOthers)) != 0)
    return {};
  return directory;
}

std::optional<Memory> MemoryPlaces::read() const {
  std::optional<Memory> last;
  for (const Place& place : places_) {
    const FileDescriptor directory = open(place, Purpose::to_read);
    const auto text = directory ? jobs::read(directory, place.file, owner_) : std::nullopt;
    auto found = text ? parse_memory(*text) : std::nullopt;
    if (found && (!last || last->at < found->at)) last = std::move(found);
  }
  return last;
}

Result<> MemoryPlaces::save(const Memory& memory) const {
  Result<> done = base::not_found("there is no place for it");
  for (const Place& place : places_) {
    const FileDescriptor directory = open(place, Purpose::to_write);
    if (!directory) continue;
    done = write(directory, place.file, to_json(memory));
    if (done) break;
  }
  return done;
}

void MemoryPlaces::forget() const {
  for (const Place& place : places_)
    if (const FileDescriptor directory = open(place, Purpose::to_read))
      ::unlinkat(directory.get(), place.file.c_str(), 0);
}

std::optional<FileDescriptor> MemoryPlaces::take_turn() const {
  for (const Place& place : places_) {
    FileDescriptor directory = open(place, Purpose::to_write);
    if (!directory) continue;
    if (::flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return directory;
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace everseal::jobs
