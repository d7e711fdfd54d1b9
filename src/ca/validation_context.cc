#include "ca/validation_context.h"

#include <fmt/format.h>

#include <algorithm>

namespace everseal::ca {
namespace {

// The addresses of each family, IPv6 first.
using Families = std::vector<std::vector<std::string>>;

Proven<Families> addresses_of(const ValidationContext& context, const std::string& host) {
  if (auto address = base::canonical_address(host)) return Families{{*std::move(address)}};
  auto found =
      TRY(looked_up("addresses", context.resolver.addresses(host, context.step_deadline())));
  if (found.v6.empty() && found.v4.empty())
    return disproven("dns", fmt::format("{} has neither A nor AAAA records", host));
  return Families{std::move(found.v6), std::move(found.v4)};
}

}  // namespace

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

base::SocketAddress Destination::at(std::uint16_t port) const {
  return base::SocketAddress::from(address_, port).value_or(base::SocketAddress());
}

Proven<std::vector<Destination>> destinations_of(const ValidationContext& context,
                                                 const std::string& host) {
  std::vector<Destination> result;
  std::string refused;
  for (const auto& family : TRY(addresses_of(context, host))) {
    for (const std::string& each : family) {
      const std::string_view fault = context.settings.reach.fault_of(each);
      if (fault.empty()) {
        result.push_back(Destination(each));
        break;
      }
      refused =
          fmt::format("{} leads to {}, {}, which this CA does not connect to", host, each, fault);
    }
  }
  if (result.empty()) return disproven("connection", refused);
  return result;
}

std::string key_authorization(const Validation& validation) {
  return fmt::format("{}.{}", validation.token, validation.thumbprint);
}

}  // namespace everseal::ca
