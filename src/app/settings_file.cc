#include "app/settings_file.h"

#define TOML_EXCEPTIONS 0
// toml++ 3.3 asserts of some broken documents what it reports as an error right afterwards.
#define TOML_ASSERT(expr) static_assert(true)
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <map>
#include <sstream>

#include "base/absence.h"
#include "base/domain_name.h"
#include "base/encoding.h"
#include "base/toml.h"
#include "deploy/haproxy_runtime.h"
#include "notify/mail.h"

namespace everseal::app {
namespace {

using jobs::Settings;
constexpr std::array<std::string_view, 5> kCopied = {"bundle", "fullchain", "chain", "cert",
                                                     "privkey"};

using Setter = std::function<Result<>(Settings&, const toml::node&)>;

std::string position(const std::string& path, const toml::source_region& source) {
  return fmt::format("{}:{}:{}", path, source.begin.line, source.begin.column);
}

template <class T>
Result<T> value(const toml::node& node, std::string_view kind) {
  if (const auto found = node.value_exact<T>()) return *found;
  return base::invalid(fmt::format("expected {}", kind));
}
Result<std::string> text(const toml::node& node) { return value<std::string>(node, "a string"); }

Result<std::vector<std::string>> texts(const toml::node& node) {
  const toml::array* array = node.as_array();
  if (!array) return std::vector{TRY(text(node))};
  std::vector<std::string> found;
  for (const toml::node& element : *array) found.push_back(TRY(text(element)));
  return found;
}

Setter store_text(std::string Settings::* member) {
  return [member](Settings& settings, const toml::node& node) -> Result<> {
    settings.*member = TRY(text(node));
    return {};
  };
}

crypto::ExternalAccount& external_account(Settings& settings) {
  if (!settings.external_account) settings.external_account.emplace();
  return *settings.external_account;
}

deploy::Haproxy& haproxy(Settings& settings) {
  if (!settings.haproxy)
    settings.haproxy.emplace().listen = {{.address = "127.0.0.1", .port = 443}};
  return *settings.haproxy;
}

notify::SmtpSettings& smtp(Settings& settings) {
  return settings.notify.smtp ? *settings.notify.smtp : settings.notify.smtp.emplace();
}

notify::WebhookSettings& webhook(Settings& settings) {
  return settings.notify.webhook ? *settings.notify.webhook : settings.notify.webhook.emplace();
}

// A member of what `part` gives.
template <class Part>
Setter store_text(Part& (*part)(Settings&), std::string Part::* member) {
  return [part, member](Settings& settings, const toml::node& node) -> Result<> {
    part(settings).*member = TRY(text(node));
    return {};
  };
}

// Those that are not set are Let's Encrypt's.
Setter store_limit(base::Limit renew::Limits::* member) {
  return [member](Settings& settings, const toml::node& node) -> Result<> {
    if (!settings.limits) settings.limits.emplace();
    (*settings.limits).*member = TRY(renew::parse_limit(TRY(text(node))));
    return {};
  };
}

Result<std::string> plain_path(const toml::node& node) {
  std::string path = TRY(text(node));
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (!deploy::is_plain_path(path))
    return base::invalid("expected an absolute path of letters, digits and . _ / - + @");
  return path;
}

Result<std::vector<std::string>> copied_files(const toml::node& node) {
  const auto files = TRY(texts(node));
  for (const std::string& file : files)
    if (std::ranges::find(kCopied, file) == kCopied.end())
      return base::invalid(fmt::format("{} is none of {}", file, fmt::join(kCopied, ", ")));
  return files;
}

// "0640".
Result<mode_t> file_mode(const toml::node& node) {
  const std::string digits = TRY(text(node));
  unsigned mode = 0;
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, mode, 8);
  if (read.ec != std::errc() || read.ptr != end || mode > 0777 || (mode & 0007) != 0)
    return base::invalid("expected a mode like \"0640\", without rights for all users");
  return static_cast<mode_t>(mode);
}

Result<> read_copy(deploy::CopyRule& rule, std::string_view key, const toml::node& node) {
  if (key == "name") {
    rule.name = TRY(base::parse_domain_name(TRY(text(node))));
  } else if (key == "to") {
    rule.directory = TRY(plain_path(node));
  } else if (key == "owner") {
    rule.owner = TRY(text(node));
  } else if (key == "group") {
    rule.group = TRY(text(node));
  } else if (key == "mode") {
    rule.mode = TRY(file_mode(node));
  } else if (key == "files") {
    rule.files = TRY(copied_files(node));
  } else if (key == "reload") {
    rule.reload = TRY(texts(node));
  } else {
    return base::invalid(fmt::format("unknown setting '{}'", key));
  }
  return {};
}

// [[copy]] tables.
Result<> read_copies(Settings& settings, const toml::node& node) {
  const toml::array* const tables = node.as_array();
  if (!tables) return base::invalid("expected [[copy]]");
  for (const toml::node& each : *tables) {
    const toml::table* const table = each.as_table();
    if (!table) return base::invalid("expected [[copy]]");
    deploy::CopyRule& rule = settings.copies.emplace_back();
    for (const auto& [key, member] : *table)
      TRY(within(fmt::format("line {}", key.source().begin.line),
                 read_copy(rule, key.str(), member)));
    if (rule.name.empty() || rule.directory.empty())
      return base::invalid("each [[copy]] needs name and to");
    if (std::ranges::count(settings.copies, rule.directory, &deploy::CopyRule::directory) > 1)
      return base::invalid(fmt::format("two copies go to {}", rule.directory));
  }
  return {};
}

// Every key of the file, as "table.key".
const std::map<std::string, Setter, std::less<>>& setters() {
  static const std::map<std::string, Setter, std::less<>> all = {
      {"state", store_text(&Settings::state)},
      {"server", store_text(&Settings::server)},
      {"ca_bundle", store_text(&Settings::ca_bundle)},
      {"preferred_chain", store_text(&Settings::preferred_chain)},
      {"certificate_profile", store_text(&Settings::certificate_profile)},
      {"limits.orders_per_account", store_limit(&renew::Limits::orders_per_account)},
      {"limits.certificates_per_domain", store_limit(&renew::Limits::certificates_per_domain)},
      {"limits.certificates_per_names", store_limit(&renew::Limits::certificates_per_names)},
      {"limits.failures_per_name", store_limit(&renew::Limits::failures_per_name)},
      {"nginx.binary", store_text(&Settings::nginx_binary)},
      {"nginx.config", store_text(&Settings::nginx_config)},
      {"email",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.contacts = TRY(texts(node));
         return {};
       }},
      {"key_type",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.key_type = TRY(crypto::parse_key_type(TRY(text(node))));
         return {};
       }},
      {"second_key_type",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.second_key_type = TRY(crypto::parse_key_type(TRY(text(node))));
         return {};
       }},
      {"sandbox",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.sandbox = TRY(parse_sandbox(TRY(text(node))));
         return {};
       }},
      {"external_account.kid",
       [](Settings& settings, const toml::node& node) -> Result<> {
         external_account(settings).kid = TRY(text(node));
         return {};
       }},
      {"external_account.hmac_key",
       [](Settings& settings, const toml::node& node) -> Result<> {
         external_account(settings).mac_key = TRY(text(node));
         return {};
       }},
      {"haproxy.certificates",
       [](Settings& settings, const toml::node& node) -> Result<> {
         haproxy(settings).certificates = TRY(plain_path(node));
         return {};
       }},
      {"haproxy.socket",
       [](Settings& settings, const toml::node& node) -> Result<> {
         haproxy(settings).socket = TRY(text(node));
         return {};
       }},
      {"haproxy.reload",
       [](Settings& settings, const toml::node& node) -> Result<> {
         haproxy(settings).reload = TRY(texts(node));
         return {};
       }},
      {"haproxy.listen",
       [](Settings& settings, const toml::node& node) -> Result<> {
         haproxy(settings).listen.clear();
         for (const std::string& each : TRY(texts(node)))
           haproxy(settings).listen.push_back(TRY(scan::parse_target(each)));
         return {};
       }},
      {"haproxy.names",
       [](Settings& settings, const toml::node& node) -> Result<> {
         haproxy(settings);
         for (const std::string& name : TRY(texts(node)))
           settings.haproxy_names.push_back(TRY(base::parse_domain_name(name)));
         return {};
       }},
      {"hooks.deploy",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.hooks = TRY(texts(node));
         for (const std::string& path : settings.hooks)
           if (!path.starts_with('/')) return base::invalid("expected programs' absolute paths");
         return {};
       }},
      {"hooks.directory",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.hooks_directory = TRY(plain_path(node));
         return {};
       }},
      {"hooks.timeout",
       [](Settings& settings, const toml::node& node) -> Result<> {
         const auto seconds = TRY(value<std::int64_t>(node, "a number of seconds"));
         if (seconds < 1 || seconds > 3600) return base::invalid("expected 1 to 3600 seconds");
         settings.hook_timeout = base::Seconds(seconds);
         return {};
       }},
      {"daemon.metrics",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.metrics = TRY(base::SocketAddress::parse(TRY(text(node))));
         return {};
       }},
      {"keys.pin",
       [](Settings& settings, const toml::node& node) -> Result<> {
         for (const std::string& name : TRY(texts(node)))
           settings.pinned.push_back(TRY(base::parse_domain_name(name)));
         return {};
       }},
      {"rotate.account",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.account_key_life = TRY(parse_period(TRY(text(node))));
         return {};
       }},
      {"rotate.dhparam",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.dhparam_life = TRY(parse_period(TRY(text(node))));
         return {};
       }},
      {"dhparam.files",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.dhparam_files = TRY(texts(node));
         for (const std::string& path : settings.dhparam_files)
           if (!path.starts_with('/')) return base::invalid("expected absolute paths");
         return {};
       }},
      {"copy", read_copies},
      {"notify.to",
       [](Settings& settings, const toml::node& node) -> Result<> {
         for (const std::string& each : TRY(texts(node)))
           settings.notify.to.push_back(TRY(notify::parse_address(each)));
         return {};
       }},
      {"notify.from",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.notify.from = TRY(notify::parse_address(TRY(text(node))));
         return {};
       }},
      {"notify.sendmail",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.notify.sendmail = TRY(plain_path(node));
         return {};
       }},
      {"notify.success",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.notify.success = TRY(value<bool>(node, "true or false"));
         return {};
       }},
      {"notify.command",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.notify.command = TRY(texts(node));
         if (settings.notify.command.empty() || !settings.notify.command.front().starts_with('/'))
           return base::invalid("expected a program's absolute path, then its arguments");
         return {};
       }},
      {"notify.smtp.host",
       [](Settings& settings, const toml::node& node) -> Result<> {
         smtp(settings).host = TRY(notify::parse_host(TRY(text(node))));
         return {};
       }},
      {"notify.smtp.port",
       [](Settings& settings, const toml::node& node) -> Result<> {
         const auto port = TRY(value<std::int64_t>(node, "a port"));
         if (port < 1 || port > 65535) return base::invalid("expected a port");
         smtp(settings).port = static_cast<int>(port);
         return {};
       }},
      {"notify.smtp.security",
       [](Settings& settings, const toml::node& node) -> Result<> {
         smtp(settings).security = TRY(notify::parse_security(TRY(text(node))));
         return {};
       }},
      {"notify.smtp.user", store_text(smtp, &notify::SmtpSettings::user)},
      {"notify.smtp.password_file", store_text(smtp, &notify::SmtpSettings::password_file)},
      {"notify.smtp.ca_bundle", store_text(smtp, &notify::SmtpSettings::ca_bundle)},
      {"notify.webhook.url", store_text(webhook, &notify::WebhookSettings::url)},
      {"notify.webhook.url_file", store_text(webhook, &notify::WebhookSettings::url_file)},
      {"notify.webhook.secret_file", store_text(webhook, &notify::WebhookSettings::secret_file)},
      {"notify.webhook.ca_bundle", store_text(webhook, &notify::WebhookSettings::ca_bundle)},
      {"nginx.redirect",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.redirect = TRY(parse_redirect(TRY(text(node))));
         return {};
       }},
      {"nginx.redirect_status",
       [](Settings& settings, const toml::node& node) -> Result<> {
         const auto status = TRY(value<std::int64_t>(node, "301 or 308"));
         if (status != 301 && status != 308) return base::invalid("expected 301 or 308");
         settings.redirect_status = static_cast<int>(status);
         return {};
       }},
      {"nginx.hsts",
       [](Settings& settings, const toml::node& node) -> Result<> {
         const auto seconds = node.value_exact<std::int64_t>();
         const std::string word = seconds ? std::to_string(*seconds) : node.value_or(std::string());
         settings.hsts = TRY(parse_hsts(word));
         if (settings.hsts->may_step)
           return base::invalid("\"next\" is for one run: `everseal secure --hsts=next`");
         return {};
       }},
      {"nginx.profile",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.profile = TRY(nginx::parse_profile(TRY(text(node))));
         return {};
       }},
      {"nginx.catch_all",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.catch_all = TRY(value<bool>(node, "true or false"));
         return {};
       }},
      {"nginx.remove_dead_lines",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.remove_dead_lines = TRY(value<bool>(node, "true or false"));
         return {};
       }},
      {"nginx.harden",
       [](Settings& settings, const toml::node& node) -> Result<> {
         settings.harden = TRY(value<bool>(node, "true or false"));
         return {};
       }},
  };
  return all;
}

