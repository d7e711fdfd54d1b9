// The state directory in one file: a tar archive (POSIX.1-2001, "pax"), as `tar -xf` reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"

namespace everseal::store {

// One thing in an archive. Its path is relative, with '/' between components.
struct Member {
  std::string path;
  base::FileKind kind = base::FileKind::regular;  // never `other`
  std::string target;                             // of a symlink
  std::uint64_t size = 0;                         // of a regular file, bytes
  std::uint64_t offset = 0;                       // of its content in the archive
  Time made{};                                    // when it was put into it, as that says
};

// Appends members to an archive. Files are 0600 and directories 0700 in it; their content goes from
// file to file within the kernel. `archive` must outlive it.
class ArchiveWriter {
 public:
  ArchiveWriter(const base::FileDescriptor& archive, Time now) : archive_(archive), now_(now) {}

  Result<> add_directory(const std::string& path);
  Result<> add_symlink(const std::string& path, const std::string& target);
  // All of `file` from its beginning; nobody may change it meanwhile.
  Result<> add_file(const std::string& path, const base::FileDescriptor& file);
  // Without this an archive is taken for one that was cut off.
  Result<> finish();

 private:
  Result<> add(const Member& member);

  const base::FileDescriptor& archive_;
  const Time now_;
};

// Reads the members of an archive in their order, whoever made it. `archive` must outlive it.
class ArchiveReader {
 public:
  explicit ArchiveReader(const base::FileDescriptor& archive) : archive_(archive) {}

  // nullopt at the end. Errors: invalid (no tar archive, one that was cut off, a member that is
  // neither file, directory nor symlink, a name of more than 4096 bytes).
  Result<std::optional<Member>> next();

  // Writes the content of a member to `to`, within the kernel.
  Result<> copy(const Member& member, const base::FileDescriptor& to) const;

 private:
  Result<std::string> block(std::uint64_t offset) const;

  const base::FileDescriptor& archive_;
  std::uint64_t position_ = 0;
};

// Whether a backup of the state directory may hold this: only what formats.md says is in it, no
// path that leads out of it, and no link but those of live/. Errors: invalid.
Result<> check_member(const Member& member);

}  // namespace everseal::store
