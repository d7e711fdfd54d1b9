// What the roles say to each other: one list of requests for each server, one struct for each
// request, its answer named in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "acme/client.h"
#include "acme/issuance.h"
#include "acme/renewal_info.h"
#include "crypto/key_examiner.h"
#include "crypto/verifier.h"
#include "notify/delivery.h"
#include "privsep/sandbox.h"
#include "privsep/wire.h"
#include "scan/probe.h"

namespace everseal::privsep {

// Says that the process is locked in, or why it cannot be; the first message of every role.
struct Ready {
  Result<> result{};
  std::vector<std::string> notes{};  // what the kernel lacks
};

// What a role says of itself before it tries what it must not be able to do; the attempt's errno, 0
// for a success, is next.
struct Probed {
  Result<> locked{};
  std::vector<Guard> guards{};
};

// ---- The keeper, asked by the monitor. Files come as descriptors beside the message.

namespace ask_keeper {
struct UseCa {
  using Answer = void;
  std::string directory_url{};
};
struct OpenAccountKey {  // with a descriptor to read; answers the key's thumbprint
  using Answer = std::string;
};
struct MakeAccountKey {  // with a descriptor to write
  using Answer = std::string;
};
struct OpenNextKey {  // the account's; with a descriptor to read; answers its thumbprint
  using Answer = std::string;
};
struct MakeNextKey {  // with a descriptor to write
  using Answer = std::string;
};
struct UseAccount {
  using Answer = void;
  std::string url{};
};
struct Choose {
  using Answer = void;
  acme::AccountKey key{};
};
struct AllowKeyChange {
  using Answer = void;
};
struct AllowRegistration {
  using Answer = void;
  acme::Registration registration{};
};
// The order says what may be ordered in that issuance's name.
struct MakeKey {  // with a descriptor to write; answers the public key in DER
  using Answer = std::string;
  std::uint64_t id = 0;
  acme::payload::NewOrder order{};
  crypto::KeyType type{};
};
struct OpenKey {  // with a descriptor to read; answers the public key in DER
  using Answer = std::string;
  std::uint64_t id = 0;
  acme::payload::NewOrder order{};
};
struct UseRequest {  // whose key is not ours
  using Answer = void;
  std::uint64_t id = 0;
  acme::payload::NewOrder order{};
  std::string request{};  // PKCS #10 in DER
};
struct ExamineKey {  // with a descriptor to read; of a keeper that knows no CA
  using Answer = crypto::KeyInFile;
};
}  // namespace ask_keeper
using KeeperRequest =
    std::variant<ask_keeper::UseCa, ask_keeper::OpenAccountKey, ask_keeper::MakeAccountKey,
                 ask_keeper::OpenNextKey, ask_keeper::MakeNextKey, ask_keeper::UseAccount,
                 ask_keeper::Choose, ask_keeper::AllowKeyChange, ask_keeper::AllowRegistration,
                 ask_keeper::MakeKey, ask_keeper::OpenKey, ask_keeper::UseRequest,
                 ask_keeper::ExamineKey>;

// ---- The keeper, asked by net: this and nothing else.

struct Sign {
  using Answer = std::string;
  crypto::JwsHeader header{};
  acme::Payload payload{};
};
using SignerRequest = std::variant<Sign>;

// ---- Net, asked by the monitor.

namespace ask_net {
struct UseCa {  // with a descriptor of the trusted certificates in PEM
  using Answer = void;
  std::string directory_url{};
};
struct Terms {
  using Answer = acme::AccountTerms;
};
struct UseAccount {
  using Answer = void;
  std::string url{};
};
struct FindAccount {
  using Answer = acme::KeyStanding;
};
struct RegisterAccount {  // answers its URL
  using Answer = std::string;
};
struct ChangeKey {
  using Answer = void;
};
struct RenewalInfo {  // of certificates by crypto::renewal_id(); in their order
  using Answer = std::vector<acme::RenewalInfo>;
  std::vector<std::string> ids{};
};
struct AddIssuance {  // to those that Run works on
  using Answer = void;
  acme::IssuanceRequest request{};
};
struct Run {  // events come before the answer, the last of them Ended
  using Answer = void;
  std::uint64_t most_at_once = 0;
  base::Milliseconds deadline{};
};
struct UseServers {  // of this machine: look at them, by these ports
  using Answer = void;
  std::vector<std::uint16_t> ports{};
};
struct LookUp {  // names, as a CA would; then what answers there on port 80
  using Answer = std::vector<scan::Whereabouts>;
  std::vector<std::string> names{};
  base::Milliseconds patience{};
};
struct Handshake {
  using Answer = scan::Leaf;
  scan::Target target{};
  std::string server_name{};
  base::Milliseconds timeout{};
};
struct Get {
  using Answer = scan::Answer;
  scan::Target target{};
  std::string host{}, path{};
  base::Milliseconds timeout{};
};
struct Deliver {  // with a descriptor of the trusted certificates in PEM; the one request then
  using Answer = void;
  notify::Delivery delivery{};
};
}  // namespace ask_net
using NetRequest =
    std::variant<ask_net::UseCa, ask_net::Terms, ask_net::UseAccount, ask_net::FindAccount,
                 ask_net::RegisterAccount, ask_net::ChangeKey, ask_net::RenewalInfo,
                 ask_net::AddIssuance, ask_net::Run, ask_net::UseServers, ask_net::Handshake,
                 ask_net::Get, ask_net::Deliver, ask_net::LookUp>;

// ---- The monitor, told by net while it runs issuances: claims, each to be checked.

namespace tell {
struct SaveOrders {  // answered with Result<>
  std::vector<acme::OrderRecord> records{};
};
struct Publish {  // answered with Result<>
  acme::ChallengeResponse response{};
};
struct Retract {
  acme::ChallengeResponse response{};
};
struct Progress {
  std::uint64_t id = 0;
  acme::Step step{};
};
struct Finished {
  acme::Outcome outcome{};
};
struct Ended {};  // the answer to Run is next
}  // namespace tell
using NetEvent = std::variant<tell::SaveOrders, tell::Publish, tell::Retract, tell::Progress,
                              tell::Finished, tell::Ended>;

// ---- Verify, asked by the monitor.

namespace ask_verify {
struct Verify {
  using Answer = crypto::EncodedChain;
  std::string pem{};
  crypto::ExpectedCertificate expected{};
};
struct Inspect {
  using Answer = crypto::LeafFacts;
  std::string pem{};
};
struct ReadRequest {
  using Answer = crypto::RequestFacts;
  std::string bytes{};
};
}  // namespace ask_verify
using VerifyRequest =
    std::variant<ask_verify::Verify, ask_verify::Inspect, ask_verify::ReadRequest>;

// ---- Edge, asked by the monitor.

namespace ask_edge {
struct Publish {
  using Answer = void;
  std::string token{}, key_authorization{};
};
struct Retract {
  using Answer = void;
  std::string token{};
};
}  // namespace ask_edge
using EdgeRequest = std::variant<ask_edge::Publish, ask_edge::Retract>;

// ---- Edge that shows metrics, asked by the monitor.

struct ShowMetrics {  // with a descriptor of the text
  using Answer = void;
};
using MetricsRequest = std::variant<ShowMetrics>;

// ---- How each is written and read.

template <>
inline constexpr std::uint64_t kEnumerators<crypto::KeyType> = 5;
template <>
inline constexpr std::uint64_t kEnumerators<crypto::KeyFamily> = 2;
template <>
inline constexpr std::uint64_t kEnumerators<acme::AccountKey> = 2;
template <>
inline constexpr std::uint64_t kEnumerators<acme::KeyStanding::Kind> = 3;
template <>
inline constexpr std::uint64_t kEnumerators<notify::Security> = 3;
template <>
inline constexpr std::uint64_t kEnumerators<acme::Step> = 8;
template <>
inline constexpr std::uint64_t kEnumerators<acme::OrderStage> = 2;

// A struct without members.
template <class Archive, class Message>
  requires std::is_empty_v<Message>
void fields(Archive&, Message&) {}

void fields(auto& archive, Ready& it) { archive(it.result, it.notes); }
void fields(auto& archive, Guard& it) { archive(it.name, it.on, it.detail); }
void fields(auto& archive, Probed& it) { archive(it.locked, it.guards); }

void fields(auto& archive, crypto::JwsHeader& it) { archive(it.url, it.nonce, it.kid); }
void fields(auto& archive, crypto::ExternalAccount& it) { archive(it.kid, it.mac_key); }
void fields(auto& archive, crypto::ExpectedCertificate& it) {
  archive(it.public_key_der, it.names, it.now);
}
void fields(auto& archive, crypto::EncodedChain& it) {
  archive(it.certificates, it.not_before, it.not_after, it.fingerprint, it.renewal_id);
}
void fields(auto& archive, crypto::LeafFacts& it) {
  archive(it.names, it.self_signed, it.has_ocsp_responder, it.not_before, it.not_after,
          it.fingerprint, it.renewal_id, it.key_type);
}
void fields(auto& archive, crypto::RequestFacts& it) {
  archive(it.der, it.public_key_der, it.names);
}
void fields(auto& archive, crypto::KeyInFile& it) { archive(it.public_key_der, it.bytes); }
void fields(auto& archive, scan::Target& it) {
  archive(it.address, it.port, it.proxy_protocol, it.key);
}
void fields(auto& archive, scan::Leaf& it) { archive(it.fingerprint, it.issuer, it.not_after); }
void fields(auto& archive, scan::Whereabouts& it) { archive(it.addresses, it.problem); }
void fields(auto& archive, scan::Answer& it) { archive(it.status, it.location, it.body); }

void fields(auto& archive, acme::payload::NewOrder& it) {
  archive(it.names, it.replaces, it.profile);
}
void fields(auto& archive, acme::payload::Finalize& it) { archive(it.id); }
void fields(auto& archive, acme::Registration& it) {
  archive(it.contacts, it.terms_agreed, it.external_account);
}
void fields(auto& archive, acme::KeyStanding& it) { archive(it.kind, it.account); }
void fields(auto& archive, acme::AccountTerms& it) {
  archive(it.terms_of_service, it.external_account_required);
}
void fields(auto& archive, acme::IssuanceRequest& it) {
  archive(it.id, it.names, it.order_url, it.recover_unknown_order, it.preferred_chain, it.replaces,
          it.profile);
}
void fields(auto& archive, acme::RenewalWindow& it) { archive(it.start, it.end, it.explanation); }
void fields(auto& archive, acme::RenewalInfo& it) { archive(it.window, it.ask_again, it.ca_time); }
void fields(auto& archive, acme::OrderRecord& it) { archive(it.id, it.url, it.stage); }
void fields(auto& archive, acme::ChallengeResponse& it) { archive(it.id, it.name, it.token); }
void fields(auto& archive, acme::NameProblem& it) { archive(it.name, it.text); }
void fields(auto& archive, acme::Outcome& it) {
  archive(it.id, it.chain, it.problems, it.problem_type, it.retry_at, it.order_url, it.notices,
          it.replaces);
}

void fields(auto& archive, ask_keeper::UseCa& it) { archive(it.directory_url); }
void fields(auto& archive, ask_keeper::UseAccount& it) { archive(it.url); }
void fields(auto& archive, ask_keeper::Choose& it) { archive(it.key); }
void fields(auto& archive, ask_keeper::AllowRegistration& it) { archive(it.registration); }
void fields(auto& archive, ask_keeper::MakeKey& it) { archive(it.id, it.order, it.type); }
void fields(auto& archive, ask_keeper::OpenKey& it) { archive(it.id, it.order); }
void fields(auto& archive, ask_keeper::UseRequest& it) { archive(it.id, it.order, it.request); }
void fields(auto& archive, Sign& it) { archive(it.header, it.payload); }
void fields(auto& archive, ask_net::UseCa& it) { archive(it.directory_url); }
void fields(auto& archive, ask_net::UseAccount& it) { archive(it.url); }
void fields(auto& archive, ask_net::RenewalInfo& it) { archive(it.ids); }
void fields(auto& archive, ask_net::AddIssuance& it) { archive(it.request); }
void fields(auto& archive, ask_net::Run& it) { archive(it.most_at_once, it.deadline); }
void fields(auto& archive, ask_net::UseServers& it) { archive(it.ports); }
void fields(auto& archive, ask_net::LookUp& it) { archive(it.names, it.patience); }
void fields(auto& archive, ask_net::Handshake& it) {
  archive(it.target, it.server_name, it.timeout);
}
void fields(auto& archive, ask_net::Get& it) { archive(it.target, it.host, it.path, it.timeout); }
void fields(auto& archive, http::Header& it) { archive(it.name, it.value); }
void fields(auto& archive, notify::MailServer& it) {
  archive(it.host, it.port, it.security, it.user, it.password);
}
void fields(auto& archive, notify::ByMail& it) { archive(it.server, it.from, it.to, it.mail); }
void fields(auto& archive, notify::ByWebhook& it) { archive(it.url, it.headers, it.body); }
void fields(auto& archive, ask_net::Deliver& it) { archive(it.delivery); }
void fields(auto& archive, tell::SaveOrders& it) { archive(it.records); }
void fields(auto& archive, tell::Publish& it) { archive(it.response); }
void fields(auto& archive, tell::Retract& it) { archive(it.response); }
void fields(auto& archive, tell::Progress& it) { archive(it.id, it.step); }
void fields(auto& archive, tell::Finished& it) { archive(it.outcome); }
void fields(auto& archive, ask_verify::Verify& it) { archive(it.pem, it.expected); }
void fields(auto& archive, ask_verify::Inspect& it) { archive(it.pem); }
void fields(auto& archive, ask_verify::ReadRequest& it) { archive(it.bytes); }
void fields(auto& archive, ask_edge::Publish& it) { archive(it.token, it.key_authorization); }
void fields(auto& archive, ask_edge::Retract& it) { archive(it.token); }

}  // namespace everseal::privsep
