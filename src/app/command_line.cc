#include "app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>

#include "app/settings_file.h"
#include "base/domain_name.h"
#include "base/encoding.h"
#include "crypto/safe_prime.h"

namespace everseal::app {
namespace {

constexpr const char* kDescription =
    R"(Everseal puts every site of an nginx server on HTTPS and keeps it there.

Start here:
  everseal secure --all --dry-run     show what would change; ask the CA nothing
  everseal secure --all               show it, ask, then do it
  everseal renew                      renew what is due; for a timer
  everseal daemon                     renew each certificate at its moment, without a timer
  everseal status                     what there is and until when
  everseal changes                    what was changed in nginx, with diffs
  everseal undo                       take the last change to nginx back
  everseal repair                     build the catalog anew from the certificates that are there
  everseal backup FILE                certificates, keys and all, in one file
  everseal restore FILE               have again what a backup holds
  everseal nginx sites                what nginx's configuration says, without changing it
  everseal notify test                send the message that a failure would send

Exit status: 0 done or nothing to do; 1 failed; 2 the command line or the settings file is wrong;
3 some sites done, some failed.
)";

constexpr const char* kSecureHelp =
    R"(The sites are the server names of the nginx configuration. The plan is shown first, with a diff of
every nginx file; after your yes the certificates are asked of the CA, nginx is told, and each site
is proven by a handshake. What cannot be proven goes back. `everseal undo` takes all of it back.
)";

constexpr const char* kIssueHelp = R"(Examples:
  everseal issue -d example.com:/var/www/html -d www.example.com:/var/www/html
  everseal issue -d example.com             (answers on port 80 itself: nothing else may)

The files are live/NAME/{bundle,fullchain,chain,cert,privkey}.pem in the state directory, NAME being
the first name. `everseal renew` keeps it.

With --csr FILE the key is yours and stays where it is: the names are those of the certificate request,
there is neither privkey.pem nor bundle.pem, and `everseal renew` uses the same request again.
  everseal issue --csr domain.csr --webroot /var/www/html
)";

constexpr const char* kRepairHelp =
    R"(The catalog (catalog.db in the state directory) is built anew from the certificates that are there,
their links, the accounts and nginx's configuration, and from what can be read of the old one, which is
put aside and never removed. Keys and certificates are not changed, and the CA is asked nothing.
)";

constexpr const char* kRestoreHelp =
    R"(The state directory becomes what it was when `everseal backup` made FILE. What is there now is kept
beside it. Run as the user to whom the directory above the state directory belongs: root.
)";

constexpr const char* kRotateHelp =
    R"(keys     every certificate (or those that have one of the names) gets a new key, and a new version with
         it, in use when it is proven; until then, and if anything fails, the old one is served
account  the account gets a new key at the CA (RFC 8555, 7.3.5); the old one is kept beside it
dhparam  new Diffie-Hellman parameters; not where nginx uses a group of RFC 7919, which needs none
all      account, dhparam, keys
Without a word: what the schedule of the settings says is due, as `everseal renew` does it.
)";

constexpr const char* kSetupHelp =
    R"(So that everseal need not run as root: gives that user the state directory, the right to change
nginx's configuration, and by sudo the right to run two commands as root, nginx's test and its
reload. All of it is shown first, with what takes it back. Then, for example from cron:
  sudo -u acme everseal renew
)";

constexpr const char* kStatusHelp =
    R"(What visitors get is what counts: once a day `everseal renew` looks at it. With --check the exit
status is 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; DAYS never count as more than a third (--warning)
or a sixth (--critical) of a certificate's life.
)";

constexpr const char* kCaHelp =
    R"(An ACME CA (RFC 8555) as Let's Encrypt is one: for tests, demos and intranets. At its first start it
makes its roots; clients trust root.pem in its directory. It ends with SIGTERM or Ctrl-C; what it
answered it remembers. Example:
  everseal ca &
  everseal secure --all --server https://localhost:8555/directory --ca-bundle PATH/root.pem
)";

constexpr const char* kParseHelp =
    R"(The payload is that of NGINX's crossplane, with its options of the same names. Values are what nginx
