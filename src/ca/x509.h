// Certificates, names and signatures as RFC 5280 and this CA write them. All texts are DER unless
// said otherwise.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ca/signing_key.h"
#include "crypto/random.h"

namespace everseal::ca::x509 {

// The AlgorithmIdentifier of ECDSA with SHA-256 (RFC 5758 §3.2).
const std::string& signature_algorithm();

// SEQUENCE { `content`, algorithm, signature }: the outer form of certificates, CRLs and OCSP
// responses. Errors: those of the key.
Result<std::string> sign(std::string_view content, const SigningKey& key);

// A Name; an empty part is left out.
std::string name(std::string_view organization, std::string_view common_name);

// 160 bits that stand for a public key, as bytes (RFC 7093 §2, method 4).
std::string key_identifier(std::string_view public_key_der);

// Whether who does not understand an extension must refuse what it is in (RFC 5280 §4.2).
enum class Weight { critical, normal };
std::string extension(std::string_view object_identifier, Weight weight, std::string_view value);

enum class Usage : unsigned char {  // RFC 5280 §4.2.1.3
  digital_signature = 0x80,
  digital_signature_and_key_encipherment = 0xA0,
  authority = 0x86,  // certificates, CRLs, and OCSP responses
};
std::string key_usage(Usage usage);
std::string server_authentication();  // the extended key usage
std::string subject_key_identifier(std::string_view identifier);
std::string authority_key_identifier(std::string_view identifier);

// The basic constraints (RFC 5280 §4.2.1.9): of a leaf, of a CA, of a CA below which there are only
// leaves.
std::string end_entity();
std::string authority();
std::string lowest_authority();

// `addresses` are numeric, v4 or v6. Errors: invalid (one that is not).
Result<std::string> alternative_name(const std::vector<std::string>& dns_names,
                                     const std::vector<std::string>& addresses, Weight weight);

std::string crl_distribution_point(std::string_view url);

// Where the issuer's certificate is and who answers OCSP requests; an empty URL is left out.
std::string authority_information(std::string_view issuer_url, std::string_view ocsp_url);

// The bytes of a positive number of 127 bits, all but the first of them random (CA/Browser Forum,
// Baseline Requirements §7.1; RFC 5280 §4.1.2.2).
std::string random_serial(const crypto::Randomness& random);

// All that makes one certificate.
struct Certificate {
  std::string serial{};  // bytes, the highest first
  std::string issuer{}, subject{};
  Time not_before{}, not_after{};  // both belong to its life
  std::string public_key{};        // SubjectPublicKeyInfo
  std::string extensions{};
};
Result<std::string> sign_certificate(const Certificate& certificate, const SigningKey& key);

}  // namespace everseal::ca::x509
