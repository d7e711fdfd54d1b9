#include "jobs/setup_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

namespace everseal::jobs {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kDigits = "0123456789";

std::string rights_text(unsigned rights) {
  std::string text;
  if (rights & 4) text += 'r';
  if (rights & 2) text += 'w';
  if (rights & 1) text += 'x';
  return text;
}

bool is_plain(char c) {
  return kLower.contains(c) || kDigits.contains(c) || (c >= 'A' && c <= 'Z') ||
         std::string_view("/._+@-").contains(c);
}

// What useradd allows (NAME_REGEX); other names can mean an alias, a group or a pattern in sudoers.
Result<> check_name(const std::string& user) {
  const auto allowed = [](char c) {
    return kLower.contains(c) || kDigits.contains(c) || c == '_' || c == '-';
  };
  const bool begins_well = !user.empty() && (kLower.contains(user[0]) || user[0] == '_');
  if (begins_well && std::ranges::all_of(user, allowed)) return {};
  return base::invalid(
      fmt::format("'{}': give a user whose name is made of a-z, 0-9, '_' and '-' and begins with a "
                  "letter; sudo could read another as more than one user",
                  user));
}

bool is_met(const Need& need) {
  const bool now = (need.given & need.rights) == need.rights;
  const bool later = !need.inherit || (need.given_to_new_files & need.rights) == need.rights;
  return now && later;
}

std::vector<SetupStep> plan_grants(const std::vector<Need>& needs) {
  std::map<std::pair<unsigned, bool>, std::vector<std::string>> missing;
  for (const Need& need : needs)
    if (!is_met(need)) missing[{need.rights, need.inherit}].push_back(need.path);
  std::vector<SetupStep> grants;
  for (auto& [kind, paths] : missing)
    grants.push_back(Grant{kind.first, kind.second, std::move(paths)});
  return grants;
}

std::string describe_one(const GiveState& step, const SetupFacts& facts) {
  return fmt::format("{} belongs to {} alone (0700), with all that is in it", step.directory,
                     facts.user.name);
}

std::string describe_one(const WriteSudoers& step, const SetupFacts& facts) {
  std::vector<std::string> commands;
  for (const auto& command : facts.commands)
    commands.push_back(fmt::format("{}", fmt::join(command, " ")));
  return fmt::format("write {}: as root and without a password {} may run exactly `{}`", step.path,
                     facts.user.name, fmt::join(commands, "` and `"));
}

std::string describe_one(const Grant& step, const SetupFacts& facts) {
  return fmt::format("{}", fmt::join(setfacl_command(facts.user.name, step), " "));
}

}  // namespace

Result<std::string> sudoers_path(const std::string& user) {
  TRY(check_name(user));
  return "/etc/sudoers.d/everseal-" + user;
}

Result<std::string> sudoers_text(const std::string& user,
                                 std::span<const std::vector<std::string>> commands) {
  TRY(check_name(user));
  std::string text = fmt::format(
      "# Lets {0} test nginx's configuration and reload it. Made by `everseal setup --user {0}`.\n",
      user);
  for (const std::vector<std::string>& command : commands) {
    for (const std::string& word : command)
      if (word.empty() || !std::ranges::all_of(word, is_plain))
        return base::invalid(
            fmt::format("'{}' cannot be put into sudoers as it is: use paths of letters, digits "
                        "and /._+@-",
                        word));
    if (!command.at(0).starts_with('/'))
      return base::invalid(
          fmt::format("'{}' must be an absolute path: give --nginx-binary /…", command[0]));
    text += fmt::format("{} ALL=(root) NOPASSWD: {}\n", user, fmt::join(command, " "));
  }
  return text;
}

Result<std::vector<SetupStep>> plan_setup(const SetupFacts& facts) {
  std::vector<SetupStep> steps;
  std::ranges::move(plan_grants(facts.needs), std::back_inserter(steps));
  const std::string path = TRY(sudoers_path(facts.user.name));
  if (!facts.commands.empty()) {
    const std::string text = TRY(sudoers_text(facts.user.name, facts.commands));
    if (facts.sudoers != text) steps.push_back(WriteSudoers{path, text});
  }
  if (!facts.state_is_given) steps.push_back(GiveState{facts.state});
  return steps;
}

std::vector<std::string> setfacl_command(const std::string& user, const Grant& grant) {
  const std::string entry = fmt::format("u:{}:{}", user, rights_text(grant.rights));
  std::vector<std::string> command = {
      "setfacl", "-m", grant.inherited ? fmt::format("{0},d:{0}", entry) : entry, "--"};
  command.insert(command.end(), grant.paths.begin(), grant.paths.end());
  return command;
}

std::string describe(const SetupStep& step, const SetupFacts& facts) {
  return std::visit([&](const auto& one) { return describe_one(one, facts); }, step);
}

// Paths come sorted: a directory before what is below it, which its tree has in it.
std::vector<std::string> take_back(const SetupFacts& facts) {
  const std::string& user = facts.user.name;
  std::vector<std::string> trees, others;
  for (const Need& need : facts.needs) {
    const auto has_it = [&](const std::string& tree) { return need.path.starts_with(tree + "/"); };
    if (std::ranges::any_of(trees, has_it)) continue;
    if (need.inherit)
      trees.push_back(need.path);
    else if (need.is_named || !is_met(need))
      others.push_back(need.path);
  }
  std::vector<std::string> commands;
  if (!facts.commands.empty())
    commands.push_back(fmt::format("rm /etc/sudoers.d/everseal-{}", user));
  if (!trees.empty()) {
    commands.push_back(
        fmt::format("setfacl -R -x u:{0},d:u:{0} -- {1}", user, fmt::join(trees, " ")));
    commands.push_back(
        fmt::format("find {} -user {} -exec chown -h root: {{}} +", fmt::join(trees, " "), user));
  }
  if (!others.empty())
    commands.push_back(fmt::format("setfacl -x u:{} -- {}", user, fmt::join(others, " ")));
  commands.push_back(fmt::format("chown -hR root: {}", facts.state));
  return commands;
}

}  // namespace everseal::jobs
