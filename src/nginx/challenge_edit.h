// Which servers an http-01 validation of a site can reach.
#pragma once

#include <string>
#include <vector>

#include "nginx/model.h"
#include "nginx/site.h"

namespace everseal::nginx {

// A name that http-01 cannot reach through nginx, though nginx holds port 80.
struct Unanswered {
  std::string name;
  std::string where;  // "FILE:LINE" of what is in the way
  std::string why;    // the rule, and what a person would do by hand
};

struct ChallengeServers {
  std::vector<const Server*> servers;  // in configuration order, each once
  std::vector<Unanswered> unanswered;
  bool no_http = false;  // nothing of nginx listens on port 80: another responder may
  bool ipv4 = false;     // some door is open to IPv4
  bool ipv6 = false;
};

// The servers that nginx selects for the site's names on each plain socket of port 80: where only a
// regular expression decides, all that may be selected.
ChallengeServers challenge_servers(const Model& model, const Site& site);

// Whether the server block includes that file directly.
bool includes_file(const Server& server, std::string_view path);

}  // namespace everseal::nginx
