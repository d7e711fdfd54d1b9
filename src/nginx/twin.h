// The listen on port 443 that is put beside one on port 80.
#pragma once

#include <string>

#include "nginx/edit.h"
#include "nginx/model.h"
#include "nginx/site.h"

namespace everseal::nginx {

// Why it cannot be opened, or nothing: nginx would not start, or another server would lose visitors
// or names.
std::string twin_refusal(const Model& model, const Server& server, const Listen& listen,
                         const Site& site);

struct Twin {
  std::string arguments;  // of its directive: "[::]:443 ssl http2"
  bool http2 = false;
  bool proxy_protocol = false;
  std::string note;  // what a person should know of it; may be empty
};

// At the address of `listen`, with the flags that the TLS sockets beside it use.
Twin twin_of(const Model& model, const Listen& listen, const EditOptions& options);

}  // namespace everseal::nginx
