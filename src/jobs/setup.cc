#include "jobs/setup.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>

#include "base/directory.h"
#include "base/ownership.h"
#include "base/path_walk.h"
#include "jobs/rights.h"
#include "jobs/server.h"
#include "jobs/setup_plan.h"

namespace everseal::jobs {
namespace {

constexpr mode_t kSudoersMode = 0440;
constexpr mode_t kStateMode = 0700, kAbove = 0755;
constexpr std::size_t kMostNames = 1000;  // that are looked at
constexpr const char* kWarning =
    R"(Whoever changes nginx's configuration decides what nginx's master process does, and that is root:
where nginx is concerned user {0} becomes as mighty as root. With --certificates-only {0} may only
read it: `issue`, `renew` and `status` work then, `secure` and `undo` remain root's.
)";

Result<User> find_user(const std::string& name) {
  const passwd* const entry = ::getpwnam(name.c_str());
  if (!entry)
    return base::invalid(
        fmt::format("there is no user '{0}'; make it with: useradd --system --create-home --shell "
                    "/usr/sbin/nologin {0}",
                    name));
  if (entry->pw_uid == 0)
    return base::invalid(fmt::format("user '{}' is root, who needs no set-up", name));
  return User{name, {entry->pw_uid, entry->pw_gid}};
}

// A program of another Debian package.
Result<> check_installed(const FileReader& files, const char* program, const char* package) {
  for (const char* directory : {"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"})
    if (base::exists(files, base::join_path(directory, program))) return {};
  return base::not_found(
      fmt::format("{} is not installed; install it with: apt-get install {}", program, package));
}

// The state directory, held from when it was looked at until it is given away: or, while it is
// missing, what is there of the way to it.
struct StatePlace {
  base::Directory directory;
  std::vector<std::string> missing;  // below it, one in the other
};

Result<StatePlace> hold(const std::string& path) {
  auto there = base::Directory::open(path);
  if (there) return StatePlace{*std::move(there), {}};
  if (there.error().kind != ErrorKind::not_found) return std::unexpected(there.error());
  StatePlace place = TRY(hold(base::directory_of(path)));
  place.missing.push_back(base::name_of(path));
  return place;
}

// Whether the user may have what is there. The directory is the user's or root's and holds nothing
// but ours.
Result<> check_state(const base::Directory& directory, const User& user) {
  const std::string& path = directory.path();
  const auto status = TRY(directory.status());
  if (status.owner != 0 && status.owner != user.id.user)
    return base::rejected(fmt::format("{} belongs to user {}, who seems to run everseal already",
                                      path, base::user_name(status.owner)));
  const auto names = TRY(directory.list(kMostNames));
  const auto may_be_alone = [](const std::string& name) {  // without a catalog
    return name == "lock" || name == "live" || name == "certs" || name == "accounts";
  };
  if (std::ranges::all_of(names, may_be_alone) ||
      std::ranges::find(names, "catalog.db") != names.end())
    return {};
  return base::rejected(fmt::format(
      "{} holds other things than Everseal's; give another directory with --state", path));
}

// Whether all of a tree belongs to the user; a path that is not there does not.
Result<bool> is_given(const FileReader& files, const std::string& path, const User& user) {
  const auto status = files.status(path);
  if (!status && status.error().kind == ErrorKind::not_found) return false;
  if (!status) return std::unexpected(status.error());
  if (status->owner != user.id.user || status->group != user.id.group) return false;
  if (status->kind != base::FileKind::directory) return true;
  for (const std::string& name : TRY(files.list(path)))
    if (!TRY(is_given(files, base::join_path(path, name), user))) return false;
  return true;
}

// What the sudoers file holds, if it is as it must be.
std::string present_sudoers(const FileReader& files, const std::string& path) {
  const auto status = files.status(path);
  const bool good = status && status->kind == base::FileKind::regular && status->owner == 0 &&
                    status->group == 0 && status->mode == kSudoersMode;
  return good ? files.read(path).value_or("") : "";
}

bool names_user(const base::AccessList& list, const User& user) {
  return std::ranges::any_of(list, [&](const base::AccessEntry& entry) {
    return entry.tag == base::AccessEntry::Tag::user && entry.id == user.id.user;
  });
}

Result<Need> look_at(const FileReader& files, const std::string& path, unsigned rights,
                     const User& user) {
  Need need{path, rights};
  const auto status = TRY(files.status(path));
  const base::Identity owner{status.owner, status.group};
  const auto list = TRY(base::read_access_list(path, base::kAccessAttribute));
  need.given = base::rights_of(user.id, owner, list);
  need.is_named = names_user(list, user);
  need.inherit = (rights & 2) != 0;
  if (!need.inherit) return need;
  const auto for_new_files = TRY(base::read_access_list(path, base::kDefaultAttribute));
  if (names_user(for_new_files, user))
    need.given_to_new_files = base::rights_of(user.id, {0, 0}, for_new_files);
  return need;
}

// Paths that the settings name, among others: trusted certificates, secrets of those who are told.
std::vector<std::string> files_of_settings(const Settings& settings, const std::string& own) {
  std::vector<std::string> paths = {own, settings.ca_bundle};
  if (const auto& smtp = settings.notify.smtp)
    paths.insert(paths.end(), {smtp->password_file, smtp->ca_bundle});
  if (const auto& webhook = settings.notify.webhook)
    paths.insert(paths.end(), {webhook->url_file, webhook->secret_file, webhook->ca_bundle});
  return paths;
}

Result<std::vector<Need>> look_at_nginx(const Environment& environment, const Server& server,
                                        const SetupOptions& options, const User& user) {
  const FileReader& files = environment.files;
  const nginx::Model model = TRY(server.model());
  Rights rights = rights_to_edit(files, model.config());
  for (const std::string& path : files_of_settings(environment.settings, options.settings_file))
    if (path.starts_with('/') && base::exists(files, path)) add_rights_to_read(rights, files, path);
  std::vector<Need> needs;
  for (const auto& [path, wanted] : rights) {
    const unsigned most = options.certificates_only ? 5 : 7;
    needs.push_back(TRY(look_at(files, path, wanted & most, user)));
  }
  return needs;
}

// What was found, and the place that was looked at.
struct Found {
  SetupFacts facts;
  StatePlace state;
};

Result<Found> look(const Environment& environment, const SetupOptions& options) {
  if (::geteuid() != 0)
    return base::rejected(
        fmt::format("this must be run as root: sudo everseal setup --user {}", options.user));
  SetupFacts facts;
  facts.user = TRY(find_user(options.user));
  TRY(check_installed(environment.files, "setfacl", "acl"));
  const Server server = TRY(Server::find(environment));
  if (nginx::gate_for(environment.files, facts.user.id.user) == nginx::Gate::sudo) {
    TRY(check_installed(environment.files, "sudo", "sudo"));
    facts.commands = {server.instance().test_command(), server.instance().reload_command()};
  }
  StatePlace state = TRY(hold(environment.settings.state));
  if (state.missing.empty()) TRY(check_state(state.directory, facts.user));
  facts.state = state.directory.path();
  for (const std::string& name : state.missing) facts.state = base::join_path(facts.state, name);
  facts.state_is_given = state.missing.empty() &&
                         TRY(state.directory.status()).mode == kStateMode &&
                         TRY(is_given(environment.files, facts.state, facts.user));
  facts.sudoers = present_sudoers(environment.files, TRY(sudoers_path(options.user)));
  facts.needs = TRY(look_at_nginx(environment, server, options, facts.user));
  return Found{std::move(facts), std::move(state)};
}

std::string preview(const SetupFacts& facts, const std::vector<SetupStep>& steps,
                    const SetupSummary& summary) {
  std::string text = fmt::format("So that user {} (uid {}) can run everseal:\n", facts.user.name,
                                 facts.user.id.user);
  for (const std::string& step : summary.steps) text += fmt::format("  {}\n", step);
  const bool writes = std::ranges::any_of(steps, [](const SetupStep& step) {
    const auto* grant = std::get_if<Grant>(&step);
    return grant && (grant->rights & 2) != 0;
  });
  if (writes) text += "\n" + fmt::format(fmt::runtime(kWarning), facts.user.name);
  text += "\nTo take it back:\n";
  for (const std::string& command : summary.take_back) text += fmt::format("  {}\n", command);
  return text;
}

// A program that must succeed.
Result<> run(CommandRunner& commands, std::vector<std::string> command, std::string input = {}) {
  const std::string line = fmt::format("{}", fmt::join(command, " "));
  const auto answer =
      TRY(commands.run({.arguments = std::move(command), .input = std::move(input)}));
  if (answer.exit_status == 0) return {};
  return base::internal(
      fmt::format("{}: exit status {}: {}", line, answer.exit_status, answer.output));
}

// sudo has the last word: its main file may leave out the directory, or another file may forbid.
Result<> prove(const SetupFacts& facts, const Environment& environment) {
  for (const std::vector<std::string>& command : facts.commands) {
    std::vector<std::string> question = {"sudo", "-n", "-l", "-U", facts.user.name};
    question.insert(question.end(), command.begin(), command.end());
    TRY(
        within("sudo does not allow what was just written (is there a line \"@includedir "
               "/etc/sudoers.d\" in /etc/sudoers?)",
               run(environment.commands, std::move(question))));
  }
  return {};
}

Result<> perform(const GiveState&, Found& found, const Environment&) {
  StatePlace& place = found.state;
  for (std::size_t left = place.missing.size(); const std::string& name : place.missing) {
    const mode_t mode = --left == 0 ? kStateMode : kAbove;
    place.directory = TRY(place.directory.make_directory(name, mode)).directory;
  }
  TRY(check_state(place.directory, found.facts.user));
  TRY(place.directory.set_mode(kStateMode));
  return base::give_tree(place.directory, found.facts.user.id);
}

Result<> perform(const Grant& step, Found& found, const Environment& environment) {
  return run(environment.commands, setfacl_command(found.facts.user.name, step));
}

Result<> perform(const WriteSudoers& step, Found&, const Environment& environment) {
  // Earlier versions had visudo look at this one.
  TRY(base::remove_file(environment.files, step.path + ".draft"));
  TRY(run(environment.commands, {"visudo", "-cf", "-"}, step.text));
  return base::write_durably(environment.files, step.path, step.text, kSudoersMode);
}

// The state goes last (plan_setup): not before sudo is proven to allow what its new owner needs.
Result<> perform_all(const std::vector<SetupStep>& steps, Found& found,
                     const Environment& environment) {
  bool is_proven = false;
  for (const SetupStep& step : steps) {
    if (std::holds_alternative<GiveState>(step) && !std::exchange(is_proven, true))
      TRY(prove(found.facts, environment));
    TRY(std::visit([&](const auto& one) { return perform(one, found, environment); }, step));
  }
  return is_proven ? Result<>() : prove(found.facts, environment);
}

}  // namespace

Result<SetupSummary> setup(const Environment& environment, const SetupOptions& options) {
  Found found = TRY(within("setup", look(environment, options)));
  const SetupFacts& facts = found.facts;
  const std::vector<SetupStep> steps = TRY(within("setup", plan_setup(facts)));
  SetupSummary summary{options.user, {}, take_back(facts)};
  for (const SetupStep& step : steps) summary.steps.push_back(describe(step, facts));
  if (steps.empty()) return summary;
  environment.reporter.show(preview(facts, steps, summary));
  if (options.dry_run) return summary;
  if (!environment.settings.assume_yes && !environment.reporter.confirm("Go ahead?"))
    return base::rejected("nothing was changed: there was no yes");
  TRY(within("setup", perform_all(steps, found, environment)));
  return summary;
}

}  // namespace everseal::jobs
