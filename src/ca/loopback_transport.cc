#include "ca/loopback_transport.h"

#include <algorithm>
#include <utility>

namespace everseal::ca {
namespace {

http::Completion completion_of(Answer answer) {
  if (answer.dropped) return {answer.id, base::transient("the connection was reset")};
  return {answer.id, std::move(answer.response)};
}

}  // namespace

void LoopbackTransport::send(std::uint64_t id, http::Request request) {
  if (is_down) {
    pending_.push_back({clock_.steady_now(), {id, base::transient("the connection was refused")}});
    return;
  }
  arrivals_.push_back({.id = id, .request = std::move(request), .client = "127.0.0.1"});
}

std::vector<http::Completion> LoopbackTransport::wait(Instant deadline) {
  handle_arrivals();
  auto due = take_due();
  if (!due.empty() || clock_.steady_now() >= deadline) return due;
  sleep_until(deadline);
  return take_due();
}

void LoopbackTransport::handle_arrivals() {
  if (arrivals_.empty()) return;
  for (Answer& each : front_end_.handle(std::exchange(arrivals_, {})))
    pending_.push_back({clock_.steady_now() + each.delay, completion_of(std::move(each))});
}

std::vector<http::Completion> LoopbackTransport::take_due() {
  std::vector<http::Completion> due;
  const auto is_due = [&](Pending& each) {
    if (each.due > clock_.steady_now()) return false;
    due.push_back(std::move(each.completion));
    return true;
  };
  std::erase_if(pending_, is_due);
  return due;
}

void LoopbackTransport::sleep_until(Instant deadline) {
  for (const Pending& each : pending_) deadline = std::min(deadline, each.due);
  clock_.advance(std::chrono::ceil<base::Milliseconds>(deadline - clock_.steady_now()));
}

}  // namespace everseal::ca
