// Whatever the CA signs: leaves, CRLs, OCSP responses.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"
#include "ca/authority.h"
#include "ca/ocsp.h"
#include "ca/revocation_list.h"

namespace everseal::ca {

// How long before it is issued a certificate's life begins, as at Let's Encrypt: clients whose
// clocks are behind take it, too.
inline constexpr base::Seconds kBackdating = std::chrono::hours(1);

// What is to be in a leaf. Names and key have been judged by others.
struct LeafRequest {
  std::string public_key_der{};  // SubjectPublicKeyInfo
  std::vector<std::string> dns_names{};
  std::vector<std::string> addresses{};
  Time not_before{}, not_after{};  // both seconds belong to its life
  std::string serial{};            // hexadecimal, 8 to 20 bytes, never used before
  // Of the profile "classic": the first name of at most 64 bytes as the common name, and that an
  // RSA key may encipher keys; an identifier of the key.
  bool common_name = false, key_encipherment = false, subject_key_id = false;
  std::string crl_directory_url{};  // "http://ca.test/crl/": the issuer's id and ".crl" follow
  std::string ocsp_url{};           // empty: not in the certificate, as the other
};

struct Issued {
  std::string der{};     // the leaf
  std::string issuer{};  // Intermediate::id()
};

// The CA's keys at work. All but open() may be called by several threads at once.
class Issuer {
 public:
  // Reads the roots and intermediates of `directory`, or makes what is missing: two roots, and
  // intermediates until two have more than two years before them (or none, where the roots' keys
  // are kept elsewhere and two are there already). Errors: those of files; invalid (keys or
  // certificates that are not ours).
  static Result<Issuer> open(FileSystem& files, const std::string& directory, Time now);

  // The same without making anything, and with the keys from `keys`.
  static Result<Issuer> read(const FileReader& files, const std::string& directory,
                             const KeySource& keys);

  // Signs with one of the youngest two intermediates, whichever the serial falls on. Errors:
  // invalid (no name, an address that is none, an impossible serial, a life that is longer than the
  // intermediates'), internal.
  Result<Issued> issue(const LeafRequest& request) const;

  // A leaf of ours and what leads from it to each root, in PEM: the default chain first, then the
  // alternates. Errors: not_found (none of our intermediates issued it).
  Result<std::vector<std::string>> chains(std::string_view leaf_der) const;

  // Until when it can issue, without new intermediates.
  Time not_after() const;

  // In the order in which they were made. Old ones stay: their CRLs go on.
  const std::vector<Intermediate>& intermediates() const { return intermediates_; }

  // What clients trust: the first is of the default chains.
  const std::vector<Root>& roots() const { return roots_; }

  // DER. Errors: not_found (no intermediate of this id), internal.
  Result<std::string> sign_crl(std::string_view issuer, const RevocationList& list) const;

  // The response, in DER, to a request of a stranger; never an error but a response that says so.
  std::string answer_ocsp(std::string_view request, const OcspAnswerer& answerer) const;

 private:
  Issuer(std::vector<Root> roots, std::vector<Intermediate> intermediates)
      : roots_(std::move(roots)), intermediates_(std::move(intermediates)) {}
  const Intermediate& choose(std::string_view serial) const;

  std::vector<Root> roots_;
  std::vector<Intermediate> intermediates_;
};

}  // namespace everseal::ca
