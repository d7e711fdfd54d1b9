// The search for safe primes: primes p of which (p - 1)/2 is a prime, too.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "crypto/random.h"

namespace everseal::crypto {

constexpr int kFewestPrimeBits = 512, kMostPrimeBits = 10'000;  // as OpenSSL takes for a DH prime

// How far a search is: each candidate is the right one with the same small probability.
struct SearchProgress {
  std::uint64_t tested = 0;  // candidates
  double expected = 0;       // how many are tested on average
};

struct SafePrimeSearch {
  int bits = 2048;
  unsigned threads = 1;
  const std::atomic<bool>* stop = nullptr;                // set by a signal: end soon
  std::function<void(const SearchProgress&)> progress{};  // called by the caller's thread
  Randomness randomness = random_bytes;                   // called by any thread
};

// A random p of so many bits, most significant byte first; p is 23 modulo 24, so that 2 generates
// the subgroup of prime order. What OpenSSL's DH_check() asks is true of it: (p - 1)/2 has passed
// the 64 rounds (128 above 2048 bits) of Miller and Rabin's test with random bases by which it
// calls a number prime, and then p is prime by Pocklington's theorem. Errors: invalid (bits out of
// range), transient (stopped).
Result<std::string> find_safe_prime(const SafePrimeSearch& search);

}  // namespace everseal::crypto
