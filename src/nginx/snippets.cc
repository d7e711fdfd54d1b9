#include "nginx/snippets.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "base/file_system.h"

namespace everseal::nginx {
namespace {

constexpr int kFormat = 1;
constexpr std::string_view kStamp = "# Version ", kChecksum = ", checksum ",
                           kProfile = ", profile ";

// FNV-1a, 64 bits: tells an edit by hand, and is no defence against one.
std::string checksum(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

// The line of a stamp and what is below it.
std::optional<std::pair<std::string_view, std::string_view>> split_at_stamp(std::string_view text) {
  const std::size_t begin = text.find(kStamp);
  const std::size_t end = text.find('\n', begin);
  if (begin == text.npos || end == text.npos) return std::nullopt;
  return std::pair(text.substr(begin, end - begin), text.substr(end + 1));
}

bool are_of_our_kind(std::span<const Statement> statements) {
  constexpr std::array<std::string_view, 18> kOurs = {"if",
                                                      "listen",
                                                      "return",
                                                      "server",
                                                      "server_name",
                                                      "server_tokens",
                                                      "ssl_ciphers",
                                                      "ssl_conf_command",
                                                      "ssl_dhparam",
                                                      "ssl_early_data",
                                                      "ssl_ecdh_curve",
                                                      "ssl_prefer_server_ciphers",
                                                      "ssl_protocols",
                                                      "ssl_reject_handshake",
                                                      "ssl_session_cache",
                                                      "ssl_session_ticket_key",
                                                      "ssl_session_tickets",
                                                      "ssl_session_timeout"};
  return std::ranges::all_of(statements, [&](const Statement& statement) {
    return std::ranges::find(kOurs, statement.name()) != kOurs.end() &&
           statement.ending != Ending::raw_body && are_of_our_kind(statement.children);
  });
}

// Nothing in it could be a directive.
bool are_parameters(std::string_view text) {
  return text.starts_with("-----BEGIN DH PARAMETERS-----\n") &&
         text.find_first_of(";{}#") == text.npos;
}

bool sets(const Model& model, std::string_view name, const std::string& except_path) {
  return std::ranges::any_of(children(model.http(), name), [&](const Directive* directive) {
    return directive->file->path != except_path;
  });
}

}  // namespace

std::string acme_path(const EditOptions& options) {
  return base::join_path(options.own_directory, "acme.conf");
}

std::string tls_path(const EditOptions& options) {
  return base::join_path(options.own_directory, "tls.conf");
}

std::string acme_snippet(const EditOptions& options) {
  const std::string body = fmt::format(
      "if ($request_uri ~ \"^/\\.well-known/acme-challenge/([-_A-Za-z0-9]{{20,128}})$\") {{\n"
      "    return 200 \"$1.{}\";\n"
      "}}\n",
      options.thumbprint);
  return fmt::format(
      "# Written by everseal: answers certificate authorities that check who runs this server.\n"
      "# To be rid of it, remove the lines \"include {};\" first, then this file.\n"
      "{}{}",
      acme_path(options), stamp("", body), body);
}

std::string tls_snippet(const Model& model, Profile profile, const EditOptions& options) {
  std::string body;
  for (const Setting& setting : settings_of(profile, options.nginx, options.openssl)) {
    if (sets(model, setting.name, tls_path(options))) continue;
    body += fmt::format("{} {};\n", setting.name, setting.value);
  }
  if (body.empty()) return body;
  const std::string particulars = fmt::format("{}{}", kProfile, to_string(profile));
  return fmt::format(
      "# Written by everseal: TLS for all servers (Mozilla's {} profile), as far as\n"
      "# http{{}} did not say otherwise. What a server sets itself counts more.\n"
      "# To be rid of it, remove the line \"include {};\" first, then this file.\n"
      "{}{}",
      to_string(profile), tls_path(options), stamp(particulars, body), body);
}

std::string stamp(std::string_view particulars, std::string_view body) {
  return fmt::format("{}{}{}{}{}. Changed by hand it is left alone.\n", kStamp, kFormat,
                     particulars, kChecksum, checksum(body));
}

std::optional<Profile> profile_of(std::string_view snippet) {
  const auto parts = split_at_stamp(snippet);
  if (!parts) return std::nullopt;
  const std::size_t begin = parts->first.find(kProfile);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::string_view rest = parts->first.substr(begin + kProfile.size());
  const auto profile = parse_profile(rest.substr(0, rest.find(',')));
  return profile ? std::optional(*profile) : std::nullopt;
}

bool is_untouched(std::string_view snippet) {
  const auto parts = split_at_stamp(snippet);
  return parts && parts->first.contains(fmt::format("{}{}.", kChecksum, checksum(parts->second)));
}

bool is_of_our_kind(std::string_view text) {
  if (are_parameters(text)) return true;
  const auto document = Document::parse("", std::string(text));
  return document && are_of_our_kind(document->statements());
}

}  // namespace everseal::nginx
