#include "notify/tell.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "base/stop.h"
#include "crypto/hmac.h"
#include "notify/mail.h"

namespace everseal::notify {
namespace {

constexpr base::Seconds kTime{60};

Result<> run(const base::Command& command, CommandRunner& commands) {
  const base::CommandOutput done = TRY(commands.run(command));
  if (done.exit_status == 0) return {};
  return base::internal(fmt::format("{} ended with status {}: {}", command.arguments.front(),
                                    done.exit_status, base::printable(done.output)));
}

// One message and the ways that it takes.
class Telling {
 public:
  Telling(const Message& message, const Settings& settings, const Means& means)
      : message_(message), settings_(settings), means_(means) {}

  std::vector<Told> tell() {
    if (!settings_.to.empty())
      tell_by(mail_way(), [&] { return settings_.smtp ? mail_by_smtp() : mail_by_sendmail(); });
    if (settings_.webhook) tell_by(webhook_way(), [&] { return post(); });
    if (!settings_.command.empty())
      tell_by(fmt::format("command {}", settings_.command.front()), [&] { return run_command(); });
    return std::move(told_);
  }

 private:
  void tell_by(std::string way, const std::function<Result<>()>& act) {
    told_.push_back({std::move(way), base::transient("not tried: a signal asked us to end")});
    if (base::stop_requested) return;
    told_.back().result = act();
    if (told_.back().result && !std::exchange(is_heard_, true)) means_.heard();
  }

  std::string mail_way() const {
    const std::string by = settings_.smtp ? fmt::format("{}:{}", settings_.smtp->host,
                                                        server_of(*settings_.smtp, "").port)
                                          : settings_.sendmail;
    return fmt::format("mail to {} by {}", fmt::join(settings_.to, ", "), by);
  }

  // Its path may be a secret.
  std::string webhook_way() const {
    const std::string& url = settings_.webhook->url;
    return fmt::format("webhook {}", url.empty() ? settings_.webhook->url_file
                                                 : http::https_origin(url).value_or(""));
  }

  std::string mail() const { return write_mail(message_, {from(), settings_.to}, means_.id); }
  const std::string& from() const {
    return settings_.from.empty() ? settings_.to.front() : settings_.from;
  }

  Result<> mail_by_smtp() const {
    const SmtpSettings& smtp = *settings_.smtp;
    const std::string password = TRY(secret(smtp.password_file));
    return means_.courier.deliver(ByMail{server_of(smtp, password), from(), settings_.to, mail()},
                                  smtp.ca_bundle);
  }

  // Programs of this machine end lines with \n alone.
  Result<> mail_by_sendmail() const {
    base::Command command{.arguments = {settings_.sendmail, "-i", "-t"},
                          .timeout = kTime,
                          .on_stop = base::OnStop::end};
    command.input = mail();
    std::erase(command.input, '\r');
    return run(command, means_.commands);
  }

  Result<> post() const {
    const WebhookSettings& webhook = *settings_.webhook;
    const std::string url = webhook.url.empty() ? TRY(secret(webhook.url_file)) : webhook.url;
    static_cast<void>(TRY(http::https_origin(url)));
    return means_.courier.deliver(to_webhook(message_, url, TRY(secret(webhook.secret_file))),
                                  webhook.ca_bundle);
  }

  Result<> run_command() const {
    return run({.arguments = settings_.command,
                .timeout = kTime,
                .input = to_json(message_),
                .environment = {fmt::format("EVERSEAL_EVENT={}", message_.event),
                                fmt::format("EVERSEAL_HOST={}", message_.host),
                                fmt::format("EVERSEAL_SUBJECT={}", message_.subject)},
                .on_stop = base::OnStop::end},
               means_.commands);
  }

  // Empty where none is set.
  Result<std::string> secret(const std::string& place) const {
    if (place.empty()) return std::string();
    return read_secret(means_.files, place, means_.credentials);
  }

  const Message& message_;
  const Settings& settings_;
  const Means& means_;
  std::vector<Told> told_;
  bool is_heard_ = false;
};

}  // namespace

std::vector<Told> tell(const Message& message, const Settings& settings, const Means& means) {
  return Telling(message, settings, means).tell();
}

ByWebhook to_webhook(const Message& message, std::string url, std::string_view secret) {
  ByWebhook post{.url = std::move(url),
                 .headers = {{"Content-Type", "application/json"}},
                 .body = to_json(message)};
  if (secret.empty()) return post;
  const auto seconds = message.at.time_since_epoch().count();
  const std::string mac = crypto::hmac_sha256(secret, fmt::format("{}.{}", seconds, post.body));
  post.headers.push_back(
      {"Everseal-Signature", fmt::format("t={},v1={}", seconds, base::hex(mac))});
  return post;
}

}  // namespace everseal::notify
