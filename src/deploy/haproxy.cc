#include "deploy/haproxy.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/directory.h"
#include "base/encoding.h"
#include "base/stop.h"
#include "deploy/haproxy_runtime.h"

namespace everseal::deploy {
namespace {

using base::FileDescriptor;

constexpr mode_t kPrivateFile = 0600;
constexpr std::size_t kShownOutput = 300;  // bytes of a command's output in an error

// One bundle on its way, and what brings back what was there.
struct Placed {
  const LiveBundle* bundle;
  std::string name;    // of the file in HAProxy's directory
  std::string path;    // as HAProxy knows it
  FileDescriptor old;  // the file that was there; none: there was none
  mode_t old_mode = kPrivateFile;
  enum class Way { runtime, reload } way = Way::runtime;
  std::string why_reload;
};

// One call of put().
class Putting {
 public:
  Putting(const Haproxy& haproxy, FileSystem& files, CommandRunner& commands,
          scan::Visitor& visitor)
      : haproxy_(haproxy),
        files_(files),
        commands_(commands),
        visitor_(visitor),
        runtime_(haproxy.socket) {}

  PutReport run(std::span<const LiveBundle> bundles);

 private:
  void give(const LiveBundle& bundle);
  bool has_no_way() const;
  Result<> place(Placed& placed);
  Result<> push(Placed& placed);
  Result<> reload();
  void reload_where_needed();
  void prove();
  Result<> restore_file(const Placed& placed);
  Result<> take_back(const Placed& placed);
  void give_up(const Placed& placed, Error error, const Result<>& restored);
  void fail(const Placed& placed, Error error, const Result<>& taken_back);

