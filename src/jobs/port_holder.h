// Which program listens on a port of this machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/file_system.h"

namespace everseal::jobs {

// The program that listens on TCP `port` of any local address: "apache2 (process 123)", or "another
// program" where we may not see whose it is; nothing if the port is free. Reads /proc/net/tcp and
// /proc/net/tcp6 (proc_net_tcp.txt of the kernel's documentation).
std::optional<std::string> port_holder(const FileReader& files, std::uint16_t port);

}  // namespace everseal::jobs
