#include "jobs/backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "base/directory.h"
#include "base/exchange.h"
#include "base/file_lock.h"
#include "base/ownership.h"
#include "base/path_walk.h"
#include "jobs/unused_path.h"
#include "store/archive.h"
#include "store/schema.h"

namespace everseal::jobs {
namespace {

using base::FileKind;
using store::ArchiveReader;
using store::ArchiveWriter;
using store::Member;

constexpr std::array<const char*, 5> kMembers = {"catalog.db", "catalog.db-wal", "accounts",
                                                 "certs", "live"};

Result<std::uint64_t> size_of(const base::FileDescriptor& file, const std::string& path) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0)
    return base::system_error(fmt::format("read {}", path), errno);
  return static_cast<std::uint64_t>(status.st_size);
}

// Adds one thing with all below it. What begins with a dot was left half made by a killed run.
Result<> add(ArchiveWriter& archive, const FileSystem& files, const std::string& directory,
             const std::string& name) {
  const std::string path = base::join_path(directory, name);
  const auto status = files.status(path);
  if (!status && status.error().kind == ErrorKind::not_found) return {};
  if (!status) return std::unexpected(status.error());
  switch (status->kind) {
    case FileKind::regular:
      return archive.add_file(name, TRY(files.open(path)));
    case FileKind::symlink:
      return archive.add_symlink(name, TRY(files.read_link(path)));
    case FileKind::directory:
      TRY(archive.add_directory(name));
      for (const std::string& each : TRY(files.list(path)))
        if (!each.starts_with('.'))
          TRY(add(archive, files, directory, base::join_path(name, each)));
      return {};
    case FileKind::other:
      break;
  }
  return base::invalid(fmt::format("{} is neither file, directory nor symlink", path));
}

// Nobody else may put something else where we build.
Result<> check_place(const std::string& directory) {
  const auto found = TRY(base::walk(directory));
  if (!found.weakness) return {};
  return base::rejected(fmt::format("the state directory is restored in {}, but {}", directory,
                                    describe(*found.weakness)));
}

Result<> take_lock(std::optional<base::FileLock>& lock, const std::string& directory) {
  auto held = TRY(base::FileLock::take(directory + "/lock"));
  if (!held)
    return base::transient(
        fmt::format("another everseal is at work in {}; run again when it is done", directory));
  lock.emplace(*std::move(held));
  return {};
}

// One run of the job.
class Restore {
 public:
  Restore(const Environment& environment, const base::FileDescriptor& archive)
      : environment_(environment), files_(environment.files), archive_(archive) {}

  Result<RestoreReport> run();

 private:
  Result<> find_place();
  Result<> ask();
  Result<> unpack();
  Result<> put(ArchiveReader& reader, const Member& member);
  Result<> sync_tree(const std::string& path);
  Result<> look_at_catalog();
  Result<> take_place();

  const Environment& environment_;
  FileSystem& files_;
  const base::FileDescriptor& archive_;
  std::string state_;                       // what is to be replaced, without symlinks
  std::optional<base::FileStatus> before_;  // of that
  std::optional<base::FileLock> old_lock_, new_lock_;
  std::string draft_;  // beside it: what is to take its place; afterwards what was there before
  RestoreReport report_;
};

Result<RestoreReport> Restore::run() {
  TRY(find_place());
  TRY(ask());
  TRY(files_.make_directory(draft_, 0700));
  auto done = unpack();
  if (done) done = look_at_catalog();
  if (done) done = take_place();
  if (!done) {
    static_cast<void>(base::remove_tree(files_, draft_));
    return std::unexpected(done.error());
  }
  return std::move(report_);
}

Result<> Restore::find_place() {
  const std::string& given = environment_.settings.state;
  state_ = base::exists(files_, given) ? TRY(files_.real_path(given)) : given;
  while (state_.size() > 1 && state_.ends_with('/')) state_.pop_back();
  const std::string parent = base::directory_of(state_);
  TRY(base::make_directories(files_, parent, 0755));
  TRY(check_place(parent));
  draft_ = unused_path(
      files_, fmt::format("{}.restore-{}", state_, base::to_rfc3339(environment_.clock.now())));
  const auto status = files_.status(state_);
  if (!status && status.error().kind == ErrorKind::not_found) return {};
  if (!status) return std::unexpected(status.error());
  if (status->kind != FileKind::directory)
    return base::invalid(fmt::format("{} is no directory", state_));
  before_ = *status;
  return take_lock(old_lock_, state_);
}

