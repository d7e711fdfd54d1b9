#include "ca/ocsp.h"

#include "ca/x509.h"
#include "crypto/der.h"
#include "crypto/ocsp_request.h"

namespace everseal::ca {
namespace {

namespace der = crypto::der;
using State = CertificateStatus::State;

enum class ResponseStatus : unsigned char {
  successful = 0,
  malformed_request = 1,
  internal_error = 2,
  unauthorized = 6,
};

std::string failure(ResponseStatus status) {
  return der::sequence(der::enumerated(static_cast<unsigned char>(status)));
}

const Intermediate* find_issuer(const std::vector<Intermediate>& issuers,
                                const crypto::OcspQuestion& question) {
  for (const Intermediate& each : issuers) {
    if (question.is_issued_by(each.certificates().front())) return &each;
  }
  return nullptr;
}

std::string revoked_info(const CertificateStatus& status) {
  const std::string reason =
      status.reason == 0
          ? ""
          : der::tagged(0, der::enumerated(static_cast<unsigned char>(status.reason)));
  return der::tagged(1, der::generalized_time(status.revoked_at) + reason);
}

std::string status_choice(const CertificateStatus& status) {
  switch (status.state) {
    case State::good:
      return der::implicit(0, "");
    case State::revoked:
      return revoked_info(status);
    case State::unknown:
      break;
  }
  return der::implicit(2, "");
}

std::string single_response(const crypto::OcspQuestion& question, const Intermediate& issuer,
                            const OcspAnswerer& answerer) {
  const CertificateStatus status = question.is_issued_by(issuer.certificates().front())
                                       ? answerer.status(issuer.id(), question.serial())
                                       : CertificateStatus{};
  return der::sequence(question.der() + status_choice(status) +
                       der::generalized_time(answerer.this_update) +
                       der::tagged(0, der::generalized_time(answerer.next_update)));
}

std::string response_extensions(const std::string& nonce) {
  if (nonce.empty()) return {};
  return der::tagged(
      1, der::sequence(x509::extension("1.3.6.1.5.5.7.48.1.2", x509::Weight::normal, nonce)));
}

Result<std::string> basic_response(const crypto::OcspRequest& request, const Intermediate& issuer,
                                   const OcspAnswerer& answerer) {
  std::string responses;
  for (const crypto::OcspQuestion& each : request.questions)
    responses += single_response(each, issuer, answerer);
  return x509::sign(
      der::sequence(der::tagged(1, issuer.subject()) + der::generalized_time(answerer.this_update) +
                    der::sequence(responses) + response_extensions(request.nonce)),
      issuer.key());
}

}  // namespace

std::string answer_ocsp(std::string_view request, const std::vector<Intermediate>& issuers,
                        const OcspAnswerer& answerer) {
  const auto parsed = crypto::parse_ocsp_request(request);
  if (!parsed) return failure(ResponseStatus::malformed_request);
  const Intermediate* const issuer = find_issuer(issuers, parsed->questions.front());
  if (!issuer) return failure(ResponseStatus::unauthorized);
  const auto basic = basic_response(*parsed, *issuer, answerer);
  if (!basic) return failure(ResponseStatus::internal_error);
  const std::string bytes =
      der::sequence(der::object_identifier("1.3.6.1.5.5.7.48.1.1") + der::octet_string(*basic));
  return der::sequence(der::enumerated(static_cast<unsigned char>(ResponseStatus::successful)) +
                       der::tagged(0, bytes));
}

}  // namespace everseal::ca
