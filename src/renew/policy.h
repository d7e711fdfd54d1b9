// When a certificate is renewed, and what a run has to do: pure functions of their arguments.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "renew/schedule.h"
#include "store/catalog.h"

namespace everseal::renew {

enum class Decision {
  install,  // issued by an earlier run, not yet proven to be served
  issue,
  wait,    // due, but the last attempt failed and the next is not before `next_attempt`
  unused,  // due, but nginx was to serve it and no longer refers to it
  not_due,
};

struct Candidate {
  const store::CertificateRecord* certificate;
  bool has_ready_version = false;    // complete on disk
  bool has_pending_version = false;  // an order may be under way
};

struct Entry {
  const store::CertificateRecord* certificate;
  Decision decision;
};

// Whether a person asks for it now, due or not, or a timer may.
enum class Urgency { when_due, now };

// What to do with each candidate at `now`, in their order.
std::vector<Entry> plan(std::span<const Candidate> candidates, Time now, Urgency urgency);

}  // namespace everseal::renew