Result<> Restore::ask() {
  const auto live = files_.list(state_ + "/live");
  if (!live || live->empty() || environment_.settings.assume_yes) return {};
  environment_.reporter.note(fmt::format(
      "{} holds {} certificate{}. The backup takes its place; what is there now is kept "
      "beside it.",
      state_, live->size(), live->size() == 1 ? "" : "s"));
  if (environment_.reporter.confirm("Restore the backup?")) return {};
  return base::rejected("nothing was changed: there was no yes (--yes)");
}

Result<> Restore::unpack() {
  ArchiveReader reader(archive_);
  while (const auto member = TRY(reader.next())) {
    TRY(store::check_member(*member));
    TRY(put(reader, *member));
  }
  if (!base::exists(files_, draft_ + "/catalog.db"))
    return base::invalid("it holds no catalog.db: it is no backup of everseal");
  TRY(take_lock(new_lock_, draft_));
  TRY(sync_tree(draft_));
  return {};
}

// What is there already was named twice: all of it is ours alone.
Result<> Restore::put(ArchiveReader& reader, const Member& member) {
  const std::string path = base::join_path(draft_, member.path);
  switch (member.kind) {
    case FileKind::directory:
      return files_.make_directory(path, 0700);
    case FileKind::symlink:
      report_.certificates.push_back(base::name_of(member.path));
      return files_.make_symlink(member.target, path);
    default:
      return files_.create_with(
          path, [&](const base::FileDescriptor& file) { return reader.copy(member, file); }, 0600);
  }
}

Result<> Restore::sync_tree(const std::string& path) {
  const auto status = TRY(files_.status(path));
  if (status.kind == FileKind::symlink) return {};
  if (status.kind == FileKind::directory)
    for (const std::string& each : TRY(files_.list(path)))
      TRY(sync_tree(base::join_path(path, each)));
  return files_.sync(path);
}

// A backup of a damaged catalog is better than none.
Result<> Restore::look_at_catalog() {
  const std::string path = draft_ + "/catalog.db";
  auto catalog = store::Catalog::open_to_read(path);
  const Result<> whole = catalog ? catalog->check() : std::unexpected(catalog.error());
  if (!whole)
    report_.notes.push_back(
        fmt::format("the backup's catalog cannot be used as it is: {}", whole.error().message));
  return base::remove_tree(files_, path + "-shm");
}

Result<> Restore::take_place() {
  if (before_)
    TRY(base::give_tree(TRY(base::Directory::open(draft_)), {before_->owner, before_->group}));
  const std::string parent = base::directory_of(state_);
  if (!before_) {
    TRY(files_.rename(draft_, state_));
    return files_.sync(parent);
  }
  TRY(base::within("restore (unpack the archive by hand with tar -xf instead)",
                   base::exchange(draft_, state_)));
  report_.replaced = draft_;
  if (const auto durable = files_.sync(parent); !durable)
    report_.notes.push_back(durable.error().message);
  return {};
}

}  // namespace

Result<BackupReport> backup(const Environment& environment, const BackupOptions& options) {
  FileSystem& files = environment.files;
  const std::string& directory = environment.settings.state;
  if (!base::exists(files, directory))
    return base::invalid(fmt::format("{} is not there: there is nothing to back up", directory));
  const auto place = TRY(base::Directory::open(base::directory_of(options.file)));
  const std::string name = base::name_of(options.file);
  const auto there = place.status(name);
  if (!options.replace && (there || there.error().kind != ErrorKind::not_found))
    return base::invalid(fmt::format("{} exists; --force replaces it", options.file));
  const auto lock = TRY(State::lock(environment));
  BackupReport report{.file = options.file};
  const auto write = [&](const base::FileDescriptor& file) -> Result<> {
    ArchiveWriter archive(file, environment.clock.now());
    for (const char* member : kMembers) TRY(add(archive, files, directory, member));
    TRY(archive.finish());
    report.bytes = TRY(size_of(file, options.file));
    return {};
  };
  TRY(place.write_durably(name, write, {.mode = 0600}));
  const store::CertificateStore certificates(files, directory);
  report.certificates = static_cast<std::int64_t>(TRY(certificates.live_names()).size());
  return report;
}

Result<RestoreReport> restore(const Environment& environment, const RestoreOptions& options) {
  const auto archive = TRY(environment.files.open(options.file));
  return base::within(options.file, Restore(environment, archive).run());
}

}  // namespace everseal::jobs
