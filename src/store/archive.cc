#include "store/archive.h"

#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <vector>

#include "base/domain_name.h"
#include "base/encoding.h"

namespace everseal::store {
namespace {

using base::FileDescriptor;
using base::FileKind;

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kMostExtension = 64 << 10;  // bytes of a pax header
constexpr std::size_t kLongestName = 4096;
constexpr std::uint64_t kLargestFile = 077777777777;  // what eleven octal digits hold

// Where the fields of a header are (POSIX.1-2001, pax, "ustar Interchange Format").
struct Field {
  std::size_t at, size;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUser{108, 8}, kGroup{116, 8}, kSize{124, 12},
    kTime{136, 12}, kSum{148, 8}, kLink{157, 100}, kMagic{257, 8}, kPrefix{345, 155};
constexpr std::size_t kType = 156;
constexpr char kFile = '0', kSymlink = '2', kDirectory = '5', kExtended = 'x', kGlobal = 'g';

void put(std::string& header, Field field, std::string_view text) {
  header.replace(field.at, text.size(), text);
}

void put_number(std::string& header, Field field, std::uint64_t number) {
  put(header, field, fmt::format("{:0{}o}", number, field.size - 1));
}

// The sum of all bytes, those of the sum itself taken for spaces.
unsigned checksum(std::string_view header) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const bool is_sum = i >= kSum.at && i < kSum.at + kSum.size;
    sum += static_cast<unsigned char>(is_sum ? ' ' : header[i]);
  }
  return sum;
}

std::string make_header(const std::string& name, char type, std::uint64_t size,
                        const std::string& link, Time now) {
  std::string header(kBlock, '\0');
  put(header, kName, name.substr(0, kName.size));
  put_number(header, kMode, type == kDirectory ? 0700 : 0600);
  put_number(header, kUser, 0);
  put_number(header, kGroup, 0);
  put_number(header, kSize, size);
  put_number(header, kTime,
             static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.time_since_epoch().count())));
  header[kType] = type;
  put(header, kLink, link.substr(0, kLink.size));
  put(header, kMagic, std::string_view("ustar\00000", 8));
  put(header, kSum, fmt::format("{:06o}", checksum(header)));
  header[kSum.at + 6] = '\0';
  header[kSum.at + 7] = ' ';
  return header;
}

std::size_t padding(std::uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

// "LENGTH KEY=VALUE\n", the length counting itself.
std::string make_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (fmt::formatted_size("{}", length) + rest > length) ++length;
  return fmt::format("{} {}={}\n", length, key, value);
}

std::string text_of(std::string_view header, Field field) {
  const std::string_view all = header.substr(field.at, field.size);
  return std::string(all.substr(0, all.find('\0')));
}

Result<std::uint64_t> number_of(std::string_view header, Field field) {
  std::string digits = text_of(header, field);
  digits.erase(0, digits.find_first_not_of(' '));
  while (digits.ends_with(' ')) digits.pop_back();
  std::uint64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, number, 8);
  if (parsed.ec != std::errc() || parsed.ptr != end || number > kLargestFile)
    return base::invalid("not a tar archive: a number in a header is none");
  return number;
}

// The records of a pax header by key.
Result<std::map<std::string, std::string>> read_records(std::string_view text) {
  std::map<std::string, std::string> records;
  while (!text.empty()) {
    std::size_t length = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), length);
    const auto digits = static_cast<std::size_t>(parsed.ptr - text.data());
    if (parsed.ec != std::errc() || length > text.size() || length < digits + 2 ||
        text[digits] != ' ' || text[length - 1] != '\n')
      return base::invalid("an extended header is malformed");
    const std::string_view record = text.substr(digits + 1, length - digits - 2);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) return base::invalid("an extended header is malformed");
    records[std::string(record.substr(0, equals))] = record.substr(equals + 1);
    text.remove_prefix(length);
  }
  return records;
}

Result<FileKind> kind_of(char type) {
  switch (type) {
    case kFile:
    case '\0':
      return FileKind::regular;
    case kSymlink:
      return FileKind::symlink;
    case kDirectory:
      return FileKind::directory;
    default:
      return base::invalid("it is neither file, directory nor symlink");
  }
}

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> components(1);
  for (const char c : path)
    if (c == '/')
      components.emplace_back();
    else
      components.back() += c;
  return components;
}