makes of them; bytes that are not UTF-8 appear as U+FFFD, in `everseal nginx cat` as they are. The
exit status is 1 if `status` is "failed".
)";

constexpr const char* kSitesHelp =
    R"(With NAME…: which server answers that name on each socket, as nginx chooses, and what a CA's request
for /.well-known/acme-challenge/ runs into there: return, rewrite, if, Lua, auth_basic, deny.
)";

constexpr const char* kNotifyHelp =
    R"(Who is told is in the settings, for example:
  [notify]
  to = "admin@example.org"            by this machine's sendmail, or with the next lines by SMTP
  [notify.smtp]
  host = "mail.example.org"
  user = "server"
  password_file = "/etc/everseal/smtp-password"
)";

constexpr const char* kDaemonHelp =
    R"(Instead of a timer for `everseal renew`: it sleeps until the exact moment at which a certificate is to
be renewed or the CA asked. SIGHUP reads the settings anew, SIGTERM ends it tidily. With systemd:
  systemctl enable --now everseal
)";

constexpr const char* kDhparamHelp =
    R"(The parameters are for nginx's `ssl_dhparam`, in PEM. Recommended is a group of RFC 7919: it is there
at once, well studied, and known to the clients. A prime of your own (--bits) is searched on all
cores; its generator is 2. Ctrl-C leaves FILE as it was. Examples:
  everseal dhparam -o /etc/nginx/dh.pem
  everseal dhparam --bits 2048 > dh.pem
)";

// What was given on the command line; laid over the settings file.
struct Given {
  std::string config, state, server, ca_bundle, key_type, second_key_type, preferred_chain,
      certificate_profile, nginx_binary, nginx_config, user, csr, webroot, rotation, file;
  std::string eab_kid, eab_key, sandbox, hsts, profile;
  std::vector<std::string> emails, names, domains, ignored;
  ParseOptions parse;
  CaCommand ca;
  DhparamCommand dhparam;
  std::int64_t change = 0, every_seconds = 0;
  std::optional<int> warning_days, critical_days;
  bool check = false, prometheus = false;
  int redirect_status = 0;  // 0: not given
  bool no_hardening = false, catch_all = false, remove_dead_lines = false;
  bool staging = false, json = false, quiet = false, yes = false, dry_run = false, force = false,
       all = false;
  bool certificates_only = false, no_catch = false;
  bool separate = false, standalone = false, redirect_on = false, redirect_off = false,
       no_hsts = false;
};

using Failure = std::unexpected<Usage>;

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).string(); }

Failure wrong(const std::string& text) {
  return Failure({2, fmt::format("everseal: {}\nSee everseal --help.\n", text), {}, text});
}

template <class T>
Result<T> checked(Result<T> result, std::string_view option) {
  return within(option, std::move(result));
}

void add_common(CLI::App& command, Given& given) {
  const char* group = "Everywhere";
  command.add_flag("--json", given.json, "One JSON document on standard output, nothing else")
      ->group(group);
  command.add_flag("--quiet", given.quiet, "Say only what failed")->group(group);
  command.add_option("--config", given.config, fmt::format("Settings [{}]", kSettingsFile))
      ->type_name("FILE")
      ->group(group);
  command
      .add_option("--state", given.state,
                  "Where certificates and the catalog are [/var/lib/everseal]")
      ->type_name("DIR")
      ->group(group);
  command
      .add_option("--sandbox", given.sandbox,
                  "required, or relaxed: work also where a process cannot be locked in [required]")
      ->type_name("MODE")
      ->group(group);
}

void add_nginx(CLI::App& command, Given& given) {
  const char* group = "nginx";
  command.add_option("--nginx-binary", given.nginx_binary, "The nginx that runs [nginx]")
      ->type_name("FILE")
      ->group(group);
  command
      .add_option("--nginx-config", given.nginx_config,
                  "Its main configuration file [as compiled in]")
      ->type_name("FILE")
      ->group(group);
}

