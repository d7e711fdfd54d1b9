// Files as we use them: read whole, created once, synced, renamed.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::base {

enum class FileKind { regular, directory, symlink, other };

struct FileStatus {
  FileKind kind = FileKind::other;
  mode_t mode = 0;  // permission bits only, 07777
  uid_t owner = 0;
  gid_t group = 0;
  std::uint64_t size = 0;  // bytes
};

// A file that we obey, and how open it is.
struct TrustedText {
  std::string text;
  std::string path;  // without symlinks
  mode_t mode = 0;   // permission bits, 07777
};

// Interface for reading files. Every failure names the attempt and the path; a missing file is
// ErrorKind::not_found.
class FileReader {
 public:
  virtual ~FileReader() = default;

  // The whole of a regular file, at most kMaxFileBytes; symlinks are followed, devices and pipes
  // refused (never waited on).
  virtual Result<std::string> read(const std::string& path) const = 0;

  // The same of a file that nobody but root and whoever runs this can change, or replace by another
  // (base/trusted_file.h); what was looked at is what is read. Errors: rejected, with the file or
  // directory that others can change and the command that mends it. Here: every file is such a one.
  virtual Result<TrustedText> read_trusted(const std::string& path) const;

  // What the path itself is; a symlink is not followed.
  virtual Result<FileStatus> status(const std::string& path) const = 0;

  // The absolute path without symlinks, as realpath(3).
  virtual Result<std::string> real_path(const std::string& path) const = 0;

  // The text of a symlink.
  virtual Result<std::string> read_link(const std::string& path) const = 0;

  // The names in a directory without "." and "..", sorted bytewise.
  virtual Result<std::vector<std::string>> list(const std::string& directory) const = 0;
};

// Writes the content of a new file: for bytes that must not pass through this process.
using ContentWriter = std::function<Result<>(const FileDescriptor& file)>;

// Interface for changing files. Nothing is durable before sync() of the file and of the directory
// that names it.
class FileSystem : public FileReader {
 public:
  // Makes a new file with exactly this mode; an existing path (also a symlink) is an error.
  virtual Result<> create(const std::string& path, std::string_view bytes, mode_t mode) = 0;

  // The same, but `write` is given the empty file to fill; if it fails, so does this.
  virtual Result<> create_with(const std::string& path, const ContentWriter& write,
                               mode_t mode) = 0;

  // A regular file, open for reading from its beginning; symlinks are followed.
  virtual Result<FileDescriptor> open(const std::string& path) const = 0;

  // Makes the content of a file, or the names in a directory, durable (fsync).
  virtual Result<> sync(const std::string& path) = 0;

  // Makes one directory with exactly this mode; an existing directory is not an error.
  virtual Result<> make_directory(const std::string& path, mode_t mode) = 0;

  // Atomic; replaces a file or symlink at `to`.
  virtual Result<> rename(const std::string& from, const std::string& to) = 0;

  virtual Result<> make_symlink(const std::string& target, const std::string& path) = 0;

  // Removes a file, a symlink or an empty directory. A missing path is ErrorKind::not_found.
  virtual Result<> remove(const std::string& path) = 0;

  // Replaces or makes a file durably: a dot-named temporary file beside it, fsync, rename, fsync of
  // the directory. A failed fsync leaves the old file as it was.
  virtual Result<> write_durably_with(const std::string& path, const ContentWriter& write,
                                      mode_t mode) = 0;

  // The same with the owner, group, mode and extended attributes of the old file. Without root's
  // right to give files away the new one stays ours, and whoever could use the old one is named in
  // its access list.
  virtual Result<> replace(const std::string& path, std::string_view bytes) = 0;

  // Removes a file or a directory with all that is in it; a missing path is not an error.
  virtual Result<> remove_tree(const std::string& path) = 0;
};

// The machine's files; lives for the whole process.
FileSystem& real_file_system();

bool exists(const FileReader& files, const std::string& path);

// What a descriptor or a path is, of what the system says.
FileStatus file_status(const struct stat& status);

// "/a/b" of "/a/b/c"; "." of "c"; "/" of "/c". And "c".
std::string name_of(std::string_view path);
std::string directory_of(std::string_view path);
std::string join_path(std::string_view directory, std::string_view name);

// Makes a directory and those above it that are missing, and syncs each that gained a name.
Result<> make_directories(FileSystem& files, const std::string& path, mode_t mode);

// Removes a file or a directory with all that is in it; a missing path is not an error. Only in
// directories where nobody else may write.
Result<> remove_tree(FileSystem& files, const std::string& path);

// Removes a file or a symlink; a missing path is not an error, a directory is.
Result<> remove_file(FileSystem& files, const std::string& path);

// Where the text that is to replace a file is written first: beside it, so that the rename stays on
// one file system, and dot-named, so that no `include *` of nginx reads it (glob(3), FNM_PERIOD).
std::string temporary_path(std::string_view path);

// FileSystem::write_durably_with(), and the same for bytes.
Result<> write_durably(FileSystem& files, const std::string& path, std::string_view bytes,
                       mode_t mode);
Result<> write_durably_with(FileSystem& files, const std::string& path, const ContentWriter& write,
                            mode_t mode);

}  // namespace everseal::base

namespace everseal {
using base::FileReader;
using base::FileSystem;
}  // namespace everseal