bool is_plain(std::string_view component) {
  return !component.empty() && !component.starts_with('.') &&
         std::ranges::none_of(component, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

bool is_version(std::string_view component, std::string_view suffix) {
  if (!component.ends_with(suffix)) return false;
  component.remove_suffix(suffix.size());
  return !component.empty() && component.size() < 10 && component.front() != '0' &&
         std::ranges::all_of(component, [](char c) { return c >= '0' && c <= '9'; });
}

// "../certs/NAME/versions/N".
bool leads_to_version(const std::string& target, const std::string& name) {
  const std::string before = fmt::format("../certs/{}/versions/", name);
  return target.starts_with(before) &&
         is_version(std::string_view(target).substr(before.size()), "");
}

// The directories of each tree, from the top, and at which depth its files are.
bool belongs(const Member& member, const std::vector<std::string>& path) {
  const bool is_directory = member.kind == FileKind::directory;
  const bool is_file = member.kind == FileKind::regular;
  const std::string& top = path.front();
  if (path.size() == 1)
    return top == "catalog.db" || top == "catalog.db-wal"
               ? is_file
               : is_directory && (top == "accounts" || top == "certs" || top == "live");
  if (top == "live")
    return path.size() == 2 && member.kind == FileKind::symlink &&
           base::parse_domain_name(path[1]).has_value() && leads_to_version(member.target, path[1]);
  if (top == "accounts") return path.size() == 2 ? is_directory : path.size() == 3 && is_file;
  if (top != "certs" || !base::parse_domain_name(path[1])) return false;
  if (path.size() > 2 && path[2] != "versions") return false;
  if (path.size() > 3 && !is_version(path[3], "") && !is_version(path[3], ".new")) return false;
  return path.size() < 5 ? is_directory : path.size() == 5 && is_file;
}

}  // namespace

Result<> ArchiveWriter::add(const Member& member) {
  std::string records;
  if (member.path.size() > kName.size) records += make_record("path", member.path);
  if (member.target.size() > kLink.size) records += make_record("linkpath", member.target);
  std::string text;
  if (!records.empty()) {
    text = make_header("extended", kExtended, records.size(), {}, now_) + records;
    text.append(padding(records.size()), '\0');
  }
  const char type = member.kind == FileKind::directory ? kDirectory
                    : member.kind == FileKind::symlink ? kSymlink
                                                       : kFile;
  text += make_header(member.path, type, member.size, member.target, now_);
  return base::write_all(archive_, text, "write the archive");
}

Result<> ArchiveWriter::add_directory(const std::string& path) {
  return add({.path = path, .kind = FileKind::directory, .target = {}});
}

Result<> ArchiveWriter::add_symlink(const std::string& path, const std::string& target) {
  return add({.path = path, .kind = FileKind::symlink, .target = target});
}

Result<> ArchiveWriter::add_file(const std::string& path, const FileDescriptor& file) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0)
    return base::system_error(fmt::format("read {}", path), errno);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > kLargestFile) return base::invalid(fmt::format("{} is larger than tar has it", path));
  TRY(add({.path = path, .kind = FileKind::regular, .target = {}, .size = size}));
  const off_t before = ::lseek(archive_.get(), 0, SEEK_CUR);
  TRY(base::copy_all(file, archive_, fmt::format("copy {} into the archive", path)));
  if (::lseek(archive_.get(), 0, SEEK_CUR) - before != status.st_size)
    return base::transient(fmt::format("{} was changed while it was read", path));
  return base::write_all(archive_, std::string(padding(size), '\0'), "write the archive");
}

Result<> ArchiveWriter::finish() {
  return base::write_all(archive_, std::string(2 * kBlock, '\0'), "write the archive");
}

Result<std::string> ArchiveReader::block(std::uint64_t offset) const {
  std::string bytes(kBlock, '\0');
  const ssize_t size =
      ::pread(archive_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (size < 0) return base::system_error("read the archive", errno);
  if (static_cast<std::size_t>(size) != kBlock)
    return base::invalid(offset == 0 ? "not a tar archive" : "the archive was cut off");
  return bytes;
}

Result<std::optional<Member>> ArchiveReader::next() {
  std::map<std::string, std::string> extended;
  while (true) {
    const std::string header = TRY(block(position_));
    if (header == std::string(kBlock, '\0')) return std::nullopt;
    if (!header.substr(kMagic.at).starts_with("ustar") ||
        TRY(number_of(header, kSum)) != checksum(header))
      return base::invalid(position_ == 0 ? "not a tar archive" : "the archive is damaged");
    Member member{.path = text_of(header, kName), .target = text_of(header, kLink)};
    if (const std::string prefix = text_of(header, kPrefix); !prefix.empty())
      member.path = prefix + "/" + member.path;
    member.size = TRY(number_of(header, kSize));
    member.made = Time(base::Seconds(static_cast<std::int64_t>(TRY(number_of(header, kTime)))));
    member.offset = position_ + kBlock;
    position_ = member.offset + member.size + padding(member.size);
    const char type = header[kType];
    if (type == kExtended || type == kGlobal) {
      if (member.size > kMostExtension) return base::invalid("an extended header is too long");
      std::string text;
      for (std::uint64_t at = 0; at < member.size; at += kBlock)
        text += TRY(block(member.offset + at));
      auto records = TRY(read_records(std::string_view(text).substr(0, member.size)));
      if (type == kExtended) extended = std::move(records);
      continue;
    }
    if (const auto path = extended.find("path"); path != extended.end()) member.path = path->second;
    if (const auto link = extended.find("linkpath"); link != extended.end())
      member.target = link->second;
    if (member.path.size() > kLongestName || member.target.size() > kLongestName)
      return base::invalid("a name is too long");
    member.kind = TRY(base::within(base::printable(member.path), kind_of(type)));
    while (member.path.ends_with('/')) member.path.pop_back();  // of directories, as GNU tar has it
    if (member.path.starts_with("./")) member.path.erase(0, 2);
    return member;
  }
}

Result<> ArchiveReader::copy(const Member& member, const FileDescriptor& to) const {
  auto offset = static_cast<off_t>(member.offset);
  std::uint64_t left = member.size;
  while (left > 0) {
    const ssize_t copied = ::sendfile(to.get(), archive_.get(), &offset, left);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0)
      return base::system_error(fmt::format("write {}", base::printable(member.path)), errno);
    if (copied == 0) return base::invalid("the archive was cut off");
    left -= static_cast<std::uint64_t>(copied);
  }
  return {};
}

Result<> check_member(const Member& member) {
  const std::vector<std::string> path = split(member.path);
  if (std::ranges::all_of(path, is_plain) && belongs(member, path)) return {};
  return base::invalid(
      fmt::format("{} belongs in no backup of everseal", base::printable(member.path, 100)));
}

}  // namespace everseal::store
