// Recognising servers that already send their visitors to https.
#pragma once

#include "nginx/model.h"

namespace everseal::nginx {

// What a server does with a plain request for an ordinary path.
enum class SendsToHttps {
  no,
  when_plain,  // only if the request came without TLS: harmless in a TLS server
  to_itself,   // always, to a name of the same server: a loop, were it to speak TLS
  elsewhere,   // always, to another server's name
};

// Follows the server's rewrite phase (ngx_http_rewrite_module) and then "location /".
SendsToHttps sends_to_https(const Server& server);

// The statement of the server block itself that sends every request to https on a name of the same
// server, where there is more in the block that could be served; null otherwise.
const Directive* redirect_before_content(const Server& server);

}  // namespace everseal::nginx
