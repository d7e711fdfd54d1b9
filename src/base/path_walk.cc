#include "base/path_walk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string_view>
#include <utility>
#include <vector>

namespace everseal::base {
namespace {

constexpr int kMostLinks = 40;  // as the kernel, path_resolution(7)

bool is_ours(uid_t user) { return user == 0 || user == ::geteuid(); }

// The names of a path, without "" and ".".
std::vector<std::string> names_of(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    if (!name.empty() && name != ".") names.emplace_back(name);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return names;
}

// A directory that was passed on the way, or the file at its end.
struct Place {
  FileDescriptor handle;
  std::string path;
  struct stat status{};
  bool is_safe = false;  // nobody but root and we put it there or changes it
};

// In a sticky directory nobody replaces what is another's.
bool others_may_write(const struct stat& status) {
  if (S_ISLNK(status.st_mode)) return false;
  const bool is_sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  return (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !is_sticky;
}

// One walk.
class Walk {
 public:
  explicit Walk(const std::string& path) : given_(path) {}

  Result<Destination> run() {
    TRY(begin());
    if (!given_.starts_with('/')) TRY(go_to_working_directory());
    TRY(go(given_));
    Place& last = way_.back();
    return Destination{std::move(last.handle), std::move(last.path), last.status,
                       std::move(weakness_)};
  }

 private:
  Result<> begin() {
    way_.clear();
    return enter(FileDescriptor(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)), "/", true);
  }

  Result<> go_to_working_directory() {
    char path[PATH_MAX];
    if (!::getcwd(path, sizeof path)) return system_error("find the working directory", errno);
    return go(path);
  }

  Result<> go(std::string_view path) {
    for (const std::string& name : names_of(path)) TRY(step(name));
    return {};
  }

  Result<> step(const std::string& name) {
    if (name == "..") {
      if (way_.size() > 1) way_.pop_back();
      return {};
    }
    const Place& above = way_.back();
    // O_DIRECTORY: what is to be mounted there is mounted (automount).
    FileDescriptor handle(
        ::openat(above.handle.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!handle && errno == ENOTDIR)
      handle = FileDescriptor(
          ::openat(above.handle.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    const std::string path = above.path == "/" ? "/" + name : above.path + "/" + name;
    const bool is_above_safe = above.is_safe;
    TRY(enter(std::move(handle), path, is_above_safe));
    return S_ISLNK(way_.back().status.st_mode) ? follow() : Result<>();
  }

  Result<> enter(FileDescriptor handle, const std::string& path, bool is_above_safe) {
    Place place{std::move(handle), path};
    if (!place.handle || ::fstat(place.handle.get(), &place.status) != 0)
      return system_error(fmt::format("open {}", path), errno);
    const bool is_weak = !is_ours(place.status.st_uid) || others_may_write(place.status);
    if (is_weak && !weakness_)
      weakness_ = Weakness{path, place.status.st_uid, place.status.st_mode & 07777};
    place.is_safe = is_above_safe && !is_weak;
    way_.push_back(std::move(place));
    return {};
  }

  Result<> follow() {
    const Place link = std::move(way_.back());
    way_.pop_back();
    if (++links_ > kMostLinks) return system_error(fmt::format("open {}", given_), ELOOP);
    char target[PATH_MAX];
    const ssize_t length = ::readlinkat(link.handle.get(), "", target, sizeof target);
    if (length < 0) return system_error(fmt::format("read link {}", link.path), errno);
    const uid_t hand = way_.back().status.st_uid;
    const std::string_view leads_to(target, static_cast<std::size_t>(length));
    if (leads_to.starts_with('/')) TRY(begin());
    TRY(go(leads_to));
    return link.is_safe ? Result<>() : check_led(link, hand);
  }

  // `hand`: the owner of the directory that the link is in, who may have moved it there.
  Result<> check_led(const Place& link, uid_t hand) const {
    const Place& led = way_.back();
    const uid_t owner = led.status.st_uid;
    if ((owner == link.status.st_uid && owner != 0) || (owner == hand && !is_ours(owner)))
      return {};
    return rejected(fmt::format(
        "{} is a symlink that other users can change, and leads to {}, which belongs to user {}: "
        "give that path itself",
        link.path, led.path, user_name(led.status.st_uid)));
  }

  const std::string& given_;
  std::vector<Place> way_;  // from "/" to where the walk stands
  std::optional<Weakness> weakness_;
  int links_ = 0;
};

}  // namespace

Result<Destination> walk(const std::string& path) { return Walk(path).run(); }

std::string describe(const Weakness& weakness) {
  const std::string we = user_name(::geteuid());
  if (!is_ours(weakness.owner))
    return fmt::format(
        "{0} can be changed by other users than {1}: it belongs to {2}; mend it with: chown {1} "
        "{0}",
        weakness.path, we, user_name(weakness.owner));
  return fmt::format("{0} can be changed by other users than {1}; mend it with: chmod go-w {0}",
                     weakness.path, we);
}

std::string user_name(uid_t user) {
  const passwd* const entry = ::getpwuid(user);
  return entry ? entry->pw_name : fmt::format("{}", user);
}

}  // namespace everseal::base
