// Bringing a message over the network: to a mail server, or to a webhook.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace everseal::notify {

// How a mail server is spoken to: TLS from the first byte (RFC 8314), TLS by STARTTLS or not at
// all (RFC 3207), or none.
enum class Security { implicit_tls, starttls, none };

struct MailServer {
  std::string host{};  // a name, or an address
  std::uint16_t port = 587;
  Security security = Security::starttls;
  std::string user{}, password{};  // empty: no authentication (RFC 4954)
};

struct ByMail {
  MailServer server{};
  std::string from{};
  std::vector<std::string> to{};
  std::string mail{};  // as write_mail() gives it
};

// A POST.
struct ByWebhook {
  std::string url{};
  std::vector<http::Header> headers{};
  std::string body{};
};

using Delivery = std::variant<ByMail, ByWebhook>;

// Where it leads: "https://host:port", "smtp://host:port". Errors: invalid (as https_origin()).
Result<std::string> origin(const Delivery& delivery);

// What was found out about the way there before the first byte comes from there.
struct Way {
  std::string trusted_pem{};             // the certificates that a server's chain must lead to
  std::vector<std::string> addresses{};  // of the origin's host; none: it is an address itself
};

// Without the addresses of the link alone: no mail server or webhook is there, but the data of
// virtual machines are (169.254.169.254). Errors: invalid, if none is left of some.
Result<std::vector<std::string>> allowed(std::vector<std::string> addresses);

// Delivers within half a minute. A mail that some of its recipients were refused is delivered. The
// errors quote the server, printable, never a password or more of a webhook's URL than its origin:
// transient (no connection, no answer,
// a refusal for now), rejected (it refuses for good, or its certificate is not to be trusted).
Result<> deliver(const Delivery& delivery, const Way& way);

}  // namespace everseal::notify
