#include "jobs/served.h"

#include <gtest/gtest.h>

#include "base/fake_file_system.h"
#include "nginx/model.h"

namespace everseal::jobs {
namespace {

TEST(UnsecuredNames, AreThoseForWhichNothingIsKept) {
  base::FakeFileSystem files;
  files.put("/etc/nginx/nginx.conf",
            "events {}\nhttp {\n"
            "server { listen 80; server_name plain.example; }\n"
            "server { listen 80; server_name begun.example; }\n"
            "server { listen 443 ssl; server_name kept.example alias.example;\n"
            "  ssl_certificate /state/live/kept.example/bundle.pem;\n"
            "  ssl_certificate_key /state/live/kept.example/bundle.pem; }\n"
            "server { listen 443 ssl; server_name certbot.example;\n"
            "  ssl_certificate /etc/letsencrypt/live/kept.example/fullchain.pem;\n"
            "  ssl_certificate_key /etc/letsencrypt/live/kept.example/privkey.pem; }\n"
            "server { listen 80 default_server; server_name _ ~^x; }\n}\n");
  const nginx::Model model = *nginx::Model::load(files, "/etc/nginx/nginx.conf");
  std::vector<store::CertificateRecord> certificates(2);
  certificates[0].name = "kept.example";
  certificates[0].names = {"kept.example"};
  certificates[1].name = "begun.example";
  certificates[1].names = {"begun.example"};
  std::string found;
  for (const UnsecuredName& each :
       unsecured_names(nginx::find_sites(model), certificates, "/state/live"))
    found += each.name + " " + each.where + "\n";
  EXPECT_EQ(found,
            "plain.example /etc/nginx/nginx.conf:3\n"
            "alias.example /etc/nginx/nginx.conf:5\n");
}

}  // namespace
}  // namespace everseal::jobs
