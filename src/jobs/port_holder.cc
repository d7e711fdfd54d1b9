#include "jobs/port_holder.h"

#include <fmt/format.h>

#include <set>
#include <sstream>

namespace everseal::jobs {
namespace {

constexpr std::string_view kListening = "0A";  // TCP_LISTEN

// The inodes of the sockets in `table` that listen on the port, whose number is in upper-case hex.
void find_listeners(const std::string& table, const std::string& port,
                    std::set<std::string>& into) {
  std::istringstream lines(table);
  std::string line;
  std::getline(lines, line);  // the heading
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string slot, local, remote, state, queues, timer, retransmits, owner, timeout, inode;
    words >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> owner >>
        timeout >> inode;
    if (state == kListening && local.ends_with(":" + port)) into.insert(inode);
  }
}

bool holds(const FileReader& files, const std::string& process,
           const std::set<std::string>& inodes) {
  const auto descriptors = files.list(process + "/fd");
  if (!descriptors) return false;
  for (const std::string& descriptor : *descriptors) {
    const std::string link = files.read_link(process + "/fd/" + descriptor).value_or("");
    if (!link.starts_with("socket:[") || !link.ends_with("]")) continue;
    if (inodes.contains(link.substr(8, link.size() - 9))) return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> port_holder(const FileReader& files, std::uint16_t port) {
  std::set<std::string> inodes;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"})
    find_listeners(files.read(table).value_or(""), fmt::format("{:04X}", port), inodes);
  if (inodes.empty()) return std::nullopt;
  for (const std::string& name : files.list("/proc").value_or(std::vector<std::string>())) {
    if (name.find_first_not_of("0123456789") != name.npos) continue;
    if (!holds(files, "/proc/" + name, inodes)) continue;
    std::string program = files.read("/proc/" + name + "/comm").value_or("");
    program = program.substr(0, program.find('\n'));
    return fmt::format("{} (process {})", program, name);
  }
  return "another program";
}

}  // namespace everseal::jobs
