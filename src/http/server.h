// A small HTTP server for answers that are known beforehand.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::http {

// Serves fixed texts by path, over plain HTTP/1.1. All else is 404. At most 200 connections, of
// which the oldest makes place for a new one, 10 seconds and 8 KiB of request each. Move-only.
class Server {
 public:
  // Binds and listens on every address of both families, or on this one; port 0 takes any. Errors:
  // transient ("listen on [::]:80: Address already in use"), internal (no permission).
  static Result<Server> listen(std::uint16_t port);
  static Result<Server> listen(const base::SocketAddress& address);
  Server(Server&&) noexcept;
  ~Server();

  std::uint16_t port() const { return port_; }

  // Serves until `event` can be read; connections stay for the next call.
  void serve_until(const base::FileDescriptor& event);

  // Both hold from the next request on.
  void put(const std::string& path, std::string body, std::string_view type = "text/plain");
  void remove(const std::string& path);

 private:
  class Loop;
  Server();
  Result<> add(const base::SocketAddress& address);

  std::uint16_t port_ = 0;
  std::unique_ptr<Loop> loop_;
};

}  // namespace everseal::http
