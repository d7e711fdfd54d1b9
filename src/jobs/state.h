// The state directory, opened: one job at a time may change it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/command_runner.h"
#include "base/file_lock.h"
#include "base/file_system.h"
#include "jobs/reporter.h"
#include "jobs/settings.h"
#include "privsep/workers.h"
#include "store/catalog.h"
#include "store/certificate_store.h"

namespace everseal::jobs {

// As the kind of a key that is not ours.
inline constexpr const char* kForeignKey = "external";

// Of a certificate's key; none of a kind that this version does not know.
std::optional<crypto::KeyFamily> family_of(const store::CertificateRecord& certificate);

// What every job works in; all of it must outlive the job.
struct Environment {
  FileSystem& files;
  CommandRunner& commands;
  const Clock& clock;
  Reporter& reporter;
  const Settings& settings;
  privsep::Workers& workers;
};

// A job that has the lock for longer does not end by itself.
inline constexpr base::Seconds kLongestWork = std::chrono::hours(2);

// Of one that has it for longer: who it is, and what to do. Empty: there is none.
std::string stuck_holder(const Settings& settings);

// The catalog and the certificates.
class State {
 public:
  // Makes the directory if it is missing and takes its lock until destruction. Errors: transient
  // naming the process that holds the lock, rejected if the directory is another user's, invalid
  // where it would begin anew what is lost (is_there()), or those of the file system.
  static Result<State> open(const Environment& environment);

  // The lock alone, for what works without a catalog.
  static Result<base::FileLock> lock(const Environment& environment);

  // The same, but nullopt while another job is at work.
  static Result<std::optional<State>> open_if_idle(const Environment& environment);

  // Who has the lock; nullopt: nobody, as far as that is known.
  static std::optional<base::LockHolder> holder(const Settings& settings);

  // Lets other jobs work. What is written into the catalog afterwards must not depend on what was
  // read before.
  void let_others_work() { lock_.reset(); }
  // Of what is open already, without a lock: for tests.
  static State of(store::Catalog catalog, FileSystem& files, const std::string& directory);

  // Whether there is a catalog. Errors: rejected, if the directory is another user's, who alone may
  // look into it; invalid with the remedy, if only the catalog is missing, or if nginx's
  // configuration names certificates of what is not there.
  static Result<bool> is_there(const Environment& environment);

  // For reading only: no lock; nullopt if there is no state yet. Errors: those of is_there().
  static Result<std::optional<State>> open_to_read(const Environment& environment);

  store::Catalog& catalog() { return *catalog_; }
  store::CertificateStore& certificates() { return *certificates_; }

  // What the CAs allow, by the catalog and the settings.
  Result<renew::LimitLedger> limits(const Settings& settings);

  // Saves what is wanted of each certificate. Where that differs from what was wanted before
  // (names, key, CA), what was begun is given up and the certificate is due.
  Result<> take_up(std::vector<store::CertificateRecord>& certificates);

  // The number of the next version: higher than all that the catalog knows or that are on disk, for
  // it may be an older catalog that somebody has put back.
  Result<int> next_version(const store::CertificateRecord& certificate);

  // Forgets a version that waits for its certificate, with its key and order; none is no error.
  Result<> discard_pending(const store::CertificateRecord& certificate);

 private:
  State() = default;
  static Result<std::optional<base::FileLock>> lock_if_idle(const Environment& environment);
  Result<> start_over(store::CertificateRecord& certificate);
  static Result<State> open_locked(const Environment& environment, base::FileLock lock);
  using OpenCatalog = Result<store::Catalog>(const std::string& path);
  static Result<State> open_files(const Environment& environment, OpenCatalog open_catalog);

  std::optional<base::FileLock> lock_;
  std::unique_ptr<store::Catalog> catalog_;
  std::unique_ptr<store::CertificateStore> certificates_;
};

}  // namespace everseal::jobs
