#include "ca/http01.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/address.h"
#include "base/encoding.h"
#include "http/get_once.h"
#include "http/url.h"

namespace everseal::ca {
namespace {

constexpr int kMostRedirects = 10;
constexpr std::array kRedirectStatuses = {301, 302, 307, 308};
constexpr std::size_t kSpareBodyBytes = 64;  // after the key authorization
constexpr std::string_view kUserAgent = "Mozilla/5.0 (compatible; Everseal validation server)";

using Stage = http::GetFailure::Stage;

// One request of the chain of redirects.
struct Hop {
  std::string url{};
  std::string host{};
  std::uint16_t port = 0;  // to be connected to
  int redirects = 0;       // that led here
};

// Whoever redirected us chose the server, which may be one that he cannot ask himself. So of what a
// server said after a redirect nothing is repeated, neither its body nor where it redirects to.
bool is_repeated(int redirects) { return redirects == 0; }

// The URL, if the server of the name that is validated said it.
std::string shown(const Hop& hop) {
  if (hop.redirects <= 1) return base::printable(hop.url, 200);
  return fmt::format("where redirect {} leads", hop.redirects);
}

Hop first_hop(const ValidationContext& context) {
  const std::string& name = context.validation.name;
  const std::string host = name.contains(':') ? fmt::format("[{}]", name) : name;
  return {
      .url = fmt::format("http://{}/.well-known/acme-challenge/{}", host, context.validation.token),
      .host = name,
      .port = context.settings.http_port};
}

std::unexpected<acme::Problem> not_followed(const Hop& from, std::string_view url,
                                            std::string_view why) {
  const std::string which = is_repeated(from.redirects)
                                ? fmt::format("the redirect to {}", base::printable(url, 200))
                                : fmt::format("redirect {}", from.redirects + 1);
  return disproven("connection", fmt::format("{} is not followed: {}", which, why));
}

// The port to connect to; 0 for one that redirects may not lead to.
std::uint16_t port_for(const http::Url& url, const ValidationSettings& settings) {
  const bool secure = url.scheme == "https";
  const std::uint16_t usual = secure ? 443 : 80;
  if (url.port == 0 || url.port == usual) return secure ? settings.https_port : settings.http_port;
  return url.port == settings.http_port || url.port == settings.https_port ? url.port : 0;
}

// An address may only be redirected to itself.
bool leads_to_another_address(const http::Url& url, const ValidationContext& context) {
  const auto address = base::canonical_address(url.host);
  return address && *address != context.validation.name;
}

Proven<Hop> next_hop(const Hop& from, const std::string& location,
                     const ValidationContext& context) {
  const auto refuse = [&](std::string_view why) { return not_followed(from, location, why); };
  const auto url = http::split_url(location);
  if (!url) return refuse("not a URL");
  if (url->scheme != "http" && url->scheme != "https") return refuse("neither http nor https");
  if (leads_to_another_address(*url, context)) return refuse("not to a name");
  const std::uint16_t port = port_for(*url, context.settings);
  if (port == 0) {
    return refuse(fmt::format("not to port {} or {}", context.settings.http_port,
                              context.settings.https_port));
  }
  return Hop{location, base::lower_case(url->host), port, from.redirects + 1};
}

std::size_t most_body_bytes(const Validation& validation) {
  return key_authorization(validation).size() + kSpareBodyBytes;
}

http::Get get_of(const Hop& hop, const Destination& destination, const ValidationContext& context) {
  return {.url = hop.url,
          .address = destination.at(hop.port),
          .connect_timeout = context.time_for(context.settings.connect_timeout),
          .total_timeout = context.time_for(context.settings.step_timeout),
          .most_body_bytes = most_body_bytes(context.validation),
          .user_agent = std::string(kUserAgent)};
}

std::unexpected<acme::Problem> failed(const Hop& hop, const std::string& address,
                                      const http::GetFailure& failure) {
  return disproven(failure.stage == Stage::securing ? "tls" : "connection",
                   fmt::format("{}: fetch {}: {}", address, shown(hop), failure.message));
}

// A hop's answer, and the address that gave it.
struct Fetched {
  http::GetAnswer answer;
  std::string address;
};

// Only the first hop has a second address to try.
Proven<Fetched> fetch(const Hop& hop, std::vector<Destination> destinations,
                      const ValidationContext& context) {
  while (true) {
    const Destination destination = destinations.front();
    auto answer = http::get_once(get_of(hop, destination, context));
    if (answer) return Fetched{*std::move(answer), destination.address()};
    destinations.erase(destinations.begin());
    if (destinations.empty() || answer.error().stage != Stage::connecting)
      return failed(hop, destination.address(), answer.error());
  }
}

std::string_view without_white_space_at_end(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

Proven<> judge(const Hop& hop, const Fetched& fetched, const Validation& validation) {
  const auto refuse = [&](std::string_view why) {
    return disproven("unauthorized", fmt::format("{}: {} {}", fetched.address, shown(hop), why));
  };
  if (fetched.answer.status != 200)
    return refuse(fmt::format("was answered with status {}", fetched.answer.status));
  const bool whole = fetched.answer.body.size() < most_body_bytes(validation);
  const std::string_view body = without_white_space_at_end(fetched.answer.body);
  if (whole && body == key_authorization(validation)) return {};
  if (!is_repeated(hop.redirects)) return refuse("has not the key authorization of this account");
  return refuse(fmt::format("has not the key authorization of this account but \"{}\"",
                            base::printable(body, 100)));
}

// Of a host that a server named after a redirect nothing is said but that it cannot be asked.
Proven<std::vector<Destination>> destinations_of(const Hop& hop, const ValidationContext& context) {
  auto found = destinations_of(context, hop.host);
  if (!found && hop.redirects > 1)
    return disproven(
        found.error().type,
        fmt::format("redirect {} leads to a host that cannot be asked", hop.redirects));
  if (found && hop.redirects > 0) found->erase(found->begin() + 1, found->end());
  return found;
}

}  // namespace

Proven<> prove_http_01(const ValidationContext& context) {
  Hop hop = first_hop(context);
  while (hop.redirects <= kMostRedirects) {
    auto destinations = TRY(destinations_of(hop, context));
    const Fetched fetched = TRY(fetch(hop, std::move(destinations), context));
    const bool redirected =
        std::ranges::find(kRedirectStatuses, fetched.answer.status) != kRedirectStatuses.end();
    if (!redirected) return judge(hop, fetched, context.validation);
    hop = TRY(next_hop(hop, fetched.answer.location, context));
  }
  return disproven("connection", fmt::format("more than {} redirects", kMostRedirects));
}

}  // namespace everseal::ca
