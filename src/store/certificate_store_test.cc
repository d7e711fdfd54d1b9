#include "store/certificate_store.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/fake_file_system.h"
#include "crypto/certificate_request.h"
#include "crypto/fake_authority.h"

namespace everseal::store {
namespace {

// A version's life, from its key to the switch, as a job lives it.
class Life {
 public:
  Life()
      : key_(*crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256)),
        root_("Root"),
        intermediate_("Intermediate", &root_),
        chain_(issue()) {}

  Result<> run(FileSystem& files, int version) const {
    CertificateStore store(files, "/state");
    TRY(store.begin("a.example", version, write_key()));
    TRY(store.complete("a.example", version, chain()));
    return store.switch_live("a.example", version);
  }

  base::ContentWriter write_key() const {
    return [this](const base::FileDescriptor& file) { return key_.write(file, "write the key"); };
  }

  const crypto::EncodedChain& chain() const { return chain_; }

 private:
  crypto::EncodedChain issue() const {
    crypto::FakeLeaf leaf;
    leaf.public_key_der = key_.public_key_der();
    leaf.names = {"a.example"};
    leaf.not_before = *base::parse_rfc3339("2026-01-01T00:00:00Z");
    leaf.not_after = *base::parse_rfc3339("2026-04-01T00:00:00Z");
    return {{intermediate_.issue(leaf).der(), intermediate_.certificate().der()},
            leaf.not_before,
            leaf.not_after,
            "fingerprint"};
  }

