#include "acme/order_search.h"

#include <utility>

namespace everseal::acme {
namespace {

constexpr int kMostPages = 500;
constexpr std::size_t kMostOrders = 1000;

std::string list_url(Client& client) {
  if (!client.account().orders.empty()) return client.account().orders;
  const auto response = client.call({client.account().url, payload::PostAsGet()});
  if (!response || response->status != 200) return {};
  return parse_account(response->body, client.origin()).value_or(Account()).orders;
}

std::string next_page(const http::Response& response, const std::string& origin) {
  for (const std::string& target : http::links(response, "next")) {
    if (http::https_origin(target).value_or("") == origin) return target;
  }
  return {};
}

std::vector<std::string> list_orders(Client& client) {
  std::vector<std::string> orders;
  std::string page = list_url(client);
  for (int pages = 0; !page.empty() && pages < kMostPages; pages++) {
    const auto response = client.call({page, payload::PostAsGet()});
    if (!response || response->status != 200) break;
    const auto urls = parse_order_list(response->body, client.origin());
    if (!urls) break;
    orders.insert(orders.end(), urls->begin(), urls->end());
    page = next_page(*response, client.origin());
  }
  if (orders.size() > kMostOrders) orders.resize(kMostOrders);
  return orders;
}

bool is_open(const Order& order) {
  return order.status == OrderStatus::pending || order.status == OrderStatus::ready;
}

}  // namespace

OrdersByNames find_open_orders(Client& client, const std::set<std::string>& known) {
  OrdersByNames found;
  for (const std::string& url : list_orders(client)) {
    if (known.contains(url)) continue;
    const auto response = client.call({url, payload::PostAsGet()});
    if (!response || response->status != 200) continue;
    auto order = parse_order(response->body, client.origin());
    if (order && is_open(*order)) found.emplace(std::move(order->names), url);
  }
  return found;
}

}  // namespace everseal::acme
