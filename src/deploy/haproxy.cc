#include "deploy/haproxy.h"

#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/connection.h"
#include "base/encoding.h"

namespace everseal::deploy {
namespace {

using base::Connection;
using base::FileDescriptor;

constexpr std::size_t kMaxAnswer = 64 << 10;  // bytes; more is cut off
constexpr std::size_t kShownAnswer = 300;     // bytes of an answer in an error
constexpr std::size_t kMaxBundle = 1 << 20;   // bytes
constexpr mode_t kPrivateFile = 0600;

// A piece of a bundle, with some of a private key: wiped when it is no longer needed.
struct Piece {
  char bytes[4096];
  Piece() = default;
  Piece(const Piece&) = delete;
  Piece& operator=(const Piece&) = delete;
  ~Piece() { ::explicit_bzero(bytes, sizeof bytes); }
};

// The file as HAProxy takes it: a payload ends at the first empty line, so that those within are
// left out. Not more than a piece of it is in memory at once.
Result<> send_payload(Connection& connection, const FileDescriptor& file) {
  Piece piece;
  char last = '\n';
  for (off_t offset = 0;;) {
    const ssize_t got = ::pread(file.get(), piece.bytes, sizeof piece.bytes, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::system_error("read the bundle", errno);
    if (got == 0) break;
    offset += got;
    if (offset > static_cast<off_t>(kMaxBundle))
      return base::invalid(fmt::format("the bundle is larger than {} bytes", kMaxBundle));
    std::size_t kept = 0;
    for (ssize_t at = 0; at < got; ++at) {
      const char byte = piece.bytes[at];
      if (byte == '\r' || (byte == '\n' && last == '\n')) continue;
      last = piece.bytes[kept++] = byte;
    }
    TRY(connection.send({piece.bytes, kept}));
  }
  return connection.send(last == '\n' ? "\n" : "\n\n");
}

std::string words(std::string_view answer) {
  std::string line;
  for (const char byte : answer) line += byte == '\n' ? ' ' : byte;
  while (line.ends_with(' ')) line.pop_back();
  return line.empty() ? "nothing" : fmt::format("'{}'", base::printable(line, kShownAnswer));
}

std::unexpected<Error> refused(std::string_view command, std::string_view answer) {
  std::string text = fmt::format("{}: HAProxy answered {}", command, words(answer));
  // 2.6 words it so for a `show` (src/ssl_ckch.c), and true lack of memory does not last.
  if (answer.starts_with("Permission denied") || answer.starts_with("Can't allocate memory!"))
    text += " (the socket needs `level admin` in HAProxy's `stats socket` line)";
  return base::rejected(std::move(text));
}

// What HAProxy says in the end; warnings may stand before it.
bool is(std::string_view answer, std::string_view expected) {
  while (answer.ends_with('\n')) answer.remove_suffix(1);
  if (!answer.ends_with(expected)) return false;
  answer.remove_suffix(expected.size());
  return answer.empty() || answer.ends_with('\n');
}

std::optional<std::string> path_of_transaction(std::string_view answer) {
  constexpr std::string_view kBegin = "Transaction updated for certificate ";
  if (!answer.starts_with(kBegin)) return std::nullopt;
  answer.remove_prefix(kBegin.size());
  const std::string_view path = answer.substr(0, answer.find('!'));
  return is_plain_path(path) ? std::optional<std::string>(path) : std::nullopt;
}

bool is_success(std::string_view answer, std::string_view begin) {
  while (answer.ends_with('\n')) answer.remove_suffix(1);
  return answer.starts_with(begin) && answer.ends_with("\nSuccess!");
}

}  // namespace

Result<std::string> HaproxyRuntime::ask(const std::string& command,
                                        const FileDescriptor* bundle) const {
  const auto talk = [&]() -> Result<std::string> {
    const auto address = TRY(base::SocketAddress::local(socket_));
    Connection connection = TRY(Connection::open(
        address, timeout_, "reach it (does HAProxy run, and is this its stats socket?)"));
    TRY(connection.send(command + (bundle ? " <<\n" : "\n")));
    if (bundle) TRY(send_payload(connection, *bundle));
    return connection.receive(kMaxAnswer);
  };
  return within(fmt::format("{}: {}", socket_, command), talk());
}

// "Used", "Unused", "Empty"; "" of a file that HAProxy does not know.
Result<std::string> HaproxyRuntime::status(const std::string& path) const {
  const std::string command = "show ssl cert " + path;
  const std::string answer = TRY(ask(command));
  if (is(answer, "Can't display the certificate: Not found or the certificate is a bundle!"))
    return std::string();
  const std::string begin = fmt::format("Filename: {}\nStatus: ", path);
  const std::size_t end = answer.find('\n', begin.size());
  if (!answer.starts_with(begin) || end == std::string::npos) return refused(command, answer);
  return answer.substr(begin.size(), end - begin.size());
}

Result<> HaproxyRuntime::abort(const std::string& path) const {
  const std::string command = "abort ssl cert " + path, answer = TRY(ask(command));
  if (!is(answer, fmt::format("Transaction aborted for certificate '{}'!", path)))
    return refused(command, answer);
  return {};
}

// HAProxy has one transaction for all files; 2.6 takes a `set` of another file into it.
Result<> HaproxyRuntime::drop_transaction(const std::string& directory) const {
  const std::string command = "show ssl cert", answer = TRY(ask(command));
  constexpr std::string_view kNone = "# filename\n", kSome = "# transaction\n*";
  if (answer.starts_with(kNone)) return {};
  const std::size_t end = answer.find('\n', kSome.size());
  if (!answer.starts_with(kSome) || end == std::string::npos) return refused(command, answer);
  const std::string path = answer.substr(kSome.size(), end - kSome.size());
  if (base::directory_of(path) != directory || !is_plain_path(path))
    return base::transient(
        fmt::format("{}: HAProxy is in a transaction of somebody else, about {}: commit it or "
                    "abort it there",
                    socket_, base::printable(path)));
  return abort(path);
}

Result<> HaproxyRuntime::make_known(const std::string& path) const {
  const std::string command = "new ssl cert " + path, answer = TRY(ask(command));
  if (!is(answer, fmt::format("New empty certificate store '{}'!", path)))
    return refused(command, answer);
  return {};
}

Result<> HaproxyRuntime::replace(const std::string& path, const FileDescriptor& bundle) const {
  const auto run = [&]() -> Result<> {
    const std::string set = "set ssl cert " + path, is_set = TRY(ask(set, &bundle));
    if (!is(is_set, fmt::format("Transaction created for certificate {}!", path)) &&
        !is(is_set, fmt::format("Transaction updated for certificate {}!", path))) {
      // Somebody's transaction of this very moment would show our certificate under their file.
      if (const auto other = path_of_transaction(is_set)) static_cast<void>(abort(*other));
      auto error = refused(set, is_set);
      if (is_set.contains("Can't load the payload")) error.error().kind = ErrorKind::invalid;
      return error;
    }
    const std::string commit = "commit ssl cert " + path, committed = TRY(ask(commit));
    if (!is_success(committed, "Committing " + path)) return refused(commit, committed);
    return {};
  };
  Result<> done = run();
  // An error of its own would only say that there is no transaction.
  if (!done) static_cast<void>(drop_transaction(base::directory_of(path)));
  return done;
}

Result<> HaproxyRuntime::add_to_directory(const std::string& path) const {
  const std::string directory = base::directory_of(path);
  const std::string command = fmt::format("add ssl crt-list {} {}", directory, path);
  const std::string answer = TRY(ask(command));
  if (!is_success(answer,
                  fmt::format("Inserting certificate '{}' in crt-list '{}'", path, directory)))
    return refused(command, answer);
  return {};
}

Result<> HaproxyRuntime::load(const std::string& path, const FileDescriptor& bundle) const {
  TRY(drop_transaction(base::directory_of(path)));
  const std::string before = TRY(status(path));
  if (before.empty()) TRY(make_known(path));
  Result<> done = replace(path, bundle);
  if (done && before != "Used") done = add_to_directory(path);
  if (!done && before.empty()) static_cast<void>(unload(path));
  return done;
}

Result<> HaproxyRuntime::unload(const std::string& path) const {
  if (TRY(status(path)) == "Used") {
    const std::string directory = base::directory_of(path);
    const std::string command = fmt::format("del ssl crt-list {} {}", directory, path);
    const std::string answer = TRY(ask(command));
    if (!is(answer, fmt::format("Entry '{}' deleted in crtlist '{}'!", path, directory)))
      return refused(command, answer);
  }
  const std::string command = "del ssl cert " + path, answer = TRY(ask(command));
  if (!is(answer, fmt::format("Certificate '{}' deleted!", path))) return refused(command, answer);
  return {};
}

bool is_plain_path(std::string_view path) {
  return path.starts_with('/') && std::ranges::all_of(path, [](char byte) {
           return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                  (byte >= '0' && byte <= '9') || std::string_view("/._-+@").contains(byte);
         });
}

namespace {

// One bundle on its way, and what brings back what was there.
struct Placed {
  const LiveBundle* bundle;
  std::string path;
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

