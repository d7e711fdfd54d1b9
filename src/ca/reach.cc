#include "ca/reach.h"

#include <algorithm>

namespace everseal::ca {
namespace {

using base::AddressKind;

bool is_in(std::string_view address, const std::vector<base::Network>& networks) {
  return std::ranges::any_of(networks, [&](const auto& each) { return each.contains(address); });
}

}  // namespace

std::string_view Reach::fault_of(std::string_view address) const {
  const auto meanings = base::meanings_of(address);
  if (std::ranges::any_of(meanings, [&](const auto& each) { return is_in(each, never); }))
    return "an address that the policy excludes";
  if (is_in(address, also)) return {};
  for (const std::string& each : meanings) {
    const AddressKind kind = base::kind_of(each);
    const bool is_own = kind == AddressKind::loopback && loopback == Loopback::allowed;
    if (kind != AddressKind::ordinary && !is_own && !is_in(each, also)) return to_string(kind);
  }
  return {};
}

}  // namespace everseal::ca
