#include "crypto/weak_rsa.h"

#include <algorithm>
#include <array>

#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

constexpr unsigned kLargestSmallPrime = 751;  // what public CAs divide by
constexpr unsigned kLargestMarkedPrime = 167;
constexpr int kFermatRounds = 100;

constexpr bool is_prime(unsigned number) {
  for (unsigned divisor = 2; divisor * divisor <= number; divisor++) {
    if (number % divisor == 0) return false;
  }
  return number >= 2;
}

// Calls `visit` for each odd prime up to `largest` while it returns true; whether it always did.
template <class Visit>
bool every_odd_prime(unsigned largest, Visit visit) {
  for (unsigned prime = 3; prime <= largest; prime += 2) {
    if (is_prime(prime) && !visit(prime)) return false;
  }
  return true;
}

bool has_small_factor(const BIGNUM* modulus) {
  return !BN_is_odd(modulus) || !every_odd_prime(kLargestSmallPrime, [&](unsigned prime) {
    return BN_mod_word(modulus, prime) != 0;
  });
}

bool is_power_of_65537(unsigned value, unsigned prime) {
  const unsigned base = 65537 % prime;
  unsigned power = 1;
  do {
    if (power == value) return true;
    power = power * base % prime;
  } while (power != 1);
  return false;
}

// The faulty library made every prime a power of 65537 modulo all small primes, and so their
// product is one too; of other moduli not one in 10^27 is.
bool has_mark(const BIGNUM* modulus) {
  return every_odd_prime(kLargestMarkedPrime, [&](unsigned prime) {
    return is_power_of_65537(static_cast<unsigned>(BN_mod_word(modulus, prime)), prime);
  });
}

// Newton's iteration from above: the largest number whose square is at most `value`.
NumberPointer square_root(const BIGNUM* value, BN_CTX* context) {
  NumberPointer root(BN_new()), next(BN_new());
  BN_set_bit(next.get(), (BN_num_bits(value) + 1) / 2);
  do {
    std::swap(root, next);
    BN_div(next.get(), nullptr, value, root.get(), context);
    BN_add(next.get(), next.get(), root.get());
    BN_rshift1(next.get(), next.get());
  } while (BN_cmp(next.get(), root.get()) < 0);
  return root;
}

bool is_square_modulo(const BIGNUM* value, unsigned modulus) {
  const auto rest = static_cast<unsigned>(BN_mod_word(value, modulus));
  for (unsigned i = 0; i <= modulus / 2; i++) {
    if (i * i % modulus == rest) return true;
  }
  return false;
}

bool is_square(const BIGNUM* value, BN_CTX* context) {
  constexpr std::array kModuli = {64u, 63u, 65u, 11u};  // fewer than 1 in 100 non-squares pass all
  if (!std::ranges::all_of(kModuli, [&](unsigned each) { return is_square_modulo(value, each); }))
    return false;
  const NumberPointer root = square_root(value, context);
  NumberPointer square(BN_new());
  BN_sqr(square.get(), root.get(), context);
  return BN_cmp(square.get(), value) == 0;
}

// n = a² - b² = (a + b)(a - b): looks for the square b² = a² - n with `a` from √n up.
bool has_close_primes(const BIGNUM* modulus) {
  const NumberContextPointer context(BN_CTX_new());
  if (is_square(modulus, context.get())) return true;
  const NumberPointer a = square_root(modulus, context.get());
  BN_add_word(a.get(), 1);
  NumberPointer rest(BN_new());
  BN_sqr(rest.get(), a.get(), context.get());
  BN_sub(rest.get(), rest.get(), modulus);
  for (int round = 0; round < kFermatRounds; round++) {
    if (is_square(rest.get(), context.get())) return true;
    BN_add(rest.get(), rest.get(), a.get());  // (a + 1)² = a² + 2a + 1
    BN_add_word(a.get(), 1);
    BN_add(rest.get(), rest.get(), a.get());
  }
  return false;
}

}  // namespace

std::string_view rsa_weakness(const BIGNUM* modulus) {
  if (has_small_factor(modulus)) return "its modulus has a small factor";
  if (has_mark(modulus)) return "it was made by a faulty library (CVE-2017-15361)";
  if (has_close_primes(modulus)) return "its primes are close together";
  return {};
}

}  // namespace everseal::crypto