void add_ca(CLI::App& command, Given& given) {
  const char* group = "CA";
  command.add_option("--server", given.server, "The CA's directory [Let's Encrypt]")
      ->type_name("URL")
      ->group(group);
  command
      .add_flag("--staging", given.staging, "Let's Encrypt's staging server, for trying things out")
      ->group(group);
  command.add_option("--ca-bundle", given.ca_bundle, "Trust for the CA's own HTTPS [the system's]")
      ->type_name("PEM")
      ->group(group);
  command.add_option("--email", given.emails, "A contact for the account; may be repeated")
      ->type_name("ADDRESS")
      ->group(group);
  command.add_option("--eab-kid", given.eab_kid, "External account: its key id")
      ->type_name("ID")
      ->group(group);
  command.add_option("--eab-hmac-key", given.eab_key, "External account: its MAC key, base64url")
      ->type_name("KEY")
      ->group(group);
  command
      .add_option("--key-type", given.key_type,
                  "ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072 or rsa-4096 [ecdsa-p256]")
      ->type_name("TYPE")
      ->group(group);
  command
      .add_option("--certificate-profile", given.certificate_profile,
                  "What kind of certificate, in the CA's word: classic, tlsserver, shortlived …")
      ->type_name("NAME")
      ->group(group);
  command
      .add_option("--preferred-chain", given.preferred_chain,
                  "Of several chains the one whose topmost certificate was issued by NAME")
      ->type_name("NAME")
      ->group(group);
}

void add_ca_of_ones_own(CLI::App& command, CaCommand& ca) {
  command.footer(kCaHelp);
  command.add_option("--listen", ca.listen, "May be repeated [127.0.0.1:8555]")
      ->type_name("ADDR:PORT")
      ->allow_extra_args(false);
  command
      .add_option("--state", ca.state,
                  "Keys, certificates, orders [/var/lib/everseal/ca; not as root: "
                  "~/.local/state/everseal/ca]")
      ->type_name("DIR");
  command.add_option("--name", ca.name, "The machine's name in URLs [localhost]")
      ->type_name("HOST");
  command.add_option("--policy", ca.policy_file, "Profiles, terms, customers, limits")
      ->type_name("FILE");
  command.add_flag("--new-ledger", ca.new_ledger,
                   "Where the database is lost or damaged, begin an empty one: what was issued is "
                   "unknown to it");
  const char* group = "For tests";
  command.add_option("--resolver", ca.resolver, "The DNS server to ask [the system's]")
      ->type_name("ADDR:PORT")
      ->group(group);
  command.add_option("--http-port", ca.http_port, "Where http-01 is validated [80]")
      ->type_name("PORT")
      ->group(group);
  command.add_option("--tls-port", ca.tls_port, "Where tls-alpn-01 is validated [443]")
      ->type_name("PORT")
      ->group(group);
  command.add_option("--faults", ca.faults_file, "What to do wrong")
      ->type_name("FILE")
      ->group(group);
  command
      .add_option("--management", ca.management,
                  "Where faults, incidents and policies can be set while it runs")
      ->type_name("ADDR:PORT")
      ->group(group);
  command.add_flag("--json", ca.json, "Say where it is as one JSON document")->group("Everywhere");
  command.add_flag("--quiet", ca.quiet, "Say only what failed")->group("Everywhere");
}

void add_dhparam(CLI::App& command, DhparamCommand& dhparam) {
  command.footer(kDhparamHelp);
  command
      .add_option("--group", dhparam.group,
                  "ffdhe2048, ffdhe3072, ffdhe4096, ffdhe6144 or ffdhe8192 of RFC 7919 [ffdhe2048]")
      ->type_name("NAME");
  command
      .add_option("--bits", dhparam.bits, "A safe prime of your own of so many bits, 512 to 10000")
      ->type_name("NUMBER")
      ->check(CLI::Range(crypto::kFewestPrimeBits, crypto::kMostPrimeBits).description(""));
  command
      .add_option("-o,--out", dhparam.output,
                  "Where to; a file that is there is replaced [standard output]")
      ->type_name("FILE");
}

void add_status(CLI::App& status, Given& given) {
  status.footer(kStatusHelp);
  status.add_option("NAME", given.names, "All about the one that has this name")
      ->type_name("")
      ->expected(0, 1);
  status.add_flag("--check", given.check, "One line and an exit status as Nagios wants them");
  for (const auto& [option, days, text] :
       {std::tuple("--warning", &given.warning_days, "WARNING with less left [1/8 of the life]"),
        std::tuple("--critical", &given.critical_days, "CRITICAL with less left [1/16]")})
    status.add_option(option, *days, text)
        ->type_name("DAYS")
        ->check(CLI::Range(0, 3650).description(""));
  status.add_flag("--prometheus", given.prometheus, "Metrics for Prometheus");
  add_common(status, given);
}

