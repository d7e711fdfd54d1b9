// One transaction on a running nginx: journal, stage, test, switch, reload, or back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "nginx/instance.h"
#include "store/catalog.h"

namespace everseal::deploy {

// What a deployment works with; all of it must outlive it.
struct Context {
  FileSystem& files;
  store::Catalog& catalog;
  const nginx::Instance& instance;
  const Clock& clock;
  std::string own_directory;               // of our snippets in nginx's configuration
  std::string stage_directory;             // private, ours; made and emptied as needed
  std::vector<std::string> other_files{};  // without symlinks: of changes, but not nginx's
};

using store::ChangedFile;

// One change to the nginx configuration. It is journaled in the catalog before the first byte is
// changed; a run that is killed is taken back by recover(). Destroying it leaves things as they
// are.
class Deployment {
 public:
  Deployment(const Context& context, std::string summary, std::vector<std::string> sites)
      : context_(context),
        summary_(std::move(summary)),
        sites_(std::move(sites)),
        originals_(*this) {}
  Deployment(const Deployment&) = delete;
  Deployment& operator=(const Deployment&) = delete;

  // Makes the configuration the originals with `files` in place, `before` being the original of
  // each; what an earlier put() changed and this one does not mention goes back. Tested with
  // `nginx -t` first, then replaced file by file, each atomically with its mode, owner, attributes
  // and symlinks kept. Through sudo no stage can be set: there the files are tested where they
  // stand. Not reloaded. Errors: invalid (nginx's words), rejected (somebody else changed a file
  // meanwhile: theirs is kept; sudo refuses); all is as it was before the call then.
  Result<> put(const std::vector<ChangedFile>& files);

  // Everything back to the originals, nginx reloaded if it runs, the change marked `restored`. A
  // file of ours that somebody else includes by now stays. Errors: rejected, naming what somebody
  // has changed meanwhile in the same place: that stays too, and the change is left unfinished.
  Result<> restore();

  // Ends the change: it stands, and undo can take it back.
  Result<> commit(store::ChangeState state = store::ChangeState::applied);

  // Files as they were before the first put(); for computing the next one. Lives as long as this.
  const FileReader& originals() const { return originals_; }

 private:
  class Originals : public FileReader {
   public:
    explicit Originals(const Deployment& deployment) : deployment_(deployment) {}
    Result<std::string> read(const std::string& path) const override;
    Result<base::FileStatus> status(const std::string& path) const override;
    Result<std::string> real_path(const std::string& path) const override;
    Result<std::string> read_link(const std::string& path) const override;
    Result<std::vector<std::string>> list(const std::string& directory) const override;

   private:
    // What we changed of it, or null.
    const ChangedFile* find(const std::string& path) const;
    Result<> check_existed(const std::string& path) const;

    const Deployment& deployment_;
  };

  Result<> journal(const std::vector<ChangedFile>& steps);
  Result<> put_back(std::vector<ChangedFile> back, std::vector<ChangedFile> before);

  const Context& context_;
  const std::string summary_;
  const std::vector<std::string> sites_;
  std::optional<std::int64_t> change_;
  std::vector<ChangedFile> files_;  // as they stand: original and what we put there
  Originals originals_;
};

// A file that we made and that is to go, but stays: `by` ("FILE:LINE") names it, and nginx would
// not start without it.
struct StillNamed {
  std::string path;
  std::string by;
};

// The way back from a change, from how the files are now. Three-way: edits of the administrator
// elsewhere in a file stay.
struct Return {
  std::vector<ChangedFile> files{};
  std::vector<StillNamed> kept{};
  std::vector<std::string> conflicts{};  // by file and line: edited in the same place since
  std::vector<std::string> refused{};    // no files of nginx's, whatever the catalog says; and why
};

// Of a change that stands or was left unfinished; nothing is changed. Errors: those of reading,
// also of the configuration, where that alone tells whether a file is nginx's.
Result<Return> plan_return(const Context& context, const store::ChangeRecord& change);

// Takes back what killed runs left half done, as far as it is of files of nginx's. Returns what was
// done, and which files were left, for the person; empty if there was nothing. Errors: rejected,
// naming the file and line that the administrator has changed since in the same place; that change
// is left alone.
Result<std::string> recover(const Context& context);

}  // namespace everseal::deploy
