// A running Server, for tests.
#pragma once

#include <sys/eventfd.h>

#include <thread>

#include "http/server.h"

namespace everseal::http {

// Serves on a free port until it goes. What is put or removed meanwhile may race with a request
// that is under way: tests ask one after the other.
class ServerInThread {
 public:
  ServerInThread() : thread_([this] { server_.serve_until(stop_); }) {}
  ~ServerInThread() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }
  Server* operator->() { return &server_; }

 private:
  Server server_ = *Server::listen(0);
  base::FileDescriptor stop_{::eventfd(0, EFD_CLOEXEC)};
  std::thread thread_;
};

}  // namespace everseal::http
