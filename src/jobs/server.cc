#include "jobs/server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <set>

#include "base/path_walk.h"
#include "deploy/proof.h"
#include "jobs/rights.h"

namespace everseal::jobs {
namespace {

// Whether somebody else started nginx; one that does not run is taken for root's.
Result<bool> belongs_to_another(const Environment& environment, const nginx::Instance& instance) {
  if (::geteuid() == 0) return false;
  const auto master = instance.master();
  if (!master && master.error().kind == ErrorKind::not_found) return true;
  if (!master)
    return base::rejected(
        fmt::format("{}; where that is for want of rights, run `everseal setup --user {}` as root",
                    master.error().message, base::user_name(::geteuid())));
  const auto process = TRY(environment.files.status(fmt::format("/proc/{}", *master)));
  return process.owner != ::geteuid();
}

// The file of which nginx says that its key is not that of the certificate
// (X509_check_private_key).
std::optional<std::string> key_of_another_certificate(const std::string& words) {
  constexpr std::string_view kCall = "SSL_CTX_use_PrivateKey(\"";
  const std::size_t begin = words.find(kCall), name = begin + kCall.size();
  if (begin == words.npos || !words.contains("key values mismatch")) return std::nullopt;
  return words.substr(name, words.find('"', name) - name);
}

}  // namespace

Result<Server> Server::find(const Environment& environment) {
  nginx::InstanceOptions options;
  options.binary = environment.settings.nginx_binary;
  options.config_path = environment.settings.nginx_config;
  nginx::Instance instance =
      TRY(nginx::Instance::find(environment.commands, environment.files, options));
  if (TRY(belongs_to_another(environment, instance)))
    instance.go_through(nginx::gate_for(environment.files, ::geteuid()));
  return Server(environment, std::move(instance));
}

// nginx goes on with what it has read, also across the reloads that it refuses.
Result<> Server::test_as_it_stands() const {
  Result<> tested = within("the nginx configuration as it stands", instance_.test());
  if (tested) return tested;
  const auto key = key_of_another_certificate(tested.error().message);
  if (!key) return tested;
  const auto config = nginx::Config::load(environment_.files, instance_.config_path());
  const auto by = config ? nginx::named_by(*config, environment_.files, *key) : std::nullopt;
  tested.error().message += fmt::format(
      "; {} is named at {} and does not belong to the certificate there: another program has left "
      "the halves of two renewals. nginx serves what it has read and will not start again; put the "
      "matching half back, or let that program renew. Nothing was changed",
      *key, by.value_or("a place that is not known"));
  return tested;
}

Result<nginx::Model> Server::model() const {
  return nginx::Model::load(environment_.files, instance_.config_path());
}

Result<nginx::Model> Server::model_with(std::map<std::string, std::string> texts) const {
  const nginx::OverlayReader overlay(environment_.files, std::move(texts));
  return nginx::Model::load(overlay, instance_.config_path());
}

Result<> Server::check_may_edit() const {
  return jobs::check_may_edit(environment_.files, TRY(model()).config());
}

std::string Server::own_directory() const {
  return base::join_path(base::directory_of(instance_.config_path()), "everseal");
}

nginx::EditOptions Server::edit_options(const std::string& thumbprint) const {
  nginx::EditOptions options;
  options.own_directory = own_directory();
  options.thumbprint = thumbprint;
  options.nginx = instance_.version();
  options.openssl = instance_.openssl();
  options.redirect_status = environment_.settings.redirect_status;
  options.harden = environment_.settings.harden;
  options.remove_dead_lines = environment_.settings.remove_dead_lines;
  options.catch_all = environment_.settings.catch_all;
  options.profile = environment_.settings.profile;
  return options;
}

deploy::Context Server::deployment(State& state) const {
  deploy::Context context{environment_.files, state.catalog(),
                          instance_,          environment_.clock,
                          own_directory(),    environment_.settings.state + "/stage"};
  for (const std::string& path : environment_.settings.dhparam_files)
    if (auto real = environment_.files.real_path(path))
      context.other_files.push_back(*std::move(real));
  return context;
}

Result<> Server::reload() const {
  const auto workers = TRY(deploy::reload(instance_, deploy::kPatience));
  return deploy::check_alive(instance_, workers);
}

Result<> Server::change(State& state, const std::string& summary,
                        const std::vector<std::string>& sites,
                        const std::vector<deploy::ChangedFile>& files) const {
  const deploy::Context context = deployment(state);
  deploy::Deployment change(context, summary, sites);
  TRY(change.put(files));
  if (auto live = reload(); !live) {
    TRY(change.restore());
    return live;
  }
  return change.commit();
}

void note_leftover(const Environment& environment, const deploy::NewWorkers& workers) {
  if (workers.leftover == 0) return;
  environment.reporter.note(fmt::format(
      "{} of nginx from before an earlier reload still {} connections that were open then "
      "(WebSocket, downloads), with the certificate of then; new visitors get the new one. "
      "`worker_shutdown_timeout 1h;` at the top of nginx.conf would end them",
      workers.leftover == 1 ? "One worker" : fmt::format("{} workers", workers.leftover),
      workers.leftover == 1 ? "serves" : "serve"));
}

Result<> take_back_what_was_left(const Environment& environment, State& state) {
  if (!TRY(state.catalog().last_change(store::ChangeState::applying))) return {};
  const Server server = TRY(Server::find(environment));
  environment.reporter.note(TRY(deploy::recover(server.deployment(state))));
  return {};
}

Result<> note_what_nginx_serves(State& state, const nginx::Model& model) {
  std::set<std::string> served;
  for (const nginx::Server& server : model.servers())
    for (const nginx::CertificatePair& pair : nginx::certificate_pairs(model, server))
      served.insert(pair.certificate);
  std::vector<store::CertificateRecord> changed;
  auto certificates = TRY(state.catalog().certificates());
  for (store::CertificateRecord& certificate : certificates) {
    const bool in_nginx = served.contains(state.certificates().bundle_path(certificate.name));
    if (certificate.in_nginx == in_nginx) continue;
    certificate.in_nginx = in_nginx;
    certificate.next_look = {};
    changed.push_back(certificate);
  }
  return state.catalog().save_certificates(changed);
}

}  // namespace everseal::jobs
