#include "notify/settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/address.h"
#include "base/ascii.h"
#include "http/message.h"

namespace everseal::notify {
namespace {

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" ||
         (host.starts_with("127.") && base::canonical_address(host));
}

Security security_of(const SmtpSettings& smtp) {
  if (smtp.security) return *smtp.security;
  return smtp.port == 465 ? Security::implicit_tls : Security::starttls;
}

Result<> check_smtp(const SmtpSettings& smtp) {
  if (smtp.host.empty()) return base::invalid("notify.smtp needs host");
  if (smtp.user.empty() != smtp.password_file.empty())
    return base::invalid("notify.smtp needs user and password_file, or neither");
  if (security_of(smtp) == Security::none && !smtp.user.empty() && !is_loopback(smtp.host))
    return base::invalid("notify.smtp: a password is not sent without TLS");
  return {};
}

Result<> check_webhook(const WebhookSettings& webhook) {
  if (webhook.url.empty() == webhook.url_file.empty())
    return base::invalid("notify.webhook needs url or url_file");
  if (!webhook.url.empty())
    static_cast<void>(TRY(within("notify.webhook", http::https_origin(webhook.url))));
  return {};
}

bool is_of_this_machine(const std::string& address) { return !address.contains('@'); }

Result<> check_addresses(const Settings& settings) {
  if (settings.to.empty() && (settings.smtp || !settings.from.empty()))
    return base::invalid("notify needs to: whom to write to");
  if (!settings.smtp) return {};
  if (std::ranges::any_of(settings.to, is_of_this_machine) ||
      (!settings.from.empty() && is_of_this_machine(settings.from)))
    return base::invalid("notify: with notify.smtp each address needs an @");
  return {};
}

}  // namespace

Result<> check(const Settings& settings) {
  TRY(check_addresses(settings));
  if (settings.smtp) TRY(check_smtp(*settings.smtp));
  if (settings.webhook) TRY(check_webhook(*settings.webhook));
  return {};
}

MailServer server_of(const SmtpSettings& smtp, std::string password) {
  const Security security = security_of(smtp);
  const int port = smtp.port != 0 ? smtp.port : security == Security::implicit_tls ? 465 : 587;
  return {.host = smtp.host,
          .port = static_cast<std::uint16_t>(port),
          .security = security,
          .user = smtp.user,
          .password = std::move(password)};
}

Result<std::string> parse_host(std::string_view text) {
  std::string_view bare = text;
  if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
  if (const auto address = base::canonical_address(bare))
    return address->contains(':') ? fmt::format("[{}]", *address) : *address;
  const bool is_name =
      !text.empty() && !text.starts_with('-') && std::ranges::all_of(text, [](char c) {
        return base::is_letter_or_digit(c) || c == '-' || c == '.';
      });
  if (is_name) return std::string(text);
  return base::invalid("expected a host's name or address");
}

Result<Security> parse_security(std::string_view word) {
  if (word == "starttls") return Security::starttls;
  if (word == "tls") return Security::implicit_tls;
  if (word == "none") return Security::none;
  return base::invalid("expected \"starttls\", \"tls\" or \"none\"");
}

Result<std::string> read_secret(const FileReader& files, const std::string& place,
                                const std::string& credentials) {
  const bool is_credential = !place.contains('/');
  if (is_credential && credentials.empty())
    return base::invalid(fmt::format(
        "'{}' is a credential of systemd, and $CREDENTIALS_DIRECTORY is not set", place));
  auto found = TRY(files.read_trusted(is_credential ? base::join_path(credentials, place) : place));
  const std::string& path = found.path;
  if (found.mode & 0007)
    return base::invalid(
        fmt::format("{} holds a secret that every user may read: chmod 0600 {}", path, path));
  std::string secret = std::move(found.text);
  secret.resize(std::min(secret.find_first_of("\r\n"), secret.size()));
  const bool is_one = !secret.empty() && std::ranges::none_of(secret, [](char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
  });
  if (!is_one) return base::invalid(fmt::format("{} holds no secret in its first line", path));
  return secret;
}

}  // namespace everseal::notify
