// Fermat's test to the base 2: whether 2^(n - 1) is 1 modulo n, as it is for all odd primes n and
// hardly any other number. Not for other folders.
#pragma once

#include <memory>
#include <span>

#include "crypto/openssl.h"

namespace everseal::crypto {

// Interface for testing odd numbers greater than 2^64, up to kAtOnce in one go. Each thread has its
// own.
class FermatTest {
 public:
  static constexpr std::size_t kAtOnce = 8;

  virtual ~FermatTest() = default;

  // Bit i: the i-th number passes.
  virtual unsigned passing(std::span<const NumberPointer> numbers) = 0;

  // How many times as fast as by libcrypto, about.
  virtual double speed() const = 0;
};

// One number after the other, with libcrypto's multiplication.
std::unique_ptr<FermatTest> fermat_by_library();

// All numbers side by side, in vectors of 52-bit digits: for processors with AVX-512 IFMA; nothing
// on others.
std::unique_ptr<FermatTest> fermat_by_vectors();

}  // namespace everseal::crypto
