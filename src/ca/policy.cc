#include "ca/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/encoding.h"
#include "ca/own_names.h"
#include "ca/table.h"

namespace everseal::ca {
namespace {

using base::Seconds;
using std::chrono::days;
using std::chrono::hours;
using table::flag;
using table::life;
using table::read;
using table::Setter;
using table::Setters;
using table::text;

Time date(std::string_view text) { return *base::parse_rfc3339(text); }

template <class T>
Setter<T> limit(Limit T::* to) {
  return [to](T& all, const Object& from, const char* member) -> Checked<> {
    const auto words = TRY(from.texts(member));
    std::int64_t burst = 0;
    const std::string first = words.empty() ? "" : words.front();
    std::from_chars(first.data(), first.data() + first.size(), burst);
    if (words.size() != 2 || burst <= 0)
      return malformed(fmt::format("\"{}\" is not [\"BURST\", \"REFILL\"]", member));
    all.*to = {burst, TRY(table::parse_life(words[1]))};
    return {};
  };
}

// A profile and its terms in one table.
struct ProfileTable : Profile, ProfileTerms {
  std::int64_t names = 100;
};

const Setters<ProfileTable>& profile_setters() {
  static const Setters<ProfileTable> setters = {
      {"description", text<ProfileTable>(&ProfileTable::description)},
      {"validity", life<ProfileTable>(&ProfileTable::validity)},
      {"authorization_reuse", life<ProfileTable>(&ProfileTable::authorization_reuse)},
      {"pending_life", life<ProfileTable>(&ProfileTable::pending_life)},
      {"order_life", life<ProfileTable>(&ProfileTable::order_life)},
      {"addresses", flag<ProfileTable>(&ProfileTable::addresses)},
      {"common_name", flag<ProfileTable>(&ProfileTable::common_name)},
      {"key_encipherment", flag<ProfileTable>(&ProfileTable::key_encipherment)},
      {"subject_key_id", flag<ProfileTable>(&ProfileTable::subject_key_id)},
      {"most_names",
       [](ProfileTable& all, const Object& from, const char* member) -> Checked<> {
         all.names = TRY(from.optional_integer(member)).value_or(0);
         if (all.names > 0 && all.names <= 100) return {};
         return malformed(fmt::format("\"{}\" is not between 1 and 100", member));
       }},
  };
  return setters;
}

// What it does not name is as in tlsserver.
Checked<Profile> read_profile(const std::string& name, const Object& from) {
  const Profile model = lets_encrypt_profiles()[1];
  ProfileTable table{model, model.terms.front()};
  table.name = name;
  table.description = name;
  TRY(read(table, from, profile_setters()));
  table.most_names = static_cast<std::size_t>(table.names);
  table.terms = {
      {.since = {}, .validity = table.validity, .authorization_reuse = table.authorization_reuse}};
  return Profile(table);
}

Checked<> read_profiles(Policy& policy, const Object& from, const char* member) {
  const Object profiles = TRY(from.object(member));
  std::vector<Profile> given;
  for (const std::string& name : profiles.members())
    given.push_back(TRY(read_profile(name, TRY(profiles.object(name.c_str())))));
  for (const Profile& known : policy.profiles)
    if (std::ranges::find(given, known.name, &Profile::name) == given.end()) given.push_back(known);
  policy.profiles = std::move(given);
  return {};
}

const Setters<Limits>& limit_setters() {
  static const Setters<Limits> setters = {
      {"accounts_per_address", limit(&Limits::accounts_per_address)},
      {"orders_per_account", limit(&Limits::orders_per_account)},
      {"certificates_per_domain", limit(&Limits::certificates_per_domain)},
      {"certificates_per_names", limit(&Limits::certificates_per_names)},
      {"failures_per_name", limit(&Limits::failures_per_name)},
      {"failures_in_a_row", limit(&Limits::failures_in_a_row)},
  };
  return setters;
}

Checked<> read_limits(Policy& policy, const Object& from, const char* member) {
  const auto all = from.flag(member);
  if (!all || *all) policy.limits.emplace();
  if (all) return {};
  return read(*policy.limits, TRY(from.object(member)), limit_setters());
}

Checked<> read_external_accounts(Policy& policy, const Object& from, const char* member) {
  const Object keys = TRY(from.object(member));
  for (const std::string& kid : keys.members())
    policy.external_accounts[kid] = TRY(keys.text(kid.c_str()));
  return {};
}

Setter<Policy> words(std::vector<std::string> Policy::* to) {
  return [to](Policy& policy, const Object& from, const char* member) -> Checked<> {
    policy.*to = TRY(from.texts(member));
    return {};
  };
}

Setter<Policy> networks(std::vector<base::Network> Policy::* to) {
  return [to](Policy& policy, const Object& from, const char* member) -> Checked<> {
    for (const std::string& each : TRY(from.texts(member))) {
      auto network = base::Network::parse(each);
      if (!network) return malformed(fmt::format("\"{}\": {}", member, network.error().message));
      (policy.*to).push_back(*std::move(network));
    }
    return {};
  };
}

Checked<> read_names(Policy& policy, const Object& from, const char* member) {
  for (const std::string& each : TRY(from.texts(member))) {
    auto name = OwnNames::parse(each);
    if (!name) return malformed(fmt::format("\"{}\": {}", member, name.error().message));
    policy.other_names.push_back(each);
  }
  return {};
}

const Setters<Policy>& policy_setters() {
  static const Setters<Policy> setters = {
      {"terms_of_service", text(&Policy::terms_of_service)},
      {"website", text(&Policy::website)},
      {"ocsp", flag(&Policy::ocsp)},
      {"agree_anew", flag(&Policy::agree_anew)},
      {"external_account_required", flag(&Policy::external_account_required)},
      {"renewal_poll", life<Policy>(&Policy::renewal_poll)},
      {"external_accounts", read_external_accounts},
      {"profiles", read_profiles},
      {"limits", read_limits},
      {"caa_identities", words(&Policy::caa_identities)},
      {"other_names", read_names},
      {"reach_also", networks(&Policy::reach_also)},
      {"reach_never", networks(&Policy::reach_never)},
  };
  return setters;
}

}  // namespace

const ProfileTerms& Profile::terms_at(Time now) const {
  const auto later = std::ranges::upper_bound(terms, now, {}, &ProfileTerms::since);
  return later == terms.begin() ? terms.front() : *std::prev(later);
}

// https://letsencrypt.org/docs/profiles/ and the announcement of 2025-12-02.
std::vector<Profile> lets_encrypt_profiles() {
  return {
      {.name = "classic",
       .description = "certificates of 90 days, and shorter ones from 2027 on",
       .terms = {{{}, days(90), days(30)},
                 {date("2027-02-10T00:00:00Z"), days(64), days(10)},
                 {date("2028-02-16T00:00:00Z"), days(45), hours(7)}},
       .most_names = 100,
       .addresses = false,
       .pending_life = days(7),
       .order_life = days(7),
       .common_name = true,
       .key_encipherment = true,
       .subject_key_id = true},
      {.name = "tlsserver",
       .description = "certificates of 45 days for TLS servers, with nothing that they do not need",
       .terms = {{{}, days(45), hours(7)}},
       .most_names = 25,
       .addresses = false,
       .pending_life = hours(1),
       .order_life = hours(8)},
      {.name = "shortlived",
       .description = "certificates of 160 hours, also for IP addresses",
       .terms = {{{}, hours(160), hours(7)}},
       .most_names = 25,
       .addresses = true,
       .pending_life = hours(1),
       .order_life = hours(8)},
  };
}

const Profile* Policy::find_profile(std::string_view name) const {
  if (name.empty()) return &profiles.front();
  const auto found = std::ranges::find(profiles, name, &Profile::name);
  return found == profiles.end() ? nullptr : &*found;
}

Result<Policy> parse_policy(std::string_view json) {
  const auto parse = [&]() -> Checked<Policy> {
    Policy policy;
    TRY(read(policy, TRY(Object::parse(json)), policy_setters()));
    return policy;
  };
  return table::to_result("policy", parse());
}

}  // namespace everseal::ca
