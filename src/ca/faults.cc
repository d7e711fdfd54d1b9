#include "ca/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ranges>

#include "base/encoding.h"
#include "ca/table.h"
#include "crypto/private_key.h"

namespace everseal::ca {
namespace {

using table::Setters;

constexpr std::int64_t kMostRepetitions = 100 << 20;
constexpr std::ptrdiff_t kMostPointerParts = 16;
constexpr std::string_view kCertificateEnd = "-----END CERTIFICATE-----\n";

std::string repeated(const std::string& text, std::int64_t times) {
  std::string all;
  for (std::int64_t i = 0; i < times; i++) all += text;
  return all;
}

Checked<std::int64_t> read_repetitions(const Object& from) {
  const std::int64_t times = TRY(from.optional_integer("repeat")).value_or(1);
  if (times > 0 && times <= kMostRepetitions) return times;
  return malformed("\"repeat\" is not between 1 and 104857600");
}

Checked<acme::Problem> read_problem(const Object& from) {
  acme::Problem problem{.type = TRY(from.text("type"))};
  problem.detail = repeated(TRY(from.optional_text("detail")).value_or("on purpose"),
                            TRY(read_repetitions(from)));
  problem.status = static_cast<int>(TRY(from.optional_integer("status")).value_or(400));
  for (const Object& each : TRY(from.objects("subproblems"))) {
    problem.subproblems.push_back(TRY(read_problem(each)));
    problem.subproblems.back().name = TRY(each.optional_text("name")).value_or("");
  }
  return problem;
}

Checked<> read_headers(Fault& fault, const Object& from, const char* member) {
  const Object headers = TRY(from.object(member));
  for (const std::string& name : headers.members()) {
    const auto one = headers.optional_text(name.c_str());
    if (one && *one)
      fault.headers[name] = {**one};
    else
      fault.headers[name] = TRY(headers.texts(name.c_str()));
  }
  return {};
}

Checked<> read_body(Fault& fault, const Object& from, const char* member) {
  if (from.text(member)) {
    fault.body = *from.text(member);
  } else {
    const Object body = TRY(from.object(member));
    const auto bytes = base::decode_base64url(TRY(body.optional_text("base64url")).value_or(""));
    if (!bytes) return malformed("\"base64url\" is not base64url");
    fault.body = repeated(*bytes + TRY(body.optional_text("text")).value_or(""),
                          TRY(read_repetitions(body)));
  }
  return {};
}

Checked<> read_drop(Fault& fault, const Object& from, const char* member) {
  const std::string when = TRY(from.text(member));
  if (when != "before" && when != "after")
    return malformed("\"drop\" is neither \"before\" nor \"after\" the request's effect");
  fault.drop = when == "before" ? Fault::Drop::before : Fault::Drop::after;
  return {};
}

// Each part can make a value within the last one, and what is written out goes down all of them.
Checked<> check_pointer(const std::string& pointer) {
  if (std::ranges::count(pointer, '/') <= kMostPointerParts) return {};
  return malformed(fmt::format("a JSON pointer has more than {} parts", kMostPointerParts));
}

Checked<> read_set(Fault& fault, const Object& from, const char* member) {
  const Object values = TRY(from.object(member));
  for (const std::string& pointer : values.members()) {
    TRY(check_pointer(pointer));
    fault.set.emplace_back(pointer, values.json(pointer.c_str()));
  }
  return {};
}

Checked<> read_chain(Fault& fault, const Object& from, const char* member) {
  fault.chain.emplace();
  for (const std::int64_t each : TRY(from.integers(member))) {
    if (each < 0) return malformed("\"chain\" counts from 0");
    fault.chain->push_back(static_cast<std::size_t>(each));
  }
  return {};
}

Checked<> read_other_key(IssuanceFault& fault, const Object&, const char*) {
  fault.key_der = TRY(crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256)).public_key_der();
  return {};
}

Checked<> read_issuance(Fault& fault, const Object& from, const char* member) {
  static const Setters<IssuanceFault> kSetters = {
      {"names",
       [](IssuanceFault& all, const Object& table, const char* name) -> Checked<> {
         all.names = TRY(table.texts(name));
         return {};
       }},
      {"begins", table::moment(&IssuanceFault::begins)},
      {"ends", table::moment(&IssuanceFault::ends)},
      {"other_key", read_other_key},
  };
  return table::read(fault.issuance.emplace(), TRY(from.object(member)), kSetters);
}

const Setters<Fault>& setters() {
  static const Setters<Fault> kSetters = {
      {"resource", table::text(&Fault::resource)},
      {"name", table::text(&Fault::name)},
      {"from", table::integer(&Fault::from)},
      {"times", table::integer(&Fault::times)},
      {"percent", table::integer(&Fault::percent)},
      {"drop", read_drop},
      {"delay", table::life<Fault>(&Fault::delay)},
      {"hold", table::flag(&Fault::hold)},
      {"has_effect", table::flag(&Fault::has_effect)},
      {"issuance", read_issuance},
      {"headers", read_headers},
      {"body", read_body},
      {"set", read_set},
      {"chain", read_chain},
      {"append", table::text(&Fault::append)},
      {"crlf", table::flag(&Fault::crlf)},
      {"remove",
       [](Fault& all, const Object& from, const char* member) -> Checked<> {
         all.remove = TRY(from.texts(member));
         for (const std::string& each : all.remove) TRY(check_pointer(each));
         return {};
       }},
      {"status",
       [](Fault& all, const Object& from, const char* member) -> Checked<> {
         all.status = static_cast<int>(TRY(from.optional_integer(member)).value_or(0));
         return {};
       }},
      {"validation",
       [](Fault& all, const Object& from, const char* member) -> Checked<> {
         all.validation = TRY(read_problem(TRY(from.object(member))));
         return {};
       }},
      {"problem",
       [](Fault& all, const Object& from, const char* member) -> Checked<> {
         all.problem = TRY(read_problem(TRY(from.object(member))));
         return {};
       }},
  };
  return kSetters;
}

// What is answered with something else has no effect, unless it is said.
Checked<Fault> read_fault(const Object& from) {
  Fault fault;
  TRY(table::read(fault, from, setters()));
  const bool is_replaced = fault.status != 0 || fault.problem || fault.body;
  if (!from.has("has_effect")) fault.has_effect = !is_replaced;
  if (fault.drop == Fault::Drop::before) fault.has_effect = false;
  return fault;
}

Checked<std::vector<Fault>> read_faults(std::string_view json) {
  const Object document = TRY(Object::parse(json));
  std::vector<Fault> faults;
  for (const Object& each : TRY(document.objects("fault"))) {
    auto fault = read_fault(each);
    if (!fault)
      return malformed(
          fmt::format("fault {}: {}", faults.size() + 1, fault.error().problem.detail));
    faults.push_back(*std::move(fault));
  }
  return faults;
}

// The value that a JSON pointer leads to; nullptr if there is none. `last` is made if it is
// missing.
Json* follow(Json& document, std::string_view pointer) {
  Json* at = &document;
  for (const auto part : std::views::split(pointer, '/') | std::views::drop(1)) {
    const std::string word(std::string_view{part});
    if (at->is_array()) {
      std::size_t index = 0;
      std::from_chars(word.data(), word.data() + word.size(), index);
      if (index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else if (at->is_object() || at->is_null()) {
      at = &(*at)[word];
    } else {
      return nullptr;
    }
  }
  return at;
}

void remove_at(Json& document, std::string_view pointer) {
  const std::size_t slash = pointer.rfind('/');
  if (slash == pointer.npos) return;
  Json* const parent = follow(document, pointer.substr(0, slash));
  if (parent && parent->is_object()) parent->erase(std::string(pointer.substr(slash + 1)));
}

void change_json(const Fault& fault, std::string& body) {
  if (fault.set.empty() && fault.remove.empty()) return;
  Json document = Json::parse(body, nullptr, false);
  if (document.is_discarded()) return;
  for (const auto& [pointer, value] : fault.set)
    if (Json* const at = follow(document, pointer)) *at = Json::parse(value, nullptr, false);
  for (const std::string& pointer : fault.remove) remove_at(document, pointer);
  body = dump(document);
}

void change_chain(const Fault& fault, std::string& body) {
  if (!fault.chain) return;
  std::vector<std::string> certificates;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = body.find(kCertificateEnd, at);
    if (end == body.npos) break;
    certificates.push_back(body.substr(at, end + kCertificateEnd.size() - at));
    at = end + kCertificateEnd.size();
  }
  body.clear();
  for (const std::size_t each : *fault.chain)
    if (each < certificates.size()) body += certificates[each];
}

void change_line_ends(std::string& body) {
  std::string changed;
  for (const char c : body) changed += c == '\n' ? std::string("\r\n") : std::string(1, c);
  body = std::move(changed);
}

void change_headers(const Fault& fault, http::Response& response) {
  for (const auto& [name, values] : fault.headers) {
    std::erase_if(response.headers, [&](const http::Header& each) {
      return base::lower_case(each.name) == base::lower_case(name);
    });
    for (const std::string& value : values) response.headers.push_back({name, value});
  }
}

}  // namespace

void Fault::apply(http::Response& response) const {
  if (problem) {
    const std::vector<http::Header> before = std::move(response.headers);
    response = to_response(Refusal(*problem));
    for (const http::Header& each : before)
      if (each.name != "Content-Type") response.headers.push_back(each);
  }
  if (body) response.body = *body;
  if (status != 0) response.status = status;
  change_json(*this, response.body);
  change_chain(*this, response.body);
  response.body += append;
  if (crlf) change_line_ends(response.body);
  change_headers(*this, response);
}

Result<> Faults::add(std::string_view json) {
  for (Fault& each : TRY(table::to_result("faults", read_faults(json))))
    all_.push_back({std::move(each)});
  return {};
}

const Fault* Faults::strike(std::string_view resource, const std::vector<std::string>& names) {
  const Fault* first = nullptr;
  for (Armed& each : all_) {
    if (!each.fault.resource.empty() && each.fault.resource != resource) continue;
    if (!each.fault.name.empty() && std::ranges::find(names, each.fault.name) == names.end())
      continue;
    if (strikes(each) && !first) first = &each.fault;
  }
  return first;
}

bool Faults::strikes(Armed& armed) {
  const Fault& fault = armed.fault;
  const std::int64_t number = ++armed.seen;
  if (number < fault.from) return false;
  if (fault.times > 0 && number >= fault.from + fault.times) return false;
  if (fault.percent >= 100) return true;
  const std::string bytes = random_(2);
  const int chance =
      (static_cast<unsigned char>(bytes[0]) << 8 | static_cast<unsigned char>(bytes[1])) % 100;
  return chance < fault.percent;
}

}  // namespace everseal::ca
