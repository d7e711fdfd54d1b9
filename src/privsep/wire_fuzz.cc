// Every reader of messages on arbitrary bytes: what is read is written again as the same bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <tuple>

#include "privsep/messages.h"

using namespace everseal;
using namespace everseal::privsep;

namespace {

template <class Message>
void check(std::string_view bytes) {
  const auto message = decode<Message>(bytes);
  if (message && encode(*message) != bytes) std::abort();
}

using Readers =
    std::tuple<KeeperRequest, SignerRequest, NetRequest, NetEvent, VerifyRequest, EdgeRequest,
               Ready, Probed, Result<>, Result<std::string>, Result<acme::AccountTerms>,
               Result<std::optional<std::string>>, Result<crypto::EncodedChain>,
               Result<crypto::LeafFacts>, Result<scan::Leaf>, Result<scan::Answer>>;

template <std::size_t... I>
void check_one(std::size_t which, std::string_view bytes, std::index_sequence<I...>) {
  static_cast<void>(
      ((I == which && (check<std::tuple_element_t<I, Readers>>(bytes), true)) || ...));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::size_t kCount = std::tuple_size_v<Readers>;
  check_one(data[0] % kCount, {reinterpret_cast<const char*>(data) + 1, size - 1},
            std::make_index_sequence<kCount>());
  return 0;
}