Result<> read_table(const toml::table& table, const std::string& prefix, const std::string& path,
                    Settings& settings) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (node.is_table()) {
      TRY(read_table(*node.as_table(), name + ".", path, settings));
      continue;
    }
    const auto setter = setters().find(name);
    if (setter == setters().end())
      return base::invalid(fmt::format("{}: unknown setting '{}'", position(path, key.source()),
                                       base::printable(name, 80)));
    TRY(within(fmt::format("{}: {}", position(path, node.source()), name),
               setter->second(settings, node)));
  }
  return {};
}

Result<toml::table> parse(std::string_view content, const std::string& path) {
  TRY(base::check_toml_before_parsing(content, path));
  toml::parse_result parsed = toml::parse(content, path);
  if (parsed) return std::move(parsed).table();
  const toml::parse_error& error = parsed.error();
  return base::invalid(fmt::format("{}: {}", position(path, error.source()),
                                   base::printable(error.description(), 200)));
}

// The text in pieces that each begin with a table's header.
std::vector<std::string> tables_of(const std::string& content) {
  std::vector<std::string> tables(1);
  std::istringstream lines(content);
  for (std::string line; std::getline(lines, line); tables.back() += line + '\n')
    if (line.starts_with('[')) tables.emplace_back();
  return tables;
}

}  // namespace

