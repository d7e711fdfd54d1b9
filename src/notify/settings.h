// Who is told, and how.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "notify/delivery.h"

namespace everseal::notify {

inline constexpr const char* kSendmail = "/usr/sbin/sendmail";

// Where a secret is: a file, or by a name without "/" one of systemd's credentials.
struct SmtpSettings {
  std::string host{};
  int port = 0;                        // 0: 465 with implicit TLS, else 587
  std::optional<Security> security{};  // none: implicit TLS on port 465, else STARTTLS
  std::string user{}, password_file{};
  std::string ca_bundle{};  // PEM path; empty: the system's
};

struct WebhookSettings {
  std::string url{}, url_file{};  // one of both
  std::string secret_file{};      // of the signature; empty: none
  std::string ca_bundle{};
};

struct Settings {
  std::vector<std::string> to{};       // addresses; empty: no mail
  std::string from{};                  // empty: the first of `to`
  std::optional<SmtpSettings> smtp{};  // none: the local sendmail
  std::string sendmail = kSendmail;
  std::optional<WebhookSettings> webhook{};
  std::vector<std::string> command{};  // a program and its arguments; empty: none
  bool success = false;                // tell of renewals, too

  bool has_any() const { return !to.empty() || webhook || !command.empty(); }
};

// What cannot be told from one setting alone. Errors: invalid, naming the settings.
Result<> check(const Settings& settings);

// The server, with the ports and the security that were not set.
MailServer server_of(const SmtpSettings& smtp, std::string password);

// A host as URLs have it: a name, an address, one of IPv6 in brackets. Errors: invalid.
Result<std::string> parse_host(std::string_view text);

// Reads "starttls", "tls", "none". Errors: invalid.
Result<Security> parse_security(std::string_view word);

// The first line of a secret's file. `credentials`: systemd's directory, or empty. Errors: those of
// the file; invalid (everybody may read it, no such directory, empty, bytes that no secret has).
Result<std::string> read_secret(const FileReader& files, const std::string& place,
                                const std::string& credentials);

}  // namespace everseal::notify
