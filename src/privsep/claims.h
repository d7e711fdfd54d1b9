// What net says, checked before anything is made of it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "acme/issuance.h"
#include "privsep/messages.h"

namespace everseal::privsep {

// The issuances that net runs, as the monitor knows them. Net reads what strangers send, so that
// whatever it says is a claim: of which only those pass that fit what was asked of it, and no more
// of them than the certificates can need. Each is checked in a time that does not grow with them.
class Claims {
 public:
  // `origin`: of the CA (http::https_origin). The clock must outlive it.
  Claims(std::string origin, const std::vector<acme::IssuanceRequest>& requests,
         const Clock& clock = base::real_clock());

  // Errors: rejected, with what it is that net may not say. Texts to be shown are made printable
  // and cut.
  Result<> check(NetEvent& event);

  // Whether net said that it has come to its end, and whether each issuance had ended then.
  bool ended() const { return ended_; }
  bool complete() const { return open_.empty(); }

  // What is published and not yet retracted.
  std::vector<acme::ChallengeResponse> published() const;

 private:
  Result<> check(tell::SaveOrders& event);
  Result<> check(tell::Publish& event);
  Result<> check(tell::Retract& event);
  Result<> check(tell::Progress& event);
  Result<> check(tell::Finished& event);
  Result<> check(tell::Ended& event);
  // What was asked for, and how much net has said of it.
  struct Issuance {
    std::map<std::string, int> published{};  // of each name
    std::string replaces{};
    int saved = 0, steps = 0;
  };

  Result<Issuance*> open(std::uint64_t id);
  Result<> check_url(const std::string& url) const;

  const std::string origin_;
  const Clock& clock_;
  std::map<std::uint64_t, Issuance> open_;
  std::set<std::tuple<std::uint64_t, std::string, std::string>> published_;  // id, name, token
  bool ended_ = false;
};

}  // namespace everseal::privsep
