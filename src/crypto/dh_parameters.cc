#include "crypto/dh_parameters.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <algorithm>

#include "base/encoding.h"
#include "crypto/openssl.h"

namespace everseal::crypto {
namespace {

using KeyContextPointer = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using BuilderPointer = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;
using ParametersPointer = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;

constexpr BN_ULONG kGenerator = 2;

// Of RFC 7919, Appendix A: the size of a group, and how short a secret exponent may be that is not
// easier to find than the group's own strength asks for.
struct Group {
  std::string_view name;
  int bits;
  int exponent_bits;
};
constexpr Group kGroups[] = {{"ffdhe2048", 2048, 225},
                             {"ffdhe3072", 3072, 275},
                             {"ffdhe4096", 4096, 325},
                             {"ffdhe6144", 6144, 375},
                             {"ffdhe8192", 8192, 400}};

// The same for a prime of one's own: as for the group of its size or the next larger one.
int exponent_bits(int bits) {
  const auto group =
      std::ranges::find_if(kGroups, [&](const Group& each) { return bits <= each.bits; });
  return group == std::end(kGroups) ? kGroups[4].exponent_bits : group->exponent_bits;
}

Result<std::string> encode(const BuilderPointer& builder) {
  const ParametersPointer parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContextPointer context(EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEY_PARAMETERS, parameters.get()) != 1)
    return openssl_error("make Diffie-Hellman parameters");
  const KeyPointer owner(key);
  const BioPointer pem = writer();
  if (PEM_write_bio_Parameters(pem.get(), key) != 1)
    return openssl_error("encode Diffie-Hellman parameters");
  return written(pem);
}

Result<std::string> encode_prime(std::string_view prime) {
  const NumberPointer p(BN_bin2bn(to_unsigned(prime), static_cast<int>(prime.size()), nullptr));
  const NumberPointer g(BN_new());
  BN_set_word(g.get(), kGenerator);
  const BuilderPointer builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_FFC_P, p.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_FFC_G, g.get());
  OSSL_PARAM_BLD_push_long(builder.get(), OSSL_PKEY_PARAM_DH_PRIV_LEN,
                           exponent_bits(BN_num_bits(p.get())));
  return encode(builder);
}

Result<KeyPointer> read_parameters(std::string_view pem) {
  KeyPointer key(PEM_read_bio_Parameters(reader(pem).get(), nullptr));
  ERR_clear_error();
  if (!key || EVP_PKEY_is_a(key.get(), "DH") != 1)
    return base::invalid("not Diffie-Hellman parameters in PEM");
  return key;
}

}  // namespace

Result<std::string> dh_group(std::string_view name) {
  if (std::ranges::find(kGroups, name, &Group::name) == std::end(kGroups))
    return base::invalid(fmt::format(
        "unknown group \"{}\"; known are ffdhe2048, ffdhe3072, ffdhe4096, ffdhe6144, ffdhe8192",
        base::printable(name, 40)));
  const BuilderPointer builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, name.data(),
                                  name.size());
  return encode(builder);
}

Result<std::string> generate_dh_parameters(const SafePrimeSearch& search) {
  return encode_prime(TRY(find_safe_prime(search)));
}

Result<int> dh_bits(std::string_view pem) {
  return EVP_PKEY_get_bits(TRY(read_parameters(pem)).get());
}

// OpenSSL gives what it reads the name of the group that it is, whatever the length of exponents.
Result<std::string> dh_group_of(std::string_view pem) {
  const KeyPointer key = TRY(read_parameters(pem));
  char name[64] = {};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key.get(), name, sizeof name, &size) != 1) name[0] = 0;
  ERR_clear_error();
  const bool known = std::ranges::find(kGroups, name, &Group::name) != std::end(kGroups);
  return known ? std::string(name) : std::string();
}

}  // namespace everseal::crypto
