// A directory that is held open, so that whoever may write in it, or above it, cannot lead us
// elsewhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_descriptor.h"
#include "base/file_system.h"
#include "base/result.h"

namespace everseal::base {

// How a new file is given away; -1: to nobody.
struct FileRights {
  mode_t mode = 0600;
  uid_t owner = static_cast<uid_t>(-1);
  gid_t group = static_cast<gid_t>(-1);
};

class Draft;

// A directory by its descriptor. Each act names one thing in it, by a name without "/", follows no
// symlink and touches nothing outside. Nothing in it is believed to be ours because we made it:
// what is made is looked at by its descriptor. All that is ever removed is one file or one empty
// directory, never a tree. Every failure names the attempt and the path.
class Directory {
 public:
  // A directory that the administrator named: the symlinks on the way are followed once, as far as
  // walk() does (base/path_walk.h). Errors: those of walk(); invalid (not a directory).
  static Result<Directory> open(const std::string& path);

  // The directory `name` in this one. Errors: not_found; rejected (a symlink or a file).
  Result<Directory> open_directory(const std::string& name) const;

  struct Made;
  // The same, made with exactly this mode if it is missing. One that another put there meanwhile
  // stays as it is and is opened like one that was there before.
  Result<Made> make_directory(const std::string& name, mode_t mode) const;

  // A new directory, ours and empty. Errors: rejected, if there is anything of that name.
  Result<Directory> create_directory(const std::string& name, mode_t mode) const;

  // A new symlink. Errors: rejected, if there is anything of that name.
  Result<> create_symlink(const std::string& name, const std::string& target) const;

  // What the directory itself is, and what `name` in it is.
  Result<FileStatus> status() const;
  Result<FileStatus> status(const std::string& name) const;

  // At most `most` of the names in it, sorted, without "." and "..".
  Result<std::vector<std::string>> list(std::size_t most) const;

  // A regular file, open for reading. Errors: not_found; rejected (a symlink, a device, a pipe).
  Result<FileDescriptor> open_file(const std::string& name) const;

  // A new file, empty and open for writing, with exactly these rights. Errors: rejected, if there
  // is anything of that name.
  Result<FileDescriptor> create_file(const std::string& name, const FileRights& rights) const;

  // A new file that waits under a dot-named name for place(), written by `write` and durable. What
  // a killed run left there is removed.
  Result<Draft> draft(const std::string& name, const ContentWriter& write,
                      const FileRights& rights) const;

  // Makes or replaces a file durably, by a draft.
  Result<> write_durably(const std::string& name, const ContentWriter& write,
                         const FileRights& rights) const;

  // Replaces a file durably by one with the same owner, group, mode and extended attributes.
  // Without root's right to give files away the new one stays ours, and whoever could use the old
  // one is named in its access list.
  Result<> replace(const std::string& name, std::string_view bytes) const;

  // Gives the file `from` the name `to`, in place of a file or symlink of that name.
  Result<> rename(const std::string& from, const std::string& to) const;

  // Removes one file or symlink. Errors: not_found; rejected (a directory).
  Result<> remove_file(const std::string& name) const;

  // Removes one empty directory.
  Result<> remove_empty_directory(const std::string& name) const;

  // Gives the directory itself exactly this mode.
  Result<> set_mode(mode_t mode) const;

  // Makes the names in it durable.
  Result<> sync() const;

  // The lock of the directory itself (flock(2)), held as long as the descriptor; nullopt while
  // another has it.
  Result<std::optional<FileDescriptor>> lock() const;

  // O_PATH; remains ours.
  const FileDescriptor& handle() const { return handle_; }

  // As it was when it was opened: for messages.
  const std::string& path() const { return path_; }

 private:
  Directory(FileDescriptor handle, std::string path)
      : handle_(std::move(handle)), path_(std::move(path)) {}
  std::string at(std::string_view name) const { return join_path(path_, name); }
  Result<> check_name(std::string_view name) const;
  Result<FileDescriptor> open_readable() const;
  Result<> take_as_made(const std::string& name, mode_t mode) const;

  FileDescriptor handle_;
  std::string path_;
};

struct Directory::Made {
  Directory directory;
  bool is_new = false;
};

// A file that waits for its name; removed with the draft if it does not get it. The directory must
// outlive it.
class Draft {
 public:
  Draft(const Directory& directory, std::string temporary, std::string name)
      : directory_(&directory), temporary_(std::move(temporary)), name_(std::move(name)) {}
  Draft(Draft&& other) noexcept
      : directory_(std::exchange(other.directory_, nullptr)),
        temporary_(std::move(other.temporary_)),
        name_(std::move(other.name_)) {}
  Draft& operator=(Draft&&) = delete;
  ~Draft();

  // Gives it its name; durable once the directory is synced.
  Result<> place();

 private:
  const Directory* directory_;  // null: it has its name
  std::string temporary_, name_;
};

// Removes what is at `path`, with all below it if it is a directory, each thing by the held
// directory that it is in, no symlink followed. A missing path is not an error. Only for places
// where nobody else may write.
Result<> remove_held_tree(const std::string& path);

}  // namespace everseal::base