Result<std::string> read_toml(const FileReader& files, const std::string& path) {
  const toml::table table = TRY(parse(TRY(files.read_trusted(path)).text, path));
  std::ostringstream json;
  json << toml::json_formatter(table);
  return json.str();
}

Result<privsep::Strictness> parse_sandbox(std::string_view word) {
  if (word == "required") return privsep::Strictness::required;
  if (word == "relaxed") return privsep::Strictness::relaxed;
  return base::invalid("expected \"required\" or \"relaxed\"");
}

Result<nginx::HstsWish> parse_hsts(std::string_view word) {
  nginx::HstsWish wish;
  const std::size_t end = std::min(word.find(';'), word.size());
  for (std::string_view rest = word.substr(end); !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view each = rest.substr(0, rest.find(';'));
    rest.remove_prefix(each.size());
    if (each == "subdomains") {
      wish.include_subdomains = true;
    } else if (each == "preload") {
      wish.preload = true;
    } else {
      return base::invalid("what may follow are \";subdomains\" and \";preload\"");
    }
  }
  if (wish.preload && !wish.include_subdomains)
    return base::invalid("the browsers' lists take only names with \";subdomains;preload\"");
  word = word.substr(0, end);
  if (word == "ramp") return wish;
  wish.may_step = word == "next";
  if (wish.may_step) return wish;
  wish.kind = word == "off" ? nginx::HstsWish::Kind::withdraw : nginx::HstsWish::Kind::fixed;
  if (word == "off") return wish;
  const char* const stop = word.data() + word.size();
  const auto read = std::from_chars(word.data(), stop, wish.max_age);
  if (read.ec == std::errc() && read.ptr == stop && wish.max_age > 0) return wish;
  return base::invalid("expected a number of seconds, \"ramp\", \"next\" or \"off\"");
}

