#include "base/encoding.h"
#include "ca/caa.h"

// Whatever a domain's records say, it is read, and nobody is allowed who is not named.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string value(reinterpret_cast<const char*>(data), size);
  const everseal::ca::CaaApplicant applicant{
      .identities = {"ca.test"}, .account_url = "https://ca.test/1", .method = "http-01"};
  const std::string why = everseal::ca::forbidden_by({{.tag = "issue", .value = value}}, applicant);
  const std::string lower = everseal::base::lower_case(value);
  if (why.empty() && !lower.contains("ca.test")) __builtin_trap();
  (void)everseal::ca::forbidden_by({{.critical = true, .tag = value, .value = value}}, applicant);
  return 0;
}
