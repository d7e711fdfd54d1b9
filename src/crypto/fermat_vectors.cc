#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/memory.h"
#include "crypto/fermat.h"

#ifdef __x86_64__
#include <immintrin.h>

#define EVERSEAL_IFMA __attribute__((target("avx512f,avx512ifma")))

namespace everseal::crypto {
namespace {

constexpr int kDigitBits = 52;
constexpr std::uint64_t kDigitMask = (std::uint64_t{1} << kDigitBits) - 1;

// The same digit of eight numbers, and eight numbers by their digits, the least significant first.
struct alignas(64) Digit {
  std::array<std::uint64_t, FermatTest::kAtOnce> lanes{};
};
using Digits = std::vector<Digit>;

EVERSEAL_IFMA __m512i load(const Digit& digit) { return _mm512_load_si512(&digit); }
EVERSEAL_IFMA void save(Digit& digit, __m512i value) { _mm512_store_si512(&digit, value); }
EVERSEAL_IFMA __m512i all(std::uint64_t value) {
  return _mm512_set1_epi64(static_cast<long long>(value));
}

// Eight moduli m and arithmetic with Montgomery's factor R = 2^(52 digits). R is more than 16 m, so
// that nothing ever needs to be compared with m: a product of factors below 4 m is below 2 m, and
// below 4 m when it is doubled.
class Moduli {
 public:
  explicit Moduli(Digits moduli) : moduli_(std::move(moduli)), sums_(moduli_.size()) {
    for (std::size_t lane = 0; lane < FermatTest::kAtOnce; lane++)
      inverses_.lanes[lane] = -inverse(moduli_[0].lanes[lane]) & kDigitMask;
  }

  const Digits& digits() const { return moduli_; }

  // power² / R, doubled where the modulus has this bit; the first has none to double for.
  EVERSEAL_IFMA void square(Digits& power, int bit) {
    std::ranges::fill(sums_, Digit{});
    for (const Digit& digit : power) add_product(power, load(digit));
    const auto place = static_cast<std::size_t>(bit / kDigitBits);
    const __m512i wanted = all(bit == 0 ? 0 : std::uint64_t{1} << bit % kDigitBits);
    carry(power, _mm512_test_epi64_mask(load(moduli_[place]), wanted));
  }

 private:
  // Modulo 2^64, by Newton: each step doubles the bits that are right, from 5.
  static std::uint64_t inverse(std::uint64_t odd) {
    std::uint64_t inverse = (3 * odd) ^ 2;
    for (int step = 0; step < 4; step++) inverse *= 2 - odd * inverse;
    return inverse;
  }

  // sums = (sums + power * digit + a multiple of m that makes its last digit 0) / 2^52. The sums
  // are of fewer than 4 * 256 numbers of 52 bits: they have room.
  EVERSEAL_IFMA void add_product(const Digits& power, __m512i digit) {
    const std::size_t size = moduli_.size();
    __m512i low = load(power[0]), modulus = load(moduli_[0]);
    __m512i sum = _mm512_madd52lo_epu64(load(sums_[0]), low, digit);
    const __m512i factor = _mm512_madd52lo_epu64(_mm512_setzero_si512(), sum, load(inverses_));
    sum = _mm512_madd52lo_epu64(sum, modulus, factor);
    __m512i carried = _mm512_srli_epi64(sum, kDigitBits);
    for (std::size_t j = 1; j < size; j++) {
      sum = _mm512_add_epi64(load(sums_[j]), carried);
      carried = _mm512_setzero_si512();
      sum = _mm512_madd52hi_epu64(sum, low, digit);
      sum = _mm512_madd52hi_epu64(sum, modulus, factor);
      low = load(power[j]);
      modulus = load(moduli_[j]);
      sum = _mm512_madd52lo_epu64(sum, low, digit);
      sum = _mm512_madd52lo_epu64(sum, modulus, factor);
      save(sums_[j - 1], sum);
    }
    sum = _mm512_madd52hi_epu64(carried, low, digit);
    save(sums_[size - 1], _mm512_madd52hi_epu64(sum, modulus, factor));
  }

