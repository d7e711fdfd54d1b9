// Judging an edit by what it means: the same answers as before, and what to prove afterwards.
#pragma once

#include <string>
#include <vector>

#include "nginx/model.h"
#include "nginx/site.h"

namespace everseal::nginx {

// Checks that an edit changed nobody's meaning: every socket that was there has the same flags, the
// same servers in the same order and the same default (or, where none was chosen, one that refuses
// every handshake); every name is answered by the same server or
// by its redirecting twin; sockets that are new speak TLS. Errors: internal, naming the difference.
Result<> verify_edit(const Model& before, const Model& after, const std::vector<Site>& sites);

// A place where one name of a site must answer.
struct Endpoint {
  std::string name;
  std::string address;  // to connect to: "127.0.0.1" for *, "::1" for [::], else as configured
  int port = 0;
  bool tls = false;
  bool proxy_protocol = false;
  bool redirects = false;  // plain only: every other path answers with a redirect to https
  bool operator==(const Endpoint&) const = default;
};

// Where the names of `site` answer in `model` (of after the edit; `site` may come from before). TCP
// only, no unix sockets; a port range gives its first port.
std::vector<Endpoint> endpoints(const Model& model, const Site& site);

}  // namespace everseal::nginx
