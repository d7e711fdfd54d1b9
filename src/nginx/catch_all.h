// The server that refuses TLS to names that no other server has.
#pragma once

#include <map>
#include <string>

#include "nginx/edit.h"

namespace everseal::nginx {

// A TLS socket that an edit opens.
struct NewSocket {
  const Server* first = nullptr;  // of its servers
  bool http2 = false;
  bool proxy_protocol = false;
};

// By address, "*:443".
using NewSockets = std::map<std::string, NewSocket>;

// "DIRECTORY/catch-all.conf", included once in http{}.
std::string catch_all_path(const EditOptions& options);

// Whether unknown names on this TLS socket will be refused: somebody must answer them, and nobody
// was chosen for it by "default_server" but us.
bool may_catch_all(const Socket& socket, const EditOptions& options);

// The servers of that file, one for each that answers unknown names by being the first; empty where
// every socket has a chosen default. What nginx takes from the default server of a socket before it
// knows the name (protocols, curves, sessions) is repeated from the one that was it.
std::string catch_all_snippet(const Model& model, const NewSockets& opened,
                              const EditOptions& options);

}  // namespace everseal::nginx
