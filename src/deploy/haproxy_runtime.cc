#include "deploy/haproxy_runtime.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

#include "base/connection.h"
#include "base/encoding.h"
#include "base/file_system.h"
#include "base/stop.h"

namespace everseal::deploy {
namespace {

using base::Connection;
using base::FileDescriptor;

constexpr std::size_t kMaxAnswer = 64 << 10;  // bytes; more is cut off
constexpr std::size_t kShownAnswer = 300;     // bytes of an answer in an error
constexpr std::size_t kMaxBundle = 1 << 20;   // bytes

// Bytes of a file that follow each other.
struct Run {
  off_t offset = 0;
  std::size_t size = 0;
};

// What HAProxy is sent of a bundle.
struct Payload {
  std::vector<Run> runs{};
  char last = '\n';  // byte of them
};

// The byte at an offset; nullopt at the end.
Result<std::optional<char>> byte_at(const FileDescriptor& file, off_t offset) {
  char byte = 0;
  while (true) {
    const ssize_t got = ::pread(file.get(), &byte, 1, offset);
    if (got == 1) return byte;
    if (got == 0) return std::nullopt;
    if (errno != EINTR) return base::system_error("read the bundle", errno);
  }
}

// The file as HAProxy takes it: a payload ends at the first empty line, so that those within are
// left out. Looked for byte by byte: never more than one byte of the key is in memory.
Result<Payload> find_payload(const FileDescriptor& file) {
  Payload payload;
  for (off_t offset = 0;; ++offset) {
    const auto byte = TRY(byte_at(file, offset));
    if (!byte) return payload;
    if (offset >= static_cast<off_t>(kMaxBundle))
      return base::invalid(fmt::format("the bundle is larger than {} bytes", kMaxBundle));
    if (*byte == '\r' || (*byte == '\n' && payload.last == '\n')) continue;
    const bool follows =
        !payload.runs.empty() &&
        payload.runs.back().offset + static_cast<off_t>(payload.runs.back().size) == offset;
    if (!follows) payload.runs.push_back({offset, 0});
    ++payload.runs.back().size;
    payload.last = *byte;
  }
}

// The kernel moves the bytes.
Result<> send_payload(Connection& connection, const FileDescriptor& file) {
  const Payload payload = TRY(find_payload(file));
  for (const Run& run : payload.runs) TRY(connection.send_file(file, run.offset, run.size));
  return connection.send(payload.last == '\n' ? "\n" : "\n\n");
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
  if (silence_) return std::unexpected(*silence_);
  const auto talk = [&]() -> Result<std::string> {
    Connection connection =
        TRY(within("does HAProxy run, and is this its stats socket?",
                   Connection::open_trusted(socket_, std::chrono::steady_clock::now() + timeout_,
                                            &base::stop_requested)));
    TRY(connection.send(command + (bundle ? " <<\n" : "\n")));
    if (bundle) TRY(send_payload(connection, *bundle));
    return connection.receive(kMaxAnswer);
  };
  auto answer = within(fmt::format("{}: {}", socket_, command), talk());
  if (!answer && answer.error().kind != ErrorKind::invalid) silence_ = answer.error();
  return answer;
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

}  // namespace everseal::deploy
