#include "crypto/fermat.h"

#include <gtest/gtest.h>

#include <vector>

namespace everseal::crypto {
namespace {

// 2^bits less a little: a prime, if `distance` is right.
NumberPointer below_power(int bits, BN_ULONG distance) {
  NumberPointer number(BN_new());
  BN_set_bit(number.get(), bits);
  BN_sub_word(number.get(), distance);
  return number;
}

std::vector<std::unique_ptr<FermatTest>> every_way() {
  std::vector<std::unique_ptr<FermatTest>> ways;
  ways.push_back(fermat_by_library());
  if (auto vectors = fermat_by_vectors()) ways.push_back(std::move(vectors));
  return ways;
}

TEST(Fermat, TellsPrimesFromOthers) {
  // 2^521 - 1 and 2^607 - 1 are Mersenne's, 2^255 - 19 that of Curve25519; 2^127 - 1 is the
  // smallest.
  std::vector<NumberPointer> numbers;
  for (const auto& [bits, distance] : std::initializer_list<std::pair<int, BN_ULONG>>{
           {521, 1}, {521, 3}, {607, 1}, {607, 5}, {255, 19}, {255, 21}, {127, 1}, {523, 9}})
    numbers.push_back(below_power(bits, distance));
  for (const auto& test : every_way()) EXPECT_EQ(test->passing(numbers), 0b0101'0101u);
}

// Around the edges of words and digits. 2^bits - 1 is left out: it passes wherever `bits` is prime.
TEST(Fermat, FindsTheLargestPrimeOfEverySize) {
  for (const int bits : {100, 103, 104, 105, 127, 128, 129, 152, 155, 156, 157, 512, 572}) {
    std::vector<NumberPointer> numbers;
    unsigned expected = 0;
    for (BN_ULONG distance = 3; expected == 0 || numbers.size() % FermatTest::kAtOnce != 0;
         distance += 2) {
      if (numbers.size() == FermatTest::kAtOnce) numbers.clear();
      numbers.push_back(below_power(bits, distance));
      if (BN_check_prime(numbers.back().get(), nullptr, nullptr) == 1)
        expected |= 1u << (numbers.size() - 1);
      if (numbers.size() == FermatTest::kAtOnce) {
        for (const auto& test : every_way()) EXPECT_EQ(test->passing(numbers), expected) << bits;
      }
    }
  }
}

TEST(Fermat, TakesFewerNumbersThanItHasRoomFor) {
  std::vector<NumberPointer> numbers;
  numbers.push_back(below_power(521, 1));
  for (const auto& test : every_way()) EXPECT_EQ(test->passing(numbers), 1u);
  numbers.push_back(below_power(521, 3));
  for (const auto& test : every_way()) EXPECT_EQ(test->passing(numbers), 1u);
}

// Random numbers, so that every digit is used; both ways must agree on all.
TEST(Fermat, GoesTheSameWayByVectors) {
  const auto ways = every_way();
  if (ways.size() < 2) GTEST_SKIP() << "this processor has no AVX-512 IFMA";
  for (int round = 0; round < 200; round++) {
    std::vector<NumberPointer> numbers;
    for (std::size_t i = 0; i < FermatTest::kAtOnce; i++) {
      numbers.emplace_back(BN_new());
      do {
        BN_rand(numbers.back().get(), 70 + round, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
      } while (i < 4 && BN_check_prime(numbers.back().get(), nullptr, nullptr) != 1);
    }
    const unsigned by_library = ways[0]->passing(numbers);
    EXPECT_EQ(by_library & 0xfu, 0xfu);
    EXPECT_EQ(ways[1]->passing(numbers), by_library) << 70 + round << " bits";
  }
}

}  // namespace
}  // namespace everseal::crypto
