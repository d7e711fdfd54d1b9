#include "privsep/keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "crypto/certificate_request.h"
#include "http/message.h"

namespace everseal::privsep {
namespace {

constexpr const char* kAccountKey = "the account key";

// What a run may need at the utmost: looking for lost orders (acme/order_search.h) and, for each
// certificate, a hundred names polled for minutes.
constexpr std::uint64_t kSignaturesToBegin = 4096, kSignaturesForEach = 8192;
constexpr int kMostRegistrations = 20;  // lost answers and refused nonces are repeated
constexpr int kMostKeyChanges = 10;     // refused nonces
// Of each certificate: five lost answers, refused nonces of each, an order less (acme/issuance.h),
// and all of it once more for an account that was mended.
constexpr int kMostOrders = 60, kMostFinalizations = 60;
constexpr std::uint64_t kMostDeactivations = 40;  // of each name's authorizations, likewise

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::ranges::sort(names);
  return names;
}

// The path of a URL that has but one spelling; nullopt if a server could read it in another way.
std::optional<std::string_view> plain_path(std::string_view url) {
  const std::size_t begin = url.find('/', std::string_view("https://").size());
  if (begin == url.npos) return std::nullopt;
  const std::string_view path = url.substr(begin);
  const bool plain = std::ranges::all_of(path, [](unsigned char c) {
    return std::isalnum(c) || c == '/' || c == '-' || c == '_' || c == '.' || c == '~';
  });
  if (!plain || path.contains("//") || path.contains("/.") || path.ends_with('/'))
    return std::nullopt;
  return path;
}

// The last segment of a path without leading zeros: servers read "01" and "1" as the same number.
std::string_view identifier(std::string_view path) {
  path.remove_prefix(path.rfind('/') + 1);
  path.remove_prefix(std::min(path.find_first_not_of('0'), path.size()));
  return path;
}

bool equal_but_for_case(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, [](unsigned char a, unsigned char b) {
    return std::tolower(a) == std::tolower(b);
  });
}

// Deactivating an account reads like deactivating an authorization (RFC 8555 §7.3.6, §7.5.2): the
// URL must surely be another than the account's, in each way in which a server could read it. So
// it is in another directory, not below the account, and ends otherwise.
bool surely_differ(const std::string& url, const std::string& account) {
  const auto one = plain_path(url), other = plain_path(account);
  if (!one || !other) return false;
  const auto directory = [](std::string_view path) { return path.substr(0, path.rfind('/') + 1); };
  const bool below = one->size() > other->size() && (*one)[other->size()] == '/' &&
                     equal_but_for_case(one->substr(0, other->size()), *other);
  return !below && !equal_but_for_case(directory(*one), directory(*other)) &&
         !equal_but_for_case(identifier(*one), identifier(*other));
}

bool names_account_by_key(const acme::Payload& payload) {
  return std::holds_alternative<acme::payload::FindAccount>(payload) ||
         std::holds_alternative<acme::payload::NewAccount>(payload);
}

}  // namespace

Result<> Keeper::use_ca(const std::string& directory_url) {
  origin_ = TRY(http::https_origin(directory_url));
  return {};
}

Result<> Keeper::use_account(const std::string& url) {
  if (TRY(http::https_origin(url)) != origin_)
    return base::invalid(fmt::format("the account {} is not at the CA", base::printable(url, 200)));
  account_ = url;
  return {};
}

Result<std::string> Keeper::read(Key& key, const base::FileDescriptor& file) {
  key = TRY(crypto::PrivateKey::read(file, kAccountKey));
  return crypto::thumbprint(*key);
}

Result<std::string> Keeper::make(Key& key, const base::FileDescriptor& file) {
  auto made = TRY(crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256));
  TRY(made.write(file, kAccountKey));
  key = std::move(made);
  return crypto::thumbprint(*key);
}

Result<std::string> Keeper::open_account_key(const base::FileDescriptor& file) {
  return read(account_key_, file);
}
Result<std::string> Keeper::make_account_key(const base::FileDescriptor& file) {
  return make(account_key_, file);
}
Result<std::string> Keeper::open_next_key(const base::FileDescriptor& file) {
  return read(next_key_, file);
}
Result<std::string> Keeper::make_next_key(const base::FileDescriptor& file) {
  return make(next_key_, file);
}

Result<> Keeper::choose(acme::AccountKey key) {
  if (key == acme::AccountKey::next && !next_key_) return base::rejected("there is no next key");
  choice_ = key;
  key_changes_ = 0;
  return {};
}

Result<> Keeper::allow_key_change() {
  if (!next_key_) return base::rejected("there is no next key");
  key_changes_ = kMostKeyChanges;
  return {};
}

void Keeper::allow_registration(acme::Registration registration) {
  registration_ = std::move(registration);
}

Result<std::string> Keeper::make_key(std::uint64_t id, const Order& order, crypto::KeyType type,
                                     const base::FileDescriptor& file) {
  const auto key = TRY(crypto::PrivateKey::generate(type));
  TRY(key.write(file, "the certificate's key"));
  return prepare(id, order, key);
}

Result<std::string> Keeper::open_key(std::uint64_t id, const Order& order,
                                     const base::FileDescriptor& file) {
  return prepare(id, order, TRY(crypto::PrivateKey::read(file, "the certificate's key")));
}

