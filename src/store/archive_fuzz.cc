#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#include "store/archive.h"

// An archive that somebody made: every member is read, and what is allowed leads nowhere else.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace everseal;
  const base::FileDescriptor archive(::memfd_create("archive", MFD_CLOEXEC));
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (!archive || !base::write_all(archive, bytes, "write")) return 0;
  store::ArchiveReader reader(archive);
  for (int i = 0; i < 1000; ++i) {
    const auto member = reader.next();
    if (!member || !*member) break;
    const std::string path = "/" + (**member).path + "/";
    if (store::check_member(**member) && path.contains("/../")) __builtin_trap();
  }
  return 0;
}
