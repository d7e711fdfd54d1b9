// A server of somebody else, on loopback, that does what a test tells it.
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/file_descriptor.h"
#include "crypto/ssl.h"

namespace everseal::ca {

// Takes one connection after the other, reads a request's head, answers and closes.
class StrangerInThread {
 public:
  struct Answer {
    std::string bytes{};
    base::Milliseconds before{0};   // is waited first
    base::Milliseconds between{0};  // two bytes
  };
  using Script = std::function<Answer(const std::string& head)>;

  struct Tls {
    std::string certificate_pem{}, key_pem{};
    std::string protocol{};  // agrees on this; empty: on none
  };

  // Port 0 takes any.
  StrangerInThread(const std::string& address, std::uint16_t port, Script script,
                   std::optional<Tls> tls = std::nullopt)
      : script_(std::move(script)) {
    ::signal(SIGPIPE, SIG_IGN);
    const auto wanted = *base::SocketAddress::from(address, port);
    listener_ = base::FileDescriptor(::socket(wanted.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int yes = 1;
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    bound_ = ::bind(listener_.get(), wanted.native(), wanted.length()) == 0 &&
             ::listen(listener_.get(), 64) == 0;
    if (tls) prepare_tls(*std::move(tls));
    thread_ = std::thread([this] { serve(); });
  }
  ~StrangerInThread() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
    if (context_) ssl().context_free(context_);
  }
  StrangerInThread(const StrangerInThread&) = delete;
  StrangerInThread& operator=(const StrangerInThread&) = delete;

  bool bound() const { return bound_; }
  std::uint16_t port() const { return base::SocketAddress::of_socket(listener_.get()).port(); }

  // The heads of all requests so far.
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  // An answer with a body.
  static Answer ok(const std::string& body) {
    return {"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
            body};
  }
  static Answer redirect(const std::string& location, const std::string& status = "301") {
    return {"HTTP/1.1 " + status + " Moved\r\nLocation: " + location +
            "\r\nContent-Length: 0\r\n\r\n"};
  }

 private:
  static const crypto::Ssl& ssl() { return **crypto::open_ssl(); }

  // libssl reads files only.
  void prepare_tls(Tls tls) {
    std::string directory = std::filesystem::temp_directory_path() / "everseal-stranger-XXXXXX";
    ::mkdtemp(directory.data());
    std::ofstream(directory + "/c.pem") << tls.certificate_pem;
    std::ofstream(directory + "/k.pem") << tls.key_pem;
    context_ = ssl().context_new(ssl().server_method());
    ssl().use_certificate_chain_file(context_, (directory + "/c.pem").c_str());
    ssl().use_private_key_file(context_, (directory + "/k.pem").c_str(), SSL_FILETYPE_PEM);
    std::filesystem::remove_all(directory);
    protocol_ = tls.protocol;
    ssl().set_alpn_select_callback(context_, &choose, this);
  }

  static int choose(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char*,
                    unsigned, void* user) {
    const std::string& protocol = static_cast<StrangerInThread*>(user)->protocol_;
    *chosen = reinterpret_cast<const unsigned char*>(protocol.data());
    *size = static_cast<unsigned char>(protocol.size());
    return protocol.empty() ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
  }

  // False once this is to stop.
  bool wait(int fd, int milliseconds) {
    pollfd polls[] = {{stop_.get(), POLLIN, 0}, {fd, POLLIN, 0}};
    ::poll(polls, fd < 0 ? 1 : 2, milliseconds);
    return polls[0].revents == 0;
  }

  void serve() {
    while (wait(listener_.get(), -1)) {
      const base::FileDescriptor connection(
          ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (context_)
        converse_securely(connection);
      else
        converse([&](char* to, std::size_t size) { return ::recv(connection.get(), to, size, 0); },
                 [&](const std::string& bytes) {
                   return ::send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0;
                 });
    }
  }

  void converse_securely(const base::FileDescriptor& connection) {
    SSL* const session = ssl().ssl_new(context_);
    ssl().set_fd(session, connection.get());
    ssl().set_accept_state(session);
    converse(
        [&](char* to, std::size_t size) -> ssize_t {
          return ssl().read(session, to, static_cast<int>(size));
        },
        [&](const std::string& bytes) {
          return ssl().write(session, bytes.data(), static_cast<int>(bytes.size())) > 0;
        });
    ssl().shutdown(session);
    ssl().ssl_free(session);
  }

  template <class Read, class Write>
  void converse(Read read, Write write) {
    std::string head;
    char buffer[4096];
    while (!head.contains("\r\n\r\n")) {
      const ssize_t got = read(buffer, sizeof buffer);
      if (got <= 0) return;
      head.append(buffer, static_cast<std::size_t>(got));
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(head);
    }
    send(script_(head), write);
  }

  template <class Write>
  void send(const Answer& answer, Write write) {
    if (!wait(-1, static_cast<int>(answer.before.count()))) return;
    if (answer.between.count() == 0) {
      write(answer.bytes);
      return;
    }
    for (const char byte : answer.bytes) {
      if (!write({byte}) || !wait(-1, static_cast<int>(answer.between.count()))) return;
    }
  }

  Script script_;
  std::string protocol_;
  SSL_CTX* context_ = nullptr;
  bool bound_ = false;
  base::FileDescriptor listener_;
  base::FileDescriptor stop_{::eventfd(0, EFD_CLOEXEC)};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace everseal::ca