Result<std::string> Keeper::prepare(std::uint64_t id, const Order& order,
                                    const crypto::PrivateKey& key) {
  use_request(id, order, TRY(crypto::make_certificate_request(key, order.names)));
  return key.public_key_der();
}

void Keeper::use_request(std::uint64_t id, const Order& order, std::string request) {
  Issuance issuance{order, std::move(request)};
  issuance.order.names = sorted(std::move(issuance.order.names));
  names_ += issuance.order.names.size();
  ids_[issuance.order.names].push_back(id);
  issuances_.insert_or_assign(id, std::move(issuance));
}

// The issuance of which this is the order; null if there is none. A CA may want the order without
// what it is not bound to have: then it replaces nothing, or has the CA's own profile.
Keeper::Issuance* Keeper::planned(const Order& order) {
  const auto ids = ids_.find(sorted(order.names));
  if (ids == ids_.end()) return nullptr;
  for (const std::uint64_t id : ids->second) {
    Issuance& issuance = issuances_.at(id);
    const auto is = [](const std::string& wanted, const std::string& plan) {
      return wanted.empty() || wanted == plan;
    };
    if (issuance.order.names == ids->first && is(order.replaces, issuance.order.replaces) &&
        is(order.profile, issuance.order.profile))
      return &issuance;
  }
  return nullptr;
}

Result<std::string> Keeper::sign(const crypto::JwsHeader& header, const acme::Payload& payload) {
  TRY(check(header, payload));
  const std::string body =
      TRY(std::visit([&](const auto& each) { return text(header, each); }, payload));
  return crypto::sign_jws(*chosen(), header, body);
}

Result<> Keeper::check(const crypto::JwsHeader& header, const acme::Payload& payload) {
  if (!chosen()) return base::rejected("no account key is open");
  if (http::https_origin(header.url).value_or("") != origin_)
    return base::rejected(
        fmt::format("not signed: {} is not at the CA", base::printable(header.url, 200)));
  TRY(check_account(header, payload));
  const std::uint64_t most = kSignaturesToBegin + kSignaturesForEach * issuances_.size();
  if (++signatures_ > most)
    return base::rejected("not signed: more signatures than these certificates can need");
  return {};
}

// What is sent to the account's own URL changes the account (RFC 8555 §7.3.2, §7.3.6).
Result<> Keeper::check_account(const crypto::JwsHeader& header,
                               const acme::Payload& payload) const {
  const bool by_key = names_account_by_key(payload);
  if (by_key ? !header.kid.empty() : account_.empty() || header.kid != account_)
    return base::rejected("not signed: the account is not named as it must be");
  if (header.url == account_ && !std::holds_alternative<acme::payload::PostAsGet>(payload))
    return base::rejected("not signed: this could change the account");
  return {};
}

Result<std::string> Keeper::text(const crypto::JwsHeader&, const acme::payload::PostAsGet&) {
  return acme::kPostAsGet;
}

Result<std::string> Keeper::text(const crypto::JwsHeader&, const acme::payload::FindAccount&) {
  return acme::kFindAccount;
}

Result<std::string> Keeper::text(const crypto::JwsHeader& header,
                                 const acme::payload::NewAccount&) {
  if (!registration_ || ++registrations_ > kMostRegistrations)
    return base::rejected("not signed: no account may be made");
  std::string binding;
  if (registration_->external_account)
    binding =
        TRY(crypto::bind_external_account(*chosen(), header.url, *registration_->external_account));
  return acme::new_account_json(*registration_, binding);
}

Result<std::string> Keeper::text(const crypto::JwsHeader&, const acme::payload::NewOrder& order) {
  Issuance* const issuance = planned(order);
  if (!issuance) return base::rejected("not signed: an order that is not planned");
  if (++issuance->orders > kMostOrders)
    return base::rejected("not signed: more orders than this certificate can need");
  return acme::new_order_json(order);
}

Result<std::string> Keeper::text(const crypto::JwsHeader&, const acme::payload::AnswerChallenge&) {
  return acme::kAnswerChallenge;
}

Result<std::string> Keeper::text(const crypto::JwsHeader& header,
                                 const acme::payload::Deactivate&) {
  if (!surely_differ(header.url, account_))
    return base::rejected("not signed: this could deactivate the account");
  if (++deactivations_ > kMostDeactivations * names_)
    return base::rejected("not signed: more authorizations than these certificates can need");
  return acme::kDeactivate;
}

Result<std::string> Keeper::text(const crypto::JwsHeader&, const acme::payload::Finalize& wanted) {
  const auto issuance = issuances_.find(wanted.id);
  if (issuance == issuances_.end())
    return base::rejected("not signed: a certificate that is not planned");
  if (++issuance->second.finalizations > kMostFinalizations)
    return base::rejected("not signed: more requests than this certificate can need");
  return acme::finalize_json(issuance->second.request);
}

// RFC 8555 §7.3.5: the new key signs, within what the old one signs, that it is to take its place.
// The account's URL is the outer header's: for another account than its own this key cannot speak.
Result<std::string> Keeper::text(const crypto::JwsHeader& header, const acme::payload::ChangeKey&) {
  if (choice_ != acme::AccountKey::present || key_changes_ == 0)
    return base::rejected("not signed: the account's key is not to be changed");
  --key_changes_;
  return crypto::sign_jws(*next_key_, {.url = header.url},
                          acme::change_key_json(account_, account_key_->public_jwk()));
}

}  // namespace everseal::privsep