  const Haproxy& haproxy_;
  FileSystem& files_;
  CommandRunner& commands_;
  scan::Visitor& visitor_;
  const HaproxyRuntime runtime_;
  std::optional<base::Directory> directory_;  // of the certificates, held since the first
  std::vector<Placed> placed_;
  PutReport report_;
};

bool is_by_reload(const Placed& placed) { return placed.way == Placed::Way::reload; }

PutReport Putting::run(std::span<const LiveBundle> bundles) {
  for (const LiveBundle& bundle : bundles) {
    if (base::stop_requested)
      report_.untried.push_back(bundle.name);
    else
      give(bundle);
  }
  reload_where_needed();
  prove();
  return std::move(report_);
}

void Putting::give(const LiveBundle& bundle) {
  Placed placed{.bundle = &bundle,
                .name = bundle.name + ".pem",
                .path = base::join_path(haproxy_.certificates, bundle.name + ".pem"),
                .old = {},
                .why_reload = {}};
  if (has_no_way()) return fail(placed, *runtime_.silence(), {});
  if (auto in_place = place(placed); !in_place) {
    report_.failures.push_back({bundle.name, std::move(in_place).error()});
  } else if (auto pushed = push(placed); pushed) {
    placed_.push_back(std::move(placed));
  } else {
    give_up(placed, std::move(pushed).error(), restore_file(placed));
  }
}

// By a signal it is left to the next run, if what was there is back.
void Putting::give_up(const Placed& placed, Error error, const Result<>& restored) {
  if (restored && base::stop_requested)
    report_.untried.push_back(placed.bundle->name);
  else
    fail(placed, std::move(error), restored);
}

// The only one there is is a socket that gives no answer.
bool Putting::has_no_way() const { return runtime_.silence() && haproxy_.reload.empty(); }

Result<> Putting::place(Placed& placed) {
  if (!directory_) directory_ = TRY(base::Directory::open(haproxy_.certificates));
  auto old = directory_->open_file(placed.name);
  if (!old && old.error().kind != ErrorKind::not_found) return std::unexpected(old.error());
  if (old) {
    placed.old = *std::move(old);
    placed.old_mode = TRY(directory_->status(placed.name)).mode;
  }
  const auto copy = [&](const FileDescriptor& file) -> Result<> {
    return base::copy_all(TRY(files_.open(placed.bundle->path)), file, "write " + placed.path);
  };
  return directory_->write_durably(placed.name, copy, {.mode = kPrivateFile});
}

Result<> Putting::push(Placed& placed) {
  placed.way = Placed::Way::reload;
  if (haproxy_.socket.empty()) return {};
  const FileDescriptor bundle = TRY(files_.open(placed.bundle->path));
  Result<> loaded = runtime_.load(placed.path, bundle);
  if (loaded) {
    placed.way = Placed::Way::runtime;
  } else if (!haproxy_.reload.empty() && loaded.error().kind != ErrorKind::invalid) {
    placed.why_reload = loaded.error().message;
    return {};
  }
  return loaded;
}

Result<> Putting::reload() {
  const std::string attempt =
      fmt::format("reload HAProxy by `{}`", fmt::join(haproxy_.reload, " "));
  const base::Command reloading{.arguments = haproxy_.reload, .on_stop = base::OnStop::end};
  const auto done = TRY(within(attempt, commands_.run(reloading)));
  if (done.exit_status != 0)
    return base::rejected(fmt::format("{}: exit status {} '{}'", attempt, done.exit_status,
                                      base::printable(done.output, kShownOutput)));
  return {};
}

void Putting::reload_where_needed() {
  if (std::ranges::none_of(placed_, is_by_reload)) return;
  const Result<> reloaded = reload();
  if (reloaded) return;
  for (const Placed& placed : placed_)
    if (is_by_reload(placed)) give_up(placed, reloaded.error(), restore_file(placed));
  std::erase_if(placed_, is_by_reload);
}

void Putting::prove() {
  std::vector<Expectation> expectations;
  for (const Placed& placed : placed_)
    for (ServesLeaf& each : places_of(haproxy_, *placed.bundle))
      expectations.push_back(std::move(each));
  if (expectations.empty()) return;
  const std::vector<Disproof> disproofs = deploy::prove(visitor_, expectations, kPatience);
  bool reload_again = false;
  for (const Placed& placed : placed_) {
    const auto disproof = std::ranges::find_if(disproofs, [&](const Disproof& each) {
      return std::ranges::find(placed.bundle->names, each.name) != placed.bundle->names.end();
    });
    if (disproof == disproofs.end()) continue;
    if (base::stop_requested) {  // it was not looked at: another run does
      report_.untried.push_back(placed.bundle->name);
      continue;
    }
    reload_again = reload_again || is_by_reload(placed);
    fail(placed, disproof->error, take_back(placed));
  }
  if (!reload_again) return;
  if (const auto reloaded = reload(); !reloaded)
    report_.failures.back().error.message +=
        "; the old file is back, but " + reloaded.error().message;
}

Result<> Putting::restore_file(const Placed& placed) {
  if (!placed.old) {
    TRY(directory_->remove_file(placed.name));
    return directory_->sync();
  }
  const auto copy = [&](const FileDescriptor& file) -> Result<> {
    if (::lseek(placed.old.get(), 0, SEEK_SET) < 0)
      return base::system_error("rewind the old file", errno);
    return base::copy_all(placed.old, file, "write " + placed.path);
  };
  return directory_->write_durably(placed.name, copy, {.mode = placed.old_mode});
}

// The file, and where it was pushed HAProxy's memory.
Result<> Putting::take_back(const Placed& placed) {
  TRY(restore_file(placed));
  if (is_by_reload(placed)) return {};
  return placed.old ? runtime_.load(placed.path, placed.old) : runtime_.unload(placed.path);
}

void Putting::fail(const Placed& placed, Error error, const Result<>& taken_back) {
  error.message = fmt::format("put {} into HAProxy: {}", placed.path, error.message);
  if (!placed.why_reload.empty())
    error.message += fmt::format(" (reloaded, since the socket failed: {})", placed.why_reload);
  error.message += taken_back ? "; HAProxy keeps what it had"
                              : "; what was there could not be put back, reload HAProxy: " +
                                    taken_back.error().message;
  if (has_no_way()) report_.unheard.push_back(placed.bundle->name);
  report_.failures.push_back({placed.bundle->name, std::move(error)});
}

}  // namespace

std::vector<ServesLeaf> places_of(const Haproxy& haproxy, const LiveBundle& bundle) {
  std::vector<ServesLeaf> places;
  for (const std::string& name : bundle.names)
    for (const scan::Target& target : haproxy.listen)
      places.push_back({{.name = name,
                         .address = target.address,
                         .port = target.port,
                         .tls = true,
                         .proxy_protocol = target.proxy_protocol},
                        bundle.key,
                        bundle.fingerprint});
  return places;
}

PutReport put(const Haproxy& haproxy, std::span<const LiveBundle> bundles, FileSystem& files,
              CommandRunner& commands, scan::Visitor& visitor) {
  return Putting(haproxy, files, commands, visitor).run(bundles);
}

}  // namespace everseal::deploy
