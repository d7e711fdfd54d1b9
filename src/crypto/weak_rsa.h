// RSA moduli that can be factored. Not for other folders.
#pragma once

#include <openssl/bn.h>

#include <string_view>

namespace everseal::crypto {

// Why `modulus` is known to be weak; empty if it is not. The checks that the CA/Browser Forum asks
// of public CAs (Baseline Requirements §6.1.1.3): a small prime factor, the mark that a faulty
// library left (CVE-2017-15361), primes so close together that 100 rounds of Fermat's method find
// them.
std::string_view rsa_weakness(const BIGNUM* modulus);

}  // namespace everseal::crypto
