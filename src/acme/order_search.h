// Finding orders whose URLs were lost.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "acme/client.h"

namespace everseal::acme {

// URLs of orders by their names, sorted.
using OrdersByNames = std::multimap<std::vector<std::string>, std::string>;

// The account's orders that can still be completed as new ones could, pending or ready, without
// those in `known`: a reply to newOrder that was lost left such an order, and never one further on,
// for those have been saved. Reads the account's list (RFC 8555 §7.1.2.1), at most 500 pages and
// 1000 orders; CAs without a list (Let's Encrypt) and failures give none.
OrdersByNames find_open_orders(Client& client, const std::set<std::string>& known);

}  // namespace everseal::acme
