// Bringing one message to a person by every way that was set.
#pragma once

#include <string>
#include <vector>

#include "base/command_runner.h"
#include "notify/message.h"
#include "notify/settings.h"

namespace everseal::notify {

// Interface for delivering over the network: done by a process that has nothing else.
class Courier {
 public:
  virtual ~Courier() = default;
  // `ca_bundle`: whom to trust, a path of certificates in PEM; empty: the system's. Errors: as
  // notify::deliver().
  virtual Result<> deliver(const Delivery& delivery, const std::string& ca_bundle) = 0;
};

// What telling needs of the machine; all of it must outlive the call.
struct Means {
  const FileReader& files;
  CommandRunner& commands;
  Courier& courier;
  std::string credentials{};            // systemd's directory of secrets; empty: there is none
  std::string id{};                     // unique for this message, of letters and digits
  std::function<void()> heard = [] {};  // called once somebody has heard of it, before other ways
};

// One way, and what came of it.
struct Told {
  std::string way{};  // "mail to a@example.org by smtp.example.org:587"
  Result<> result{};
};

// Each way is tried, whatever comes of the others, until a signal asks us to end. The local
// sendmail gets the mail by `-i -t`; a command gets the message as JSON on its standard input and
// EVERSEAL_EVENT, EVERSEAL_HOST and EVERSEAL_SUBJECT in its environment. Neither sees a shell, and
// both have a minute. Errors of a way: those of Courier, CommandRunner and read_secret(); internal
// with what a program said that ended with another status than 0.
std::vector<Told> tell(const Message& message, const Settings& settings, const Means& means);

// A POST of the message's JSON. With a secret it is signed: the header
//   Everseal-Signature: t=SECONDS,v1=HEX
// holds the HMAC-SHA256 of "SECONDS.BODY", SECONDS being the message's moment since 1970: whoever
// gets it can tell that it is ours, and not an old one again.
ByWebhook to_webhook(const Message& message, std::string url, std::string_view secret);

}  // namespace everseal::notify
