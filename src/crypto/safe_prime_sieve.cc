#include "crypto/safe_prime_sieve.h"

#include <algorithm>
#include <array>
#include <bit>

namespace everseal::crypto {
namespace {

__extension__ using Wide = unsigned __int128;
using Word = std::uint64_t;

constexpr std::uint32_t kSegment = 1 << 15;  // bytes, one for each odd number: the first cache
constexpr std::uint32_t kWheelPrimes[] = {3, 5, 7, 11, 13};
constexpr std::uint32_t kWheel = 3 * 5 * 7 * 11 * 13;
constexpr std::uint32_t kLargestDivisor = 1 << 16;

constexpr Word index_of(Word odd) { return odd / 2; }

Word high_half(Word a, Word b) { return static_cast<Word>((Wide{a} * b) >> 64); }

// How many moduli are worked on in turns: one's multiplications do not wait for another's.
constexpr std::size_t kLanes = 4;
using Words = std::array<Word, kLanes>;

// Arithmetic modulo `kLanes` odd numbers at once by Montgomery's reduction: every product comes
// with a factor 2^-64, and needs no division.
class Moduli {
 public:
  explicit Moduli(const Words& moduli) : moduli_(moduli) {
    for (std::size_t lane = 0; lane < kLanes; lane++) inverses_[lane] = inverse(moduli[lane]);
  }

  // a b 2^-64.
  Words multiply(const Words& a, const Words& b) const {
    Words product;
#pragma GCC unroll 4
    for (std::size_t lane = 0; lane < kLanes; lane++) {
      const Wide whole = Wide{a[lane]} * b[lane];
      product[lane] = subtract(static_cast<Word>(whole >> 64), quotient(lane, whole), lane);
    }
    return product;
  }

  // The number with these n words times 2^-64n.
  Words reduce(std::span<const Word> words) const {
    Words rest{};
    for (const Word word : words) {
#pragma GCC unroll 4
      for (std::size_t lane = 0; lane < kLanes; lane++) {
        const Wide sum = Wide{rest[lane]} + word;
        rest[lane] = subtract(static_cast<Word>(sum >> 64), quotient(lane, sum), lane);
      }
    }
    return rest;
  }

  // 2^64(n + 1): what multiply() needs to take a factor of 2^-64n away.
  Words shift(std::size_t n) const {
    Words two_words;
    for (std::size_t lane = 0; lane < kLanes; lane++) {
      const Word one_word = -moduli_[lane] % moduli_[lane];
      two_words[lane] = static_cast<Word>((Wide{one_word} << 64) % moduli_[lane]);
    }
    Words power = two_words;
    for (std::size_t bit = std::bit_floor(n) / 2; bit != 0; bit /= 2) {
      power = multiply(power, power);
      if (n & bit) power = multiply(power, two_words);
    }
    return power;
  }

 private:
  // Of an odd number modulo 2^64, by Newton: each step doubles the bits that are right, from 5.
  static Word inverse(Word odd) {
    Word inverse = (3 * odd) ^ 2;
    for (int step = 0; step < 4; step++) inverse *= 2 - odd * inverse;
    return inverse;
  }

  // The upper half of the multiple of the modulus that has the lower half of `number`.
  Word quotient(std::size_t lane, Wide number) const {
    return high_half(static_cast<Word>(number) * inverses_[lane], moduli_[lane]);
  }

  Word subtract(Word a, Word b, std::size_t lane) const {
    return a - b + (a < b ? moduli_[lane] : 0);
  }

  const Words moduli_;
  Words inverses_;
};

// The first k for which start + 24 k is divisible by `prime`, where `rest` is start modulo it.
// As prime² is 1 modulo 24, j prime - rest is divisible by 24 for j = rest prime.
std::uint32_t first_step(std::uint32_t prime, std::uint32_t rest) {
  constexpr Word kStep = SafePrimeWindow::kStep;
  const Word multiple = ((rest % kStep) * (prime % kStep)) % kStep * prime;
  return static_cast<std::uint32_t>((multiple - rest + (multiple < rest ? kStep * prime : 0)) /
                                    kStep);
}

// One bit for each k: set where a factor is known.
class Marks {
 public:
  explicit Marks(std::uint32_t size) : size_(size), bits_(size / 64 + 1) {}

