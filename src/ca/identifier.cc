#include <fmt/format.h>

#include <algorithm>

#include "base/address.h"
#include "base/domain_name.h"
#include "base/encoding.h"
#include "ca/json.h"
#include "ca/resources.h"

namespace everseal::ca {
namespace {

acme::Problem problem(std::string type, std::string detail) {
  return {.type = std::move(type), .detail = std::move(detail), .status = 400};
}

// Why a DNS name cannot be certified. U-labels belong into no certificate: the client has to write
// them as A-labels (RFC 8555 §7.1.4).
std::optional<acme::Problem> judge_name(const std::string& value) {
  if (std::ranges::any_of(value, [](char c) { return (c & 0x80) != 0; }))
    return problem("malformed", fmt::format("'{}' is not ASCII", base::printable(value, 80)));
  const auto name = base::parse_domain_name(value);
  if (!name) return problem("rejectedIdentifier", name.error().message);
  return std::nullopt;
}

std::optional<acme::Problem> judge_address(const std::string& value, const Profile& profile) {
  const std::string shown = base::printable(value, 80);
  if (base::canonical_address(value) != value)
    return problem("malformed", fmt::format("'{}' is not an IP address in its usual form", shown));
  if (profile.addresses) return std::nullopt;
  return problem("rejectedIdentifier",
                 fmt::format("the profile {} is not for IP addresses", profile.name));
}

std::optional<acme::Problem> judge(const std::string& type, const std::string& value,
                                   const Profile& profile) {
  if (type == "dns") return judge_name(value);
  if (type == "ip") return judge_address(value, profile);
  return problem("unsupportedIdentifier", fmt::format("identifiers of the type '{}' are unknown",
                                                      base::printable(type, 40)));
}

// One bad name is the problem itself, several are its subproblems (RFC 8555 §6.7.1).
Refusal refusal_of(std::vector<acme::Problem> problems) {
  if (problems.size() == 1) {
    acme::Problem one = std::move(problems.front());
    one.name.clear();
    return Refusal(std::move(one));
  }
  acme::Problem all = problem(problems.front().type, "several identifiers cannot be certified");
  for (acme::Problem& each : problems) {
    if (each.type != all.type) all.type = "malformed";
    each.status = 0;
  }
  all.subproblems = std::move(problems);
  return Refusal(std::move(all));
}

}  // namespace

Checked<std::vector<std::string>> read_identifiers(const Profile& profile,
                                                   const std::vector<Object>& identifiers) {
  std::vector<std::string> names;
  std::vector<acme::Problem> problems;
  for (const Object& each : identifiers) {
    const std::string type = TRY(each.text("type")), value = TRY(each.text("value"));
    if (auto found = judge(type, value, profile)) {
      found->name = base::printable(value, 253);
      problems.push_back(*std::move(found));
    } else {
      names.push_back(base::lower_case(value));
    }
  }
  if (!problems.empty()) return std::unexpected(refusal_of(std::move(problems)));
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  if (names.empty()) return malformed("the order has no identifiers");
  if (names.size() > profile.most_names)
    return malformed(fmt::format("{} identifiers; the profile {} takes at most {}", names.size(),
                                 profile.name, profile.most_names));
  return names;
}

}  // namespace everseal::ca
