#include "ca/management.h"

#include <algorithm>

#include "base/encoding.h"
#include "ca/call.h"
#include "ca/json.h"

namespace everseal::ca {
namespace {

// Where the path of a URL begins.
std::size_t path_at(const std::string& url) {
  const std::size_t authority = url.find("://");
  return authority == url.npos ? 0 : std::min(url.find('/', authority + 3), url.size());
}

std::string path_of(const std::string& url) { return url.substr(path_at(url)); }

Checked<Time> read_time(const Object& from, const char* member) {
  const auto time = base::parse_rfc3339(TRY(from.text(member)));
  if (time) return *time;
  return malformed("\"" + std::string(member) + "\" is not a time of RFC 3339");
}

template <class T>
Checked<T> accepted(Result<T> result) {
  if (!result) return malformed(result.error().message);
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return *std::move(result);
}

// What is read once, when the CA starts, cannot become another by a policy.
Checked<> check_same(const Policy& now, const Policy& wanted) {
  const auto refuse_if = [](bool differs, const char* member) -> Checked<> {
    if (!differs) return {};
    return malformed("\"" + std::string(member) + "\" holds from the next start");
  };
  TRY(refuse_if(wanted.caa_identities != now.caa_identities, "caa_identities"));
  TRY(refuse_if(wanted.other_names != now.other_names, "other_names"));
  TRY(refuse_if(wanted.reach_also != now.reach_also, "reach_also"));
  return refuse_if(wanted.reach_never != now.reach_never, "reach_never");
}

}  // namespace

// A page in a browser of this machine can have its own name lead here.
Checked<> Management::check_name(const http::Request& request) const {
  const std::string origin = request.url.substr(0, path_at(request.url));
  if (names_.include(origin)) return {};
  return refuse(421, "unauthorized", base::printable(origin, 200) + " is not a name of this CA");
}

http::Response Management::handle(const http::Request& request) {
  if (const auto done = check_name(request); !done) return to_response(done.error());
  if (request.method == http::Method::get && path_of(request.url) == "/requests")
    return respond(200, dump(Json(front_end_.requests())));
  if (const auto done = act(request); !done) return to_response(done.error());
  return {.status = 204};
}

Checked<> Management::act(const http::Request& request) {
  const std::string path = path_of(request.url);
  if (request.method != http::Method::post) return refuse(405, "malformed", "POST is the method");
  const std::string* const type = request.header("Content-Type");
  if (!type || *type != "application/json")
    return refuse(415, "malformed", "the content type is not application/json");
  if (path == "/faults") return accepted(front_end_.faults().add(request.body));
  if (path == "/policy") {
    Policy policy = TRY(accepted(parse_policy(request.body)));
    TRY(check_same(front_end_.policy(), policy));
    front_end_.set_policy(std::move(policy));
    return {};
  }
  if (path == "/faults/clear") {
    front_end_.faults().clear();
    return {};
  }
  if (path == "/renewal-windows") return set_window(request.body);
  return refuse(404, "malformed", "there is no such resource");
}

Checked<> Management::set_window(const std::string& body) {
  const Object from = TRY(Object::parse(body));
  const RenewalWindow window{
      .start = TRY(read_time(from, "start")),
      .end = TRY(read_time(from, "end")),
      .explanation_url = TRY(from.optional_text("explanation_url")).value_or("")};
  const auto serial = TRY(from.optional_text("serial"));
  if (serial)
    TRY(ledger_.set_renewal_window(*serial, window));
  else
    TRY(ledger_.set_renewal_window_of_all(TRY(read_time(from, "issued_until")) - kBackdating,
                                          window));
  return {};
}

}  // namespace everseal::ca
