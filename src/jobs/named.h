// What nginx's configuration names below our state directory, beside what there is of it: "all is
// well" is true only where the two agree.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jobs/state.h"

namespace everseal::jobs {

// Of each certificate that nginx's configuration names, as ours, the names that are served with it.
using NamedInNginx = std::map<std::string, std::vector<std::string>>;

// Errors: those of Server::find() and Server::model().
Result<NamedInNginx> find_named(const Environment& environment);

// A certificate that visitors are to get, or that live/ holds, and that is not kept as it should
// be.
struct LostCertificate {
  std::string name;
  bool is_known = false;   // the catalog knows it
  bool has_files = false;  // nginx can read its bundle: it starts again
};

// Those that nginx's configuration names or live/ holds and of which the catalog knows nothing
// (null: there is none), and those that nginx names and whose bundle is not there. Where nginx or
// its configuration cannot be read, nothing is said of what it names. Errors: those of the catalog.
Result<std::vector<LostCertificate>> find_lost(const Environment& environment,
                                               store::Catalog* catalog);

// What is wrong with them and what helps; empty, if there are none.
std::string lost_in_words(const std::vector<LostCertificate>& lost, const Settings& settings);

// Where there is no catalog: that nginx's configuration names no certificate of it either. Errors:
// invalid with what helps, if it does: the state directory was moved or deleted.
Result<> check_not_deleted(const Environment& environment);

// Where the catalog knows no change to nginx: that nginx has no files of ours either. Errors:
// invalid, if it has: what was there before our edits was lost with an earlier catalog.
Result<> check_history_is_known(const Environment& environment);

}  // namespace everseal::jobs
