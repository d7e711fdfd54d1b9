#include "deploy/error_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "base/encoding.h"
#include "base/file_system.h"

namespace everseal::deploy {
namespace {

constexpr std::uint64_t kMaxBytes = 256 * 1024;  // of what is looked at; a crash loop writes a lot

}  // namespace

std::vector<std::string> complaints_of(const std::string& log, pid_t master) {
  const std::string speaker = fmt::format(" {}#", master);
  std::vector<std::string> complaints;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    for (const char* level : {"[emerg]", "[alert]"}) {
      // The date and the time are 19 bytes.
      if (line.size() < 20 || line.compare(20, 7, level) != 0) continue;
      if (line.compare(27, speaker.size(), speaker) != 0) continue;
      const std::size_t words = line.find(": ", 27);
      if (words == line.npos) continue;
      std::string complaint = base::printable(line.substr(words + 2));
      if (std::ranges::find(complaints, complaint) == complaints.end())
        complaints.push_back(std::move(complaint));
    }
  }
  return complaints;
}

bool is_final(const std::string& complaint) {
  if (complaint.contains("still could not bind()")) return true;
  if (complaint.contains("cannot be respawned")) return true;
  const bool worker = complaint.starts_with("worker process") || complaint.starts_with("cache ");
  return !worker && !complaint.starts_with("bind() to ");
}

bool tells_death_of(std::span<const std::string> complaints, pid_t worker) {
  const std::string begin = fmt::format("worker process {} exited ", worker);
  return std::ranges::any_of(complaints,
                             [&](const std::string& each) { return each.starts_with(begin); });
}

// It may be a pipe that somebody who writes in its directory has put there: never waited on.
ErrorLog::ErrorLog(std::string path, pid_t master) : path_(std::move(path)), master_(master) {
  const auto file = base::real_file_system().open(path_);
  if (file) begin_ = ::lseek(file->get(), 0, SEEK_END);
}

bool ErrorLog::is_readable() const { return base::real_file_system().open(path_).has_value(); }

std::vector<std::string> ErrorLog::complaints() const {
  const auto file = base::real_file_system().open(path_);
  if (!file) return {};
  std::string text(kMaxBytes, '\0');
  const ssize_t length = ::pread(file->get(), text.data(), text.size(), begin_);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  return complaints_of(text, master_);
}

}  // namespace everseal::deploy
