#include "jobs/ca_account.h"

#include <fmt/format.h>

#include <utility>

#include "jobs/chores.h"
#include "jobs/notices.h"
#include "jobs/trust.h"

namespace everseal::jobs {

namespace {

using Standing = acme::KeyStanding::Kind;

// What the CA says where nothing goes on before something is done about the account.
constexpr std::string_view kAccountUnknown = "accountDoesNotExist";
constexpr std::string_view kActionRequired = "userActionRequired";

}  // namespace

bool CaAccount::is_to_blame(std::string_view problem_type) {
  return problem_type == kAccountUnknown || problem_type == kActionRequired;
}

// An account that has another key now still exists: what an old key signs for it is malformed, or
// unauthorized. CAs call much else so.
bool CaAccount::may_be_to_blame(std::string_view problem_type) {
  return is_to_blame(problem_type) || problem_type == "malformed" || problem_type == "unauthorized";
}

CaAccount::CaAccount(const Environment& environment, State& state, std::string server)
    : environment_(environment),
      state_(state),
      server_(std::move(server)),
      keys_(environment.files, environment.settings.state) {}

// What is left undone is no reason to stop: the roles then take users that nobody has.
void CaAccount::make_users() {
  if (environment_.workers.users_to_make().empty()) return;
  if (const auto made = environment_.workers.make_users(environment_.commands); !made)
    environment_.reporter.note(
        fmt::format("{}; for this run roles take user ids that nobody has", made.error().message));
}

Result<> CaAccount::start() {
  if (ca_.net) return {};
  make_users();
  const auto trusted = TRY(open_trusted(environment_.files, environment_.settings.ca_bundle));
  ca_ = TRY(environment_.workers.open_ca(server_, trusted));
  return {};
}

Result<> CaAccount::open_key() {
  TRY(start());
  const auto key = keys_.open(server_);
  if (!key && key.error().kind != ErrorKind::not_found) return std::unexpected(key.error());
  key_was_used_ = key.has_value();
  if (key) {
    auto thumbprint = within("account key", ca_.keeper->open_account_key(*key));
    if (thumbprint) {
      thumbprint_ = *std::move(thumbprint);
      return {};
    }
    if (thumbprint.error().kind != ErrorKind::invalid) return std::unexpected(thumbprint.error());
    const std::string aside = TRY(keys_.set_aside(server_, environment_.clock.now()));
    environment_.reporter.note(fmt::format("{}; kept as {}", thumbprint.error().message, aside));
    key_was_used_ = false;
  }
  return keys_.create(server_, [this](const base::FileDescriptor& file) -> Result<> {
    thumbprint_ = TRY(ca_.keeper->make_account_key(file));
    return {};
  });
}

Result<> CaAccount::open() {
  TRY(open_key());
  TRY(settle_key());
  auto known = TRY(state_.catalog().account(server_));
  if (!known || known->url.empty()) return find_or_register();
  if (!key_was_used_ || (!known->thumbprint.empty() && known->thumbprint != thumbprint_))
    return reopen_with_key(known->url);
  if (known->thumbprint.empty()) {  // an earlier version wrote this
    known->thumbprint = thumbprint_;
    TRY(state_.catalog().save_account(*known));
    TRY(note_new_key());
  }
  return ca_.net->use_account(known->url);
}

// The key is another one than that which the account was made with: a change of it was cut short
// when the CA knew the new one already, or the key was lost and made anew.
Result<> CaAccount::reopen_with_key(const std::string& lost_url) {
  TRY(find_or_register());
  const auto account = TRY(state_.catalog().account(server_));
  if (!account || account->url == lost_url || key_has_changed_) return note_new_key();
  TRY(forget_orders());
  tell(fmt::format(
      "the account key at {} was lost or damaged: a new key has a new account there, {}", server_,
      account->url));
  return note_new_key();
}

// Nobody can ask for the orders of a lost account.
Result<> CaAccount::forget_orders() {
  std::vector<store::VersionRecord> versions = TRY(state_.catalog().unfinished_versions());
  std::vector<store::VersionRecord> forgotten;
  for (store::VersionRecord& each : versions) {
    const auto certificate = TRY(state_.catalog().certificate(each.certificate_id));
    if (!certificate || certificate->server != server_ || each.order_url.empty()) continue;
    each.order_url.clear();
    forgotten.push_back(std::move(each));
  }
  return state_.catalog().save_versions(forgotten);
}

void CaAccount::tell(const std::string& headline) {
  enter_notice(environment_, state_, "account " + server_, headline);
}

// An earlier run may have been killed, or have heard no answer, while it changed the key or made
// an account for a new one.
Result<> CaAccount::settle_key() {
  const auto next = keys_.open_next(server_);
  if (!next && next.error().kind == ErrorKind::not_found) return {};
  if (!next) return std::unexpected(next.error());
  static_cast<void>(
      TRY(find_out_key(TRY(within("the next account key", ca_.keeper->open_next_key(*next))))));
  return {};
}

// Which of the two keys the CA knows is asked of nobody but the CA: by its newAccount for an
// account that there is (RFC 8555 §7.3.1), by the next key first. Returns how the key stands that
// is in use then.
Result<acme::KeyStanding> CaAccount::find_out_key(const std::string& next_thumbprint) {
  const auto find = [&](acme::AccountKey key) -> Result<acme::KeyStanding> {
    constexpr const char* kWhat =
        "it is not known yet which account key the CA knows, both are kept";
    TRY(within(kWhat, ca_.keeper->choose(key)));
    return within(kWhat, ca_.net->find_account());
  };
  const auto next = TRY(find(acme::AccountKey::next));
  if (next.kind == Standing::valid) {
    TRY(adopt_next_key(next.account, next_thumbprint));
    return next;
  }
  const auto present = TRY(find(acme::AccountKey::present));
  TRY(keys_.shelve_next(server_));
  return present;
}

// The next key is another account's where the present one was of no use any more.
Result<> CaAccount::adopt_next_key(const std::string& account_url, const std::string& thumbprint) {
  TRY(keys_.adopt_next(server_, environment_.clock.now()));
  thumbprint_ = thumbprint;
  key_has_changed_ = true;
  store::AccountRecord account;
  if (const auto known = TRY(state_.catalog().account(server_))) account = *known;
  const bool is_another = !account.url.empty() && account.url != account_url;
  account.server = server_;
  account.url = account_url;
  account.thumbprint = thumbprint;
  auto transaction = TRY(state_.catalog().begin());
  TRY(state_.catalog().save_account(account));
  TRY(note_new_key());
  if (is_another) {
    TRY(forget_orders());
    tell(fmt::format(
        "the CA {} no longer knows the account key, as after an older backup was put back, or has "
        "ended the account: a new key has a new account there, {}; the old key is kept",
        server_, account_url));
  }
  return transaction.commit();
}

Result<> CaAccount::note_new_key() {
  return state_.catalog().save_chore(
      {.kind = kAccountKey, .subject = server_, .done_at = environment_.clock.now()});
}

Result<std::string> CaAccount::make_next_key() {
  if (TRY(keys_.take_spare(server_)))
    return ca_.keeper->open_next_key(TRY(keys_.open_next(server_)));
  std::string thumbprint;
  TRY(keys_.create_next(server_, [&](const base::FileDescriptor& file) -> Result<> {
    thumbprint = TRY(ca_.keeper->make_next_key(file));
    return {};
  }));
  return thumbprint;
}

// The next key is durable before the CA hears of it. Whatever the CA says then, or if it says
// nothing, what it knows afterwards is what counts.
Result<> CaAccount::change_key() {
  TRY(open());
  if (key_has_changed_) return {};  // what an earlier run began
  const std::string next = TRY(make_next_key());
  TRY(ca_.keeper->allow_key_change());
  const Result<> changed = ca_.net->change_key();
  auto found = find_out_key(next);
  if (!found) {
    if (!changed && !found.error().message.contains(changed.error().message))
      found.error().message += "; " + changed.error().message;
    return std::unexpected(std::move(found).error());
  }
  if (key_has_changed_) return {};
  if (found->kind != Standing::valid) return replace_key();
  return changed ? base::rejected("account key: the CA said yes, but knows only the old key")
                 : changed;
}

// For a key with which nothing more can be done at the CA. As in change_key() the new one is
// durable, as the next one, before the CA hears of it: settle_key() goes on with what is cut short.
Result<> CaAccount::replace_key() {
  TRY(allow_registration());
  const std::string next = TRY(make_next_key());
  TRY(ca_.keeper->choose(acme::AccountKey::next));
  const std::string url = TRY(ca_.net->register_account());
  environment_.reporter.done("account", url);
  return adopt_next_key(url, next);
}

// The CA's word for "I know this key" saves the question for its terms.
Result<> CaAccount::find_or_register() {
  const auto known = TRY(state_.catalog().account(server_));
  const auto found = key_was_used_ ? TRY(ca_.net->find_account()) : acme::KeyStanding();
  if (found.kind == Standing::unknown) return make();
  if (found.kind == Standing::ended) return replace_key();
  return state_.catalog().save_account({server_, found.account, environment_.settings.contacts,
                                        known ? known->terms_agreed_at : std::nullopt,
                                        thumbprint_});
}

// What the CA wants agreed to is agreed to, and the keeper signs for an account to be made.
Result<> CaAccount::allow_registration() {
  const Settings& settings = environment_.settings;
  const acme::AccountTerms terms = TRY(ca_.net->terms());
  acme::Registration registration{settings.contacts, true, settings.external_account};
  TRY(acme::check_terms(terms, registration));  // before a person is asked
  registration.terms_agreed = TRY(agree_to_terms(terms.terms_of_service));
  TRY(acme::check_terms(terms, registration));
  return ca_.keeper->allow_registration(registration);
}

Result<> CaAccount::make() {
  TRY(allow_registration());
  const std::string url = TRY(ca_.net->register_account());
  environment_.reporter.done("account", url);
  auto transaction = TRY(state_.catalog().begin());
  TRY(state_.catalog().save_account(
      {server_, url, environment_.settings.contacts, environment_.clock.now(), thumbprint_}));
  if (!key_was_used_) TRY(note_new_key());
  return transaction.commit();
}

Result<bool> CaAccount::agree_to_terms(const std::string& url) {
  const auto known = TRY(state_.catalog().account(server_));
  if ((known && known->terms_agreed_at) || url.empty()) return true;
  environment_.reporter.note(fmt::format("The CA's terms of service: {}", url));
  return environment_.settings.assume_yes ||
         environment_.reporter.confirm("Do you agree to the terms of service?");
}

Result<bool> CaAccount::mend(std::string_view problem_type) {
  key_was_used_ = true;
  if (!is_to_blame(problem_type)) return look_again();
  if (problem_type == kActionRequired) {
    TRY(agree_anew());
  } else {
    environment_.reporter.note("The CA no longer knows this account; registering its key again.");
    TRY(find_or_register());
  }
  return true;
}

// How the key stands, asked by the key alone.
Result<bool> CaAccount::look_again() {
  const auto found = TRY(ca_.net->find_account());
  if (found.kind != Standing::valid) {
    TRY(replace_key());
    return true;
  }
  auto known = TRY(state_.catalog().account(server_));
  if (!known || known->url == found.account) return false;
  tell(fmt::format("the account key at {} belongs to another account there than before: {}, not {}",
                   server_, found.account, known->url));
  known->url = found.account;
  auto transaction = TRY(state_.catalog().begin());
  TRY(state_.catalog().save_account(*known));
  TRY(forget_orders());
  TRY(transaction.commit());
  return true;
}

// RFC 8555 §7.3.3: the terms have changed. What was agreed to before counts no longer.
Result<> CaAccount::agree_anew() {
  environment_.reporter.note("The CA asks anew whether its terms of service are agreed to.");
  if (auto known = TRY(state_.catalog().account(server_))) {
    known->terms_agreed_at = std::nullopt;
    TRY(state_.catalog().save_account(*known));
  }
  return make();
}

}  // namespace everseal::jobs
