#include "challenge/http01.h"

#include <fmt/format.h>

#include <vector>

#include "acme/resources.h"
#include "base/encoding.h"

namespace everseal::challenge {
namespace {

using base::Directory;

constexpr const char* kWellKnown = ".well-known";
constexpr const char* kAcmeChallenge = "acme-challenge";
constexpr mode_t kReadable = 0755, kPublic = 0644;  // whatever the umask
constexpr std::size_t kMostChallenges = 100'000;    // that are looked at

// It becomes a file name.
Result<> check_token(std::string_view token) {
  if (acme::is_token(token)) return {};
  return base::invalid(fmt::format("not a token: {}", base::printable(token, 80)));
}

std::string url_path(const std::string& token) { return std::string(kHttp01Path) + token; }

// Whether it is a file with exactly this in it.
bool holds(const Directory& directory, const std::string& name, const std::string& content) {
  const auto file = directory.open_file(name);
  if (!file) return false;
  const auto bytes = base::read_all(*file, "read a challenge", content.size());
  return bytes && *bytes == content;
}

}  // namespace

std::string key_authorization(std::string_view token, std::string_view thumbprint) {
  return fmt::format("{}.{}", token, thumbprint);
}

Result<> WebrootResponder::publish(const std::string& token, const std::string& key_authorization) {
  TRY(check_token(token));
  const std::string context = fmt::format("publish a challenge below {}", webroot_);
  return base::within(context, publish_checked(token, key_authorization));
}

// Below the webroot each is opened anew: somebody may have put the site there anew meanwhile.
Result<> WebrootResponder::publish_checked(const std::string& token,
                                           const std::string& key_authorization) {
  if (!root_) root_ = TRY(Directory::open(webroot_));
  const auto well_known = TRY(root_->make_directory(kWellKnown, kReadable));
  made_.well_known = made_.well_known || well_known.is_new;
  const auto challenges = TRY(well_known.directory.make_directory(kAcmeChallenge, kReadable));
  made_.acme_challenge = made_.acme_challenge || challenges.is_new;
  // A file that another left there, whatever it is, goes first.
  static_cast<void>(challenges.directory.remove_file(token));
  const auto file = TRY(challenges.directory.create_file(token, {.mode = kPublic}));
  auto written = base::write_all(file, key_authorization, "write the challenge");
  if (!written) static_cast<void>(challenges.directory.remove_file(token));
  return written;
}

void WebrootResponder::sweep(std::string_view thumbprint) {
  const auto root = Directory::open(webroot_);
  if (!root) return;
  const auto well_known = root->open_directory(kWellKnown);
  if (!well_known) return;
  const auto directory = well_known->open_directory(kAcmeChallenge);
  const auto names = directory ? directory->list(kMostChallenges) : std::vector<std::string>();
  if (!names) return;
  for (const std::string& each : *names)
    if (acme::is_token(each) && holds(*directory, each, key_authorization(each, thumbprint)))
      static_cast<void>(directory->remove_file(each));
}

void WebrootResponder::retract(const std::string& token) {
  if (!check_token(token) || !root_) return;
  const auto well_known = root_->open_directory(kWellKnown);
  if (!well_known) return;
  const auto challenges = well_known->open_directory(kAcmeChallenge);
  if (!challenges) return;
  static_cast<void>(challenges->remove_file(token));
  // A directory with other challenges in it stays: its removal fails.
  if (made_.acme_challenge) static_cast<void>(well_known->remove_empty_directory(kAcmeChallenge));
  if (made_.well_known) static_cast<void>(root_->remove_empty_directory(kWellKnown));
}

Result<> StandaloneResponder::publish(const std::string& token,
                                      const std::string& key_authorization) {
  TRY(check_token(token));
  server_.put(url_path(token), key_authorization);
  return {};
}

void StandaloneResponder::retract(const std::string& token) { server_.remove(url_path(token)); }

}  // namespace everseal::challenge
