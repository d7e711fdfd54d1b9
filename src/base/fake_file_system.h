// Files in memory, for tests: it records what was touched, fails when told to, and loses at a power
// cut what was not synced.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "base/file_system.h"

namespace everseal::base {

// A file system that never leaves memory. Directories exist once made ("/" always does). A rename,
// creation or removal is durable when its directory was synced, the bytes of a file when the file
// was (what POSIX promises, and no more).
class FakeFileSystem : public FileSystem {
 public:
  FakeFileSystem();

  // Puts a durable file (and the directories above it) there.
  void put(const std::string& path, std::string_view bytes, mode_t mode = 0644);

  // Every path with its bytes ("-> target" for symlinks); directories are left out.
  std::map<std::string, std::string> all() const;

  // The operations that change something, in order: "create /a/b", "rename /a to /b", ….
  const std::vector<std::string>& journal() const { return journal_; }

  // Fails operation number `n` (from 1) and, as a full disk does, all that create or sync after it,
  // until heal().
  void fail_from(int n, int error_code);
  void heal() { fail_from_ = 0; }

  // Forgets all that was not made durable.
  void cut_power();

  Result<std::string> read(const std::string& path) const override;
  Result<FileStatus> status(const std::string& path) const override;
  Result<std::string> real_path(const std::string& path) const override;
  Result<std::string> read_link(const std::string& path) const override;
  Result<std::vector<std::string>> list(const std::string& directory) const override;
  Result<> create(const std::string& path, std::string_view bytes, mode_t mode) override;
  Result<> create_with(const std::string& path, const ContentWriter& write, mode_t mode) override;
  Result<FileDescriptor> open(const std::string& path) const override;
  Result<> sync(const std::string& path) override;
  Result<> make_directory(const std::string& path, mode_t mode) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> make_symlink(const std::string& target, const std::string& path) override;
  Result<> remove(const std::string& path) override;
  Result<> write_durably_with(const std::string& path, const ContentWriter& write,
                              mode_t mode) override;
  Result<> replace(const std::string& path, std::string_view bytes) override;
  Result<> remove_tree(const std::string& path) override;

 private:
  struct Node {
    FileKind kind;
    mode_t mode;
    std::string bytes;          // of a file; the target of a symlink
    std::string durable_bytes;  // what survives a power cut
    std::map<std::string, std::shared_ptr<Node>> names, durable_names;
  };
  using NodePointer = std::shared_ptr<Node>;

  // Where a path leads; intermediate symlinks are always followed, the last one if asked.
  enum class LastSymlink { follow, keep };
  NodePointer find(const std::string& path, LastSymlink last, int depth = 0) const;
  Result<NodePointer> directory_for(const std::string& path) const;
  Result<> operation(std::string what);
  Result<> add(const std::string& path, NodePointer node);

  NodePointer root_;
  std::vector<std::string> journal_;
  int fail_from_ = 0;
  int fail_code_ = 0;
};

}  // namespace everseal::base
