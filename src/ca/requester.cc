#include "ca/requester.h"

#include "base/address.h"

namespace everseal::ca {
namespace {

constexpr std::size_t kBytes = 16, kNetworkBytes = 8;  // of an IPv6 address

template <class Key>
void decrement(std::map<Key, std::size_t>& counts, const Key& key) {
  const auto found = counts.find(key);
  if (--found->second == 0) counts.erase(found);
}

template <class Key>
std::size_t count_of(const std::map<Key, std::size_t>& counts, const Key& key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

std::string network_of(std::string_view address) {
  std::string bytes = base::address_bytes(address).value_or("");
  const bool is_ipv6 = bytes.size() == kBytes;
  if (is_ipv6) bytes.replace(kNetworkBytes, kBytes - kNetworkBytes, kBytes - kNetworkBytes, '\0');
  return base::address_text(bytes).value_or("") + (is_ipv6 ? "/64" : "");
}

void RequesterCounts::add(const Requester& requester) {
  ++accounts_[requester.account];
  ++networks_[requester.network];
  ++all_;
}

void RequesterCounts::remove(const Requester& requester) {
  decrement(accounts_, requester.account);
  decrement(networks_, requester.network);
  --all_;
}

std::size_t RequesterCounts::of_account(const Requester& requester) const {
  return count_of(accounts_, requester.account);
}

std::size_t RequesterCounts::of_network(const Requester& requester) const {
  return count_of(networks_, requester.network);
}

}  // namespace everseal::ca
