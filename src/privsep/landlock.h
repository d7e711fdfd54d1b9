// Landlock: the kernel's limits on files and TCP ports that any process can set for itself (kernel
// documentation, userspace-api/landlock.rst).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace everseal::privsep {

// The version of the kernel's Landlock; 0 if it has none, or has it switched off.
int landlock_abi();

// The versions that first know them: TCP ports (Linux 6.7); signals to processes outside and their
// abstract sockets (6.12).
inline constexpr int kLandlockWithTcp = 4, kLandlockWithScopes = 6;

// From now on only `readable` (files, and directories with all below) can be read, nothing can be
// written, made or executed, and TCP connects only to `tcp_ports` if they are given, as far as the
// kernel's version goes. Paths that do not exist are left out. Errors: internal (no Landlock, or it
// refuses).
Result<> restrict_by_landlock(std::span<const std::string> readable,
                              const std::optional<std::vector<std::uint16_t>>& tcp_ports);

}  // namespace everseal::privsep
