// The edits that put sites on HTTPS, decided on the model, made on the bytes.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nginx/hsts.h"
#include "nginx/model.h"
#include "nginx/patch.h"
#include "nginx/profile.h"
#include "nginx/site.h"
#include "nginx/version.h"

namespace everseal::nginx {

// How far a site is taken.
enum class SiteMode {
  challenge,  // answer http-01 (RFC 8555 §8.3) for its names
  tls,        // that, and serve the bundle
};

enum class Redirect {
  automatic,  // on for sites that had no TLS, off for others
  on,
  off,
};

enum class KeyFamily { ecdsa, rsa };  // nginx serves one certificate of each to one name

// A certificate to serve.
struct Bundle {
  std::string path;  // one PEM file with key and chain
  KeyFamily key = KeyFamily::ecdsa;
};

struct SiteRequest {
  const Site* site = nullptr;
  SiteMode mode = SiteMode::challenge;
  std::vector<Bundle> bundles;  // of different families; not empty in mode tls
  Redirect redirect = Redirect::automatic;
  std::optional<HstsWish> hsts;   // none: Strict-Transport-Security stays as it is
  bool replace_existing = false;  // also servers that already have a certificate
  bool validate = true;           // the CA is about to ask: refused where it cannot be answered
};

struct EditOptions {
  std::string own_directory;  // of our snippets: "/etc/nginx/everseal"
  std::string thumbprint;     // of the account key, base64url (RFC 8555 §8.1)
  Version nginx{1, 22, 1};
  Version openssl{3, 0, 0};
  int redirect_status = 301;  // or 308
  bool harden = true;         // write tls.conf and include it in http{}, in mode tls
  // By path, whether that certificate names an OCSP responder; those left out are not known yet.
  std::map<std::string, bool> responders{};
  bool remove_dead_lines = false;    // take TLS lines out that have no effect, in mode tls
  bool catch_all = false;            // refuse unknown names on 443, in mode tls
  std::optional<Profile> profile{};  // none: that of tls.conf as it stands, else intermediate
};

// What a person should know about one site's edit.
struct Note {
  std::string site;   // its name; empty if it concerns the whole server
  std::string where;  // "FILE:LINE"
  std::string text;
};

struct EditPlan {
  std::vector<FileEdit> edits;       // only files that change
  std::vector<Note> notes;           // done, but worth saying
  std::vector<Note> refusals;        // not done: the rule, and what a person would do by hand
  std::vector<std::string> no_http;  // sites of which nginx holds no port 80: http-01 needs another
                                     // responder there
  bool refused(const Site& site) const;
};

// The whole edit for all requests, computed on the text that `model` was loaded from. A refused
// site is left as it is and does not stop the others. Planning on an edited configuration gives no
// edits. `files` reads our own snippets. Errors: those of reading.
Result<EditPlan> plan_tls(const Model& model, std::span<const SiteRequest> requests,
                          const EditOptions& options, const FileReader& files);

// Only the next step of Strict-Transport-Security's ramp, for the TLS servers of these sites that
// have the header; nothing where none is due.
EditPlan plan_hsts_step(const Model& model, std::span<const Site> sites);

// The new text of each edited file by its real path, as OverlayReader takes it.
std::map<std::string, std::string> texts_after(const EditPlan& plan);

}  // namespace everseal::nginx