  crypto::PrivateKey key_;
  crypto::FakeAuthority root_, intermediate_;
  crypto::EncodedChain chain_;  // that the CA gives however often it is asked
};

TEST(CertificateStore, KeepsCertificatesWithoutKeys) {
  base::FakeFileSystem files;
  CertificateStore store(files, "/state");
  const Life life;
  EXPECT_FALSE(store.is_begun_by_request("a.example", 1));
  ASSERT_TRUE(store.begin_by_request("a.example", 1, "a request"));
  EXPECT_TRUE(store.is_begun_by_request("a.example", 1));
  ASSERT_TRUE(store.complete("a.example", 1, life.chain()));
  ASSERT_TRUE(store.complete("a.example", 1, life.chain()));
  EXPECT_TRUE(store.is_begun_by_request("a.example", 1));
  EXPECT_EQ(files.list("/state/certs/a.example/versions/1"),
            (std::vector<std::string>{"cert.pem", "chain.pem", "csr.pem", "fullchain.pem"}));
  EXPECT_EQ(store.open_key("a.example", 1).error().kind, ErrorKind::not_found);
}

// What invariant I1 asks: live leads to a bundle whose key belongs to its leaf.
void expect_sound(const FileSystem& files, const std::string& when) {
  const auto bundle = files.read("/state/live/a.example/bundle.pem");
  ASSERT_TRUE(bundle) << when << ": " << bundle.error().message;
  const std::size_t end = bundle->find("-----BEGIN CERTIFICATE");
  ASSERT_NE(end, std::string::npos) << when;
  const auto key = crypto::PrivateKey::from_pem(bundle->substr(0, end));
  const auto chain = crypto::CertificateChain::from_pem(bundle->substr(end));
  ASSERT_TRUE(key && chain) << when;
  EXPECT_TRUE(crypto::key_matches(chain->leaf(), *key)) << when;
}

TEST(CertificateStore, LaysOutAVersion) {
  const Life life;
  base::FakeFileSystem files;
  ASSERT_TRUE(files.make_directory("/state", 0700));
  ASSERT_TRUE(life.run(files, 1));
  CertificateStore store(files, "/state");
  EXPECT_EQ(store.live("a.example"), 1);
  EXPECT_EQ(store.bundle_path("a.example"), "/state/live/a.example/bundle.pem");
  EXPECT_EQ(files.read_link("/state/live/a.example"), "../certs/a.example/versions/1");
  EXPECT_EQ(files.list("/state/certs/a.example/versions/1"),
            (std::vector<std::string>{"bundle.pem", "cert.pem", "chain.pem", "fullchain.pem",
                                      "privkey.pem"}));
  const auto names = *files.list("/state/certs/a.example/versions/1");
  for (const std::string& name : names)
    EXPECT_EQ(files.status("/state/certs/a.example/versions/1/" + name)->mode, 0600u);
  EXPECT_EQ(files.status("/state/certs/a.example/versions/1")->mode, 0700u);
  expect_sound(files, "after one version");
}

TEST(CertificateStore, HasNoLiveVersionAtFirst) {
  base::FakeFileSystem files;
  const CertificateStore store(files, "/state");
  EXPECT_EQ(store.live("a.example"), std::nullopt);
}

TEST(CertificateStore, RemovesAVersionButNotTheLiveOne) {
  base::FakeFileSystem files;
  const Life life;
  ASSERT_TRUE(life.run(files, 1));
  ASSERT_TRUE(life.run(files, 2));
  CertificateStore store(files, "/state");
  ASSERT_TRUE(store.remove("a.example", 1));
  ASSERT_TRUE(store.remove("a.example", 1));
  EXPECT_EQ(*files.list("/state/certs/a.example/versions"), std::vector<std::string>{"2"});
  EXPECT_EQ(store.remove("a.example", 2).error().message, "version 2 of a.example is live");
  EXPECT_TRUE(store.is_complete("a.example", 2));
}

TEST(CertificateStore, KeepsAllThatSomebodyHadPutInALinksPlace) {
  base::FakeFileSystem files;
  const Life life;
  ASSERT_TRUE(life.run(files, 1));
  CertificateStore store(files, "/state");
  for (const char* content : {"first", "second", "third"}) {
    ASSERT_TRUE(files.remove("/state/live/a.example"));
    ASSERT_TRUE(files.make_directory("/state/live/a.example", 0700));
    ASSERT_TRUE(files.create("/state/live/a.example/file", content, 0600));
    ASSERT_TRUE(store.switch_live("a.example", 1));
    EXPECT_EQ(store.live("a.example"), 1);
  }
  EXPECT_EQ(files.read("/state/live/.a.example.set-aside/file"), "first");
  EXPECT_EQ(files.read("/state/live/.a.example.set-aside-2/file"), "second");
  EXPECT_EQ(files.read("/state/live/.a.example.set-aside-3/file"), "third");
  EXPECT_EQ(store.live_names(), std::vector<std::string>{"a.example"});
}

TEST(CertificateStore, DiscardsWhatWasNotCompleted) {
  const Life life;
  base::FakeFileSystem files;
  ASSERT_TRUE(files.make_directory("/state", 0700));
  CertificateStore store(files, "/state");
  ASSERT_TRUE(store.begin("a.example", 1, life.write_key()));
  ASSERT_TRUE(store.open_key("a.example", 1));
  ASSERT_TRUE(store.discard("a.example", 1));
  EXPECT_EQ(store.open_key("a.example", 1).error().kind, ErrorKind::not_found);
  EXPECT_TRUE(store.discard("a.example", 1));
}

// FaultC3 and C4 of the acceptance table, for one version after another: whatever operation is the
// last, live is sound, and the same job run again finishes.
class EveryOperation : public testing::Test {
 protected:
  void SetUp() override {
    base::FakeFileSystem files;
    ASSERT_TRUE(files.make_directory("/state", 0700));
    ASSERT_TRUE(first_.run(files, 1));
    const std::size_t before = files.journal().size();
    ASSERT_TRUE(second_.run(files, 2));
    first_operation_ = static_cast<int>(before) + 1;
    last_operation_ = static_cast<int>(files.journal().size());
  }

