// Who asks for validations, and how many of them each has.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace everseal::ca {

struct Requester {
  std::int64_t account = 0;
  std::string network{};  // as network_of() gives it; empty: unknown, after a restart

  auto operator<=>(const Requester&) const = default;
};

// What one person has of addresses: "192.0.2.1", or of IPv6 "2001:db8:0:1::/64". Empty for what is
// no address.
std::string network_of(std::string_view address);

// How much one account, one network and all together may have.
struct Shares {
  std::size_t account, network, all;
};

// Counts what requesters have.
class RequesterCounts {
 public:
  void add(const Requester& requester);
  // One that was added.
  void remove(const Requester& requester);

  std::size_t of_account(const Requester& requester) const;
  std::size_t of_network(const Requester& requester) const;
  std::size_t of_all() const { return all_; }

 private:
  std::map<std::int64_t, std::size_t> accounts_;  // none of zero
  std::map<std::string, std::size_t> networks_;   // none of zero
  std::size_t all_ = 0;
};

}  // namespace everseal::ca
