// Everseal's account at a CA, and the key that signs for it.
#pragma once

#include <string>
#include <string_view>

#include "jobs/state.h"
#include "privsep/workers.h"
#include "store/account_keys.h"

namespace everseal::jobs {

// Used for one run. All references must outlive it.
class CaAccount {
 public:
  // `server`: the CA's directory URL.
  CaAccount(const Environment& environment, State& state, std::string server);

  // Starts keeper and net, once, without waiting for them.
  Result<> start();
  const privsep::CaWorkers& ca() const { return ca_; }  // once it is started

  // Opens the account key, or makes it. Nothing is asked of the CA.
  Result<> open_key();

  // The same, and opens the account: from the catalog, else at the CA, whose terms of service are
  // shown and must be agreed to. Errors: those of acme::Client and acme::check_terms().
  Result<> open();

  // Gives the account a new key (RFC 8555 §7.3.5). When it returns without an error the CA knows no
  // other and the old one is kept beside it; else the old one is in use as before, unless the error
  // says that this is not known: then the next open() finds it out. A key that the CA does not know
  // cannot be changed: a new one has a new account then.
  Result<> change_key();

  // Of the account key, once it is open.
  const std::string& thumbprint() const { return thumbprint_; }

  // Whether a CA that says this may mean the account and not what it was asked for.
  static bool may_be_to_blame(std::string_view problem_type);

  // Whether the CA says this of the account alone.
  static bool is_to_blame(std::string_view problem_type);

  // After a refusal of such a type: so that the CA takes orders of the account again, which may
  // have another key and another URL then. False: nothing is wrong with the account.
  Result<bool> mend(std::string_view problem_type);

 private:
  void make_users();
  Result<> settle_key();
  Result<acme::KeyStanding> find_out_key(const std::string& next_thumbprint);
  Result<> adopt_next_key(const std::string& account_url, const std::string& thumbprint);
  Result<std::string> make_next_key();
  Result<> replace_key();
  Result<> note_new_key();
  Result<> find_or_register();
  Result<> reopen_with_key(const std::string& lost_url);
  Result<> forget_orders();
  Result<> allow_registration();
  Result<> make();
  Result<bool> look_again();
  Result<> agree_anew();
  Result<bool> agree_to_terms(const std::string& url);
  void tell(const std::string& headline);

  const Environment& environment_;
  State& state_;
  const std::string server_;
  store::AccountKeys keys_;
  privsep::CaWorkers ca_;
  bool key_was_used_ = false;     // by an earlier run
  bool key_has_changed_ = false;  // in this run
  std::string thumbprint_;
};

}  // namespace everseal::jobs
