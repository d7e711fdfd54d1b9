#include "notify/smtp.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "http/curl.h"

namespace everseal::notify {
namespace {

using http::curl;

constexpr long kConnectSeconds = 15, kTotalSeconds = 30;
constexpr long kAnswerSeconds = 20;      // for each of its lines: libcurl's own limit is 120
constexpr std::size_t kMostWords = 500;  // of the server, in bytes

// One mail on its way; its address is known to libcurl.
struct Transfer {
  const ByMail& mail;
  http::ListPointer recipients{}, addresses{};
  http::Upload upload{};
  std::string last_words{};  // of the server
  std::array<char, CURL_ERROR_SIZE> error{};
  http::EasyPointer easy{};
};

// Each line that the server says.
std::size_t on_line(char* data, std::size_t, std::size_t size, void* user) {
  std::string_view line(data, std::min(size, kMostWords));
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (!line.starts_with("221")) static_cast<Transfer*>(user)->last_words = line;
  return size;
}

std::size_t on_body(char*, std::size_t, std::size_t size, void*) { return size; }

// Values are constants of libcurl's documented types.
template <class Value>
void set(const Transfer& transfer, CURLoption option, Value value) {
  curl().easy_setopt(transfer.easy.get(), option, value);
}

std::string host_and_port(const MailServer& server) {
  return fmt::format("{}:{}", server.host, server.port);
}

void set_where(Transfer& transfer, const Way& way) {
  const MailServer& server = transfer.mail.server;
  const char* const scheme = server.security == Security::implicit_tls ? "smtps" : "smtp";
  set(transfer, CURLOPT_URL, fmt::format("{}://{}", scheme, host_and_port(server)).c_str());
  set(transfer, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  set(transfer, CURLOPT_PROXY, "");
  transfer.addresses = http::resolve_list(host_and_port(server), way.addresses);
  set(transfer, CURLOPT_RESOLVE, transfer.addresses.get());
  set(transfer, CURLOPT_NOSIGNAL, 1L);
  set(transfer, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  set(transfer, CURLOPT_TIMEOUT, kTotalSeconds);
  set(transfer, CURLOPT_SERVER_RESPONSE_TIMEOUT, kAnswerSeconds);
}

// No server can talk us out of TLS: without an answer to STARTTLS nothing is sent. Only mechanisms
// that need no more than libcurl; PLAIN and LOGIN show the password to who has the certificate.
void set_trust(Transfer& transfer, const Way& way) {
  const MailServer& server = transfer.mail.server;
  const bool is_secured = server.security != Security::none;
  set(transfer, CURLOPT_USE_SSL, static_cast<long>(is_secured ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  set(transfer, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(transfer, CURLOPT_CAINFO, nullptr);
  set(transfer, CURLOPT_CAPATH, nullptr);
  curl_blob blob{const_cast<char*>(way.trusted_pem.data()), way.trusted_pem.size(),
                 CURL_BLOB_NOCOPY};
  set(transfer, CURLOPT_CAINFO_BLOB, &blob);
  if (server.user.empty()) return;
  set(transfer, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
  set(transfer, CURLOPT_USERNAME, server.user.c_str());
  set(transfer, CURLOPT_PASSWORD, server.password.c_str());
}

// Who is refused does not keep the mail from the others.
void set_envelope(Transfer& transfer) {
  const ByMail& mail = transfer.mail;
  curl_slist* recipients = nullptr;
  for (const std::string& each : mail.to)
    recipients = curl().slist_append(recipients, fmt::format("<{}>", each).c_str());
  transfer.recipients.reset(recipients);
  set(transfer, CURLOPT_MAIL_FROM, fmt::format("<{}>", mail.from).c_str());
  set(transfer, CURLOPT_MAIL_RCPT, recipients);
  set(transfer, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
}

void set_callbacks(Transfer& transfer) {
  set(transfer, CURLOPT_UPLOAD, 1L);
  transfer.upload.rest = transfer.mail.mail;
  set(transfer, CURLOPT_READFUNCTION, &http::send_some);
  set(transfer, CURLOPT_READDATA, &transfer.upload);
  set(transfer, CURLOPT_WRITEFUNCTION, &on_body);
  set(transfer, CURLOPT_HEADERFUNCTION, &on_line);
  set(transfer, CURLOPT_HEADERDATA, &transfer);
  set(transfer, CURLOPT_ERRORBUFFER, transfer.error.data());
}

std::unexpected<Error> failure(const Transfer& transfer, CURLcode code) {
  const std::string reason =
      base::printable(transfer.error[0] ? transfer.error.data() : curl().easy_strerror(code));
  const std::string words = base::printable(transfer.last_words);
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return base::rejected(fmt::format("its certificate is not to be trusted: {}", reason));
    case CURLE_USE_SSL_FAILED:
      return base::rejected(fmt::format("it offers no TLS: {}", reason));
    case CURLE_LOGIN_DENIED:
      return base::rejected(fmt::format("it refuses the user or the password: {}", words));
    default:
      break;
  }
  if (transfer.last_words.starts_with('5'))  // RFC 5321 §4.2.1
    return base::rejected(fmt::format("it refuses: {}", words));
  if (transfer.last_words.starts_with('4'))
    return base::transient(fmt::format("it refuses for now: {}", words));
  return base::transient(reason);
}

}  // namespace

Result<> send_by_smtp(const ByMail& mail, const Way& way) {
  Transfer transfer{.mail = mail};
  transfer.easy.reset(curl().easy_init());
  set_where(transfer, way);
  set_trust(transfer, way);
  set_envelope(transfer);
  set_callbacks(transfer);
  const CURLcode code = curl().easy_perform(transfer.easy.get());
  // The connection ends with this process: to end it, libcurl would say QUIT and wait for an answer
  // as long as two minutes. What was taken is told, whatever the server makes of our good-bye.
  static_cast<void>(transfer.easy.release());
  if (code == CURLE_OK) return {};
  return within(host_and_port(mail.server), Result<>(failure(transfer, code)));
}

}  // namespace everseal::notify
