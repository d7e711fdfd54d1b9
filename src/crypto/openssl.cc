#include "crypto/openssl.h"

#include <fmt/format.h>
#include <openssl/err.h>

namespace everseal::crypto {

std::unexpected<base::Error> openssl_error(std::string_view attempt) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  auto error = base::internal(fmt::format("{}: {}", attempt, reason ? reason : "unknown reason"));
  ERR_clear_error();
  return error;
}

}  // namespace everseal::crypto