void add_yes(CLI::App& command, Given& given, const char* text) {
  command.add_flag("-y,--yes", given.yes, text);
}

void add_setup(CLI::App& setup, Given& given) {
  setup.footer(kSetupHelp);
  setup.add_option("--user", given.user, "Who will run everseal; must exist")
      ->type_name("NAME")
      ->required();
  setup.add_flag("--certificates-only", given.certificates_only,
                 "No right to change nginx's configuration: no `secure`, no `undo`");
  setup.add_flag("--dry-run", given.dry_run, "Stop after the preview");
  add_yes(setup, given, "Ask nothing");
  add_nginx(setup, given);
  add_common(setup, given);
}

// `everseal nginx parse|cat|sites`.
struct NginxCommands {
  CLI::App* parse;
  CLI::App* cat;
  CLI::App* sites;
};

NginxCommands add_nginx_commands(CLI::App& app, Given& given) {
  CLI::App& nginx =
      *app.add_subcommand("nginx", "Look at nginx's configuration: parse, cat, sites");
  nginx.require_subcommand(1);
  ParseOptions& options = given.parse;

  CLI::App& parse =
      *nginx.add_subcommand("parse", "A configuration as JSON, as crossplane gives it");
  parse.footer(kParseHelp);
  parse.add_option("FILE", options.files, "Main configuration files; - is standard input")
      ->type_name("")
      ->required();
  parse.add_flag("--combine", options.combine, "Put what is included in the place of each include");
  parse.add_flag("--single-file,--single", options.single_file, "Follow no include");
  parse.add_flag("--include-comments", options.include_comments, "Comments as directives named #");
  parse.add_option("--ignore", given.ignored, "Directives to leave out, with commas between them")
      ->type_name("NAMES")
      ->delimiter(',')
      ->allow_extra_args(false);
  parse.add_flag("--no-catch", given.no_catch, "End a file with its first error");
  parse.add_option("-i,--indent", options.indent, "Blanks for each level [all on one line]")
      ->type_name("NUMBER")
      ->check(CLI::Range(0, 16).description(""));
  add_common(parse, given);

  CLI::App& cat = *nginx.add_subcommand(
      "cat", "Files written back from what was understood of them: byte for byte, or an error");
  cat.add_option("FILE", options.files, "Configuration files; - is standard input")
      ->type_name("")
      ->required();
  add_common(cat, given);

  CLI::App& sites = *nginx.add_subcommand("sites", "Sites, sockets and default servers");
  sites.footer(kSitesHelp);
  sites.add_option("NAME", given.names, "Ask who answers this name")->type_name("");
  add_nginx(sites, given);
  add_common(sites, given);
  return {&parse, &cat, &sites};
}

