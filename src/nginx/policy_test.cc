#include "nginx/policy.h"

#include <gmock/gmock.h>

#include "base/fake_file_system.h"

namespace everseal::nginx {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Policy : public testing::Test {
 protected:
  // The notes for an http{} with these lines in it, one for each: "nginx.conf:LINE: TEXT".
  std::vector<std::string> notes(const std::string& http) {
    files_.put("/etc/nginx/nginx.conf", "events {}\nhttp {\n" + http + "}\n");
    const auto model = Model::load(files_, "/etc/nginx/nginx.conf");
    EXPECT_TRUE(model) << model.error().message;
    options_.own_directory = "/etc/nginx/everseal";
    std::vector<std::string> texts;
    for (const auto& [note, dead] : compare_policy(*model, profile_, options_, {}))
      texts.push_back(note.where.substr(note.where.rfind('/') + 1) + ": " + note.text);
    return texts;
  }

  base::FakeFileSystem files_;
  EditOptions options_;
  Profile profile_ = Profile::intermediate;
};

constexpr const char* kServer = "server { listen 443 ssl; server_name a.com; }\n";

TEST_F(Policy, SaysNothingWhereTheProfileIsInForce) {
  EXPECT_THAT(notes(kServer), IsEmpty());
  EXPECT_THAT(notes("ssl_protocols TLSv1.3 TLSv1.2;\n" + std::string(kServer)), IsEmpty());
  EXPECT_THAT(notes("server { listen 80; ssl_protocols TLSv1; }\n"), IsEmpty());
}

TEST_F(Policy, KeepsWhatIsWeakerStricterOrDifferent) {
  EXPECT_THAT(
      notes("ssl_protocols TLSv1 TLSv1.1 TLSv1.2;\n" + std::string(kServer)),
      ElementsAre("nginx.conf:3: ssl_protocols is kept, but offers TLSv1, TLSv1.1, which the "
                  "intermediate profile does not; to have that, write \"ssl_protocols TLSv1.2 "
                  "TLSv1.3;\""));
  EXPECT_THAT(notes("ssl_protocols TLSv1.3;\n" + std::string(kServer)),
              ElementsAre("nginx.conf:3: ssl_protocols is kept: stricter than the intermediate "
                          "profile, which offers TLSv1.2, too"));
  EXPECT_THAT(notes("ssl_ciphers HIGH;\n" + std::string(kServer)),
              ElementsAre(HasSubstr("nginx.conf:3: ssl_ciphers is kept: your own choice")));
}

TEST_F(Policy, NamesProtocolsThatNginxDoesNotLookFor) {
  const std::string second =
      "server { listen 443 ssl; server_name b.com; ssl_protocols TLSv1.3; }\n";
  EXPECT_THAT(notes(kServer + second),
              ElementsAre(HasSubstr("nginx.conf:4: ssl_protocols has no effect: before nginx "
                                    "1.29.2 the protocols of *:443 are those of its default "
                                    "server (/etc/nginx/nginx.conf:3)")));
  EXPECT_THAT(notes(second + kServer), ElementsAre(HasSubstr("nginx.conf:3: ssl_protocols is kept: "
                                                             "stricter")));
  options_.nginx = {1, 29, 2};
  EXPECT_THAT(notes(kServer + second), ElementsAre(HasSubstr("is kept: stricter")));
}

TEST_F(Policy, NamesLinesThatNothingUses) {
  const std::string guides =
      "ssl_dhparam /dh.pem;\nssl_trusted_certificate /chain.pem;\nssl_stapling_verify on;\n";
  EXPECT_THAT(
      notes("ssl_dhparam /dh.pem;\nssl_trusted_certificate /chain.pem;\n" + std::string(kServer)),
      ElementsAre(HasSubstr("nginx.conf:3: ssl_dhparam has no effect"),
                  HasSubstr("nginx.conf:4: ssl_trusted_certificate has no effect")));
  EXPECT_THAT(notes("ssl_dhparam /dh.pem;\nssl_ciphers HIGH:!aNULL;\n" + std::string(kServer)),
              ElementsAre(HasSubstr("ssl_ciphers is kept")));
  EXPECT_THAT(notes("ssl_trusted_certificate /chain.pem;\nssl_verify_client optional;\n" +
                    std::string(kServer)),
              IsEmpty());
  EXPECT_THAT(notes(guides + kServer),
              ElementsAre(HasSubstr("ssl_dhparam has no effect"),
                          HasSubstr("ssl_trusted_certificate has no effect"),
                          "nginx.conf:5: ssl_stapling_verify has no effect: no OCSP answer is "
                          "stapled; --remove-dead-lines takes it out"));
}

TEST_F(Policy, StaplesWhereSomeCertificateNamesAResponder) {
  const std::string stapling =
      "ssl_stapling on;\nssl_stapling_verify on;\nssl_trusted_certificate /chain.pem;\n";
  const auto server = [](const std::string& name) {
    return "server { listen 443 ssl; server_name " + name + ".com; ssl_certificate /" + name +
           ".pem; ssl_certificate_key /" + name + ".pem; }\n";
  };
  const std::string both = stapling + server("a") + server("b");
  EXPECT_THAT(notes(both), IsEmpty());
  options_.responders = {{"/a.pem", false}};
  EXPECT_THAT(notes(both), IsEmpty());
  options_.responders = {{"/a.pem", false}, {"/b.pem", true}};
  EXPECT_THAT(notes(both), IsEmpty());
  options_.responders = {{"/a.pem", false}, {"/b.pem", false}};
  EXPECT_THAT(notes(both),
              ElementsAre(HasSubstr("ssl_trusted_certificate has no effect"),
                          HasSubstr("ssl_stapling has no effect: the certificate names no OCSP"),
                          HasSubstr("ssl_stapling_verify has no effect")));
}

TEST_F(Policy, NamesWhatNewVersionsDoNotKnow) {
  EXPECT_THAT(notes("server { listen 443; ssl on; server_name a.com; }\n"),
              ElementsAre(HasSubstr("nginx.conf:3: ssl is unknown from nginx 1.25.1 on")));
}

TEST_F(Policy, KnowsWhatTheProfileIsForTheVersions) {
  const auto value = [](std::vector<Setting> settings, std::string_view name) -> std::string {
    for (const Setting& each : settings)
      if (each.name == name) return each.value;
    return "-";
  };
  const Version debian{1, 22, 1}, late{1, 29, 3}, openssl{3, 0, 0}, openssl_late{3, 5, 0};
  EXPECT_EQ(value(settings_of(Profile::modern, debian, openssl), "ssl_protocols"), "TLSv1.3");
  EXPECT_EQ(value(settings_of(Profile::modern, debian, openssl), "ssl_ciphers"), "-");
  EXPECT_EQ(value(settings_of(Profile::intermediate, debian, openssl), "ssl_session_tickets"),
            "off");
  EXPECT_EQ(value(settings_of(Profile::intermediate, late, openssl), "ssl_session_tickets"), "-");
  EXPECT_THAT(value(settings_of(Profile::intermediate, late, openssl_late), "ssl_ecdh_curve"),
              testing::StartsWith("X25519MLKEM768:"));
  EXPECT_THAT(value(settings_of(Profile::old, debian, openssl), "ssl_ciphers"),
              testing::StartsWith("@SECLEVEL=0:"));
  EXPECT_EQ(value(settings_of(Profile::old, debian, openssl), "ssl_prefer_server_ciphers"), "on");
  EXPECT_FALSE(parse_profile("strong"));
}

}  // namespace
}  // namespace everseal::nginx
