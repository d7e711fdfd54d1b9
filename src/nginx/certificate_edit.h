// What to do with the certificate lines of one server.
#pragma once

#include <string>
#include <vector>

#include "nginx/edit.h"
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

// How `server` comes to serve bundle number `which` of the request: a pair of the same family is
// replaced, one of the other stays beside it. `files` reads the families of foreign keys.
CertificateEdit certificate_edit(const Model& model, const Server& server,
                                 const SiteRequest& request, std::size_t which,
                                 const FileReader& files);

}  // namespace everseal::nginx
