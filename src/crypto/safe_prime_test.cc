#include "crypto/safe_prime.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/openssl.h"
#include "crypto/safe_prime_sieve.h"

namespace everseal::crypto {
namespace {

bool is_prime(std::uint64_t number) {
  for (std::uint64_t divisor = 2; divisor * divisor <= number; divisor++)
    if (number % divisor == 0) return false;
  return number >= 2;
}

TEST(PrimeSource, GivesEveryPrimeOnce) {
  for (const std::uint32_t limit : {0u, 4u, 5u, 12u, 13u, 200'000u}) {
    std::vector<std::uint32_t> expected, given;
    for (std::uint32_t number = 5; number <= limit; number++)
      if (is_prime(number)) expected.push_back(number);
    PrimeSource source(limit);
    for (auto primes = source.next(); !primes.empty(); primes = source.next())
      given.insert(given.end(), primes.begin(), primes.end());
    EXPECT_EQ(given, expected) << limit;
  }
}

TEST(PrimeSource, CountsThePrimesBelowTenMillion) {
  PrimeSource source(10'000'000);
  std::size_t count = 2;  // 2 and 3
  for (auto primes = source.next(); !primes.empty(); primes = source.next()) count += primes.size();
  EXPECT_EQ(count, 664'579u);
}

// A number of so many words that is 23 modulo 24.
NumberPointer start_of(int words) {
  NumberPointer start(BN_new());
  BN_set_bit(start.get(), 64 * words - 1);
  for (int bit = 5; bit < 64 * words; bit += 7) BN_set_bit(start.get(), bit);
  BN_sub_word(start.get(), BN_mod_word(start.get(), SafePrimeWindow::kStep));
  BN_add_word(start.get(), SafePrimeWindow::kRest);
  return start;
}

std::vector<std::uint64_t> words_of(const NumberPointer& number) {
  std::vector<std::uint64_t> words(static_cast<std::size_t>(BN_num_bits(number.get()) + 63) / 64);
  BN_bn2lebinpad(number.get(), reinterpret_cast<unsigned char*>(words.data()),
                 static_cast<int>(8 * words.size()));
  return words;
}

// What sieve() must leave, by division.
std::vector<std::uint32_t> without_factors(const NumberPointer& start, std::uint32_t size,
                                           std::uint32_t depth) {
  std::vector<std::uint32_t> divisors = {2, 3}, steps;
  PrimeSource source(depth);
  for (auto primes = source.next(); !primes.empty(); primes = source.next())
    divisors.insert(divisors.end(), primes.begin(), primes.end());
  for (std::uint32_t k = 0; k < size; k++) {
    const NumberPointer number(BN_dup(start.get())), half(BN_new());
    BN_add_word(number.get(), SafePrimeWindow::kStep * k);
    BN_rshift1(half.get(), number.get());
    if (std::ranges::all_of(divisors, [&](auto prime) {
          return BN_mod_word(number.get(), prime) != 0 && BN_mod_word(half.get(), prime) != 0;
        }))
      steps.push_back(k);
  }
  return steps;
}

TEST(SafePrimeSieve, LeavesWhatHasNoSmallFactor) {
  const std::atomic<bool> stop = false;
  for (const int words : {1, 2, 3, 8, 11, 32}) {
    const NumberPointer start = start_of(words);
    for (const std::uint32_t depth : {5u, 30u, 100'000u})
      EXPECT_EQ(sieve({words_of(start), 500}, depth, stop), without_factors(start, 500, depth))
          << words << " words, depth " << depth;
  }
}

TEST(SafePrimeSieve, LeavesNothingWhenItIsStopped) {
  const std::atomic<bool> stop = true;
  EXPECT_TRUE(sieve({words_of(start_of(1)), 500}, 30, stop).empty());
}

NumberPointer number(const std::string& bytes) {
  return NumberPointer(BN_bin2bn(to_unsigned(bytes), static_cast<int>(bytes.size()), nullptr));
}

TEST(SafePrime, IsOneOfTheSizeThatWasAsked) {
  for (const int bits : {512, 513, 575, 640}) {
    const auto found = find_safe_prime({.bits = bits, .threads = 2});
    ASSERT_TRUE(found) << found.error().message;
    const NumberPointer prime = number(*found), half(BN_new());
    BN_rshift1(half.get(), prime.get());
    EXPECT_EQ(BN_num_bits(prime.get()), bits);
    EXPECT_EQ(BN_mod_word(prime.get(), 24), 23u);
    EXPECT_EQ(BN_check_prime(prime.get(), nullptr, nullptr), 1);
    EXPECT_EQ(BN_check_prime(half.get(), nullptr, nullptr), 1);
  }
}

TEST(SafePrime, IsTheFirstAfterARandomNumber) {
  const Randomness always_the_same = [](std::size_t size) { return std::string(size, '\x5a'); };
  const auto one = find_safe_prime({.bits = 512, .randomness = always_the_same});
  const auto other = find_safe_prime({.bits = 512, .randomness = always_the_same});
  ASSERT_TRUE(one && other);
  EXPECT_EQ(*one, *other);
  EXPECT_TRUE(one->starts_with("\xda\x5a\x5a\x5a")) << "only the highest bit is set";
}

TEST(SafePrime, EndsSoonWhenItIsStopped) {
  std::atomic<bool> stop = false;
  SearchProgress last;
  const auto found = find_safe_prime({.bits = kMostPrimeBits,
                                      .threads = 2,
                                      .stop = &stop,
                                      .progress = [&](const SearchProgress& progress) {
                                        last = progress;
                                        stop = true;
                                      }});
  EXPECT_EQ(found.error().message, "stopped by a signal; no prime was found yet");
  EXPECT_EQ(found.error().kind, ErrorKind::transient);
  EXPECT_GT(last.expected, 1'000);
}

TEST(SafePrime, RefusesSizesThatNobodyUses) {
  EXPECT_EQ(find_safe_prime({.bits = 511}).error().message,
            "a prime of 511 bits: must be 512 to 10000");
  EXPECT_FALSE(find_safe_prime({.bits = 10'001}));
}

}  // namespace
}  // namespace everseal::crypto
