// What to do with the certificate lines of one server.
#pragma once

#include <string>
#include <vector>

#include "nginx/model.h"
#include "nginx/site.h"

namespace everseal::nginx {

struct CertificateEdit {
  enum class Action { nothing, add, replace, refuse };
  Action action = Action::nothing;
  std::vector<Span> spans{};  // replace: these words of the server's file become the bundle's path
  std::string where{};        // refuse
  std::string reason{};       // refuse
};

// How `server` comes to serve the bundle: a pair of the same key type is replaced, one of the other
// type stays beside it. `files` reads keys' types.
CertificateEdit certificate_edit(const Model& model, const Server& server,
                                 const std::string& bundle_path, const FileReader& files);

}  // namespace everseal::nginx