Result<std::optional<base::Seconds>> parse_period(std::string_view words) {
  struct Unit {
    std::string_view name;
    std::chrono::days days;
  };
  constexpr std::array<Unit, 4> kUnits = {{{"day", std::chrono::days(1)},
                                           {"week", std::chrono::days(7)},
                                           {"month", std::chrono::days(30)},
                                           {"year", std::chrono::days(365)}}};
  constexpr int kMost = 1000;
  if (words == "never") return std::nullopt;
  int count = 0;
  const char* const end = words.data() + words.size();
  const auto read = std::from_chars(words.data(), end, count);
  std::string_view unit(read.ptr, end);
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  if (unit.ends_with('s')) unit.remove_suffix(1);
  const auto found = std::ranges::find(kUnits, unit, &Unit::name);
  if (read.ec == std::errc() && count > 0 && count <= kMost && found != kUnits.end())
    return found->days * count;
  return base::invalid("expected \"6 months\", \"1 year\", \"90 days\" or \"never\"");
}

Result<nginx::Redirect> parse_redirect(std::string_view word) {
  if (word == "automatic") return nginx::Redirect::automatic;
  if (word == "on") return nginx::Redirect::on;
  if (word == "off") return nginx::Redirect::off;
  return base::invalid("expected \"automatic\", \"on\" or \"off\"");
}

