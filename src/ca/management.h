// What whoever runs the CA may tell it while it runs, as requests on a socket of their own.
#pragma once

#include "ca/front_end.h"
#include "ca/ledger.h"
#include "ca/own_names.h"
#include "ca/problem.h"
#include "http/message.h"

namespace everseal::ca {

// GET /requests tells how many requests there were so far by resource: {"new-order": 3, …}.
// POST, with JSON (content type application/json, which no page of another site can send):
//   /faults            adds faults, as a file of them has them
//   /faults/clear      ends all
//   /policy            in place of the one that holds, as a file has it; caa_identities,
//                      other_names, reach_also and reach_never must be the same: what is another
//                      there holds from the next start alone
//   /renewal-windows   {"start", "end", "explanation_url", and "serial" of one certificate or
//                      "issued_until" of all}: an incident
// Each of these is answered with 204, or 400 and what is wrong, by the CA's own names alone: 421 to
// whoever calls it by others. The references must outlive it.
class Management {
 public:
  Management(FrontEnd& front_end, Ledger& ledger, OwnNames names)
      : front_end_(front_end), ledger_(ledger), names_(std::move(names)) {}

  http::Response handle(const http::Request& request);

 private:
  Checked<> check_name(const http::Request& request) const;
  Checked<> act(const http::Request& request);
  Checked<> set_window(const std::string& body);

  FrontEnd& front_end_;
  Ledger& ledger_;
  OwnNames names_;
};

}  // namespace everseal::ca
