// What net says, checked before anything is made of it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "acme/issuance.h"
#include "privsep/messages.h"

namespace everseal::privsep {

// The issuances that net runs, as the monitor knows them. Net reads what strangers send, so that
// whatever it says is a claim: of which only those pass that fit what was asked of it.
class Claims {
 public:
  // `origin`: of the CA (http::https_origin).
  Claims(std::string origin, const std::vector<acme::IssuanceRequest>& requests);

  // Errors: rejected, with what it is that net may not say. Texts to be shown are made printable
  // and cut.
  Result<> check(NetEvent& event);

  // Whether net said that it has come to its end, and whether each issuance had ended then.
  bool ended() const { return ended_; }
  bool complete() const { return open_.empty(); }

  // What is published and not yet retracted.
  const std::vector<acme::ChallengeResponse>& published() const { return published_; }

 private:
  Result<> check(tell::SaveOrders& event);
  Result<> check(tell::Publish& event);
  Result<> check(tell::Retract& event);
  Result<> check(tell::Progress& event);
  Result<> check(tell::Finished& event);
  Result<> check(tell::Ended& event);
  Result<> check_open(std::uint64_t id) const;
  Result<> check_url(const std::string& url) const;

  const std::string origin_;
  std::map<std::uint64_t, std::set<std::string>> open_;  // the names of each issuance
  std::vector<acme::ChallengeResponse> published_;
  bool ended_ = false;
};

}  // namespace everseal::privsep
