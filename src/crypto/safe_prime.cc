#include "crypto/safe_prime.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "crypto/fermat.h"
#include "crypto/openssl.h"
#include "crypto/safe_prime_sieve.h"

namespace everseal::crypto {
namespace {

constexpr double kLn2 = 0.693147, kExpEulerGamma = 1.781072;
constexpr std::chrono::milliseconds kTellAfter{100};

// Where the next doubling of the depth costs as much as it saves: what is saved grows with the time
// of a test (about bits³) and the number of tests (bits²), what it costs with bits. Threads share
// the tests but each has a sieve of its own. `test_speed` is FermatTest's.
std::uint32_t sieve_depth(const SafePrimeSearch& search, double test_speed) {
  constexpr double kDepthAt1024 = 1e7, kShallowest = 1e4, kDeepest = 4e9;
  const double depth =
      kDepthAt1024 * std::pow(search.bits / 1024.0, 4) / (test_speed * search.threads);
  return static_cast<std::uint32_t>(std::clamp(depth, kShallowest, kDeepest));
}

// In steps, about four times the average distance of safe primes that are 23 modulo 24: of the q
// that are 11 modulo 12 one in (ln q)² / 7.92 is prime with 2 q + 1 (Hardy and Littlewood).
std::uint32_t window_size(int bits) { return static_cast<std::uint32_t>(bits * bits / 4); }

// By Mertens' third theorem a number without factors up to `depth` is prime exp(γ) ln(depth) times
// as often as others of its size.
double expected_tests(int bits, std::uint32_t depth) {
  const double chance = kExpEulerGamma * std::log(depth) / (bits * kLn2);
  return 1 / (chance * chance);
}

std::unique_ptr<FermatTest> fastest_test() {
  auto by_vectors = fermat_by_vectors();
  return by_vectors ? std::move(by_vectors) : fermat_by_library();
}

// What the threads of one search share.
class Shared {
 public:
  explicit Shared(const SafePrimeSearch& search)
      : search_(search), depth_(sieve_depth(search, fastest_test()->speed())) {}

  // Until somebody has found one, or it is stopped.
  Result<std::string> wait() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kTellAfter, [&] { return found_.has_value(); })) {
      if (search_.stop && *search_.stop) {
        over_ = true;
        return base::transient("stopped by a signal; no prime was found yet");
      }
      if (search_.progress) search_.progress({tested_, expected_tests(search_.bits, depth_)});
    }
    return *found_;
  }

  void look() {
    const auto test = fastest_test();
    while (!over_) look_in(random_start(), *test);
  }

 private:
  // So many bits, the first of them set, 23 modulo 24.
  NumberPointer random_start() const {
    const std::string bytes = search_.randomness(static_cast<std::size_t>(search_.bits + 7) / 8);
    NumberPointer start(BN_bin2bn(to_unsigned(bytes), static_cast<int>(bytes.size()), nullptr));
    BN_set_bit(start.get(), search_.bits - 1);
    BN_mask_bits(start.get(), search_.bits);
    BN_sub_word(start.get(), BN_mod_word(start.get(), SafePrimeWindow::kStep));
    BN_add_word(start.get(), SafePrimeWindow::kRest);
    return start;
  }

  void look_in(const NumberPointer& start, FermatTest& test) {
    std::vector<std::uint64_t> words(static_cast<std::size_t>(search_.bits + 63) / 64);
    BN_bn2lebinpad(start.get(), reinterpret_cast<unsigned char*>(words.data()),
                   static_cast<int>(words.size() * sizeof words[0]));
    const auto steps = sieve({words, window_size(search_.bits)}, depth_, over_);
    for (std::span left(steps); !left.empty();) {
      const auto batch = left.first(std::min(left.size(), FermatTest::kAtOnce));
      left = left.subspan(batch.size());
      if (over_ || test_batch(start, batch, test)) return;
    }
  }

  // Whether one of them was a safe prime.
  bool test_batch(const NumberPointer& start, std::span<const std::uint32_t> steps,
                  FermatTest& test) {
    std::vector<NumberPointer> primes, halves;
    for (const std::uint32_t k : steps) {
      primes.emplace_back(BN_dup(start.get()));
      BN_add_word(primes.back().get(), std::uint64_t{SafePrimeWindow::kStep} * k);
      halves.emplace_back(BN_new());
      BN_rshift1(halves.back().get(), primes.back().get());
    }
    tested_ += steps.size();
    unsigned passing = test.passing(halves);
    for (; passing != 0; passing &= passing - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(passing));
      if (test.passing({&primes[i], 1}) == 0 || !is_right(primes[i].get(), halves[i].get()))
        continue;
      finish(primes[i].get());
      return true;
    }
    return false;
  }

  // With a prime q = (p - 1)/2 greater than √p, 2^(p - 1) = 1 and 2² - 1 prime to p, p is prime
  // (Pocklington): so q alone is tested by more bases.
  bool is_right(const BIGNUM* prime, const BIGNUM* half) const {
    return BN_num_bits(prime) == search_.bits && BN_check_prime(half, nullptr, nullptr) == 1;
  }

  void finish(const BIGNUM* prime) {
    over_ = true;
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(prime)), '\0');
    BN_bn2bin(prime, reinterpret_cast<unsigned char*>(bytes.data()));
    const std::lock_guard lock(mutex_);
    found_ = std::move(bytes);
    changed_.notify_one();
  }

  const SafePrimeSearch& search_;
  const std::uint32_t depth_;
  std::atomic<bool> over_ = false;
  std::atomic<std::uint64_t> tested_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> found_;
};

}  // namespace

Result<std::string> find_safe_prime(const SafePrimeSearch& search) {
  if (search.bits < kFewestPrimeBits || search.bits > kMostPrimeBits)
    return base::invalid(fmt::format("a prime of {} bits: must be {} to {}", search.bits,
                                     kFewestPrimeBits, kMostPrimeBits));
  Shared shared(search);
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::max(1u, search.threads); i++)
    threads.emplace_back([&] { shared.look(); });
  return shared.wait();
}

}  // namespace everseal::crypto
