// The real Resolver: libcares.
#pragma once

#include <memory>
#include <string>

#include "dns/resolver.h"

namespace everseal::dns {

// Asks over UDP and, where an answer is too long, over TCP.
class AresResolver : public Resolver {
 public:
  // `server` is "192.0.2.1:53" or "[2001:db8::1]:53"; empty: those of /etc/resolv.conf, as they are
  // when a question is asked. Errors: those of open_ares(); invalid (not an address and a port).
  static Result<std::unique_ptr<AresResolver>> open(const std::string& server);

  Result<Addresses> addresses(const std::string& name, Instant deadline) override;
  Result<std::vector<std::string>> texts(const std::string& name, Instant deadline) override;
  Result<std::vector<CaaRecord>> caa(const std::string& name, Instant deadline) override;

 private:
  explicit AresResolver(std::string server) : server_(std::move(server)) {}

  const std::string server_;
};

}  // namespace everseal::dns
