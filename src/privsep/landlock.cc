#include "privsep/landlock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/file_descriptor.h"

namespace everseal::privsep {
namespace {

// Newer than Debian 12's header.
constexpr std::uint64_t kReferFiles = 1ull << 13, kTruncateFiles = 1ull << 14,
                        kControlDevices = 1ull << 15;
constexpr std::uint64_t kBindTcp = 1ull << 0, kConnectTcp = 1ull << 1;
constexpr std::uint64_t kScopeAbstractSockets = 1ull << 0, kScopeSignals = 1ull << 1;
constexpr int kRulePort = 2;  // LANDLOCK_RULE_NET_PORT

struct RulesetAttributes {
  std::uint64_t files;
  std::uint64_t net;     // from version 4
  std::uint64_t scoped;  // from version 6
};
struct PortRule {
  std::uint64_t allowed;
  std::uint64_t port;
};

// All that a version of Landlock can forbid.
RulesetAttributes everything(int abi) {
  RulesetAttributes attributes{.files = (1ull << 13) - 1, .net = 0, .scoped = 0};
  if (abi >= 2) attributes.files |= kReferFiles;
  if (abi >= 3) attributes.files |= kTruncateFiles;
  if (abi >= 5) attributes.files |= kControlDevices;
  if (abi >= kLandlockWithTcp) attributes.net = kBindTcp | kConnectTcp;
  if (abi >= kLandlockWithScopes) attributes.scoped = kScopeAbstractSockets | kScopeSignals;
  return attributes;
}

std::size_t size_of_attributes(int abi) {
  return abi >= 6   ? 3 * sizeof(std::uint64_t)
         : abi >= 4 ? 2 * sizeof(std::uint64_t)
                    : sizeof(std::uint64_t);
}

Result<> allow_reading(const base::FileDescriptor& ruleset, const std::string& path) {
  const base::FileDescriptor file(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0) return {};
  landlock_path_beneath_attr rule{};
  rule.parent_fd = file.get();
  rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
  if (S_ISDIR(status.st_mode)) rule.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
  if (::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
    return base::system_error(fmt::format("Landlock: let {} be read", path), errno);
  return {};
}

Result<> allow_connecting(const base::FileDescriptor& ruleset, std::uint16_t port) {
  const PortRule rule{.allowed = kConnectTcp, .port = port};
  if (::syscall(SYS_landlock_add_rule, ruleset.get(), kRulePort, &rule, 0) != 0)
    return base::system_error(fmt::format("Landlock: let port {} be connected to", port), errno);
  return {};
}

}  // namespace

int landlock_abi() {
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

Result<> restrict_by_landlock(std::span<const std::string> readable,
                              const std::optional<std::vector<std::uint16_t>>& tcp_ports) {
  const int abi = landlock_abi();
  if (abi == 0)
    return base::internal("the kernel has no Landlock (Linux 5.13), or not switched on");
  RulesetAttributes attributes = everything(abi);
  if (!tcp_ports) attributes.net = 0;
  const base::FileDescriptor ruleset(static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &attributes, size_of_attributes(abi), 0)));
  if (!ruleset) return base::system_error("Landlock: make a set of rules", errno);
  for (const std::string& path : readable) TRY(allow_reading(ruleset, path));
  if (attributes.net != 0)
    for (const std::uint16_t port : *tcp_ports) TRY(allow_connecting(ruleset, port));
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return base::system_error("Landlock: restrict the process", errno);
  return {};
}

}  // namespace everseal::privsep