  // Where `prime` divides p or p - 1; `rest` is the start modulo it.
  void mark(std::uint32_t prime, std::uint32_t rest) {
    mark_from(first_step(prime, rest), prime);
    mark_from(first_step(prime, rest == 0 ? prime - 1 : rest - 1), prime);
  }

  std::vector<std::uint32_t> unmarked() const {
    std::vector<std::uint32_t> steps;
    for (std::uint32_t i = 0; i < bits_.size(); i++) {
      for (Word free = ~bits_[i]; free != 0; free &= free - 1) {
        const auto step = 64 * i + static_cast<std::uint32_t>(std::countr_zero(free));
        if (step < size_) steps.push_back(step);
      }
    }
    return steps;
  }

 private:
  void mark_from(Word step, std::uint32_t prime) {
    for (; step < size_; step += prime) bits_[step / 64] |= Word{1} << step % 64;
  }

  const std::uint32_t size_;
  std::vector<Word> bits_;
};

// Up to 2 kLanes primes; two of them make one modulus.
void mark_multiples(std::span<const std::uint32_t> primes, std::span<const Word> start,
                    Marks& marks) {
  std::array<std::uint32_t, 2 * kLanes> all;
  all.fill(primes.front());
  std::ranges::copy(primes, all.begin());
  Words products;
  for (std::size_t i = 0; i < kLanes; i++) products[i] = Word{all[i]} * all[i + kLanes];
  const Moduli moduli(products);
  const Words rests = moduli.multiply(moduli.reduce(start), moduli.shift(start.size()));
  for (std::size_t i = 0; i < all.size(); i++)
    marks.mark(all[i], static_cast<std::uint32_t>(rests[i % kLanes] % all[i]));
}

}  // namespace

std::vector<std::uint32_t> sieve(const SafePrimeWindow& window, std::uint32_t depth,
                                 const std::atomic<bool>& stop) {
  Marks marks(window.size);
  PrimeSource source(depth);
  for (auto primes = source.next(); !primes.empty() && !stop; primes = source.next()) {
    for (; !primes.empty(); primes = primes.subspan(std::min(primes.size(), 2 * kLanes)))
      mark_multiples(primes.first(std::min(primes.size(), 2 * kLanes)), window.start, marks);
  }
  if (stop) return {};
  return marks.unmarked();
}

PrimeSource::PrimeSource(std::uint32_t limit)
    : end_(limit < 5 ? 0 : index_of(Word{limit} + 1)), wheel_(kWheel + kSegment) {
  for (const std::uint32_t prime : kWheelPrimes)
    for (Word i = index_of(prime); i < wheel_.size(); i += prime) wheel_[i] = 1;
  std::vector<bool> composite(kLargestDivisor);
  for (std::uint32_t number = 3; number < kLargestDivisor; number += 2) {
    if (composite[number]) continue;
    const Word square = Word{number} * number;
    for (Word i = square; i < composite.size(); i += 2 * number) composite[i] = true;
    if (number > kWheelPrimes[4]) divisors_.push_back({number, index_of(square)});
  }
}

std::span<const std::uint32_t> PrimeSource::next() {
  primes_.clear();
  while (primes_.empty() && begin_ < end_) {
    const Word end = std::min(begin_ + kSegment, end_);
    const auto wheel = wheel_.begin() + static_cast<std::ptrdiff_t>(begin_ % kWheel);
    segment_.assign(wheel, wheel + static_cast<std::ptrdiff_t>(end - begin_));
    if (begin_ == 0) {
      segment_[0] = 1;  // the number 1
      for (const std::uint32_t prime : kWheelPrimes)
        if (prime > 3 && index_of(prime) < end) segment_[index_of(prime)] = 0;
    }
    cross_out(end);
    collect();
    begin_ = end;
  }
  return primes_;
}

void PrimeSource::cross_out(std::uint64_t end) {
  for (Divisor& divisor : divisors_) {
    if (Word{divisor.prime} * divisor.prime > 2 * end) break;
    Word i = divisor.multiple - begin_;
    for (; i < segment_.size(); i += divisor.prime) segment_[i] = 1;
    divisor.multiple = begin_ + i;
  }
}

void PrimeSource::collect() {
  primes_.resize(segment_.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < segment_.size(); i++) {
    primes_[count] = static_cast<std::uint32_t>(2 * (begin_ + i) + 1);
    count += segment_[i] == 0;
  }
  primes_.resize(count);
}

}  // namespace everseal::crypto
