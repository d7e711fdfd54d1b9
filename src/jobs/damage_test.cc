#include "jobs/damage.h"

#include <gtest/gtest.h>

#include "base/fake_command_runner.h"
#include "base/fake_file_system.h"
#include "crypto/certificate_request.h"
#include "crypto/fake_authority.h"
#include "privsep/fake_workers.h"

namespace everseal::jobs {
namespace {

const Time kNow = *base::parse_rfc3339("2026-02-01T00:00:00Z");
constexpr const char* kDirectory = "/state/certs/a.example/versions/1/";

class Listener : public Reporter {
 public:
  void progress(std::string_view, std::string_view) override {}
  void done(std::string_view, std::string_view) override {}
  void failed(std::string_view, std::string_view why) override { said.emplace_back(why); }
  void note(std::string_view text) override { said.emplace_back(text); }
  void show(std::string_view) override {}
  bool confirm(std::string_view) override { return false; }
  std::vector<std::string> said;
};

// One live certificate of a CA of our own.
class DamageTest : public testing::Test {
 protected:
  DamageTest() : root_("Root"), intermediate_("Intermediate", &root_) {
    state_.emplace(State::of(store::Catalog::open(":memory:").value(), files_, "/state"));
    const auto key = crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256).value();
    crypto::FakeLeaf leaf;
    leaf.public_key_der = key.public_key_der();
    leaf.names = {"a.example"};
    leaf.not_before = *base::parse_rfc3339("2026-01-01T00:00:00Z");
    leaf.not_after = *base::parse_rfc3339("2026-04-01T00:00:00Z");
    const std::string pem = intermediate_.issue(leaf).pem() + intermediate_.certificate().pem();
    const auto chain =
        crypto::DirectVerifier().verify(pem, {leaf.public_key_der, leaf.names, kNow}).value();
    store::CertificateStore& store = state_->certificates();
    const auto write_key = [&](const base::FileDescriptor& file) {
      return key.write(file, "write the key");
    };
    EXPECT_TRUE(store.begin("a.example", 1, write_key));
    EXPECT_TRUE(store.complete("a.example", 1, chain));
    EXPECT_TRUE(store.switch_live("a.example", 1));
    store::CertificateRecord record;
    record.name = "a.example";
    record.names = {"a.example"};
    record.version = 1;
    record.not_before = chain.not_before;
    record.not_after = chain.not_after;
    record.renew_at = record.next_look = chain.not_after;
    record.fingerprint = chain.fingerprint;
    EXPECT_TRUE(state_->catalog().save_certificates({&record, 1}));
    whole_ = files_.all();
  }

  std::vector<Damage> mend() {
    return mend_files(environment_, *state_, state_->catalog().certificates().value()).value();
  }

  void damage(const std::string& file, std::string_view bytes) {
    ASSERT_TRUE(files_.remove(kDirectory + file));
    files_.put(kDirectory + file, bytes, 0600);
  }

  crypto::FakeAuthority root_, intermediate_;
  base::FakeFileSystem files_;
  base::FakeCommandRunner runner_;
  base::FakeClock clock_{kNow};
  Listener reporter_;
  Settings settings_;
  privsep::FakeWorkers workers_;
  const Environment environment_{files_, runner_, clock_, reporter_, settings_, workers_};
  std::optional<State> state_;
  std::map<std::string, std::string> whole_;
};

TEST_F(DamageTest, FindsNothingWhereNothingIs) {
  EXPECT_TRUE(mend().empty());
  EXPECT_EQ(files_.all(), whole_);
}

TEST_F(DamageTest, FaultD5_PutsEachFileRightFromTheOthers) {
  for (const char* file : {"bundle.pem", "privkey.pem", "fullchain.pem", "chain.pem", "cert.pem"}) {
    SCOPED_TRACE(file);
    const std::string text = whole_.at(std::string(kDirectory) + file);
    for (const std::string& bytes : {std::string(), text.substr(0, text.size() / 2), text + "more",
                                     std::string(text.size(), '\0')}) {
      damage(file, bytes);
      const auto found = mend();
      ASSERT_EQ(found.size(), 1u);
      EXPECT_EQ(found.front().what, file);
      EXPECT_TRUE(found.front().restored);
      EXPECT_EQ(files_.all(), whole_);
    }
    ASSERT_TRUE(files_.remove(std::string(kDirectory) + file));
    EXPECT_EQ(mend().size(), 1u);
    EXPECT_EQ(files_.all(), whole_);
  }
}

TEST_F(DamageTest, FaultC15_TakesAnotherKeyForNone) {
  const auto other = crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256).value();
  damage("privkey.pem", other.to_pem());
  EXPECT_EQ(mend().front().what, "privkey.pem");
  EXPECT_EQ(files_.all(), whole_);
}

TEST_F(DamageTest, FaultC15_MakesDueWhatIsLost) {
  ASSERT_TRUE(base::remove_tree(files_, "/state/certs"));
  const auto found = mend();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(found.front().restored);
  EXPECT_EQ(reporter_.said, std::vector<std::string>{
                                "a.example: the files of version 1 are lost (its key is lost); it "
                                "is due at once"});
  EXPECT_EQ((*state_->catalog().certificate("a.example"))->renew_at, Time());
  mend();
  EXPECT_EQ(reporter_.said.size(), 1u) << "said once";
}

TEST_F(DamageTest, FaultD5_LeadsTheLinkWhereItMust) {
  ASSERT_TRUE(files_.remove("/state/live/a.example"));
  EXPECT_EQ(mend().front().what, "live/a.example");
  ASSERT_TRUE(files_.remove("/state/live/a.example"));
  ASSERT_TRUE(files_.make_symlink("/etc", "/state/live/a.example"));
  EXPECT_EQ(mend().front().what, "live/a.example");
  EXPECT_EQ(files_.all(), whole_);
}

}  // namespace
}  // namespace everseal::jobs
