// http-01 (RFC 8555 §8.3): a known text under a path of the CA's choice on port 80.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/directory.h"
#include "base/result.h"
#include "http/server.h"

namespace everseal::challenge {

// The directory of the URL that a CA asks for.
inline constexpr std::string_view kHttp01Path = "/.well-known/acme-challenge/";

// Where it asks (RFC 8555 §8.3).
inline constexpr std::uint16_t kHttp01Port = 80;

// TOKEN.THUMBPRINT (RFC 8555 §8.1).
std::string key_authorization(std::string_view token, std::string_view thumbprint);

// Interface for making an http-01 challenge true, for as long as the CA looks.
class Responder {
 public:
  virtual ~Responder() = default;

  // Errors: invalid (a token that is not 22 to 128 characters of base64url), those of the place.
  virtual Result<> publish(const std::string& token, const std::string& key_authorization) = 0;

  // Undoes publish(); what cannot be removed stays.
  virtual void retract(const std::string& token) = 0;
};

// Writes WEBROOT/.well-known/acme-challenge/TOKEN, readable by all. The webroot, which may be a
// symlink of its owner to a directory of theirs, is resolved once and held; below it no symlink is
// followed: so a site's owner cannot lead us elsewhere. What it made, files and directories, it
// removes; directories that another process made stay.
class WebrootResponder : public Responder {
 public:
  explicit WebrootResponder(std::string webroot) : webroot_(std::move(webroot)) {}
  Result<> publish(const std::string& token, const std::string& key_authorization) override;
  void retract(const std::string& token) override;

  // Removes what a process that was killed left there: challenges with our account's answer.
  void sweep(std::string_view thumbprint);

 private:
  Result<> publish_checked(const std::string& token, const std::string& key_authorization);

  std::string webroot_;
  std::optional<base::Directory> root_;  // held since the first publish()
  // The directories that were missing: removed with the last challenge.
  struct {
    bool well_known = false, acme_challenge = false;
  } made_;
};

// Answers on port 80 itself, where no other server does.
class StandaloneResponder : public Responder {
 public:
  explicit StandaloneResponder(http::Server server) : server_(std::move(server)) {}
  Result<> publish(const std::string& token, const std::string& key_authorization) override;
  void retract(const std::string& token) override;

  // Answers until `event` can be read.
  void serve_until(const base::FileDescriptor& event) { server_.serve_until(event); }

 private:
  http::Server server_;
};

// For servers whose configuration already computes the answer from the URL and the account's
// thumbprint: there is nothing to do.
class NginxResponder : public Responder {
 public:
  Result<> publish(const std::string&, const std::string&) override { return {}; }
  void retract(const std::string&) override {}
};

}  // namespace everseal::challenge
