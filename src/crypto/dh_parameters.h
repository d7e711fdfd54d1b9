// Diffie-Hellman parameters in PEM ("DH PARAMETERS", PKCS #3): a safe prime and the generator 2.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/safe_prime.h"

namespace everseal::crypto {

// A group of RFC 7919, "ffdhe2048" to "ffdhe8192". Errors: invalid (no such name).
Result<std::string> dh_group(std::string_view name);

// Parameters of one's own, checked. Errors: those of find_safe_prime() and of
// check_dh_parameters().
Result<std::string> generate_dh_parameters(const SafePrimeSearch& search);

// What `openssl dhparam -check` looks at: a safe prime, by 64 rounds of Miller and Rabin's test for
// each half (128 above 2048 bits), and a generator between 1 and it. Errors: invalid.
Result<> check_dh_parameters(std::string_view pem);

// The size of the prime in bits. Errors: invalid (not one PEM of parameters).
Result<int> dh_bits(std::string_view pem);

}  // namespace everseal::crypto
