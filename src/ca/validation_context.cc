#include "ca/validation_context.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/address.h"

namespace everseal::ca {

std::unexpected<acme::Problem> disproven(std::string_view type, std::string detail) {
  acme::Problem problem;
  problem.type = type;
  problem.detail = std::move(detail);
  problem.status = type == "unauthorized" || type == "caa" ? 403 : 400;
  return std::unexpected(std::move(problem));
}

base::Milliseconds ValidationContext::time_for(base::Milliseconds most) const {
  const auto left =
      std::chrono::ceil<base::Milliseconds>(deadline - std::chrono::steady_clock::now());
  return std::clamp(left, base::Milliseconds(1), most);
}

Instant ValidationContext::step_deadline() const {
  return std::chrono::steady_clock::now() + time_for(settings.step_timeout);
}

Proven<std::vector<std::string>> addresses_of(const ValidationContext& context,
                                              const std::string& host) {
  if (auto address = base::canonical_address(host)) return std::vector{*std::move(address)};
  const auto found =
      TRY(looked_up("addresses", context.resolver.addresses(host, context.step_deadline())));
  std::vector<std::string> result;
  for (const auto* family : {&found.v6, &found.v4})
    if (!family->empty()) result.push_back(family->front());
  if (result.empty())
    return disproven("dns", fmt::format("{} has neither A nor AAAA records", host));
  return result;
}

std::string key_authorization(const Validation& validation) {
  return fmt::format("{}.{}", validation.token, validation.thumbprint);
}

}  // namespace everseal::ca
