#include <fmt/format.h>

#include <algorithm>

#include "ca/resources.h"

namespace everseal::ca {
namespace {

std::string certificate_url(const Call& call, const std::string& serial, std::size_t chain) {
  return chain == 0 ? fmt::format("{}/cert/{}", call.base, serial)
                    : fmt::format("{}/cert/{}/{}", call.base, serial, chain);
}

Checked<CertificateRecord> find_own(Context& context, const Call& call) {
  auto found = TRY(context.ledger.certificate(call.words.front()));
  if (!found) return no_such("certificate");
  if (found->account != call.account->id)
    return unauthorized("the certificate is another account's");
  return *std::move(found);
}

// RFC 8555 §7.4.2: a single certificate, which leads "up" to its issuer, is for who asks for that
// alone. Beside a chain the link would only mislead: there are clients that follow it and take what
// they find for another chain.
bool wants_leaf_alone(const Call& call) {
  return call.accept.contains("application/pkix-cert") &&
         !call.accept.contains("application/pem-certificate-chain");
}

http::Response in_der(const std::string& certificate) {
  return {
      .status = 200, .headers = {{"Content-Type", "application/pkix-cert"}}, .body = certificate};
}

}  // namespace

// The second word is the number of the chain.
Answered certificate(Context& context, const Call& call) {
  const CertificateRecord found = TRY(find_own(context, call));
  const auto chains = TRY(context.issuer.chains(found.der));
  const std::size_t wanted =
      call.words.size() > 1 ? static_cast<std::size_t>(to_number(call.words[1])) : 0;
  if (wanted >= chains.size() || (call.words.size() > 1 && wanted == 0)) return no_such("chain");
  http::Response response =
      wants_leaf_alone(call)
          ? in_der(found.der)
          : http::Response{.status = 200,
                           .headers = {{"Content-Type", "application/pem-certificate-chain"}},
                           .body = chains[wanted]};
  const auto link = [&](const std::string& target, const char* relation) {
    response.headers.push_back({"Link", fmt::format("<{}>;rel=\"{}\"", target, relation)});
  };
  if (wants_leaf_alone(call)) link(fmt::format("{}/issuer/{}", call.base, found.issuer), "up");
  for (std::size_t other = 0; other < chains.size(); other++)
    if (other != wanted) link(certificate_url(call, found.serial, other), "alternate");
  return response;
}

Answered issuer_certificate(Context& context, const Call& call) {
  const auto& all = context.issuer.intermediates();
  const auto found = std::ranges::find(all, call.words.front(), &Intermediate::id);
  if (found == all.end()) return no_such("issuer");
  return in_der(found->certificates().front().der());
}

}  // namespace everseal::ca
