// Which servers an http-01 validation of a site can reach.
#pragma once

#include <string>
#include <vector>

#include "nginx/model.h"
#include "nginx/site.h"

namespace everseal::nginx {

struct ChallengeServers {
  std::vector<const Server*> servers;  // in configuration order, each once
  std::vector<std::string> no_http;    // names that no plain port 80 answers
};

// The servers that nginx selects for the site's names on each plain socket of port 80: where only a
// regular expression decides, all that may be selected.
ChallengeServers challenge_servers(const Model& model, const Site& site);

// Whether the server block includes that file directly.
bool includes_file(const Server& server, std::string_view path);

}  // namespace everseal::nginx
