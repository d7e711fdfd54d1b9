#include "base/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "base/file_system.h"

namespace everseal::base {
namespace {

// The process, when it took the lock (CLOCK_MONOTONIC) and when the process began, in ticks since
// the boot (/proc/PID/stat): its number may become another's.
struct Record {
  std::int64_t process = 0, taken = 0, began = 0;
};

// Always of one length, so that a full disk has room for it once it was written.
constexpr std::size_t kRecordBytes = 64;

constexpr int kMostExchanges = 100;  // while a lock is taken

std::int64_t seconds_now() {
  return std::chrono::duration_cast<Seconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string read_start(const std::string& path) {
  std::array<char, 1024> bytes;
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  const ssize_t got = file ? ::read(file.get(), bytes.data(), bytes.size()) : 0;
  return std::string(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
}

std::optional<std::int64_t> take_number(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

// proc(5): field 22, of which the first two are the number and the name in parentheses.
std::optional<std::int64_t> began(std::int64_t process) {
  const std::string bytes = read_start(fmt::format("/proc/{}/stat", process));
  std::string_view text = bytes;
  const std::size_t name_end = text.rfind(") ");
  if (name_end == text.npos) return std::nullopt;
  text.remove_prefix(name_end + 2);
  for (int field = 3; field < 22; ++field)
    text.remove_prefix(std::min(text.find(' ') + 1, text.size()));
  return take_number(text);
}

// A directory above it may have changed its place meanwhile.
Result<bool> is_still_at(const std::string& path, const FileDescriptor& file) {
  struct stat held{}, there{};
  if (::fstat(file.get(), &held) != 0) return system_error(fmt::format("stat {}", path), errno);
  if (::lstat(path.c_str(), &there) == 0)
    return held.st_dev == there.st_dev && held.st_ino == there.st_ino;
  if (errno == ENOENT) return false;
  return system_error(fmt::format("stat {}", path), errno);
}

// Nothing of somebody else's is written to.
Result<> check_plain(const std::string& path, const FileDescriptor& file) {
  struct stat status{}, directory{};
  if (::fstat(file.get(), &status) != 0 || ::stat(directory_of(path).c_str(), &directory) != 0)
    return system_error(fmt::format("stat {}", path), errno);
  const bool is_ours = status.st_uid == ::geteuid() || status.st_uid == directory.st_uid;
  if (S_ISREG(status.st_mode) && status.st_nlink == 1 && is_ours) return {};
  return rejected(fmt::format("lock {}: it is no file of ours alone; remove it", path));
}

void write_record(const FileDescriptor& file, std::string text) {
  text.resize(kRecordBytes - 1, ' ');
  text += '\n';
  static_cast<void>(::pwrite(file.get(), text.data(), text.size(), 0) < 0);
}

}  // namespace

Result<std::optional<FileLock>> FileLock::take(const std::string& path) {
  for (int i = 0; i < kMostExchanges; ++i) {
    FileDescriptor file(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!file) return system_error(fmt::format("open {}", path), errno);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return std::nullopt;
      return system_error(fmt::format("lock {}", path), errno);
    }
    if (!TRY(is_still_at(path, file))) continue;
    TRY(check_plain(path, file));
    // Where there is no room for it the lock is held all the same.
    write_record(file,
                 fmt::format("{} {} {}", ::getpid(), seconds_now(), began(::getpid()).value_or(0)));
    return FileLock(std::move(file));
  }
  return transient(fmt::format("lock {}: another took its place each time", path));
}

FileLock::~FileLock() {
  if (file_) write_record(file_, "");
}

std::optional<LockHolder> lock_holder(const std::string& path) {
  const std::string bytes = read_start(path);
  std::string_view text = bytes;
  const auto process = take_number(text), taken = take_number(text), start = take_number(text);
  if (!process || !taken || !start || began(*process) != start) return std::nullopt;
  return LockHolder{static_cast<pid_t>(*process), Seconds(seconds_now() - *taken)};
}

}  // namespace everseal::base
