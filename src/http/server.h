// A small HTTP server for answers that are known beforehand.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::http {

// Serves fixed texts by path, over plain HTTP/1.1 on every address of both families, from one
// thread of its own, until it is destroyed. All else is 404. At most 64 connections, 10 seconds
// and 8 KiB of request each.
class Server {
 public:
  // Binds and listens; port 0 takes any. Errors: transient ("listen on [::]:80: Address already in
  // use"), internal (no permission).
  static Result<std::unique_ptr<Server>> listen(std::uint16_t port);
  ~Server();

  std::uint16_t port() const { return port_; }

  // Both may be called from any thread; they hold from the next request on.
  void put(const std::string& path, std::string body);
  void remove(const std::string& path);

 private:
  Server() = default;
  void serve();
  std::string answer(std::string_view request);

  std::uint16_t port_ = 0;
  std::vector<base::FileDescriptor> listeners_;
  base::FileDescriptor stop_;  // eventfd: readable when the thread must end
  std::mutex mutex_;
  std::map<std::string, std::string> bodies_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace everseal::http