Result<> lay_over(const Given& given, jobs::Settings& settings) {
  const auto set = [](std::string& setting, const std::string& value) {
    if (!value.empty()) setting = value;
  };
  set(settings.state, given.state);
  set(settings.ca_bundle, given.ca_bundle);
  set(settings.preferred_chain, given.preferred_chain);
  set(settings.certificate_profile, given.certificate_profile);
  set(settings.nginx_binary, given.nginx_binary);
  set(settings.nginx_config, given.nginx_config);
  if (given.staging && !given.server.empty())
    return base::invalid("--staging and --server exclude each other");
  set(settings.server, given.staging ? jobs::kLetsEncryptStaging : given.server);
  if (!given.emails.empty()) settings.contacts = given.emails;
  if (given.eab_kid.empty() != given.eab_key.empty())
    return base::invalid("--eab-kid and --eab-hmac-key go together");
  if (!given.eab_kid.empty()) settings.external_account = {given.eab_kid, given.eab_key};
  if (!given.key_type.empty())
    settings.key_type = TRY(within("--key-type", crypto::parse_key_type(given.key_type)));
  if (!given.second_key_type.empty())
    settings.second_key_type =
        TRY(within("--second-key-type", crypto::parse_key_type(given.second_key_type)));
  if (given.redirect_on && given.redirect_off)
    return base::invalid("--redirect and --no-redirect exclude each other");
  if (given.redirect_on) settings.redirect = nginx::Redirect::on;
  if (given.redirect_off) settings.redirect = nginx::Redirect::off;
  if (given.redirect_status != 0) settings.redirect_status = given.redirect_status;
  if (given.no_hardening) settings.harden = false;
  if (given.catch_all) settings.catch_all = true;
  if (given.remove_dead_lines) settings.remove_dead_lines = true;
  if (!given.sandbox.empty())
    settings.sandbox = TRY(within("--sandbox", parse_sandbox(given.sandbox)));
  if (given.no_hsts && !given.hsts.empty())
    return base::invalid("--hsts and --no-hsts exclude each other");
  const std::string hsts = given.no_hsts ? "off" : given.hsts;
  if (!hsts.empty()) settings.hsts = TRY(within("--hsts", parse_hsts(hsts)));
  if (!given.profile.empty())
    settings.profile = TRY(within("--profile", nginx::parse_profile(given.profile)));
  settings.assume_yes = given.yes;
  for (std::string* path : {&settings.state, &settings.nginx_config})
    if (!path->empty() && !path->starts_with('/'))
      *path = fmt::format("{}/{}", std::filesystem::current_path().string(), *path);
  return {};
}

Result<std::vector<std::string>> domain_names(const std::vector<std::string>& texts) {
  std::vector<std::string> names;
  for (const std::string& text : texts) names.push_back(TRY(base::parse_domain_name(text)));
  return names;
}

Result<Command> secure_command(const Given& given) {
  if (given.all && !given.names.empty())
    return base::invalid("secure: give names or --all, not both");
  return jobs::SecureOptions{TRY(domain_names(given.names)), given.dry_run, given.force};
}

Result<Command> issue_command(const Given& given) {
  jobs::IssueOptions options;
  options.separate = given.separate;
  options.force = given.force;
  options.request = given.csr;
  if (!given.webroot.empty()) options.webroot = absolute(given.webroot);
  if (given.csr.empty() && given.domains.empty())
    return base::invalid("issue: give names with --domain, or a certificate request with --csr");
  if (!given.csr.empty() && given.separate)
    return base::invalid("--csr and --separate exclude each other");
  if (given.standalone && !given.webroot.empty())
    return base::invalid("--standalone and a webroot exclude each other");
  for (const std::string& domain : given.domains) {
    const std::size_t colon = std::min(domain.find(':'), domain.size());
    jobs::IssueName name{TRY(base::parse_domain_name(domain.substr(0, colon))),
                         domain.substr(std::min(colon + 1, domain.size()))};
    if (colon < domain.size() && name.webroot.empty())
      return base::invalid(fmt::format("-d {}: the webroot after ':' is empty", domain));
    if (given.standalone && !name.webroot.empty())
      return base::invalid("--standalone and a webroot exclude each other");
    if (name.name.starts_with("*."))
      return base::invalid(fmt::format(
          "-d {}: a wildcard can only be proven by DNS, which this version does not do", domain));
    if (std::ranges::find(options.names, name.name, &jobs::IssueName::name) != options.names.end())
      return base::invalid(fmt::format("-d {}: the name is given twice", domain));
    if (!name.webroot.empty()) name.webroot = absolute(name.webroot);
    options.names.push_back(std::move(name));
  }
  return options;
}

Result<Command> rotate_command(const Given& given) {
  static const std::map<std::string_view, jobs::Rotation> kWords = {
      {"", jobs::Rotation::due},
      {"keys", jobs::Rotation::keys},
      {"account", jobs::Rotation::account},
      {"dhparam", jobs::Rotation::dhparam},
      {"all", jobs::Rotation::all}};
  const auto word = kWords.find(given.rotation);
  if (word == kWords.end())
    return base::invalid(fmt::format("rotate {}: expected keys, account, dhparam or all",
                                     base::printable(given.rotation, 40)));
  if (!given.names.empty() && word->second != jobs::Rotation::keys)
    return base::invalid("rotate: names go with keys");
  return jobs::RotateOptions{word->second, TRY(domain_names(given.names))};
}

