// Workers in this process, for tests of who uses them.
#pragma once

#include "privsep/workers.h"

namespace everseal::privsep {

// Reads certificates and looks at servers; knows no CA.
class FakeWorkers : public Workers {
 public:
  Result<CaWorkers> open_ca(const std::string&, const base::FileDescriptor&) override {
    return base::internal("there is no CA in this test");
  }
  Result<crypto::Verifier*> verifier() override { return &verifier_; }
  Result<crypto::KeyExaminer*> key_examiner() override { return &examiner_; }
  Result<scan::Visitor*> visitor(std::span<const std::uint16_t>) override { return &visitor_; }
  Result<std::unique_ptr<scan::Scout>> scout() override {
    return base::internal("there is no outside in this test");
  }
  std::vector<std::string> users_to_make() const override { return {}; }
  Result<> make_users(CommandRunner&) override { return {}; }
  Result<> deliver(const notify::Delivery&, const base::FileDescriptor&) override {
    return base::internal("there is nobody to tell in this test");
  }
  Result<std::unique_ptr<challenge::Responder>> standalone_responder() override {
    return base::internal("there is no port 80 in this test");
  }
  Result<std::unique_ptr<MetricsPage>> metrics_page(const base::SocketAddress&) override {
    return base::internal("there is nobody to measure this test");
  }

 private:
  crypto::DirectVerifier verifier_;
  crypto::DirectKeyExaminer examiner_;
  scan::DirectVisitor visitor_;
};

}  // namespace everseal::privsep
