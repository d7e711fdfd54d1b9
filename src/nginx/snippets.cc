#include "nginx/snippets.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file_system.h"

namespace everseal::nginx {
namespace {

struct Setting {
  std::string_view name;
  std::string_view value;
};

std::vector<Setting> intermediate(const EditOptions& options) {
  std::vector<Setting> settings = {
      {"ssl_protocols", "TLSv1.2 TLSv1.3"},
      {"ssl_ciphers",
       "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
       "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
       "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"},
      {"ssl_prefer_server_ciphers", "off"},
      {"ssl_ecdh_curve", options.openssl >= Version{3, 5, 0}
                             ? "X25519MLKEM768:X25519:prime256v1:secp384r1"
                             : "X25519:prime256v1:secp384r1"},
      {"ssl_session_timeout", "1d"},
      {"ssl_session_cache", "shared:everseal_tls:10m"},
  };
  // From 1.23.2 nginx rotates ticket keys itself.
  if (options.nginx < Version{1, 23, 2}) settings.push_back({"ssl_session_tickets", "off"});
  settings.push_back({"ssl_early_data", "off"});
  settings.push_back({"server_tokens", "off"});
  return settings;
}

bool sets(const Model& model, std::string_view name, const std::string& except_path) {
  return std::ranges::any_of(children(model.http(), name), [&](const Directive* directive) {
    return directive->file->path != except_path;
  });
}

}  // namespace

std::string acme_path(const EditOptions& options) {
  return base::join_path(options.own_directory, "acme.conf");
}

std::string tls_path(const EditOptions& options) {
  return base::join_path(options.own_directory, "tls.conf");
}

std::string acme_snippet(const EditOptions& options) {
  return fmt::format(
      "# Written by everseal: answers certificate authorities that check who runs this server.\n"
      "# To be rid of it, remove the lines \"include {};\" first, then this file.\n"
      "if ($request_uri ~ \"^/\\.well-known/acme-challenge/([-_A-Za-z0-9]{{20,128}})$\") {{\n"
      "    return 200 \"$1.{}\";\n"
      "}}\n",
      acme_path(options), options.thumbprint);
}

std::string tls_snippet(const Model& model, const EditOptions& options) {
  std::string settings;
  for (const Setting& setting : intermediate(options)) {
    if (sets(model, setting.name, tls_path(options))) continue;
    settings += fmt::format("{} {};\n", setting.name, setting.value);
  }
  if (settings.empty()) return settings;
  return fmt::format(
             "# Written by everseal: TLS for all servers (Mozilla's intermediate profile), as far "
             "as\n# http{{}} did not say otherwise. What a server sets itself counts more.\n"
             "# To be rid of it, remove the line \"include {};\" first, then this file.\n",
             tls_path(options)) +
         settings;
}

}  // namespace everseal::nginx
