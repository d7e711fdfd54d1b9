#include "jobs/backup.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <optional>
#include <set>

#include "base/directory.h"
#include "base/encoding.h"
#include "store/archive.h"

namespace everseal::jobs {
namespace {

using base::FileKind;
using store::Member;

constexpr std::array<const char*, 5> kTop = {"catalog.db", "catalog.db-wal", "accounts", "certs",
                                             "live"};

Result<std::uint64_t> size_of(const base::FileDescriptor& file, const std::string& path) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0)
    return base::system_error(fmt::format("read {}", path), errno);
  return static_cast<std::uint64_t>(status.st_size);
}

// Puts a state directory into an archive, as far as restore() would take it.
class Packing {
 public:
  Packing(const FileSystem& files, const base::FileDescriptor& file, Time now)
      : files_(files), archive_(file, now) {}

  Result<> run(const std::string& directory, BackupReport& report);

 private:
  // What is on disk, as the member of that name. What begins with a dot was left half made by a
  // killed run.
  Result<> add(const std::string& name, const std::string& path);
  Result<> add_below(const std::string& name, const std::string& path);
  Result<> add_link(const Member& link, const std::string& path);
  void leave_out(const std::string& path, std::string_view why);

  const FileSystem& files_;
  store::ArchiveWriter archive_;
  std::set<std::string> packed_;  // files and directories, by their names in the archive
  std::int64_t live_ = 0;
  std::vector<std::string> notes_;
};

Result<> Packing::run(const std::string& directory, BackupReport& report) {
  for (const char* name : kTop) TRY(add(name, base::join_path(directory, name)));
  if (!packed_.contains("catalog.db"))
    return base::invalid(fmt::format("{} holds no catalog.db that is a file", directory));
  TRY(archive_.finish());
  report.certificates = live_;
  std::ranges::move(notes_, std::back_inserter(report.notes));
  return {};
}

Result<> Packing::add(const std::string& name, const std::string& path) {
  const auto status = files_.status(path);
  if (!status && status.error().kind == ErrorKind::not_found) return {};
  if (!status) return std::unexpected(status.error());
  Member member{.path = name, .kind = status->kind, .target = {}};
  std::string real = path;
  if (member.kind == FileKind::symlink) {
    member.target = TRY(files_.read_link(path));
    if (store::check_member(member)) return add_link(member, path);
    // Somebody has put on another disk what it leads to.
    const auto followed = files_.real_path(path);
    if (!followed)
      return base::rejected(fmt::format(
          "{} is a symlink to {}, which is not there: mount it or put it back; or remove the "
          "symlink, if nothing is lost",
          path, base::printable(member.target)));
    real = *followed;
    member.kind = TRY(files_.status(real)).kind;
    member.target.clear();
  }
  if (!store::check_member(member)) {
    leave_out(path, "no part of the state");
    return {};
  }
  packed_.insert(name);
  if (member.kind == FileKind::directory) return add_below(name, real);
  return archive_.add_file(name, TRY(files_.open(real)));
}

Result<> Packing::add_below(const std::string& name, const std::string& path) {
  TRY(archive_.add_directory(name));
  for (const std::string& each : TRY(files_.list(path)))
    if (!each.starts_with('.')) TRY(add(base::join_path(name, each), base::join_path(path, each)));
  return {};
}

// A link of live/. "../certs/NAME/versions/N".
Result<> Packing::add_link(const Member& link, const std::string& path) {
  const std::string version = link.target.substr(std::string_view("../").size());
  if (!packed_.contains(version)) {
    leave_out(path, "it leads to a version that is not there");
    return {};
  }
  ++live_;
  return archive_.add_symlink(link.path, link.target);
}

void Packing::leave_out(const std::string& path, std::string_view why) {
  notes_.push_back(fmt::format("{} is left out: {}", base::printable(path), why));
}

// One truth about what is to be replaced. Errors: invalid (not with these options).
Result<bool> find_earlier(const base::Directory& place, const BackupOptions& options) {
  const auto there = place.status(base::name_of(options.file));
  if (!there && there.error().kind == ErrorKind::not_found) return false;
  if (!there) return std::unexpected(there.error());
  if (there->kind != FileKind::regular)
    return base::invalid(
        fmt::format("{} is no plain file, and is not replaced: give another name", options.file));
  if (!options.replace)
    return base::invalid(fmt::format("{} exists; --force replaces it", options.file));
  return true;
}

// A later restore() would take it for something that is not Everseal's.
Result<> check_outside(const FileReader& files, const base::Directory& place,
                       const std::string& state) {
  const std::string directory = TRY(files.real_path(place.path()));
  if (directory != state && !directory.starts_with(state + "/")) return {};
  return base::invalid(fmt::format(
      "{} is in the state directory itself, and would be lost with it: give another place",
      directory));
}

// Why the catalog cannot be used as it is; empty: it can. Errors: invalid, as every command has it,
// if there is none, or one that knows nothing of what is there.
Result<std::string> damage_of_catalog(const Environment& environment) {
  const std::string& directory = environment.settings.state;
  if (!TRY(State::is_there(environment)))
    return base::invalid(
        fmt::format("{} holds no catalog: there is nothing to back up", directory));
  auto state = State::open_to_read(environment);
  if (!state) return state.error().message;
  const auto whole = (*state)->catalog().check();
  return whole ? std::string() : whole.error().message;
}

}  // namespace

Result<BackupReport> backup(const Environment& environment, const BackupOptions& options) {
  FileSystem& files = environment.files;
  const std::string& given = environment.settings.state;
  if (!base::exists(files, given))
    return base::invalid(fmt::format("{} is not there: there is nothing to back up", given));
  const std::string directory = TRY(files.real_path(given));  // it may be a symlink
  const auto place = TRY(base::Directory::open(base::directory_of(options.file)));
  TRY(check_outside(files, place, directory));
  const bool replaces = TRY(find_earlier(place, options));
  const auto lock = TRY(State::lock(environment));
  BackupReport report{.file = options.file};
  if (const std::string damage = TRY(damage_of_catalog(environment)); !damage.empty()) {
    if (replaces)
      return base::invalid(
          fmt::format("{} is kept, since what would replace it is damaged: {}; give another name",
                      options.file, damage));
    report.notes.push_back(fmt::format("The catalog in it is damaged: {}", damage));
  }
  const auto write = [&](const base::FileDescriptor& file) -> Result<> {
    TRY(Packing(files, file, environment.clock.now()).run(directory, report));
    report.bytes = TRY(size_of(file, options.file));
    return {};
  };
  TRY(place.write_durably(base::name_of(options.file), write, {.mode = 0600}));
  return report;
}

}  // namespace everseal::jobs
