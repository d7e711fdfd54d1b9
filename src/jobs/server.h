// The nginx of this machine as jobs use it.
#pragma once

#include <string>

#include "deploy/deployment.h"
#include "deploy/proof.h"
#include "jobs/state.h"
#include "nginx/edit.h"
#include "nginx/instance.h"
#include "nginx/model.h"
#include "nginx/site.h"

namespace everseal::jobs {

// An nginx with its configuration as it is on disk. `environment` must outlive it.
class Server {
 public:
  // An nginx of another user is run through systemd's socket, or else sudo. Errors: those of
  // nginx::Instance::find(), and where we are not root those of reading the configuration.
  static Result<Server> find(const Environment& environment);

  const nginx::Instance& instance() const { return instance_; }

  // `nginx -t` on the configuration as it stands, before anything is begun. Errors: those of
  // nginx::Instance::test(); a key and a certificate that do not belong together are named with the
  // place that names them.
  Result<> test_as_it_stands() const;

  // What the configuration means now, or with these texts in place of files (by real path).
  Result<nginx::Model> model() const;
  Result<nginx::Model> model_with(std::map<std::string, std::string> texts) const;

  // Before anything is begun that ends in an edit. Errors: those of jobs::check_may_edit().
  Result<> check_may_edit() const;

  // "/etc/nginx/everseal".
  std::string own_directory() const;

  nginx::EditOptions edit_options(const std::string& thumbprint) const;
  deploy::Context deployment(State& state) const;

  // Reloads nginx; its new workers live. Errors: those of deploy::reload() and check_alive().
  Result<> reload() const;

  // One change of these files, journaled and tested, and a reload; all is as it was if that fails.
  Result<> change(State& state, const std::string& summary, const std::vector<std::string>& sites,
                  const std::vector<deploy::ChangedFile>& files) const;

 private:
  Server(const Environment& environment, nginx::Instance instance)
      : environment_(environment), instance_(std::move(instance)) {}

  const Environment& environment_;
  nginx::Instance instance_;
};

// Says that workers of nginx from before an earlier reload are still there, what they show and what
// would end them; nothing where there are none.
void note_leftover(const Environment& environment, const deploy::NewWorkers& workers);

// A change to nginx that a killed run left half done is taken back; the reporter hears of it.
// Errors: those of deploy::recover().
Result<> take_back_what_was_left(const Environment& environment, State& state);

// Brings the catalog's in_nginx up to what `model` refers to.
Result<> note_what_nginx_serves(State& state, const nginx::Model& model);

}  // namespace everseal::jobs