  const Life first_, second_;
  int first_operation_ = 0, last_operation_ = 0;
};

TEST_F(EveryOperation, MayBeTheLastBeforeAPowerCut) {
  for (int n = first_operation_; n <= last_operation_; ++n) {
    base::FakeFileSystem files;
    ASSERT_TRUE(files.make_directory("/state", 0700));
    ASSERT_TRUE(files.sync("/"));
    ASSERT_TRUE(first_.run(files, 1));
    files.fail_from(n + 1, EIO);
    EXPECT_FALSE(second_.run(files, 2));
    files.cut_power();
    files.heal();
    expect_sound(files, "cut before " + files.journal().back());
    ASSERT_TRUE(second_.run(files, 2)) << files.journal().back();
    expect_sound(files, "run again");
    EXPECT_EQ(CertificateStore(files, "/state").live("a.example"), 2);
  }
}

TEST_F(EveryOperation, MayFindTheDiskFull) {
  for (int n = first_operation_; n <= last_operation_; ++n) {
    base::FakeFileSystem files;
    ASSERT_TRUE(files.make_directory("/state", 0700));
    ASSERT_TRUE(files.sync("/"));
    ASSERT_TRUE(first_.run(files, 1));
    files.fail_from(n + 1, ENOSPC);
    const auto failed = second_.run(files, 2);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, ErrorKind::transient);
    expect_sound(files, "full before " + files.journal().back());
    files.heal();
    ASSERT_TRUE(second_.run(files, 2));
    expect_sound(files, "run again");
  }
}

TEST(CertificateStore, KnowsWhatIsOnDisk) {
  base::FakeFileSystem files;
  CertificateStore store(files, "/state");
  EXPECT_EQ(store.names(), std::vector<std::string>{});
  EXPECT_EQ(store.versions("a.example")->last(), 0);
  const Life life;
  ASSERT_TRUE(life.run(files, 2));
  ASSERT_TRUE(life.run(files, 10));
  ASSERT_TRUE(store.begin("a.example", 11, life.write_key()));
  files.put("/state/certs/a.example/versions/x", "no version");
  const auto versions = store.versions("a.example");
  EXPECT_EQ(versions->complete, (std::vector<int>{2, 10}));
  EXPECT_EQ(versions->pending, std::vector<int>{11});
  EXPECT_EQ(versions->last(), 11);
  EXPECT_EQ(store.names(), std::vector<std::string>{"a.example"});
  EXPECT_EQ(store.live_names(), std::vector<std::string>{"a.example"});
}

// An older catalog that was put back numbers its versions as it did before.
TEST(CertificateStore, NeverReplacesACompleteVersion) {
  base::FakeFileSystem files;
  CertificateStore store(files, "/state");
  const Life life;
  ASSERT_TRUE(life.run(files, 1));
  const auto before = files.all();
  const auto other = store.complete("a.example", 1, Life().chain());
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().message,
            "/state/certs/a.example/versions/1 holds another certificate already: it is kept");
  EXPECT_EQ(files.all(), before);
}

TEST(CertificateStore, KeepsANoteBesideTheCertificate) {
  base::FakeFileSystem files;
  CertificateStore store(files, "/state");
  const Life life;
  ASSERT_TRUE(store.begin("a.example", 1, life.write_key()));
  ASSERT_TRUE(store.complete("a.example", 1, life.chain(), "a note"));
  files.cut_power();
  EXPECT_EQ(store.read("a.example", 1, "certificate.json"), "a note");
}

TEST(CertificateStore, TakesADirectoryInALinksPlaceForNoVersion) {
  base::FakeFileSystem files;
  CertificateStore store(files, "/state");
  files.put("/state/live/a.example/bundle.pem", "somebody's");
  const auto live = store.live("a.example");
  ASSERT_TRUE(live) << live.error().message;
  EXPECT_EQ(*live, std::nullopt);
  const Life life;
  ASSERT_TRUE(life.run(files, 1));
  EXPECT_EQ(*store.live("a.example"), 1);
}

TEST(CertificateStore, ANameLeadsNowhereElse) {
  base::FakeFileSystem files;
  files.put("/state/x", "");
  CertificateStore store(files, "/state");
  const Life life;
  const auto before = files.all();
  for (const std::string name : {"", ".", "..", "../x", "../../etc", "a/b", "/etc", ".hidden"}) {
    EXPECT_FALSE(store.begin(name, 1, life.write_key())) << name;
    EXPECT_FALSE(store.complete(name, 1, life.chain())) << name;
    EXPECT_FALSE(store.switch_live(name, 1)) << name;
    EXPECT_FALSE(store.discard(name, 1)) << name;
    EXPECT_FALSE(store.remove(name, 1)) << name;
  }
  EXPECT_EQ(files.all(), before);
}

}  // namespace
}  // namespace everseal::store