Result<Settings> parse_settings(std::string_view content, const std::string& path) {
  const toml::table table = TRY(parse(content, path));
  Settings settings;
  TRY(read_table(table, "", path, settings));
  if (settings.external_account &&
      (settings.external_account->kid.empty() || settings.external_account->mac_key.empty()))
    return base::invalid(fmt::format("{}: external_account needs both kid and hmac_key", path));
  if (settings.haproxy && settings.haproxy->certificates.empty())
    return base::invalid(fmt::format("{}: haproxy needs certificates, a directory", path));
  if (settings.haproxy && settings.haproxy->socket.empty() && settings.haproxy->reload.empty())
    return base::invalid(fmt::format("{}: haproxy needs socket, reload or both", path));
  if (settings.haproxy && settings.haproxy->listen.empty())
    return base::invalid(
        fmt::format("{}: haproxy needs listen: what is not seen counts as not done", path));
  TRY(within(path, notify::check(settings.notify)));
  return settings;
}

Result<Settings> load_settings(const FileReader& files, const std::string& path,
                               Presence presence) {
  const auto content = files.read_trusted(path);
  if (!content && presence == Presence::optional && base::is_absent(files, path)) return Settings{};
  if (!content && presence == Presence::optional) return base::hidden(content.error());
  if (!content) return std::unexpected(content.error());
  const Settings settings = TRY(parse_settings(content->text, path));
  if (settings.external_account && (content->mode & S_IROTH) != 0)
    return base::invalid(
        fmt::format("{0} holds a secret, external_account.hmac_key, that every user may read; mend "
                    "it with: chmod o-rwx {0}",
                    content->path));
  return settings;
}

Settings readable_settings(const FileReader& files, const std::string& path, const Error& why) {
  Settings settings;
  const auto content = files.read_trusted(path);
  if (!content || why.kind != ErrorKind::invalid) return settings;
  for (const std::string& each : tables_of(content->text))
    if (const auto table = parse(each, path))
      static_cast<void>(read_table(*table, "", path, settings));
  if (!notify::check(settings.notify)) settings.notify = {};
  return settings;
}

}  // namespace everseal::app
