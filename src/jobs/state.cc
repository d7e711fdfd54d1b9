#include "jobs/state.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/absence.h"
#include "base/path_walk.h"
#include "jobs/named.h"
#include "jobs/rights.h"
#include "renew/words.h"
#include "store/schema.h"

namespace everseal::jobs {
namespace {

constexpr base::Seconds kLongestExchange{2};
constexpr base::Milliseconds kTick{20};

std::string lock_path(const std::string& directory) { return directory + "/lock"; }

// What root makes in the directory of another user that one could not change; and the other way.
Result<> check_owner(const FileReader& files, const std::string& directory) {
  const auto status = files.status(directory);
  if (!status || status->kind != base::FileKind::directory || status->owner == ::geteuid())
    return {};
  const std::string owner = base::user_name(status->owner);
  if (::geteuid() == 0)
    return base::rejected(
        fmt::format("{0} belongs to user {1}: run everseal as {1}, for example with sudo -u {1}",
                    directory, owner));
  return base::rejected(
      fmt::format("{} belongs to user {}: run everseal as {}, or once, as root, `everseal setup "
                  "--user {}`",
                  directory, owner, owner, base::user_name(::geteuid())));
}

// Nobody else may put another directory or other files in its place.
Result<> check_way(const std::string& directory) {
  const auto found = base::walk(directory);
  if (!found || !found->weakness) return {};  // what else is wrong shows when it is used
  return base::rejected(describe(*found->weakness));
}

// What others reach: below a directory that is closed to them they reach nothing.
Result<> check_reachable(const FileReader& files, const std::string& path) {
  constexpr mode_t kOthers = S_IRWXG | S_IRWXO, kTheyPass = S_IXGRP | S_IXOTH,
                   kTheyWrite = S_IWGRP | S_IWOTH;
  const base::FileStatus status = TRY(files.status(path));
  const std::string name = base::name_of(path);
  const bool is_key = name.starts_with("key") || name == "privkey.pem" || name == "bundle.pem";
  if (status.kind == base::FileKind::regular && is_key && (status.mode & kOthers) != 0)
    return base::rejected(fmt::format(
        "the key {0} is open to other users; mend it with: chmod go= {0}, and if somebody may have "
        "used it, change it (everseal rotate)",
        path));
  if (status.kind == base::FileKind::symlink) return {};
  if ((status.mode & kTheyWrite) != 0)
    return base::rejected(
        fmt::format("{0} can be changed by other users; mend it with: chmod go-w {0}", path));
  if (status.kind != base::FileKind::directory || (status.mode & kTheyPass) == 0) return {};
  for (const std::string& each : TRY(files.list(path)))
    TRY(check_reachable(files, base::join_path(path, each)));
  return {};
}

// SQLite opens them by name: root is not to be led elsewhere by the user whose state it reads.
Result<> check_files(const FileReader& files, const std::string& directory) {
  for (const char* name : {"catalog.db", "catalog.db-wal", "catalog.db-shm"}) {
    const std::string path = base::join_path(directory, name);
    const auto status = files.status(path);
    if (status && status->kind != base::FileKind::regular)
      return base::rejected(fmt::format("{} is no file; remove it", path));
  }
  return {};
}

// What each job needs as it was made, before anything is ordered or entered: a thing in its place
// is found where the thing is used, and too late. A symlink to another disk is as good.
Result<> check_layout(const FileReader& files, const std::string& directory) {
  for (const auto* const name : {"live", "certs", "accounts", "lock"}) {
    const std::string path = base::join_path(directory, name);
    auto status = files.status(path);
    if (!status && status.error().kind == ErrorKind::not_found) continue;
    const bool is_lock = name == std::string_view("lock");
    if (status && status->kind == base::FileKind::symlink && !is_lock) {
      const auto real = files.real_path(path);
      if (!real)
        return base::rejected(fmt::format(
            "{} is a symlink that leads nowhere: mount the disk that it leads to", path));
      status = files.status(*real);
    }
    const auto wanted = is_lock ? base::FileKind::regular : base::FileKind::directory;
    if (TRY(std::move(status)).kind == wanted) continue;
    return base::rejected(
        fmt::format("{0} is not the {1} that Everseal keeps there; move it away (mv {0} {0}.aside) "
                    "and run again",
                    path, is_lock ? "file" : "directory"));
  }
  return {};
}

// All certificates are not lost where only their disk is not mounted.
Result<> check_mounted(const FileReader& files, const std::string& directory) {
  const std::string certs = base::join_path(directory, "certs");
  const auto names = files.list(certs);
  const auto live = files.list(base::join_path(directory, "live"));
  if (!names || !names->empty() || !live || live->empty()) return {};
  return base::rejected(fmt::format(
      "{0} is empty, but certificates are live: mount the disk that holds them, or put them back "
      "from a backup; if they are lost: rmdir {0}, then everseal repair",
      certs));
}

std::string catalog_path(const std::string& directory) { return directory + "/catalog.db"; }

// Of what is below the state directory: whether there is more than an empty directory.
Result<bool> has_any(const FileReader& files, const std::string& path) {
  return !TRY(base::list_if_there(files, path)).empty();
}

// What only an everseal that had a catalog can have made.
Result<bool> has_certificates(const FileReader& files, const std::string& directory) {
  return TRY(has_any(files, directory + "/live")) || TRY(has_any(files, directory + "/certs"));
}

std::unexpected<Error> lost(const std::string& directory, std::string_view how) {
  return base::invalid(fmt::format("{} holds certificates, but its catalog.db {}; {}", directory,
                                   how, store::kRemedy));
}

// A catalog that is not there, or has no byte, where what it knew is still there.
Result<> look_for_catalog(const FileReader& files, const std::string& directory) {
  const auto status = files.status(catalog_path(directory));
  if (!status && !base::is_absent(files, catalog_path(directory)))
    return base::hidden(status.error());
  const bool is_lost = !status || status->size == 0;
  if (!is_lost) return {};
  if (!TRY(has_certificates(files, directory)) && !TRY(has_any(files, directory + "/accounts")))
    return {};
  return lost(directory, status ? "is empty" : "is missing");
}

// As it is when nobody else is at work: repair and restore put another catalog in the place of this
// one, and between the two there is none.
template <typename Look>
auto look_when_settled(const std::string& directory, Look look) -> decltype(look()) {
  const Instant deadline = std::chrono::steady_clock::now() + kLongestExchange;
  for (;;) {
    const auto holder = base::lock_holder(lock_path(directory));
    const bool is_settled = !holder || holder->process == ::getpid();
    auto found = look();
    if (found || is_settled || std::chrono::steady_clock::now() >= deadline) return found;
    std::this_thread::sleep_for(kTick);
  }
}

Result<> check_not_lost(const FileReader& files, const std::string& directory) {
  return look_when_settled(directory, [&] { return look_for_catalog(files, directory); });
}

}  // namespace

Result<State> State::open_files(const Environment& environment, OpenCatalog open_catalog) {
  const std::string& directory = environment.settings.state;
  const std::string real = TRY(environment.files.real_path(directory));  // it may be a symlink
  TRY(check_not_lost(environment.files, real));
  State state;
  state.catalog_ = std::make_unique<store::Catalog>(TRY(open_catalog(catalog_path(real))));
  if (TRY(state.catalog().is_empty()) && TRY(has_certificates(environment.files, real)))
    return lost(directory, "knows none");
  state.certificates_ = std::make_unique<store::CertificateStore>(environment.files, directory);
  return state;
}

State State::of(store::Catalog catalog, FileSystem& files, const std::string& directory) {
  State state;
  state.catalog_ = std::make_unique<store::Catalog>(std::move(catalog));
  state.certificates_ = std::make_unique<store::CertificateStore>(files, directory);
  return state;
}

Result<std::optional<base::FileLock>> State::lock_if_idle(const Environment& environment) {
  const std::string& directory = environment.settings.state;
  TRY(within("state directory", check_owner(environment.files, directory)));
  TRY(within("state directory", base::make_directories(environment.files, directory, 0700)));
  TRY(within("state directory", check_way(directory)));
  const std::string real = TRY(environment.files.real_path(directory));
  TRY(within("state directory", check_reachable(environment.files, real)));
  TRY(within("state directory", check_layout(environment.files, real)));
  TRY(within("state directory", check_mounted(environment.files, real)));
  return within("state directory", base::FileLock::take(lock_path(directory)));
}

Result<base::FileLock> State::lock(const Environment& environment) {
  auto held = TRY(lock_if_idle(environment));
  if (held) return *std::move(held);
  if (const std::string stuck = stuck_holder(environment.settings); !stuck.empty())
    return base::transient(stuck);
  const auto holder = State::holder(environment.settings);
  return base::transient(
      fmt::format("another everseal (process {}) is at work in {}; run again when it is done",
                  holder ? holder->process : 0, environment.settings.state));
}

std::optional<base::LockHolder> State::holder(const Settings& settings) {
  return base::lock_holder(lock_path(settings.state));
}

std::string stuck_holder(const Settings& settings) {
  const auto holder = State::holder(settings);
  if (!holder || holder->held < kLongestWork) return {};
  return fmt::format(
      "another everseal (process {0}) has been at work in {1} for {2}: see what it waits for (ps "
      "-fp {0}); if it does not go on, end it (kill -9 {0}): the next run goes on with what it "
      "began",
      holder->process, settings.state, renew::in_words(holder->held));
}

Result<State> State::open_locked(const Environment& environment, base::FileLock lock) {
  const bool is_new = !base::exists(environment.files, catalog_path(environment.settings.state));
  if (is_new) TRY(check_not_deleted(environment));
  State state = TRY(within("state directory", open_files(environment, store::Catalog::open)));
  state.lock_.emplace(std::move(lock));
  return state;
}

Result<std::optional<State>> State::open_if_idle(const Environment& environment) {
  auto held = TRY(lock_if_idle(environment));
  if (!held) return std::nullopt;
  return TRY(open_locked(environment, *std::move(held)));
}

Result<State> State::open(const Environment& environment) {
  return open_locked(environment, TRY(lock(environment)));
}

Result<bool> State::is_there(const Environment& environment) {
  const std::string& directory = environment.settings.state;
  if (::geteuid() != 0) TRY(within("state directory", check_owner(environment.files, directory)));
  TRY(within("state directory", check_not_lost(environment.files, directory)));
  if (base::exists(environment.files, catalog_path(directory))) return true;
  TRY(check_not_deleted(environment));
  return false;
}

Result<std::optional<State>> State::open_to_read(const Environment& environment) {
  if (!TRY(is_there(environment))) return std::nullopt;
  TRY(within("state directory", check_files(environment.files, environment.settings.state)));
  TRY(within("state directory", check_layout(environment.files, environment.settings.state)));
  return TRY(within("state directory", look_when_settled(environment.settings.state, [&] {
                      return open_files(environment, store::Catalog::open_to_read);
                    })));
}

Result<renew::LimitLedger> State::limits(const Settings& settings) {
  renew::LimitLedger limits(TRY(catalog().limits()));
  if (settings.limits) limits.set_limits(settings.server, settings.limits);
  return limits;
}

Result<> State::take_up(std::vector<store::CertificateRecord>& certificates) {
  for (store::CertificateRecord& certificate : certificates) {
    const auto known = TRY(catalog().certificate(certificate.name));
    if (!known) continue;
    certificate.id = known->id;
    if (!store::same_request(*known, certificate)) TRY(start_over(certificate));
  }
  return catalog().save_certificates(certificates);
}

Result<> State::start_over(store::CertificateRecord& certificate) {
  certificate.renew_at = certificate.next_look = {};
  TRY(discard_pending(certificate));
  auto ready = TRY(catalog().version(certificate.id, store::VersionState::ready));
  if (!ready) return {};
  ready->state = store::VersionState::old;
  return catalog().save_versions({&*ready, 1});
}

Result<int> State::next_version(const store::CertificateRecord& certificate) {
  const int known = TRY(catalog().last_version(certificate.id));
  return std::max(known, TRY(certificates().versions(certificate.name)).last()) + 1;
}

Result<> State::discard_pending(const store::CertificateRecord& certificate) {
  const auto pending = TRY(catalog().version(certificate.id, store::VersionState::pending));
  if (!pending) return {};
  TRY(certificates().discard(certificate.name, pending->number));
  return catalog().remove_version(certificate.id, pending->number);
}

std::optional<crypto::KeyFamily> family_of(const store::CertificateRecord& certificate) {
  const auto type = crypto::parse_key_type(certificate.key_type);
  return type ? std::optional(crypto::family_of(*type)) : std::nullopt;
}

}  // namespace everseal::jobs
