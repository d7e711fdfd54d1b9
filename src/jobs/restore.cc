#include "jobs/restore.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <span>

#include "base/directory.h"
#include "base/encoding.h"
#include "base/exchange.h"
#include "base/file_lock.h"
#include "base/ownership.h"
#include "base/path_walk.h"
#include "jobs/ended_changes.h"
#include "jobs/layout.h"
#include "jobs/named.h"
#include "jobs/unused_path.h"
#include "store/archive.h"

namespace everseal::jobs {
namespace {

using base::Directory;
using base::FileKind;
using store::ArchiveReader;
using store::Member;

constexpr mode_t kPrivateDirectory = 0700;
constexpr const char* kCatalog = "catalog.db";

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

// "a, b and 3 more".
std::string in_words(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 5;
  const std::size_t shown = std::min(names.size(), kMost);
  std::string text = fmt::format("{}", fmt::join(std::span(names).first(shown), ", "));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

std::string count(std::size_t number) {
  return fmt::format("{} certificate{}", number, number == 1 ? "" : "s");
}

// One run of the job.
class Restore {
 public:
  Restore(const Environment& environment, const base::FileDescriptor& archive,
          const std::string& file)
      : environment_(environment), files_(environment.files), archive_(archive), file_(file) {}

  Result<RestoreReport> run();

 private:
  Result<> look_at_archive();
  Result<> find_place();
  Result<> check_replaceable();
  Result<> ask();
  Result<> begin_draft();
  Result<> build();
  Result<> unpack();
  Result<> put(ArchiveReader& reader, const Member& member);
  Result<> sync_tree(const std::string& path);
  Result<> make_catalog_anew();
  Result<> take_place();
  void compare_with_nginx();

  const Environment& environment_;
  FileSystem& files_;
  const base::FileDescriptor& archive_;
  const std::string& file_;                 // of the archive
  std::string state_;                       // what is to be replaced, without symlinks
  std::optional<Directory> parent_;         // of that
  std::optional<base::FileStatus> before_;  // of what is to be replaced
  std::optional<base::FileLock> old_lock_, new_lock_;
  std::optional<Directory> draft_;  // in `parent_`: what is to take the place
  std::optional<base::FileDescriptor> draft_lock_;
  RestoreReport report_;
};

Result<RestoreReport> Restore::run() {
  TRY(look_at_archive());
  TRY(find_place());
  TRY(ask());
  TRY(begin_draft());
  if (const auto done = build(); !done) {
    static_cast<void>(base::remove_tree(files_, draft_->path()));
    return std::unexpected(done.error());
  }
  TRY(take_place());
  compare_with_nginx();
  return std::move(report_);
}

// What cannot be restored is refused before anything is asked or made.
Result<> Restore::look_at_archive() {
  ArchiveReader reader(archive_);
  bool has_catalog = false;
  while (const auto member = TRY(reader.next())) {
    TRY(store::check_member(*member));
    if (member->kind == FileKind::symlink)
      report_.certificates.push_back(base::name_of(member->path));
    if (member->path != kCatalog) continue;
    has_catalog = true;
    report_.made = member->made;
  }
  if (has_catalog) return {};
  return base::invalid("it holds no catalog.db: it is no backup of everseal");
}

Result<> Restore::find_place() {
  const std::string& given = environment_.settings.state;
  state_ = base::exists(files_, given) ? TRY(files_.real_path(given)) : given;
  while (state_.size() > 1 && state_.ends_with('/')) state_.pop_back();
  const std::string parent = base::directory_of(state_);
  TRY(base::make_directories(files_, parent, 0755));
  TRY(check_place(parent));
  parent_.emplace(TRY(Directory::open(parent)));
  const auto status = files_.status(state_);
  if (!status && status.error().kind == ErrorKind::not_found) return {};
  if (!status) return std::unexpected(status.error());
  before_ = *status;
  TRY(check_replaceable());
  return take_lock(old_lock_, state_);
}

Result<> Restore::check_replaceable() {
  if (before_->kind != FileKind::directory)
    return base::invalid(fmt::format("{} is no directory", state_));
  for (const std::string& each : TRY(files_.list(state_)))
    if (!belongs_in_state(each))
      return base::invalid(fmt::format(
          "{0} holds other things than Everseal's ({1}): move them elsewhere, or give another "
          "directory with --state",
          state_, base::printable(each)));
  if (!base::is_mount_point(state_)) return {};
  return base::rejected(fmt::format(
      "{0} is a mount point, and nothing can take its place. Move what is in it elsewhere and "
      "unpack the backup into it: mkdir -m 0700 {0}.before && mv {0}/* {0}.before/ && tar -xpf {1} "
      "-C {0} && chown -R {2}: {0} && everseal repair",
      state_, file_, base::user_name(before_->owner)));
}

Result<> Restore::ask() {
  auto there = before_ ? TRY(files_.list(state_)) : std::vector<std::string>();
  std::erase(there, "lock");
  if (there.empty() || environment_.settings.assume_yes) return {};
  const auto live = files_.list(state_ + "/live");
  environment_.reporter.note(fmt::format(
      "{} holds {}. The backup, of {} and with {}, takes its place; what is there now is kept "
      "beside it.",
      state_, count(live ? live->size() : 0), base::to_rfc3339(report_.made),
      count(report_.certificates.size())));
  if (environment_.reporter.confirm("Restore the backup?")) return {};
  return base::rejected("nothing was changed: there was no yes (--yes)");
}

// What an earlier run left half built goes; while that is being built its lock is held.
Result<> Restore::begin_draft() {
  const std::string name = base::name_of(state_) + ".restoring";
  if (const auto left = parent_->open_directory(name); left) {
    if (TRY(left->status()).owner != ::geteuid())
      return base::rejected(
          fmt::format("{} is in the way, and is of another user: remove it", left->path()));
    const auto lock = TRY(left->lock());
    if (!lock)
      return base::transient(fmt::format(
          "another everseal is at work in {}; run again when it is done", left->path()));
    TRY(base::remove_tree(files_, left->path()));
  }
  draft_.emplace(TRY(parent_->create_directory(name, kPrivateDirectory)));
  draft_lock_ = TRY(draft_->lock());
  return {};
}

Result<> Restore::build() {
  TRY(unpack());
  TRY(make_catalog_anew());
  TRY(take_lock(new_lock_, draft_->path()));
  TRY(sync_tree(draft_->path()));
  if (!before_) return {};
  return base::give_tree(*draft_, {before_->owner, before_->group});
}

Result<> Restore::unpack() {
  ArchiveReader reader(archive_);
  while (const auto member = TRY(reader.next())) {
    TRY(store::check_member(*member));
    TRY(base::within(base::printable(member->path), put(reader, *member)));
  }
  return {};
}

// What is there already was named twice.
Result<> Restore::put(ArchiveReader& reader, const Member& member) {
  Directory directory = TRY(parent_->open_directory(base::name_of(draft_->path())));
  std::size_t begin = 0;
  for (std::size_t end; (end = member.path.find('/', begin)) != std::string::npos; begin = end + 1)
    directory = TRY(directory.open_directory(member.path.substr(begin, end - begin)));
  const std::string name = member.path.substr(begin);
  if (member.kind == FileKind::directory) {
    static_cast<void>(TRY(directory.create_directory(name, kPrivateDirectory)));
    return {};
  }
  if (member.kind == FileKind::symlink) return directory.create_symlink(name, member.target);
  return reader.copy(member, TRY(directory.create_file(name, {.mode = 0600})));
}

Result<> Restore::sync_tree(const std::string& path) {
  const auto status = TRY(files_.status(path));
  if (status.kind == FileKind::symlink) return {};
  if (status.kind == FileKind::directory)
    for (const std::string& each : TRY(files_.list(path)))
      TRY(sync_tree(base::join_path(path, each)));
  return files_.sync(path);
}

// Its rows alone are taken: whoever made the backup may have put other tables, triggers and
// conditions into it. One that is damaged is kept beside what could be read of it.
Result<> Restore::make_catalog_anew() {
  const std::string path = base::join_path(draft_->path(), kCatalog);
  const std::string aside_name =
      fmt::format("damaged-{}", base::to_rfc3339(environment_.clock.now()));
  const Directory aside = TRY(draft_->create_directory(aside_name, kPrivateDirectory));
  const std::string old = base::join_path(aside.path(), kCatalog);
  for (const char* suffix : {"", "-wal"})
    if (base::exists(files_, path + suffix)) TRY(files_.rename(path + suffix, old + suffix));
  bool is_whole = true;
  {
    auto catalog = TRY(store::Catalog::open(path));
    for (const store::Salvaged& each : TRY(catalog.take_over(old))) {
      if (each.trouble.empty()) continue;
      is_whole = false;
      report_.notes.push_back(
          fmt::format("The backup's catalog is damaged ({}: {}): `everseal repair` takes what is "
                      "missing from the certificates that are there",
                      each.table, each.trouble));
    }
    for (std::string& note : TRY(end_unfinished_changes(catalog)))
      report_.notes.push_back(std::move(note));
  }
  TRY(base::remove_tree(files_, path + "-shm"));
  if (is_whole) return base::remove_tree(files_, aside.path());
  return base::remove_tree(files_, old + "-shm");
}

// It is whole now, and has another name than what is half built.
Result<> Restore::take_place() {
  const std::string parent = parent_->path();
  if (!before_) {
    TRY(files_.rename(draft_->path(), state_));
    return files_.sync(parent);
  }
  const std::string beside = unused_path(
      files_, fmt::format("{}.restore-{}", state_, base::to_rfc3339(environment_.clock.now())));
  TRY(files_.rename(draft_->path(), beside));
  if (const auto exchanged = base::exchange(beside, state_); !exchanged) {
    static_cast<void>(base::remove_tree(files_, beside));
    return exchanged;
  }
  report_.replaced = beside;
  if (before_->owner != ::geteuid()) report_.user = base::user_name(before_->owner);
  if (const auto durable = files_.sync(parent); !durable)
    report_.notes.push_back(durable.error().message);
  return {};
}

// A backup that is older than what was secured since: nginx does not start without the files that
// it names.
void Restore::compare_with_nginx() {
  const auto in_nginx = find_named(environment_);
  if (!in_nginx) return;  // whoever has no nginx misses nothing there
  for (const auto& [name, names] : *in_nginx)
    if (std::ranges::find(report_.certificates, name) == report_.certificates.end())
      report_.missing.push_back(name);
  if (report_.missing.empty()) return;
  report_.notes.push_back(fmt::format(
      "Nginx's configuration names {} that the backup does not hold ({}), and nginx does not start "
      "without: `everseal repair` notes that, and what to do until `everseal renew` has ordered "
      "anew",
      count(report_.missing.size()), in_words(report_.missing)));
}

}  // namespace

Result<RestoreReport> restore(const Environment& environment, const RestoreOptions& options) {
  const auto archive = TRY(environment.files.open(options.file));
  return base::within(options.file, Restore(environment, archive, options.file).run());
}

}  // namespace everseal::jobs
