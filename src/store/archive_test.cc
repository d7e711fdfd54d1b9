#include "store/archive.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace everseal::store {
namespace {

using base::FileDescriptor;
using base::FileKind;

FileDescriptor in_memory(std::string_view bytes = {}) {
  FileDescriptor file(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_TRUE(base::write_all(file, bytes, "write"));
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
  return file;
}

std::string all_of(const FileDescriptor& file) {
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
  return *base::read_all(file, "read");
}

// A line for each member, with its content.
std::string listing(const FileDescriptor& archive) {
  ArchiveReader reader(archive);
  std::string text;
  while (true) {
    const auto member = reader.next();
    if (!member) return text + "error: " + member.error().message + "\n";
    if (!*member) return text;
    const FileDescriptor content = in_memory();
    if (const auto copied = reader.copy(**member, content); !copied)
      return text + "error: " + copied.error().message + "\n";
    text += (*member)->path + " -> " + (*member)->target + ": " + all_of(content) + "\n";
  }
}

FileDescriptor sample(const std::string& long_name) {
  FileDescriptor archive = in_memory();
  ArchiveWriter writer(archive, Time(base::Seconds(1'800'000'000)));
  EXPECT_TRUE(writer.add_file("catalog.db", in_memory(std::string(513, 'x'))));
  EXPECT_TRUE(writer.add_directory("certs"));
  EXPECT_TRUE(writer.add_directory("certs/" + long_name));
  EXPECT_TRUE(writer.add_symlink("live/" + long_name, "../certs/" + long_name + "/versions/1"));
  EXPECT_TRUE(writer.add_file("accounts/ca/key.pem", in_memory()));
  EXPECT_TRUE(writer.finish());
  return archive;
}

TEST(Archive, ReadsWhatItWrote) {
  for (const std::size_t length : {9u, 84u, 95u, 100u, 253u}) {
    const std::string name(length, 'n');
    const FileDescriptor archive = sample(name);
    EXPECT_EQ(listing(archive), "catalog.db -> : " + std::string(513, 'x') +
                                    "\ncerts -> : \ncerts/" + name + " -> : \nlive/" + name +
                                    " -> ../certs/" + name +
                                    "/versions/1: \naccounts/ca/key.pem -> : \n");
    EXPECT_EQ(all_of(archive).size() % 512, 0u);
  }
}

TEST(Archive, IsRefusedWhereItWasCutOffOrDamaged) {
  const std::string whole = all_of(sample("a.example"));
  for (std::size_t size = 0; size < whole.size() - 512; size += 256)
    EXPECT_TRUE(listing(in_memory(whole.substr(0, size))).contains("error: ")) << size;
  EXPECT_EQ(listing(in_memory("not an archive")), "error: not a tar archive\n");
  EXPECT_EQ(listing(in_memory(std::string(512, 'x'))), "error: not a tar archive\n");
  EXPECT_EQ(listing(in_memory(whole.substr(0, 512))).substr(0, 6), "error:");
  std::string damaged = whole;
  damaged[0] ^= 1;
  EXPECT_EQ(listing(in_memory(damaged)), "error: not a tar archive\n");
}

TEST(Archive, HoldsOnlyWhatBelongsThere) {
  const auto file = [](const char* path) { return Member{path, FileKind::regular, {}}; };
  const auto directory = [](const char* path) { return Member{path, FileKind::directory, {}}; };
  const auto link = [](const char* path, const char* target) {
    return Member{path, FileKind::symlink, target};
  };
  for (const Member& good :
       {file("catalog.db"), file("catalog.db-wal"), directory("accounts"),
        directory("accounts/ca.example_dir"), file("accounts/ca.example_dir/key.pem"),
        file("accounts/ca.example_dir/key.until-2026-11-28T13:00:00Z.pem"), directory("certs"),
        directory("certs/a.example/versions/12"), file("certs/a.example/versions/12/privkey.pem"),
        directory("certs/a.example/versions/13.new"), directory("live"),
        link("live/a.example", "../certs/a.example/versions/12")})
    EXPECT_TRUE(check_member(good)) << good.path;
  for (const Member& bad : {file(""),
                            file("/etc/passwd"),
                            file("../evil"),
                            file("certs/../../evil"),
                            file("lock"),
                            file("catalog.db-shm"),
                            file("catalog.db/x"),
                            directory("catalog.db"),
                            file("accounts"),
                            file("accounts/.."),
                            file("accounts/ca/.hidden"),
                            file("accounts/ca/a/b"),
                            file("accounts//key.pem"),
                            file("certs/a.example/other/1/cert.pem"),
                            file("certs/a.example/versions/0/cert.pem"),
                            file("certs/a.example/versions/1.old/cert.pem"),
                            file("certs/a example/versions/1/cert.pem"),
                            file("certs/a.example/versions/1/x/y"),
                            file("live/a.example"),
                            link("live/a.example", "/etc"),
                            link("live/a.example", ""),
                            link("live/a.example", "../certs/b.example/versions/1"),
                            link("live/a.example", "../certs/a.example/versions/1/../../.."),
                            link("live/..", "../certs/../versions/1"),
                            link("accounts", "/etc"),
                            link("certs/a.example", "/etc"),
                            file("accounts/ca/k\ney.pem")}) {
    const auto checked = check_member(bad);
    ASSERT_FALSE(checked) << bad.path;
    EXPECT_TRUE(checked.error().message.ends_with(" belongs in no backup of everseal"));
  }
}

}  // namespace
}  // namespace everseal::store
