#include "ca/key_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "privsep/sandbox.h"
#include "privsep/wire.h"

namespace everseal::ca {

// What is to be signed follows in packets of at most kMostPacketBytes.
struct SignRequest {
  std::string issuer{};  // Intermediate::id()
  std::uint64_t bytes = 0;
};

template <class Archive>
void fields(Archive& archive, SignRequest& request) {
  archive(request.issuer, request.bytes);
}

namespace {

using privsep::Channel;

constexpr std::size_t kMostPacketBytes = 64 << 10;
constexpr std::uint64_t kMostBytes = 64 << 20;  // a CRL of a million certificates is 40 MiB
constexpr std::size_t kSecureBytes = 64 << 10;

// Asks for each signature; one thread.
class KeyElsewhere : public SigningKey {
 public:
  KeyElsewhere(const Channel& line, std::string issuer) : line_(line), issuer_(std::move(issuer)) {}

  Result<std::string> sign(std::string_view bytes) const override {
    TRY(line_.send(privsep::encode(SignRequest{issuer_, bytes.size()})));
    for (std::size_t at = 0; at < bytes.size(); at += kMostPacketBytes)
      TRY(line_.send(bytes.substr(at, kMostPacketBytes)));
    return TRY(privsep::decode<Result<std::string>>(TRY(line_.receive()).bytes));
  }

 private:
  const Channel& line_;
  std::string issuer_;
};

Result<std::string> receive_bytes(const Channel& line, std::uint64_t count) {
  if (count == 0 || count > kMostBytes) return base::rejected("nobody signs so much");
  std::string bytes;
  while (bytes.size() < count) bytes += TRY(line.receive()).bytes;
  if (bytes.size() != count) return base::rejected("more than was announced");
  return bytes;
}

Result<std::string> sign(const Issuer& issuer, const SignRequest& request, std::string_view bytes) {
  const auto& all = issuer.intermediates();
  const auto found = std::ranges::find(all, request.issuer, &Intermediate::id);
  if (found == all.end()) return base::not_found("no such issuer");
  return found->key().sign(bytes);
}

Result<> serve(const Channel& line, const Issuer& issuer) {
  while (true) {
    const auto request = TRY(privsep::decode<SignRequest>(TRY(line.receive()).bytes));
    const std::string bytes = TRY(receive_bytes(line, request.bytes));
    TRY(line.send(privsep::encode(sign(issuer, request, bytes))));
  }
}

// Nothing else that the parent had open is the child's business.
void close_all_but(int kept) {
  ::close_range(STDERR_FILENO + 1, static_cast<unsigned>(kept) - 1, 0);
  ::close_range(static_cast<unsigned>(kept) + 1, ~0u, 0);
}

Result<Issuer> prepare(FileSystem& files, const std::string& directory, Time now) {
  ::signal(SIGINT, SIG_IGN);  // a terminal's is the parent's business
  TRY(crypto::use_secure_heap(kSecureBytes));
  TRY(privsep::give_up_rights(std::nullopt));
  Issuer issuer = TRY(Issuer::open(files, directory, now));
  TRY(privsep::confine({}));
  return issuer;
}

// The child's whole life.
[[noreturn]] void hold_keys(const Channel& line, FileSystem& files, const std::string& directory,
                            Time now) {
  close_all_but(line.socket().get());
  const auto issuer = prepare(files, directory, now);
  const Result<> ready = issuer ? Result<>() : std::unexpected(issuer.error());
  if (line.send(privsep::encode(ready)) && issuer) static_cast<void>(serve(line, *issuer));
  ::_exit(0);
}

}  // namespace

KeyProcess::KeyProcess(const FileSystem& files, std::string directory, pid_t pid, Channel line)
    : files_(&files),
      directory_(std::move(directory)),
      pid_(pid),
      line_(std::make_unique<Channel>(std::move(line))) {}

KeyProcess::KeyProcess(KeyProcess&& other) noexcept
    : files_(other.files_),
      directory_(std::move(other.directory_)),
      pid_(std::exchange(other.pid_, 0)),
      line_(std::move(other.line_)) {}

KeyProcess::~KeyProcess() {
  if (pid_ == 0) return;
  line_.reset();
  ::waitpid(pid_, nullptr, 0);
}

Result<KeyProcess> KeyProcess::start(FileSystem& files, const std::string& directory, Time now) {
  auto [ours, theirs] = TRY(Channel::make_pair());
  const pid_t pid = ::fork();
  if (pid < 0) return base::system_error("start the process that holds the keys", errno);
  if (pid == 0) {
    ours = Channel();
    hold_keys(theirs, files, directory, now);
  }
  theirs = Channel();
  KeyProcess process(files, directory, pid, std::move(ours));
  TRY(TRY(privsep::decode<Result<>>(TRY(process.line_->receive()).bytes)));
  return process;
}

Result<Issuer> KeyProcess::issuer() const {
  return Issuer::read(*files_, directory_, [this](const std::string& id) {
    return std::make_shared<KeyElsewhere>(*line_, id);
  });
}

bool KeyProcess::is_alive() const {
  pollfd polled{watched(), POLLHUP, 0};
  return ::poll(&polled, 1, 0) == 0;
}

}  // namespace everseal::ca