Result<Command> renew_command(const Given& given) {
  return jobs::RenewOptions{.names = TRY(domain_names(given.names)),
                            .urgency = given.force ? renew::Urgency::now : renew::Urgency::when_due,
                            .until_next_look = base::Seconds(given.every_seconds),
                            .dry_run = given.dry_run};
}

Result<Command> status_command(const Given& given) {
  if (given.prometheus && (given.check || given.json))
    return base::invalid("--prometheus goes with neither --check nor --json");
  if ((given.warning_days || given.critical_days) && !given.check)
    return base::invalid("--warning and --critical are for --check");
  StatusCommand command;
  if (!given.names.empty())
    command.options.name = TRY(base::parse_domain_name(given.names.front()));
  if (given.json) command.format = StatusFormat::json;
  if (given.check) command.format = StatusFormat::check;
  if (given.prometheus) command.format = StatusFormat::prometheus;
  if (given.warning_days)
    command.options.thresholds.warning = std::chrono::days(*given.warning_days);
  if (given.critical_days)
    command.options.thresholds.critical = std::chrono::days(*given.critical_days);
  return command;
}

Result<Command> nginx_parse_command(const Given& given) {
  NginxParseCommand command{given.parse};
  command.options.ignore = {given.ignored.begin(), given.ignored.end()};
  command.options.catch_errors = !given.no_catch;
  if (command.options.combine && command.options.single_file)
    return base::invalid("--combine and --single-file exclude each other");
  return command;
}

Result<Command> dhparam_command(const Given& given) {
  if (given.dhparam.bits != 0 && !given.dhparam.group.empty())
    return base::invalid("--bits and --group exclude each other");
  return given.dhparam;
}

}  // namespace

