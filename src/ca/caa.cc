#include "ca/caa.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <ranges>

#include "base/address.h"
#include "base/ascii.h"
#include "base/encoding.h"

namespace everseal::ca {
namespace {

using base::is_letter_or_digit;
using base::trimmed;

// What an issue or issuewild property says (RFC 8659 §4.2).
struct IssueValue {
  std::string domain{};                                           // lower-case; empty: nobody
  std::vector<std::pair<std::string, std::string>> parameters{};  // tags in lower case
};

bool is_tag(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

bool is_parameter_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != ';'; });
}

bool is_domain(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; });
}

std::optional<std::pair<std::string, std::string>> parse_parameter(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == text.npos) return std::nullopt;
  const std::string_view tag = trimmed(text.substr(0, equals));
  const std::string_view value = trimmed(text.substr(equals + 1));
  if (!is_tag(tag) || !is_parameter_value(value)) return std::nullopt;
  return std::pair{base::lower_case(tag), std::string(value)};
}

// nullopt: malformed, which allows nobody (RFC 8659 §4.2).
std::optional<IssueValue> parse_issue_value(std::string_view text) {
  const std::size_t end = std::min(text.find(';'), text.size());
  IssueValue result{.domain = base::lower_case(trimmed(text.substr(0, end)))};
  if (!is_domain(result.domain)) return std::nullopt;
  if (end == text.size() || trimmed(text.substr(end + 1)).empty()) return result;
  for (const auto part : std::views::split(text.substr(end + 1), ';')) {
    auto parameter = parse_parameter(trimmed({part.begin(), part.end()}));
    if (!parameter) return std::nullopt;
    result.parameters.push_back(*std::move(parameter));
  }
  return result;
}

// The values of all parameters of a name.
std::vector<std::string> values_of(const IssueValue& value, std::string_view tag) {
  std::vector<std::string> values;
  for (const auto& [name, text] : value.parameters)
    if (name == tag) values.push_back(text);
  return values;
}

bool lists(std::string_view comma_separated, std::string_view word) {
  for (const auto part : std::views::split(comma_separated, ','))
    if (std::string_view(part.begin(), part.end()) == word) return true;
  return false;
}

// RFC 8657 §3 and §4: a parameter that comes twice cannot be met.
bool allows(const IssueValue& value, const CaaApplicant& applicant) {
  if (std::ranges::find(applicant.identities, value.domain) == applicant.identities.end())
    return false;
  const auto accounts = values_of(value, "accounturi");
  const auto methods = values_of(value, "validationmethods");
  if (accounts.size() > 1 || methods.size() > 1) return false;
  if (!accounts.empty() && accounts.front() != applicant.account_url) return false;
  return methods.empty() || lists(methods.front(), applicant.method);
}

// The values of a property; tags are compared without case (RFC 8659 §4.1).
std::vector<std::string> property(const std::vector<dns::CaaRecord>& records,
                                  std::string_view tag) {
  std::vector<std::string> values;
  for (const dns::CaaRecord& each : records)
    if (base::lower_case(each.tag) == tag) values.push_back(each.value);
  return values;
}

bool is_understood(std::string_view tag) {
  const std::string lower = base::lower_case(tag);
  return lower == "issue" || lower == "issuewild" || lower == "iodef";
}

// The name, then each domain above it: "a.b.example", "b.example", "example" (RFC 8659 §3).
std::vector<std::string> climb(std::string_view name) {
  std::vector<std::string> names;
  while (!name.empty()) {
    names.emplace_back(name);
    const std::size_t dot = name.find('.');
    name.remove_prefix(dot == name.npos ? name.size() : dot + 1);
  }
  return names;
}

// None for a name that does not exist: its records are none.
Proven<std::vector<dns::CaaRecord>> records_of(const std::string& name,
                                               const ValidationContext& context) {
  auto records = context.resolver.caa(name, context.step_deadline());
  if (!records && records.error().kind == ErrorKind::not_found)
    return std::vector<dns::CaaRecord>();
  return looked_up("CAA", std::move(records));
}

CaaApplicant applicant_of(const ValidationContext& context) {
  return {.identities = context.settings.caa_identities,
          .wildcard = context.validation.wildcard,
          .account_url = context.validation.account_url,
          .method = std::string(to_string(context.validation.type))};
}

}  // namespace

std::string forbidden_by(const std::vector<dns::CaaRecord>& records,
                         const CaaApplicant& applicant) {
  for (const dns::CaaRecord& each : records) {
    if (each.critical && !is_understood(each.tag))
      return fmt::format("a critical property that is not understood, {}",
                         base::printable(each.tag, 40));
  }
  auto values = applicant.wildcard ? property(records, "issuewild") : std::vector<std::string>();
  if (values.empty()) values = property(records, "issue");
  if (values.empty()) return {};  // only other properties: no restriction (RFC 8659 §4.2)
  for (const std::string& each : values) {
    const auto value = parse_issue_value(each);
    if (value && allows(*value, applicant)) return {};
  }
  return fmt::format("\"{}\"", base::printable(values.front(), 100));
}

Proven<> check_caa(const ValidationContext& context) {
  const std::string& name = context.validation.name;
  if (context.settings.caa_identities.empty() || base::canonical_address(name)) return {};
  for (const std::string& each : climb(name)) {
    const auto records = TRY(records_of(each, context));
    if (records.empty()) continue;
    const std::string why = forbidden_by(records, applicant_of(context));
    if (why.empty()) return {};
    return disproven("caa", fmt::format("the CAA records of {} forbid it: {}", each, why));
  }
  return {};
}

}  // namespace everseal::ca
