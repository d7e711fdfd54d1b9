#include "crypto/fermat.h"

#include <optional>

#include "base/memory.h"

namespace everseal::crypto {
namespace {

using MontgomeryPointer = std::unique_ptr<BN_MONT_CTX, Freer<BN_MONT_CTX_free>>;

class LibraryTest : public FermatTest {
 public:
  unsigned passing(std::span<const NumberPointer> numbers) override {
    unsigned passing = 0;
    for (std::size_t i = 0; i < numbers.size(); i++)
      if (passes(numbers[i].get())) passing |= 1u << i;
    return passing;
  }

  double speed() const override { return 1; }

 private:
  bool passes(const BIGNUM* number) {
    const auto passed = power_is_one(number);
    if (!passed) base::insist_on_memory();  // nothing else can fail here
    return passed.value_or(false);
  }

  // The last bit of `number` is the only one that its predecessor, the exponent, has not. A
  // doubling is cheaper than the multiplication by any other base.
  std::optional<bool> power_is_one(const BIGNUM* number) {
    BN_CTX* const context = context_.get();
    BN_MONT_CTX* const montgomery = montgomery_.get();
    if (BN_MONT_CTX_set(montgomery, number, context) != 1 ||
        BN_to_montgomery(one_.get(), BN_value_one(), montgomery, context) != 1 ||
        !BN_copy(power_.get(), one_.get()))
      return std::nullopt;
    for (int bit = BN_num_bits(number) - 1; bit >= 0; bit--) {
      if (BN_mod_mul_montgomery(power_.get(), power_.get(), power_.get(), montgomery, context) != 1)
        return std::nullopt;
      if (bit > 0 && BN_is_bit_set(number, bit) &&
          BN_mod_lshift1_quick(power_.get(), power_.get(), number) != 1)
        return std::nullopt;
    }
    return BN_cmp(power_.get(), one_.get()) == 0;
  }

  const NumberContextPointer context_{BN_CTX_new()};
  const MontgomeryPointer montgomery_{BN_MONT_CTX_new()};
  const NumberPointer power_{BN_new()}, one_{BN_new()};
};

}  // namespace

std::unique_ptr<FermatTest> fermat_by_library() { return std::make_unique<LibraryTest>(); }

}  // namespace everseal::crypto
