#include "ca/nonces.h"

#include <bit>
#include <cstring>

#include "base/encoding.h"
#include "crypto/jws.h"

namespace everseal::ca {
namespace {

constexpr std::size_t kMost = 1 << 20;
constexpr std::size_t kNumberBytes = 8;
constexpr std::size_t kMacBytes = 16;

std::string to_bytes(std::uint64_t number) {
  std::string bytes(kNumberBytes, '\0');
  std::memcpy(bytes.data(), &number, kNumberBytes);
  return bytes;
}

std::uint64_t to_number(std::string_view bytes) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data(), kNumberBytes);
  return number;
}

// In a time that does not tell where they differ.
bool same(std::string_view a, std::string_view b) {
  unsigned differences = a.size() != b.size();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); i++)
    differences |= static_cast<unsigned char>(a[i] ^ b[i]);
  return differences == 0;
}

}  // namespace

Nonces::Nonces(std::string key) : key_(std::move(key)), used_(kMost, true) {}

// Key and number are of fixed lengths and the digest is cut: a hash of both is a MAC here.
std::string Nonces::mac(std::string_view number) const {
  return crypto::sha256(key_ + std::string(number)).substr(0, kMacBytes);
}

std::string Nonces::make() {
  const std::string number = to_bytes(next_);
  used_[next_++ % kMost] = false;
  return base::base64url(number + mac(number));
}

bool Nonces::use(std::string_view nonce) {
  const auto bytes = base::decode_base64url(nonce);
  if (!bytes || bytes->size() != kNumberBytes + kMacBytes) return false;
  const std::string_view given(*bytes);
  const std::uint64_t number = to_number(given);
  if (!same(given.substr(kNumberBytes), mac(given.substr(0, kNumberBytes)))) return false;
  if (number >= next_ || next_ - number > kMost || used_[number % kMost]) return false;
  used_[number % kMost] = true;
  return true;
}

}  // namespace everseal::ca
