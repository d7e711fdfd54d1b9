// What a person reads before saying yes.
#pragma once

#include <span>
#include <string>

#include "jobs/site_plan.h"
#include "nginx/edit.h"
#include "nginx/site.h"

namespace everseal::jobs {

// The unified diff of all files that `plan` changes; empty if there are none.
std::string diff_of(const nginx::EditPlan& plan);

// The sites with what is planned for each, the names left out with the reason, what cannot be done
// and what is worth knowing, the diff, what will be asked of the CA at `server`, and the system
// users to make. Many lines.
std::string preview(std::span<const SitePlan> sites, const nginx::Sites& found,
                    const nginx::EditPlan& plan, const std::string& server,
                    const std::vector<std::string>& users);

}  // namespace everseal::jobs
