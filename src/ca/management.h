// What whoever runs the CA may tell it while it runs, as requests on a socket of their own.
#pragma once

#include "ca/front_end.h"
#include "ca/ledger.h"
#include "ca/problem.h"
#include "http/message.h"

namespace everseal::ca {

// GET /requests tells how many requests there were so far by resource: {"new-order": 3, …}.
// POST, with JSON (content type application/json, which no page of another site can send):
//   /faults            adds faults, as a file of them has them
//   /faults/clear      ends all
//   /policy            in place of the one that holds, as a file has it
//   /renewal-windows   {"start", "end", "explanation_url", and "serial" of one certificate or
//                      "issued_until" of all}: an incident
// Each of these is answered with 204, or 400 and what is wrong. The references must outlive it.
class Management {
 public:
  Management(FrontEnd& front_end, Ledger& ledger) : front_end_(front_end), ledger_(ledger) {}

  http::Response handle(const http::Request& request);

 private:
  Checked<> act(const http::Request& request);
  Checked<> set_window(const std::string& body);

  FrontEnd& front_end_;
  Ledger& ledger_;
};

}  // namespace everseal::ca
