#include "nginx/verify.h"

#include <gtest/gtest.h>

#include "base/fake_file_system.h"

namespace everseal::nginx {
namespace {

// nginx -t passes all of these (nginx.md § "Never", 9): what they mean is judged here.
class Verify : public testing::Test {
 protected:
  static Model model(const std::string& servers) {
    base::FakeFileSystem files;
    files.put("/n.conf", "events {}\nhttp {\n" + servers + "}\n");
    return *Model::load(files, "/n.conf");
  }

  static std::string verdict(const std::string& before, const std::string& after) {
    const Model was = model(before), is = model(after);
    const auto result = verify_edit(was, is, find_sites(was).sites);
    return result ? "" : result.error().message;
  }
};

constexpr const char* kA = "server { listen 80; server_name a.example; }\n";
constexpr const char* kB = "server { listen 80; server_name b.example; }\n";

std::string text(std::initializer_list<const char*> parts) {
  std::string all;
  for (const char* part : parts) all += part;
  return all;
}

TEST_F(Verify, AcceptsNoChange) { EXPECT_EQ(verdict(kA, kA), ""); }

TEST_F(Verify, SeesAnotherDefault) {
  EXPECT_EQ(verdict(text({kA, kB}), text({kB, kA})),
            "the edit would change the default server of *:80; nothing was written");
}

TEST_F(Verify, SeesAnotherOrder) {
  const char* first = "server { listen 80 default_server; server_name c.example; }\n";
  EXPECT_EQ(verdict(text({first, kA, kB}), text({first, kB, kA})),
            "the edit would change the servers of *:80; nothing was written");
}

TEST_F(Verify, SeesAServerThatIsGone) {
  EXPECT_EQ(verdict(text({kA, kB}), kA),
            "the edit would change the servers of *:80; nothing was written");
}

TEST_F(Verify, SeesAPortThatIsOpened) {
  EXPECT_EQ(verdict(kA, text({kA, "server { listen 8080; server_name a.example; }\n"})),
            "the edit would change the existence of *:8080; nothing was written");
}

TEST_F(Verify, SeesOtherProtocolsOfASocket) {
  EXPECT_EQ(verdict(kA, "server { listen 80 ssl; server_name a.example; }\n"),
            "the edit would change the protocols of *:80; nothing was written");
}

TEST_F(Verify, SeesANameThatAnotherServerTakes) {
  const char* tls = "server { listen 443 ssl; server_name c.example d.example; }\n";
  EXPECT_EQ(verdict(text({kA, tls}),
                    text({kA, "server { listen 443 ssl default_server; server_name d.example; }\n",
                          tls})),
            "the edit would change the default server of *:443; nothing was written");
  EXPECT_EQ(verdict(text({tls, kA}), text({tls,
                                           "server { listen 80; listen 443 ssl; server_name "
                                           "a.example; }\n"})),
            "");
}

}  // namespace
}  // namespace everseal::nginx
