#include "crypto/openssl.h"

#include <fmt/format.h>
#include <openssl/err.h>

namespace everseal::crypto {

std::string common_name(const X509_NAME* name) {
  int last = -1;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(name, NID_commonName, i)) >= 0;) last = i;
  if (last < 0) return {};
  unsigned char* data = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&data, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
  if (size < 0) return {};
  std::string text(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return text;
}

std::unexpected<base::Error> openssl_error(std::string_view attempt) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  auto error = base::internal(fmt::format("{}: {}", attempt, reason ? reason : "unknown reason"));
  ERR_clear_error();
  return error;
}

}  // namespace everseal::crypto
