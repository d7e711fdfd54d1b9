#include "jobs/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace everseal::jobs {
namespace {

// Taken for the life of the descriptor; the file holds the pid of the holder, for the message.
Result<base::FileDescriptor> lock(const std::string& directory) {
  const std::string path = directory + "/lock";
  base::FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return base::system_error(fmt::format("open {}", path), errno);
  char holder[32] = {};
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return base::system_error(fmt::format("lock {}", path), errno);
    static_cast<void>(::pread(file.get(), holder, sizeof holder - 1, 0));
    return base::transient(
        fmt::format("another everseal (process {}) is at work in {}; run again when it is done",
                    std::atoi(holder), directory));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(file.get(), 0) != 0 || ::pwrite(file.get(), pid.data(), pid.size(), 0) < 0)
    return base::system_error(fmt::format("write {}", path), errno);
  return file;
}

}  // namespace

Result<State> State::open_files(const Environment& environment) {
  const std::string& directory = environment.settings.state;
  State state;
  state.catalog_ =
      std::make_unique<store::Catalog>(TRY(store::Catalog::open(directory + "/catalog.db")));
  state.certificates_ = std::make_unique<store::CertificateStore>(environment.files, directory);
  return state;
}

Result<State> State::open(const Environment& environment) {
  const std::string& directory = environment.settings.state;
  TRY(within("state directory", base::make_directories(environment.files, directory, 0700)));
  auto held = TRY(within("state directory", lock(directory)));
  State state = TRY(within("state directory", open_files(environment)));
  state.lock_ = std::move(held);
  return state;
}

Result<std::optional<State>> State::open_to_read(const Environment& environment) {
  if (!base::exists(environment.files, environment.settings.state + "/catalog.db"))
    return std::nullopt;
  return TRY(within("state directory", open_files(environment)));
}

Result<> State::discard_pending(const store::CertificateRecord& certificate) {
  const auto pending = TRY(catalog().version(certificate.id, store::VersionState::pending));
  if (!pending) return {};
  TRY(certificates().discard(certificate.name, pending->number));
  return catalog().remove_version(certificate.id, pending->number);
}

}  // namespace everseal::jobs
