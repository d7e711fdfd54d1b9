// Diffie-Hellman parameters in PEM ("DH PARAMETERS", PKCS #3): a safe prime and the generator 2.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/safe_prime.h"

namespace everseal::crypto {

// A group of RFC 7919, "ffdhe2048" to "ffdhe8192". Errors: invalid (no such name).
Result<std::string> dh_group(std::string_view name);

// Parameters of one's own, with the length of secret exponents that RFC 7919 recommends for a group
// of their size: without it a server's handshakes take many times as long. Errors: those of
// find_safe_prime().
Result<std::string> generate_dh_parameters(const SafePrimeSearch& search);

// The name of the group of RFC 7919 that the parameters are; empty for others. Errors: invalid (not
// one PEM of parameters).
Result<std::string> dh_group_of(std::string_view pem);

// The size of the prime in bits. Errors: invalid (not one PEM of parameters).
Result<int> dh_bits(std::string_view pem);

}  // namespace everseal::crypto
