#include "app/dhparam_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/processors.h"
#include "base/stop.h"
#include "crypto/dh_parameters.h"

namespace everseal::app {
namespace {

constexpr const char* kRecommended = "ffdhe2048";
constexpr int kFewestGoodBits = 2048;

// A regular file, or one to be made, in a directory that can be written.
struct Target {
  std::string path;
  mode_t mode = 0644;
};

Result<Target> find_target(const FileReader& files, const std::string& path) {
  Target target;
  if (base::exists(files, path)) {
    target.path = TRY(files.real_path(path));
    const base::FileStatus status = TRY(files.status(target.path));
    if (status.kind != base::FileKind::regular)
      return base::invalid(
          fmt::format("{} is not a file; without -o standard output is written", path));
    target.mode = status.mode;
  } else {
    target.path = base::join_path(TRY(files.real_path(base::directory_of(path))),
                                  path.substr(path.rfind('/') + 1));
  }
  const std::string directory = base::directory_of(target.path);
  if (::access(directory.c_str(), W_OK) != 0)
    return base::system_error(fmt::format("write into {}", directory), errno);
  return target;
}

Result<std::string> search(int bits, const jobs::Environment& environment) {
  crypto::SafePrimeSearch search{
      .bits = bits, .threads = base::usable_processors(), .stop = &base::stop_requested};
  jobs::Reporter& reporter = environment.reporter;
  reporter.note(fmt::format(
      "Looking for a safe prime of {} bits with {} processors. --group {} needs no search.", bits,
      search.threads, kRecommended));
  const Instant begin = environment.clock.steady_now();
  search.progress = [&](const crypto::SearchProgress& progress) {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(environment.clock.steady_now() - begin);
    reporter.progress("safe prime",
                      fmt::format("{} candidates tested, {:.0f} on average, {} s", progress.tested,
                                  progress.expected, seconds.count()));
  };
  return crypto::generate_dh_parameters(search);
}

std::string describe(const DhparamCommand& command, int bits, const Target& target) {
  return fmt::format("{}: {}, generator 2\nFor nginx: ssl_dhparam {};\n", target.path,
                     command.bits == 0 ? fmt::format("the group {} of RFC 7919", command.group)
                                       : fmt::format("a safe prime of {} bits", bits),
                     target.path);
}

}  // namespace

Result<Output> execute(const DhparamCommand& given, const jobs::Environment& environment) {
  DhparamCommand command = given;
  if (command.bits == 0 && command.group.empty()) command.group = kRecommended;
  std::optional<Target> target;
  if (!command.output.empty()) target = TRY(find_target(environment.files, command.output));
  const std::string pem = command.bits == 0 ? TRY(crypto::dh_group(command.group))
                                            : TRY(search(command.bits, environment));
  const int bits = TRY(crypto::dh_bits(pem));
  Output output;
  output.document = {{"bits", bits},
                     {"group", command.bits == 0 ? Json(command.group) : Json(nullptr)},
                     {"file", target ? Json(target->path) : Json(nullptr)},
                     {"pem", pem}};
  if (bits < kFewestGoodBits)
    output.complaints.push_back(fmt::format(
        "everseal: {} bits are too few: OpenSSL refuses them, and nginx does not start with them",
        bits));
  if (target) {
    TRY(base::write_durably(environment.files, target->path, pem, target->mode));
    output.text = describe(command, bits, *target);
  } else {
    output.bytes = pem;
  }
  return output;
}

}  // namespace everseal::app
