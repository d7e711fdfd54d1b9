// From complete versions to what visitors get: the switch, the reload and the proof.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "deploy/proof.h"
#include "jobs/chronicle.h"
#include "jobs/issuer.h"
#include "nginx/instance.h"
#include "nginx/model.h"

namespace everseal::jobs {

// Who shows a certificate to visitors: an nginx on which it was proven, or something unknown.
enum class Served { by_nginx, elsewhere };

// Where in a window a new version is renewed, of 2^32 parts.
std::uint32_t random_draw();

// A version that could not be switched to.
struct NotSwitched {
  store::CertificateRecord certificate;
  Error error;
};

// Ready versions on their way to being live. What is not proven goes back to the version before.
class Activation {
 public:
  Activation(const Environment& environment, State& state, std::vector<Issued> versions)
      : environment_(environment),
        state_(state),
        versions_(std::move(versions)),
        chronicle_(environment, state) {}

  const std::vector<Issued>& versions() const { return versions_; }

  // Switches the live links to the new versions. One that cannot be is given up, said, and given
  // back: it stops none of the others.
  std::vector<NotSwitched> switch_links();

  // Switches one certificate, or all that are left, back to what was live before, and gives it up.
  void give_up(const std::string& name, std::string_view why);
  void give_up_all(std::string_view why);

  // Records what is left as live. The version before stays, those before it go.
  Result<> commit(Served served);

  // The same in two steps, for a commit that records more than this: nothing may go before that is
  // durable.
  Result<> record(Served served);
  void forget_old_versions();

 private:
  Result<> switch_link(const Issued& version);
  void switch_back(const Issued& version, std::string_view why);
  Result<> forget_old_versions(const store::CertificateRecord& certificate);

  const Environment& environment_;
  State& state_;
  std::vector<Issued> versions_;
  Chronicle chronicle_;
  std::map<std::string, int> before_;  // what was live, by name; 0: nothing
};

// What visitors must see of a site that serves the leaf `fingerprint` of this certificate in
// `model`.
void expect(std::vector<deploy::Expectation>& expectations, const nginx::Model& model,
            const nginx::Site& site, const store::CertificateRecord& certificate,
            const std::string& fingerprint);

// What a CA must see of a site for which nginx answers challenges, by the account key with this
// thumbprint.
std::vector<deploy::AnswersChallenge> answers_of(const nginx::Model& model, const nginx::Site& site,
                                                 const std::string& thumbprint);

// deploy::prove() on the sockets of `model`, by a process that can reach only these. Errors: those
// of Workers::visitor().
Result<std::vector<deploy::Disproof>> prove(const Environment& environment,
                                            const nginx::Model& model,
                                            std::span<const deploy::Expectation> expectations);

}  // namespace everseal::jobs
