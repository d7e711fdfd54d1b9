#include "deploy/error_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/encoding.h"

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

ErrorLog::ErrorLog(std::string path, pid_t master) : path_(std::move(path)), master_(master) {
  std::ifstream file(path_, std::ios::binary | std::ios::ate);
  if (file) begin_ = static_cast<std::uint64_t>(file.tellg());
}

bool ErrorLog::is_readable() const {
  return !path_.empty() && std::ifstream(path_, std::ios::binary).good();
}

std::vector<std::string> ErrorLog::complaints() const {
  std::ifstream file(path_, std::ios::binary);
  if (path_.empty() || !file) return {};
  file.seekg(static_cast<std::streamoff>(begin_));
  std::string text(kMaxBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return complaints_of(text, master_);
}

}  // namespace everseal::deploy
