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

// Deactivating an account reads like deactivating an authorization (RFC 8555 §7.3.6, §7.5.2): the
// URL must surely be another than the account's.
bool surely_differ(const std::string& url, const std::string& account) {
  const auto one = plain_path(url), other = plain_path(account);
  return one && other && !std::ranges::equal(*one, *other, [](unsigned char a, unsigned char b) {
           return std::tolower(a) == std::tolower(b);
         });
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

Result<std::string> Keeper::make_key(std::uint64_t id, const std::vector<std::string>& names,
                                     crypto::KeyType type, const base::FileDescriptor& file) {
  const auto key = TRY(crypto::PrivateKey::generate(type));
  TRY(key.write(file, "the certificate's key"));
  return prepare(id, names, key);
}

Result<std::string> Keeper::open_key(std::uint64_t id, const std::vector<std::string>& names,
                                     const base::FileDescriptor& file) {
  return prepare(id, names, TRY(crypto::PrivateKey::read(file, "the certificate's key")));
}

Result<std::string> Keeper::prepare(std::uint64_t id, const std::vector<std::string>& names,
                                    const crypto::PrivateKey& key) {
  use_request(id, names, TRY(crypto::make_certificate_request(key, names)));
  return key.public_key_der();
}

void Keeper::use_request(std::uint64_t id, const std::vector<std::string>& names,
                         std::string request) {
  Issuance issuance{sorted(names), std::move(request)};
  names_.insert(issuance.names);
  issuances_.insert_or_assign(id, std::move(issuance));
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
  const bool by_key = names_account_by_key(payload);
  if (by_key != header.kid.empty() ||
      (!by_key && http::https_origin(header.kid).value_or("") != origin_))
    return base::rejected("not signed: the account is not named as it must be");
  const std::uint64_t most = kSignaturesToBegin + kSignaturesForEach * issuances_.size();
  if (++signatures_ > most)
    return base::rejected("not signed: more signatures than these certificates can need");
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
  if (!names_.contains(sorted(order.names)))
    return base::rejected("not signed: an order for names that are not planned");
  return acme::new_order_json(order);
}

Result<std::string> Keeper::text(const crypto::JwsHeader&, const acme::payload::AnswerChallenge&) {
  return acme::kAnswerChallenge;
}

Result<std::string> Keeper::text(const crypto::JwsHeader& header,
                                 const acme::payload::Deactivate&) {
  if (!surely_differ(header.url, header.kid))
    return base::rejected("not signed: this could deactivate the account");
  return acme::kDeactivate;
}

Result<std::string> Keeper::text(const crypto::JwsHeader&, const acme::payload::Finalize& wanted) {
  const auto issuance = issuances_.find(wanted.id);
  if (issuance == issuances_.end())
    return base::rejected("not signed: a certificate that is not planned");
  return acme::finalize_json(issuance->second.request);
}

// RFC 8555 §7.3.5: the new key signs, within what the old one signs, that it is to take its place.
// The account's URL is the outer header's: for another account than its own this key cannot speak.
Result<std::string> Keeper::text(const crypto::JwsHeader& header, const acme::payload::ChangeKey&) {
  if (choice_ != acme::AccountKey::present || key_changes_ == 0)
    return base::rejected("not signed: the account's key is not to be changed");
  --key_changes_;
  return crypto::sign_jws(*next_key_, {.url = header.url},
                          acme::change_key_json(header.kid, account_key_->public_jwk()));
}

}  // namespace everseal::privsep