  std::vector<Disproof> run(std::span<const LiveBundle> bundles);

 private:
  Result<> place(Placed& placed);
  Result<> push(Placed& placed);
  Result<> reload();
  void reload_where_needed();
  void prove();
  Result<> restore_file(const Placed& placed);
  Result<> take_back(const Placed& placed);
  void fail(const Placed& placed, Error error, const Result<>& taken_back);

  const Haproxy& haproxy_;
  FileSystem& files_;
  CommandRunner& commands_;
  scan::Visitor& visitor_;
  const HaproxyRuntime runtime_;
  std::vector<Placed> placed_;
  std::vector<Disproof> failures_;
};

bool is_by_reload(const Placed& placed) { return placed.way == Placed::Way::reload; }

std::vector<Disproof> Putting::run(std::span<const LiveBundle> bundles) {
  for (const LiveBundle& bundle : bundles) {
    Placed placed{.bundle = &bundle,
                  .path = base::join_path(haproxy_.certificates, bundle.name + ".pem"),
                  .old = {},
                  .why_reload = {}};
    if (auto in_place = place(placed); !in_place) {
      failures_.push_back({bundle.name, std::move(in_place).error()});
    } else if (auto pushed = push(placed); !pushed) {
      fail(placed, std::move(pushed).error(), restore_file(placed));
    } else {
      placed_.push_back(std::move(placed));
    }
  }
  reload_where_needed();
  prove();
  return std::move(failures_);
}

Result<> Putting::place(Placed& placed) {
  auto old = files_.open(placed.path);
  if (!old && old.error().kind != ErrorKind::not_found) return std::unexpected(old.error());
  if (old) {
    placed.old = *std::move(old);
    placed.old_mode = TRY(files_.status(TRY(files_.real_path(placed.path)))).mode;
  }
  const auto copy = [&](const FileDescriptor& file) -> Result<> {
    return base::copy_all(TRY(files_.open(placed.bundle->path)), file, "write " + placed.path);
  };
  return base::write_durably_with(files_, placed.path, copy, kPrivateFile);
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
  const auto done = TRY(within(attempt, commands_.run({haproxy_.reload})));
  if (done.exit_status != 0)
    return base::rejected(
        fmt::format("{}: exit status {}, {}", attempt, done.exit_status, words(done.output)));
  return {};
}

void Putting::reload_where_needed() {
  if (std::ranges::none_of(placed_, is_by_reload)) return;
  const Result<> reloaded = reload();
  if (reloaded) return;
  for (const Placed& placed : placed_)
    if (is_by_reload(placed)) fail(placed, reloaded.error(), restore_file(placed));
  std::erase_if(placed_, is_by_reload);
}

void Putting::prove() {
  std::vector<Expectation> expectations;
  for (const Placed& placed : placed_)
    for (const std::string& name : placed.bundle->names)
      for (const scan::Target& target : haproxy_.listen)
        expectations.push_back(ServesLeaf{{.name = name,
                                           .address = target.address,
                                           .port = target.port,
                                           .tls = true,
                                           .proxy_protocol = target.proxy_protocol},
                                          placed.bundle->key,
                                          placed.bundle->fingerprint});
  if (expectations.empty()) return;
  const std::vector<Disproof> disproofs = deploy::prove(visitor_, expectations, kPatience);
  bool reload_again = false;
  for (const Placed& placed : placed_) {
    const auto disproof = std::ranges::find_if(disproofs, [&](const Disproof& each) {
      return std::ranges::find(placed.bundle->names, each.name) != placed.bundle->names.end();
    });
    if (disproof == disproofs.end()) continue;
    reload_again = reload_again || is_by_reload(placed);
    fail(placed, disproof->error, take_back(placed));
  }
  if (!reload_again) return;
  if (const auto reloaded = reload(); !reloaded)
    failures_.back().error.message += "; the old file is back, but " + reloaded.error().message;
}

Result<> Putting::restore_file(const Placed& placed) {
  if (!placed.old) {
    TRY(files_.remove(placed.path));
    return files_.sync(base::directory_of(placed.path));
  }
  const auto copy = [&](const FileDescriptor& file) -> Result<> {
    if (::lseek(placed.old.get(), 0, SEEK_SET) < 0)
      return base::system_error("rewind the old file", errno);
    return base::copy_all(placed.old, file, "write " + placed.path);
  };
  return base::write_durably_with(files_, placed.path, copy, placed.old_mode);
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
  failures_.push_back({placed.bundle->name, std::move(error)});
}

}  // namespace

std::vector<Disproof> put(const Haproxy& haproxy, std::span<const LiveBundle> bundles,
                          FileSystem& files, CommandRunner& commands, scan::Visitor& visitor) {
  return Putting(haproxy, files, commands, visitor).run(bundles);
}

}  // namespace everseal::deploy