  // The sums as digits, doubled in some lanes.
  EVERSEAL_IFMA void carry(Digits& digits, __mmask8 doubled) const {
    __m512i carried = _mm512_setzero_si512();
    for (std::size_t j = 0; j < digits.size(); j++) {
      __m512i sum = load(sums_[j]);
      sum = _mm512_mask_slli_epi64(sum, doubled, sum, 1);
      sum = _mm512_add_epi64(sum, carried);
      save(digits[j], _mm512_and_si512(sum, all(kDigitMask)));
      carried = _mm512_srli_epi64(sum, kDigitBits);
    }
  }

  const Digits moduli_;
  Digit inverses_;  // -1/m modulo 2^52
  Digits sums_;
};

class VectorTest : public FermatTest {
 public:
  unsigned passing(std::span<const NumberPointer> numbers) override {
    int bits = 0;
    for (const NumberPointer& number : numbers) bits = std::max(bits, BN_num_bits(number.get()));
    const auto size = static_cast<std::size_t>((bits + 4) / kDigitBits + 1);
    Digits moduli(size), one(size);
    for (std::size_t lane = 0; lane < kAtOnce; lane++) {
      const BIGNUM* const number = numbers[std::min(lane, numbers.size() - 1)].get();
      put(number, moduli, lane);
      put(montgomery_one(number, size), one, lane);
    }
    Moduli arithmetic(std::move(moduli));
    Digits power = one;
    for (int bit = bits - 1; bit >= 0; bit--) arithmetic.square(power, bit);
    unsigned passing = 0;
    for (std::size_t i = 0; i < numbers.size(); i++)
      if (is_one(power, one, arithmetic.digits(), i)) passing |= 1u << i;
    return passing;
  }

  double speed() const override { return 4; }

 private:
  // R modulo `number`.
  const BIGNUM* montgomery_one(const BIGNUM* number, std::size_t size) {
    BN_zero(rest_.get());
    if (BN_set_bit(rest_.get(), static_cast<int>(size) * kDigitBits) != 1 ||
        BN_mod(rest_.get(), rest_.get(), number, context_.get()) != 1)
      base::insist_on_memory();  // nothing else can fail here
    return rest_.get();
  }

  void put(const BIGNUM* number, Digits& digits, std::size_t lane) {
    words_.assign(digits.size() + 1, 0);
    BN_bn2lebinpad(number, reinterpret_cast<unsigned char*>(words_.data()),
                   static_cast<int>(words_.size() * sizeof words_[0]));
    for (std::size_t j = 0; j < digits.size(); j++) {
      const std::size_t word = j * kDigitBits / 64, shift = j * kDigitBits % 64;
      std::uint64_t digit = words_[word] >> shift;
      if (shift > 64 - kDigitBits) digit |= words_[word + 1] << (64 - shift);
      digits[j].lanes[lane] = digit & kDigitMask;
    }
  }

  // Whether a power below 2 m is `one` or `one` + m.
  static bool is_one(const Digits& power, const Digits& one, const Digits& moduli,
                     std::size_t lane) {
    bool is_one = true, is_more = true;
    std::uint64_t sum = 0;
    for (std::size_t j = 0; j < power.size(); j++) {
      const std::uint64_t digit = power[j].lanes[lane];
      is_one &= digit == one[j].lanes[lane];
      sum = (sum >> kDigitBits) + one[j].lanes[lane] + moduli[j].lanes[lane];
      is_more &= digit == (sum & kDigitMask);
    }
    return is_one || is_more;
  }

  const NumberContextPointer context_{BN_CTX_new()};
  const NumberPointer rest_{BN_new()};
  std::vector<std::uint64_t> words_;
};

}  // namespace

std::unique_ptr<FermatTest> fermat_by_vectors() {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512ifma")) return nullptr;
  return std::make_unique<VectorTest>();
}

}  // namespace everseal::crypto

#else

namespace everseal::crypto {
std::unique_ptr<FermatTest> fermat_by_vectors() { return nullptr; }
}  // namespace everseal::crypto

#endif
