#include "app/metrics_server.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "app/streams.h"
#include "base/file_descriptor.h"

namespace everseal::app {
namespace {

Result<base::FileDescriptor> in_memory(std::string_view text) {
  constexpr const char* kAttempt = "keep the metrics in memory";
  base::FileDescriptor file(::memfd_create("metrics", MFD_CLOEXEC));
  if (!file) return base::system_error(kAttempt, errno);
  TRY(base::write_all(file, text, kAttempt));
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return base::system_error(kAttempt, errno);
  return file;
}

void warn(const std::string& line) { say(stderr, fmt::format("metrics: {}\n", line)); }

}  // namespace

MetricsServer::MetricsServer(const base::SocketAddress& address, privsep::Strictness strictness)
    : address_(address), workers_(strictness, {.tell = warn, .stop = nullptr}) {}

Result<> MetricsServer::show(std::string_view text) {
  if (page_ && page_->show(TRY(in_memory(text)))) return {};
  page_.reset();  // its port is free again
  page_ = TRY(workers_.metrics_page(address_));
  auto shown = page_->show(TRY(in_memory(text)));
  if (!shown) page_.reset();
  return shown;
}

}  // namespace everseal::app
