// `everseal repair`, `backup` and `restore`: the state directory itself.
#pragma once

#include "app/output.h"
#include "jobs/backup.h"
#include "jobs/repair.h"
#include "jobs/restore.h"

namespace everseal::app {

Result<Output> execute(const jobs::RepairOptions& options, const jobs::Environment& environment);
Result<Output> execute(const jobs::BackupOptions& options, const jobs::Environment& environment);
Result<Output> execute(const jobs::RestoreOptions& options, const jobs::Environment& environment);

}  // namespace everseal::app