std::expected<CommandLine, Usage> parse_command_line(int argc, const char* const* argv,
                                                     const FileReader& files) {
  Given given;
  CLI::App app(kDescription, "everseal");
  app.set_version_flag("--version", "everseal " EVERSEAL_VERSION);
  app.require_subcommand(0, 1);
  app.fallthrough();

  CLI::App& secure = *app.add_subcommand("secure", "Put sites on HTTPS: the main job");
  secure.footer(kSecureHelp);
  secure.add_option("NAME", given.names, "Sites that have one of these names [all]")->type_name("");
  secure.add_flag("--all", given.all, "All sites; the same as giving no name");
  secure.add_flag("--dry-run", given.dry_run, "Stop after the preview; ask the CA nothing");
  add_yes(secure, given, "Ask nothing; the CA's terms of service count as agreed");
  secure.add_flag("--force", given.force, "New certificates also where the present ones are good");
  secure.add_flag("--redirect", given.redirect_on,
                  "Redirect http to https for all chosen sites [those that had no HTTPS]");
  secure.add_flag("--no-redirect", given.redirect_off, "Redirect nothing");
  secure
      .add_option("--redirect-status", given.redirect_status,
                  "301 or 308, which keeps a POST [301]")
      ->type_name("CODE")
      ->check(CLI::IsMember({301, 308}).description(""));
  secure
      .add_option("--second-key-type", given.second_key_type,
                  "A second certificate beside the first: rsa-2048 for old clients [none]")
      ->type_name("TYPE");
  secure.add_flag("--catch-all", given.catch_all,
                  "Refuse TLS to names that no server has, where no default_server was chosen");
  secure.add_flag("--remove-dead-lines", given.remove_dead_lines,
                  "Take TLS settings out that have no effect");
  secure.add_flag("--no-hardening", given.no_hardening, "Add no TLS settings to http{}");
  secure
      .add_option("--profile", given.profile,
                  "TLS settings: modern, intermediate or old [as they are, intermediate if new]")
      ->type_name("NAME");
  secure
      .add_flag("--hsts{ramp}", given.hsts,
                "Send Strict-Transport-Security: five minutes at first, longer with each renewal, "
                "up to two years; or --hsts=SECONDS. Browsers refuse plain HTTP that long")
      ->type_name("");
  secure.add_flag("--no-hsts", given.no_hsts, "Tell browsers to forget it (max-age=0)");
  add_ca(secure, given);
  add_nginx(secure, given);
  add_common(secure, given);

  CLI::App& issue = *app.add_subcommand("issue", "Get a certificate without touching nginx");
  issue.footer(kIssueHelp);
  issue
      .add_option("-d,--domain", given.domains,
                  "A name, with the directory that its web server shows")
      ->type_name("NAME[:WEBROOT]");
  issue
      .add_option("--csr", given.csr,
                  "A certificate request, PEM or DER, whose key stays where it is; -d only says "
                  "where its names have their webroots")
      ->type_name("FILE");
  issue.add_option("--webroot", given.webroot, "For names that have none with -d")
      ->type_name("DIR");
  issue.add_flag("--separate", given.separate, "One certificate for each name");
  issue.add_flag("--standalone", given.standalone,
                 "Answer on port 80 ourselves [where no webroot is given]");
  issue.add_flag("--force", given.force, "Also if the present certificate is good");
  add_yes(issue, given, "The CA's terms of service count as agreed");
  add_ca(issue, given);
  add_common(issue, given);

  CLI::App& renew =
      *app.add_subcommand("renew", "Renew what is due and nothing else; safe to run at any time");
  renew.add_option("NAME", given.names, "Certificates that have one of these names [all]")
      ->type_name("");
  renew.add_flag("--force", given.force, "Also if they are not due");
  renew.add_flag("--dry-run", given.dry_run, "Say what would be renewed");
  const std::map<std::string, std::int64_t> units = {{"min", 60}, {"h", 3600}, {"d", 86'400}};
  renew
      .add_option("--every", given.every_seconds,
                  "How often a timer runs this: what would be due before it runs again is due now")
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::UNIT_REQUIRED))
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{7 * 86'400}))
      ->type_name("30min|1h|1d");
  add_yes(renew, given, "The CA's terms of service count as agreed");
  add_ca(renew, given);
  add_nginx(renew, given);
  add_common(renew, given);

  CLI::App& rotate = *app.add_subcommand(
      "rotate", "New keys: of certificates, of the account; new Diffie-Hellman parameters");
  rotate.footer(kRotateHelp);
  rotate.add_option("WHAT", given.rotation, "keys, account, dhparam or all [what is due]")
      ->type_name("");
  rotate.add_option("NAME", given.names, "With keys: certificates that have one of these names")
      ->type_name("");
  add_yes(rotate, given, "The CA's terms of service count as agreed");
  add_ca(rotate, given);
  add_nginx(rotate, given);
  add_common(rotate, given);

  CLI::App& status =
      *app.add_subcommand("status", "Every certificate: names, expiry, next renewal, last result");
  add_status(status, given);

  CLI::App& repair =
      *app.add_subcommand("repair", "Make the catalog anew, if it is lost, older or damaged");
  repair.footer(kRepairHelp);
  repair.add_flag("--dry-run", given.dry_run, "Say what is found and change nothing");
  add_ca(repair, given);
  add_nginx(repair, given);
  add_common(repair, given);

  CLI::App& backup =
      *app.add_subcommand("backup", "Certificates, keys, accounts and catalog in one file (tar)");
  backup.add_option("FILE", given.file, "A new file")->required()->type_name("");
  backup.add_flag("--force", given.force, "Replace it if there is one");
  add_common(backup, given);

  CLI::App& restore = *app.add_subcommand("restore", "Put a backup in the state directory's place");
  restore.footer(kRestoreHelp);
  restore.add_option("FILE", given.file, "What `everseal backup` made")->required()->type_name("");
  add_yes(restore, given, "Ask nothing");
  add_common(restore, given);

  CLI::App& undo = *app.add_subcommand("undo", "Take a change to nginx back, byte for byte");
  undo.add_option("CHANGE", given.change, "Its number [the last one that stands]")->type_name("");
  add_yes(undo, given, "Ask nothing");
  add_nginx(undo, given);
  add_common(undo, given);

  CLI::App& changes =
      *app.add_subcommand("changes", "What was changed in nginx: when, for which sites, the diff");
  changes.add_option("CHANGE", given.change, "Only the one with this number [all]")->type_name("");
  add_common(changes, given);

  CLI::App& daemon =
      *app.add_subcommand("daemon", "Renew each certificate at its moment, until SIGTERM");
  daemon.footer(kDaemonHelp);
  add_yes(daemon, given, "The CA's terms of service count as agreed");
  add_ca(daemon, given);
  add_nginx(daemon, given);
  add_common(daemon, given);

  const NginxCommands nginx = add_nginx_commands(app, given);

  CLI::App& ca = *app.add_subcommand("ca", "Be an ACME CA: for tests, demos and intranets");
  add_ca_of_ones_own(ca, given.ca);

  CLI::App& dhparam = *app.add_subcommand("dhparam", "Diffie-Hellman parameters for nginx");
  add_dhparam(dhparam, given.dhparam);
  add_common(dhparam, given);

  CLI::App& sandbox = *app.add_subcommand(
      "sandbox", "Try what each process of everseal must not be able to do here");
  add_common(sandbox, given);

  CLI::App& notify = *app.add_subcommand("notify", "Tell the administrator: test");
  notify.require_subcommand(1);
  CLI::App& notify_test = *notify.add_subcommand(
      "test", "Send the message that a failure would send, by every way that is set");
  notify_test.footer(kNotifyHelp);
  add_common(notify_test, given);

  CLI::App& setup = *app.add_subcommand("setup", "Let a user who is not root run everseal");
  add_setup(setup, given);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Failure({0, app.help()});
  } catch (const CLI::CallForVersion&) {
    return Failure({0, "everseal " EVERSEAL_VERSION "\n"});
  } catch (const CLI::ParseError& error) {
    return wrong(error.what());
  }
  if (app.get_subcommands().empty()) return Failure({argc > 1 ? 2 : 0, app.help()});

  CommandLine line;
  const auto presence = given.config.empty() ? Presence::optional : Presence::required;
  const std::string path = given.config.empty() ? kSettingsFile : given.config;
  auto settings = load_settings(files, path, presence);
  if (!settings) {
    Failure failure = wrong(settings.error().message);
    const bool is_run = renew.parsed() && given.names.empty() && !given.dry_run && !given.force;
    failure.error().is_for_monitoring = status.parsed() && given.check;
    if (daemon.parsed() || is_run)
      failure.error().readable = readable_settings(files, path, settings.error());
    if (failure.error().readable && !given.state.empty())
      failure.error().readable->state = given.state;
    return failure;
  }
  line.settings = *std::move(settings);
  if (const auto laid = lay_over(given, line.settings); !laid) return wrong(laid.error().message);
  line.json = given.json || given.ca.json;
  line.quiet = given.quiet || given.ca.quiet;

  Result<Command> command =
      UndoCommand{given.change > 0 ? std::optional(given.change) : std::nullopt};
  if (secure.parsed()) command = secure_command(given);
  if (issue.parsed()) command = issue_command(given);
  if (renew.parsed()) command = renew_command(given);
  if (rotate.parsed()) command = rotate_command(given);
  if (status.parsed()) command = status_command(given);
  if (repair.parsed()) command = jobs::RepairOptions{given.dry_run};
  if (backup.parsed()) command = jobs::BackupOptions{absolute(given.file), given.force};
  if (restore.parsed()) command = jobs::RestoreOptions{absolute(given.file)};
  if (changes.parsed())
    command = ChangesCommand{given.change > 0 ? std::optional(given.change) : std::nullopt};
  if (ca.parsed()) command = given.ca;
  if (dhparam.parsed()) command = dhparam_command(given);
  if (sandbox.parsed()) command = SandboxCommand{};
  if (notify_test.parsed()) command = NotifyTestCommand{};
  if (daemon.parsed()) command = DaemonCommand{};
  if (nginx.parse->parsed()) command = nginx_parse_command(given);
  if (nginx.cat->parsed()) command = NginxCatCommand{given.parse.files};
  if (nginx.sites->parsed()) command = NginxSitesCommand{given.names};
  if (setup.parsed())
    command = jobs::SetupOptions{given.user, given.config.empty() ? kSettingsFile : given.config,
                                 given.certificates_only, given.dry_run};
  if (!command) return wrong(command.error().message);
  line.command = *std::move(command);
  return line;
}

}  // namespace everseal::app
