#include "ca/problem.h"

#include <fmt/format.h>

#include "ca/json.h"

namespace everseal::ca {

Refusal::Refusal(Error error)
    : problem{.type = "serverInternal", .detail = "the CA failed; its log says why", .status = 500},
      cause(std::move(error.message)) {}

std::unexpected<Refusal> refuse(int status, std::string_view type, std::string detail) {
  return std::unexpected(
      Refusal({.type = std::string(type), .detail = std::move(detail), .status = status}));
}

std::unexpected<Refusal> malformed(std::string detail) {
  return refuse(400, "malformed", std::move(detail));
}

std::unexpected<Refusal> unauthorized(std::string detail) {
  return refuse(403, "unauthorized", std::move(detail));
}

std::unexpected<Refusal> rate_limited(std::string detail, base::Seconds retry) {
  auto refusal = refuse(429, "rateLimited", std::move(detail));
  refusal.error().headers.push_back({"Retry-After", fmt::to_string(retry.count())});
  return refusal;
}

http::Response to_response(const Refusal& refusal) {
  Json document = to_document(refusal.problem);
  if (!refusal.instance.empty()) document["instance"] = refusal.instance;
  if (!refusal.algorithms.empty()) document["algorithms"] = refusal.algorithms;
  http::Response response{
      .status = refusal.problem.status, .headers = refusal.headers, .body = dump(document)};
  response.headers.push_back({"Content-Type", "application/problem+json"});
  return response;
}

std::string to_json(const acme::Problem& problem) { return dump(to_document(problem)); }

}  // namespace everseal::ca
