#include "base/fake_file_system.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>

namespace everseal::base {
FakeFileSystem::FakeFileSystem()
    : root_(std::make_shared<Node>(Node{FileKind::directory, 0755, {}, {}, {}, {}})) {}

void FakeFileSystem::put(const std::string& path, std::string_view bytes, mode_t mode) {
  NodePointer directory = root_;
  for (std::size_t begin = 1, slash; (slash = path.find('/', begin)) != std::string::npos;
       begin = slash + 1) {
    NodePointer& next = directory->names[path.substr(begin, slash - begin)];
    if (!next) next = std::make_shared<Node>(Node{FileKind::directory, 0755, {}, {}, {}, {}});
    directory->durable_names = directory->names;
    directory = next;
  }
  directory->names[name_of(path)] = std::make_shared<Node>(
      Node{FileKind::regular, mode, std::string(bytes), std::string(bytes), {}, {}});
  directory->durable_names = directory->names;
}

std::map<std::string, std::string> FakeFileSystem::all() const {
  std::map<std::string, std::string> found;
  const std::function<void(const std::string&, const Node&)> walk = [&](const std::string& path,
                                                                        const Node& node) {
    if (node.kind == FileKind::regular) found[path] = node.bytes;
    if (node.kind == FileKind::symlink) found[path] = "-> " + node.bytes;
    for (const auto& [name, child] : node.names) walk(path + "/" + name, *child);
  };
  walk("", *root_);
  return found;
}

void FakeFileSystem::fail_from(int n, int error_code) {
  fail_from_ = n;
  fail_code_ = error_code;
}

void FakeFileSystem::cut_power() {
  const std::function<void(Node&)> walk = [&](Node& node) {
    node.names = node.durable_names;
    if (node.kind == FileKind::regular) node.bytes = node.durable_bytes;
    for (auto& [name, child] : node.names) walk(*child);
  };
  walk(*root_);
}

FakeFileSystem::NodePointer FakeFileSystem::find(const std::string& path, LastSymlink last,
                                                 int depth) const {
  if (depth > 40) return nullptr;
  NodePointer node = root_;
  for (std::size_t begin = 1; begin < path.size();) {
    std::size_t end = path.find('/', begin);
    if (end == std::string::npos) end = path.size();
    const auto next = node->names.find(path.substr(begin, end - begin));
    if (next == node->names.end()) return nullptr;
    const std::string rest = path.substr(end);
    if (next->second->kind == FileKind::symlink && (!rest.empty() || last == LastSymlink::follow)) {
      const std::string& target = next->second->bytes;
      std::string whole = target.starts_with('/') ? target : path.substr(0, begin) + target;
      for (std::size_t up; (up = whole.find("/..")) != std::string::npos;)
        whole.erase(whole.rfind('/', up - 1), up + 3 - whole.rfind('/', up - 1));
      return find(whole + rest, last, depth + 1);
    }
    node = next->second;
    begin = end + 1;
  }
  return node;
}

Result<FakeFileSystem::NodePointer> FakeFileSystem::directory_for(const std::string& path) const {
  NodePointer directory = find(directory_of(path), LastSymlink::follow);
  if (!directory || directory->kind != FileKind::directory) return system_error(path, ENOENT);
  return directory;
}

Result<> FakeFileSystem::operation(std::string what) {
  journal_.push_back(std::move(what));
  if (fail_from_ > 0 && static_cast<int>(journal_.size()) >= fail_from_)
    return system_error(journal_.back(), fail_code_);
  return {};
}

Result<> FakeFileSystem::add(const std::string& path, NodePointer node) {
  const NodePointer directory = TRY(directory_for(path));
  if (!directory->names.emplace(name_of(path), std::move(node)).second)
    return system_error(path, EEXIST);
  return {};
}

Result<std::string> FakeFileSystem::read(const std::string& path) const {
  const NodePointer node = find(path, LastSymlink::follow);
  if (!node) return system_error(fmt::format("open {}", path), ENOENT);
  if (node->kind != FileKind::regular)
    return invalid(fmt::format("read {}: not a regular file", path));
  return node->bytes;
}

Result<FileStatus> FakeFileSystem::status(const std::string& path) const {
  const NodePointer node = find(path, LastSymlink::keep);
  if (!node) return system_error(fmt::format("stat {}", path), ENOENT);
  return FileStatus{node->kind, node->mode, 0, 0, node->bytes.size()};
}

Result<std::string> FakeFileSystem::real_path(const std::string& path) const {
  std::string real = path;
  for (int depth = 0; depth < 40; ++depth) {
    const NodePointer node = find(real, LastSymlink::keep);
    if (!node) return system_error(fmt::format("resolve {}", path), ENOENT);
    if (node->kind != FileKind::symlink) return real;
    real = node->bytes.starts_with('/') ? node->bytes : join_path(directory_of(real), node->bytes);
    for (std::size_t up; (up = real.find("/..")) != std::string::npos;)
      real.erase(real.rfind('/', up - 1), up + 3 - real.rfind('/', up - 1));
  }
  return system_error(fmt::format("resolve {}", path), ELOOP);
}

Result<std::string> FakeFileSystem::read_link(const std::string& path) const {
  const NodePointer node = find(path, LastSymlink::keep);
  if (!node || node->kind != FileKind::symlink)
    return system_error(fmt::format("read link {}", path), node ? EINVAL : ENOENT);
  return node->bytes;
}

Result<std::vector<std::string>> FakeFileSystem::list(const std::string& directory) const {
  const NodePointer node = find(directory, LastSymlink::follow);
  if (!node || node->kind != FileKind::directory)
    return system_error(fmt::format("list {}", directory), ENOENT);
  std::vector<std::string> names;
  for (const auto& [name, child] : node->names) names.push_back(name);
  return names;
}

Result<> FakeFileSystem::create(const std::string& path, std::string_view bytes, mode_t mode) {
  TRY(operation("create " + path));
  return add(path,
             std::make_shared<Node>(Node{FileKind::regular, mode, std::string(bytes), {}, {}, {}}));
}

// Descriptors are of memory: what is written to them is taken over.
Result<> FakeFileSystem::create_with(const std::string& path, const ContentWriter& write,
                                     mode_t mode) {
  const FileDescriptor file(::memfd_create("fake", MFD_CLOEXEC));
  TRY(write(file));
  ::lseek(file.get(), 0, SEEK_SET);
  return create(path, TRY(read_all(file, "read " + path)), mode);
}

Result<FileDescriptor> FakeFileSystem::open(const std::string& path) const {
  FileDescriptor file(::memfd_create("fake", MFD_CLOEXEC));
  TRY(write_all(file, TRY(read(path)), "write " + path));
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

Result<> FakeFileSystem::sync(const std::string& path) {
  TRY(operation("sync " + path));
  const NodePointer node = find(path, LastSymlink::follow);
  if (!node) return system_error(fmt::format("open {}", path), ENOENT);
  node->durable_bytes = node->bytes;
  node->durable_names = node->names;
  return {};
}

Result<> FakeFileSystem::make_directory(const std::string& path, mode_t mode) {
  if (const NodePointer there = find(path, LastSymlink::keep);
      there && there->kind == FileKind::directory)
    return {};
  TRY(operation("mkdir " + path));
  return add(path, std::make_shared<Node>(Node{FileKind::directory, mode, {}, {}, {}, {}}));
}

Result<> FakeFileSystem::rename(const std::string& from, const std::string& to) {
  TRY(operation(fmt::format("rename {} to {}", from, to)));
  const NodePointer source = TRY(directory_for(from));
  const NodePointer target = TRY(directory_for(to));
  const auto entry = source->names.find(name_of(from));
  if (entry == source->names.end()) return system_error(fmt::format("rename {}", from), ENOENT);
  const NodePointer node = entry->second;
  source->names.erase(entry);
  target->names[name_of(to)] = node;
  return {};
}

Result<> FakeFileSystem::make_symlink(const std::string& target, const std::string& path) {
  TRY(operation("symlink " + path));
  return add(path, std::make_shared<Node>(Node{FileKind::symlink, 0777, target, target, {}, {}}));
}

Result<> FakeFileSystem::remove(const std::string& path) {
  const NodePointer directory = TRY(directory_for(path));
  const auto entry = directory->names.find(name_of(path));
  if (entry == directory->names.end()) return system_error(fmt::format("remove {}", path), ENOENT);
  if (!entry->second->names.empty()) return system_error(fmt::format("remove {}", path), ENOTEMPTY);
  TRY(operation("remove " + path));
  directory->names.erase(entry);
  return {};
}

// In steps, so that a test can fail each.
Result<> FakeFileSystem::write_durably_with(const std::string& path, const ContentWriter& write,
                                            mode_t mode) {
  const std::string temporary = temporary_path(path);
  TRY(remove_file(*this, temporary));
  auto written = create_with(temporary, write, mode);
  if (written) written = sync(temporary);
  if (written) written = rename(temporary, path);
  if (written) return sync(directory_of(path));
  static_cast<void>(remove_file(*this, temporary));
  return written;
}

Result<> FakeFileSystem::replace(const std::string& path, std::string_view bytes) {
  return write_durably(*this, path, bytes, TRY(status(path)).mode);
}

Result<> FakeFileSystem::remove_tree(const std::string& path) {
  const auto there = status(path);
  if (!there && there.error().kind == ErrorKind::not_found) return {};
  if (!there) return std::unexpected(there.error());
  if (there->kind == FileKind::directory)
    for (const std::string& name : TRY(list(path))) TRY(remove_tree(join_path(path, name)));
  return remove(path);
}

}  // namespace everseal::base
