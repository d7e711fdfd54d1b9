#include "nginx/snippets.h"

#include <gtest/gtest.h>

namespace everseal::nginx {
namespace {

TEST(Snippets, AreOfOurKind) {
  EditOptions options;
  options.own_directory = "/n/everseal";
  options.thumbprint = "print";
  for (const std::string& good :
       {acme_snippet(options), std::string("ssl_protocols TLSv1.3;\nssl_session_cache off;\n"),
        std::string(
            "server { listen 443 ssl default_server; ssl_reject_handshake on; return 421; }"),
        std::string("-----BEGIN DH PARAMETERS-----\nMIIBCAKCAQEA\n-----END DH PARAMETERS-----\n")})
    EXPECT_TRUE(is_of_our_kind(good)) << good;
  for (const std::string bad :
       {"access_log /etc/cron.d/evil;", "server { root /; }", "load_module x.so;", "include /x;",
        "server { listen 80; location / { } }", "init_by_lua_block { x }", "ssl_certificate_key k;",
        "ssl_protocols TLSv1.3", "-----BEGIN DH PARAMETERS-----\nx;\n"})
    EXPECT_FALSE(is_of_our_kind(bad)) << bad;
}

TEST(Snippets, AllSettingsOfAllProfilesAreOfOurKind) {
  for (const Profile profile : {Profile::modern, Profile::intermediate, Profile::old})
    for (const Version nginx : {Version{1, 18, 0}, Version{1, 29, 0}})
      for (const Version openssl : {Version{1, 1, 1}, Version{3, 5, 0}})
        for (const Setting& each : settings_of(profile, nginx, openssl))
          EXPECT_TRUE(is_of_our_kind(std::string(each.name) + " " + each.value + ";")) << each.name;
}

}  // namespace
}  // namespace everseal::nginx
