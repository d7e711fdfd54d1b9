// Refusals: the problem documents of RFC 8555 §6.7.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "acme/resources.h"
#include "base/result.h"
#include "http/message.h"

namespace everseal::ca {

// Why a request is refused, and what is said with it.
struct Refusal {
  acme::Problem problem{};
  std::vector<http::Header> headers{};
  std::string instance{};                 // RFC 7807 §3.1: a URL for a person
  std::vector<std::string> algorithms{};  // that are understood (RFC 8555 §6.2)
  std::string cause{};                    // of a failure of ours: for the log, never for clients

  explicit Refusal(acme::Problem why) : problem(std::move(why)) {}

  // A failure of ours: serverInternal (500). Not explicit: TRY makes a Refusal of any Error.
  Refusal(Error error);
};

// What a part of the front end gives, or why the request is refused.
template <class T = void>
using Checked = std::expected<T, Refusal>;

// `type` is without "urn:ietf:params:acme:error:".
std::unexpected<Refusal> refuse(int status, std::string_view type, std::string detail);
std::unexpected<Refusal> malformed(std::string detail);                          // 400
std::unexpected<Refusal> unauthorized(std::string detail);                       // 403
std::unexpected<Refusal> rate_limited(std::string detail, base::Seconds retry);  // 429

// The document, as application/problem+json.
http::Response to_response(const Refusal& refusal);

// A problem as a member of another resource: one line of JSON.
std::string to_json(const acme::Problem& problem);

}  // namespace everseal::ca
