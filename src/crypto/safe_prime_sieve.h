// Numbers without small factors, for the search for safe primes. Not for other folders.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

namespace everseal::crypto {

// The numbers p = start + 24 k for k from 0 below `size`. `start` is 23 modulo 24: then p and
// (p - 1)/2 have neither 2 nor 3 for a factor, and 2 is a square modulo a prime p.
struct SafePrimeWindow {
  static constexpr unsigned kStep = 24, kRest = 23;

  std::span<const std::uint64_t> start;  // the least significant word first
  std::uint32_t size = 0;
};

// Those k, ascending, for which no prime up to `depth` divides p or (p - 1)/2,
// be it the number itself. Less than that as soon as `stop` is set.
std::vector<std::uint32_t> sieve(const SafePrimeWindow& window, std::uint32_t depth,
                                 const std::atomic<bool>& stop);

// The primes from 5 up to `limit`, from some tens of thousands of numbers at a time.
class PrimeSource {
 public:
  explicit PrimeSource(std::uint32_t limit);

  // The next of them, ascending; empty after the last. Valid until the next call.
  std::span<const std::uint32_t> next();

 private:
  struct Divisor {
    std::uint32_t prime;
    std::uint64_t multiple;  // its first one that is not crossed out yet, as an index
  };

  void cross_out(std::uint64_t end);
  void collect();

  // An odd number n has the index (n - 1)/2.
  const std::uint64_t end_;
  std::uint64_t begin_ = 0;  // of the segment at hand
  std::vector<Divisor> divisors_;
  std::vector<std::uint8_t> wheel_;    // what 3, 5, 7, 11 and 13 divide
  std::vector<std::uint8_t> segment_;  // 1: composite
  std::vector<std::uint32_t> primes_;
};

}  // namespace everseal::crypto
