#include "store/note.h"

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "store/columns.h"

namespace everseal::store {
namespace {

constexpr int kDepth = 2;  // an object with arrays

}  // namespace

std::string to_note(const CertificateRecord& certificate) {
  const nlohmann::json note = {{"version", 1},
                               {"name", certificate.name},
                               {"names", certificate.names},
                               {"server", certificate.server},
                               {"key_type", certificate.key_type},
                               {"method", to_string(certificate.method)},
                               {"webroots", certificate.webroots},
                               {"preferred_chain", certificate.preferred_chain},
                               {"beside", certificate.beside}};
  return note.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<CertificateRecord> from_note(std::string_view text) {
  TRY(base::check_before_parsing(text, kDepth));
  const auto note = nlohmann::json::parse(text, nullptr, false);
  if (!note.is_object()) return base::invalid("not a JSON object");
  const auto word = [&](const char* key) {
    const auto found = note.find(key);
    return found != note.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const auto words = [&](const char* key) {
    const auto found = note.find(key);
    return found == note.end() ? std::vector<std::string>() : from_json(found->dump());
  };
  CertificateRecord certificate;
  certificate.name = word("name");
  certificate.names = words("names");
  certificate.server = word("server");
  certificate.key_type = word("key_type");
  certificate.method = TRY(parse_method(word("method")));
  certificate.webroots = words("webroots");
  certificate.preferred_chain = word("preferred_chain");
  certificate.beside = word("beside");
  if (certificate.name.empty() || certificate.names.empty() || certificate.server.empty())
    return base::invalid("it names no certificate");
  return certificate;
}

}  // namespace everseal::store
