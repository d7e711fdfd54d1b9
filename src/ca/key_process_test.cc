#include "ca/key_process.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "crypto/certificate.h"

namespace everseal::ca {
namespace {

using testing::HasSubstr;

constexpr Time kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21);

class KeyProcessTest : public testing::Test {
 protected:
  KeyProcessTest() { std::filesystem::remove_all(directory_); }
  ~KeyProcessTest() override { std::filesystem::remove_all(directory_); }

  Result<KeyProcess> start() { return KeyProcess::start(files_, directory_, kNow); }

  static LeafRequest leaf() {
    static const auto key = *crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256);
    return {.public_key_der = key.public_key_der(),
            .dns_names = {"a.example"},
            .not_before = kNow,
            .not_after = kNow + std::chrono::days(90),
            .serial = "4000000000000001"};
  }

  FileSystem& files_ = base::real_file_system();
  const std::string directory_ = fmt::format("{}everseal-keys-{}", testing::TempDir(), ::getpid());
};

TEST_F(KeyProcessTest, SignsForAnIssuerThatHasNoKeys) {
  const auto process = start();
  ASSERT_TRUE(process) << process.error().message;
  const Issuer issuer = *process->issuer();
  const Issued issued = *issuer.issue(leaf());
  const auto certificate = *crypto::Certificate::from_der(issued.der);
  bool verified = false;
  for (const Intermediate& each : issuer.intermediates())
    verified |= each.certificates().front().issued(certificate);
  EXPECT_TRUE(verified);
}

TEST_F(KeyProcessTest, SignsListsThatAreLargerThanAPacket) {
  const auto process = start();
  const Issuer issuer = *process->issuer();
  RevocationList list{.number = 1, .this_update = kNow, .next_update = kNow + std::chrono::days(7)};
  for (int i = 0; i < 20'000; i++)
    list.certificates.push_back({.serial = fmt::format("40{:014x}", i), .at = kNow});
  const auto signed_list = issuer.sign_crl("1", list);
  ASSERT_TRUE(signed_list) << signed_list.error().message;
  EXPECT_GT(signed_list->size(), 500'000u);
  EXPECT_TRUE(issuer.issue(leaf()));
}

TEST_F(KeyProcessTest, KeepsItsKeys) {
  const std::string first = start()->issuer()->roots().front().certificate().pem();
  EXPECT_EQ(start()->issuer()->roots().front().certificate().pem(), first);
}

TEST_F(KeyProcessTest, SaysWhyItDoesNotStart) {
  EXPECT_TRUE(start());
  std::filesystem::resize_file(directory_ + "/intermediate-1.key", 10);
  EXPECT_THAT(start().error().message, HasSubstr("intermediate-1.key: not an unencrypted"));
}

TEST_F(KeyProcessTest, IsMissedWhenItIsGone) {
  const auto process = start();
  const Issuer issuer = *process->issuer();
  EXPECT_TRUE(process->is_alive());
  ::kill(process->pid(), SIGKILL);
  for (int i = 0; i < 1000 && process->is_alive(); i++) ::usleep(10'000);
  EXPECT_FALSE(process->is_alive());
  EXPECT_EQ(issuer.issue(leaf()).error().kind, ErrorKind::transient);
}

}  // namespace
}  // namespace everseal::ca
