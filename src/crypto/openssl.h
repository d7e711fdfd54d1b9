// What the files of this folder share of OpenSSL: owners, buffers, errors. Not for other folders.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace everseal::crypto {

template <auto free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};

using BioPointer = std::unique_ptr<BIO, Freer<BIO_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using NamesPointer = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;
using DigestContextPointer = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using NumberPointer = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using NumberContextPointer = std::unique_ptr<BN_CTX, Freer<BN_CTX_free>>;

inline const unsigned char* to_unsigned(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

inline std::string_view text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

// A BIO that reads `bytes`, which must outlive it.
inline BioPointer reader(std::string_view bytes) {
  return BioPointer(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

inline BioPointer writer() { return BioPointer(BIO_new(BIO_s_mem())); }

inline std::string written(const BioPointer& bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

// The DER of an object by its i2d function.
template <class T, class Encode>
std::string to_der(Encode encode, T* object) {
  unsigned char* data = nullptr;
  int size = encode(object, &data);
  if (size < 0) return {};
  std::string der(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return der;
}

// The last common name; empty if there is none.
std::string common_name(const X509_NAME* name);

// "ATTEMPT: the latest reason in OpenSSL's queue", which is emptied.
std::unexpected<base::Error> openssl_error(std::string_view attempt);

}  // namespace everseal::crypto
