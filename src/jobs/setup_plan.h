// What it takes to let a user without privileges run Everseal: decided here, done in setup.cc.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/access_list.h"
#include "base/result.h"

namespace everseal::jobs {

struct User {
  std::string name;
  base::Identity id;
};

// The state directory, with mode 0700, and all that is in it.
struct GiveState {
  std::string directory;
};

// The one file that lets the user run nginx as root.
struct WriteSudoers {
  std::string path;
  std::string text;
};

// An access entry of one user, the same for all of `paths`.
struct Grant {
  unsigned rights = 0;     // read 4, write 2, list or pass 1
  bool inherited = false;  // also what is made in these directories later
  std::vector<std::string> paths;
};

using SetupStep = std::variant<GiveState, WriteSudoers, Grant>;

// A path that the user needs rights to, and what there is.
struct Need {
  std::string path;
  unsigned rights = 0;
  unsigned given = 0;
  bool inherit = false;  // files made in it later are to be open to the user too
  unsigned given_to_new_files = 0;
  bool is_named = false;  // by an access entry for the user
};

// What was found on the machine.
struct SetupFacts {
  User user;
  std::string state;  // directory
  bool state_is_given = false;
  std::string sudoers;  // what the file holds; empty: it is missing or not as it must be
  std::vector<std::vector<std::string>> commands;  // to be run by sudo; empty: there is no need
  std::vector<Need> needs;                         // by path
};

// A name that means one user in sudoers and in setfacl, and root's file for it. Errors: invalid.
Result<std::string> sudoers_path(const std::string& user);

// Errors: invalid, for a word that sudoers would read as more than itself.
Result<std::string> sudoers_text(const std::string& user,
                                 std::span<const std::vector<std::string>> commands);

// What is missing; empty: nothing. The state goes last, so that until the user can do all of it
// root can. Errors: those of the sudoers functions.
Result<std::vector<SetupStep>> plan_setup(const SetupFacts& facts);

// {"setfacl", "-m", "u:acme:rwx,d:u:acme:rwx", "--", PATH…}
std::vector<std::string> setfacl_command(const std::string& user, const Grant& grant);

// One line for each step; and the shell commands that take all of it back.
std::string describe(const SetupStep& step, const SetupFacts& facts);
std::vector<std::string> take_back(const SetupFacts& facts);

}  // namespace everseal::jobs
