// What an administrator can set, with the defaults.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "crypto/jws.h"
#include "crypto/private_key.h"
#include "deploy/copy.h"
#include "deploy/haproxy.h"
#include "nginx/edit.h"
#include "notify/settings.h"
#include "privsep/sandbox.h"
#include "renew/limits.h"

namespace everseal::jobs {

inline constexpr const char* kLetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory";
inline constexpr const char* kLetsEncryptStaging =
    "https://acme-staging-v02.api.letsencrypt.org/directory";

inline constexpr base::Seconds kHalfAYear = std::chrono::days(182);

// From everseal.toml, each overridable on the command line.
struct Settings {
  std::string state = "/var/lib/everseal";

  std::string server = kLetsEncrypt;  // directory URL
  std::string ca_bundle;              // PEM path; empty: the system's
  std::vector<std::string> contacts;  // e-mail addresses
  std::optional<crypto::ExternalAccount> external_account;
  std::string certificate_profile;      // the CA's word; empty: its default
  std::optional<renew::Limits> limits;  // of `server`; none: renew::known_limits()
  std::string preferred_chain;  // common name of the topmost issuer; empty: the CA's default

  std::optional<crypto::KeyType> key_type;  // none: as the certificate has it, ECDSA P-256 if new

  std::optional<crypto::KeyType> second_key_type;  // none: no second certificate is added

  std::string nginx_binary = "nginx";
  std::string nginx_config;  // empty: the compiled-in path
  nginx::Redirect redirect = nginx::Redirect::automatic;
  int redirect_status = 301;
  std::optional<nginx::HstsWish> hsts;    // none: Strict-Transport-Security stays as it is
  std::optional<nginx::Profile> profile;  // none: as it stands, intermediate if new
  bool harden = true;
  bool catch_all = false;
  bool remove_dead_lines = false;

  std::optional<deploy::Haproxy> haproxy;
  std::vector<std::string> haproxy_names;  // certificates with one of them go there; empty: all

  notify::Settings notify;

  std::vector<std::string> hooks;  // programs that are told of each certificate, by absolute path
  std::string hooks_directory = "/etc/everseal/deploy.d";  // and those that are in it
  base::Seconds hook_timeout{60};
  std::vector<deploy::CopyRule> copies;

  std::optional<base::SocketAddress> metrics;  // where the daemon shows them; none: nowhere

  std::vector<std::string> pinned;  // certificates with one of these names keep their keys

  std::optional<base::Seconds> account_key_life = kHalfAYear;  // none: changed only when asked for
  std::optional<base::Seconds> dhparam_life;                   // likewise
  std::vector<std::string> dhparam_files;  // paths; empty: those of nginx that are ours

  crypto::KeyType new_key_type() const { return key_type.value_or(crypto::KeyType::ecdsa_p256); }

  // Whether a role runs only if the kernel locks it in.
  privsep::Strictness sandbox = privsep::Strictness::required;

  bool assume_yes = false;  // ask nothing; the terms of service count as agreed
};

}  // namespace everseal::jobs
