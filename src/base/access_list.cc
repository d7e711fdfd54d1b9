#include "base/access_list.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

namespace everseal::base {
namespace {

using Tag = AccessEntry::Tag;

constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kNoId = 0xffffffff;
constexpr std::size_t kHeaderBytes = 4, kEntryBytes = 8;

std::uint32_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t number = 0;
  for (std::size_t i = size; i-- > 0;)
    number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}

void append(std::string& bytes, std::uint32_t number, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(number >> (8 * i) & 0xff);
}

bool has_id(Tag tag) { return tag == Tag::user || tag == Tag::group; }

bool is_masked(const AccessEntry& entry) {
  return has_id(entry.tag) || entry.tag == Tag::owning_group;
}

const AccessEntry* find(const AccessList& list, Tag tag, id_t id = 0) {
  const auto entry = std::ranges::find_if(
      list, [&](const AccessEntry& each) { return each.tag == tag && each.id == id; });
  return entry == list.end() ? nullptr : &*entry;
}

unsigned rights_in(const AccessList& list, Tag tag, id_t id = 0) {
  const AccessEntry* entry = find(list, tag, id);
  return entry ? entry->rights : 0;
}

// An entry of this name already there says what its user may do; a second is not allowed.
void add_if_missing(AccessList& list, const AccessEntry& entry) {
  if (!find(list, entry.tag, entry.id)) list.push_back(entry);
}

// The same rights without a mask.
void take_mask_in(AccessList& list) {
  const AccessEntry* mask = find(list, Tag::mask);
  if (!mask) return;
  const unsigned most = mask->rights;
  for (AccessEntry& entry : list)
    if (is_masked(entry)) entry.rights &= most;
  std::erase_if(list, [](const AccessEntry& entry) { return entry.tag == Tag::mask; });
}

// A list that names somebody must have a mask (acl(5)).
void complete(AccessList& list) {
  unsigned most = 0;
  for (const AccessEntry& entry : list)
    if (is_masked(entry)) most |= entry.rights;
  if (std::ranges::any_of(list, [](const AccessEntry& entry) { return has_id(entry.tag); }))
    list.push_back({Tag::mask, most, 0});
  std::ranges::sort(list, {},
                    [](const AccessEntry& entry) { return std::tuple(entry.tag, entry.id); });
}

}  // namespace

Result<AccessList> parse_access_list(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || (bytes.size() - kHeaderBytes) % kEntryBytes != 0 ||
      number_at(bytes, 0, 4) != kVersion)
    return invalid("not an access control list");
  AccessList list;
  for (std::size_t at = kHeaderBytes; at < bytes.size(); at += kEntryBytes) {
    const auto tag = static_cast<Tag>(number_at(bytes, at, 2));
    list.push_back({tag, number_at(bytes, at + 2, 2) & 7,
                    has_id(tag) ? static_cast<id_t>(number_at(bytes, at + 4, 4)) : 0});
  }
  return list;
}

std::string serialize(const AccessList& list) {
  std::string bytes;
  append(bytes, kVersion, 4);
  for (const AccessEntry& entry : list) {
    append(bytes, static_cast<std::uint32_t>(entry.tag), 2);
    append(bytes, entry.rights, 2);
    append(bytes, has_id(entry.tag) ? entry.id : kNoId, 4);
  }
  return bytes;
}

AccessList access_list_of(mode_t mode) {
  return {{Tag::owner, mode >> 6 & 7, 0},
          {Tag::owning_group, mode >> 3 & 7, 0},
          {Tag::other, mode & 7, 0}};
}

Result<AccessList> read_access_list(const std::string& path, const char* attribute) {
  char bytes[64 << 10];
  const ssize_t size = ::getxattr(path.c_str(), attribute, bytes, sizeof bytes);
  if (size >= 0) return within(path, parse_access_list({bytes, static_cast<std::size_t>(size)}));
  if (errno != ENODATA && errno != ENOTSUP)
    return system_error(fmt::format("read the access list of {}", path), errno);
  if (std::string_view(attribute) == kDefaultAttribute) return AccessList{};
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return system_error(fmt::format("stat {}", path), errno);
  return access_list_of(status.st_mode);
}

// The algorithm of acl(5), "access check algorithm", for a user with one group.
unsigned rights_of(const Identity& who, const Identity& owner, const AccessList& list) {
  if (who.user == 0) return 7;
  if (who.user == owner.user) return rights_in(list, Tag::owner);
  const AccessEntry* mask = find(list, Tag::mask);
  const unsigned most = mask ? mask->rights : 7;
  if (find(list, Tag::user, who.user)) return rights_in(list, Tag::user, who.user) & most;
  const bool owning = who.group == owner.group;
  if (!owning && !find(list, Tag::group, who.group)) return rights_in(list, Tag::other);
  unsigned rights = rights_in(list, Tag::group, who.group);
  if (owning) rights |= rights_in(list, Tag::owning_group);
  return rights & most;
}

AccessList keep_access(AccessList list, const Identity& before, const Identity& now) {
  take_mask_in(list);
  const unsigned other = rights_in(list, Tag::other);
  if (before.user != now.user && before.user != 0)
    add_if_missing(list, {Tag::user, rights_in(list, Tag::owner), before.user});
  if (before.group != now.group) {
    const unsigned group = rights_in(list, Tag::owning_group);
    if (group != other) add_if_missing(list, {Tag::group, group, before.group});
    for (AccessEntry& entry : list)
      if (entry.tag == Tag::owning_group) entry.rights = other;
  }
  complete(list);
  return list;
}

}  // namespace everseal::base
