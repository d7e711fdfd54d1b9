#include "http/http2_session.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "base/memory.h"
#include "base/shared_library.h"

namespace everseal::http {
namespace {

// The functions of libnghttp2 that we call.
struct Nghttp2 {
  decltype(&::nghttp2_session_callbacks_new) callbacks_new;
  decltype(&::nghttp2_session_callbacks_del) callbacks_del;
  decltype(&::nghttp2_session_callbacks_set_on_begin_headers_callback) on_begin_headers;
  decltype(&::nghttp2_session_callbacks_set_on_header_callback) on_header;
  decltype(&::nghttp2_session_callbacks_set_on_data_chunk_recv_callback) on_data;
  decltype(&::nghttp2_session_callbacks_set_on_frame_recv_callback) on_frame;
  decltype(&::nghttp2_session_callbacks_set_on_frame_send_callback) on_sent;
  decltype(&::nghttp2_session_callbacks_set_on_stream_close_callback) on_close;
  decltype(&::nghttp2_option_new) option_new;
  decltype(&::nghttp2_option_del) option_del;
  decltype(&::nghttp2_option_set_stream_reset_rate_limit) set_reset_limit;  // null: has none
  decltype(&::nghttp2_session_server_new2) server_new;
  decltype(&::nghttp2_session_del) session_del;
  decltype(&::nghttp2_session_mem_recv) mem_recv;
  decltype(&::nghttp2_session_mem_send) mem_send;
  decltype(&::nghttp2_session_want_read) want_read;
  decltype(&::nghttp2_session_want_write) want_write;
  decltype(&::nghttp2_submit_settings) submit_settings;
  decltype(&::nghttp2_submit_response) submit_response;
  decltype(&::nghttp2_submit_rst_stream) submit_rst_stream;
};

Result<Nghttp2> open_once() {
  Nghttp2 all;
  const auto library = TRY(base::SharedLibrary::open("libnghttp2.so.14", "Debian's libnghttp2-14"));
  TRY(library.find("nghttp2_session_callbacks_new", all.callbacks_new));
  TRY(library.find("nghttp2_session_callbacks_del", all.callbacks_del));
  TRY(library.find("nghttp2_session_callbacks_set_on_begin_headers_callback",
                   all.on_begin_headers));
  TRY(library.find("nghttp2_session_callbacks_set_on_header_callback", all.on_header));
  TRY(library.find("nghttp2_session_callbacks_set_on_data_chunk_recv_callback", all.on_data));
  TRY(library.find("nghttp2_session_callbacks_set_on_frame_recv_callback", all.on_frame));
  TRY(library.find("nghttp2_session_callbacks_set_on_frame_send_callback", all.on_sent));
  TRY(library.find("nghttp2_session_callbacks_set_on_stream_close_callback", all.on_close));
  TRY(library.find("nghttp2_option_new", all.option_new));
  TRY(library.find("nghttp2_option_del", all.option_del));
  static_cast<void>(
      library.find("nghttp2_option_set_stream_reset_rate_limit", all.set_reset_limit));
  TRY(library.find("nghttp2_session_server_new2", all.server_new));
  TRY(library.find("nghttp2_session_del", all.session_del));
  TRY(library.find("nghttp2_session_mem_recv", all.mem_recv));
  TRY(library.find("nghttp2_session_mem_send", all.mem_send));
  TRY(library.find("nghttp2_session_want_read", all.want_read));
  TRY(library.find("nghttp2_session_want_write", all.want_write));
  TRY(library.find("nghttp2_submit_settings", all.submit_settings));
  TRY(library.find("nghttp2_submit_response", all.submit_response));
  TRY(library.find("nghttp2_submit_rst_stream", all.submit_rst_stream));
  return all;
}

const Result<Nghttp2>& opened() {
  static const Result<Nghttp2> all = open_once();
  return all;
}

const Nghttp2& lib() { return *opened(); }

// Of the requests of one connection that are not yet whole: a few bytes can stand for many (RFC
// 7541 §2.3.2), and many streams can be begun at once.
constexpr std::size_t kMostUnfinishedBytes = 256 << 10;

// Requests that a client may give up beyond those whose answers it takes (CVE-2023-44487).
constexpr std::size_t kMostGivenUp = 1000;

// One request as it comes, and its answer as it goes.
struct Stream {
  ReadRequest read;       // until it is complete
  std::size_t bytes = 0;  // of it, counted as RFC 9113 §6.5.2 does
  bool complete = false;  // or refused: nothing more of it is read
  bool refused = false, wants_body = true, answered = false;
  std::string body;  // of the answer
  std::size_t sent = 0;
};

nghttp2_nv to_nv(const std::string& name, const std::string& value) {
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

bool ends_stream(const nghttp2_frame& frame) {
  const bool carries = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
  return carries && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM);
}

// RFC 9113 §8.2: names are in lower case; these belong to HTTP/1.1's connections.
std::optional<std::string> to_field_name(std::string_view name) {
  std::string lower(name);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  if (lower == "connection" || lower == "transfer-encoding") return std::nullopt;
  return lower;
}

}  // namespace

struct Http2Session::State {
  explicit State(RequestLimits given) : limits(given) {}
  ~State() { lib().session_del(session); }

  Stream* find(std::int32_t id) {
    const auto found = streams.find(id);
    return found == streams.end() ? nullptr : &found->second;
  }

  // Nothing of it is kept: the client decides how long a stream lives.
  void finish(std::int32_t id, Stream& stream, int refused) {
    if (stream.complete) return;
    stream.complete = true;
    unfinished_bytes -= stream.bytes;
    stream.read.refused = refused;
    if (refused == 0 && (stream.read.host.empty() || stream.read.request.url.empty()))
      stream.read.refused = 400;
    stream.refused = stream.read.refused != 0;
    stream.wants_body = stream.read.request.method != Method::head;
    ready.push_back({id, std::exchange(stream.read, {})});
  }

  // False where that is too much.
  bool count(Stream& stream, std::size_t bytes) {
    stream.bytes += bytes;
    unfinished_bytes += bytes;
    return unfinished_bytes <= kMostUnfinishedBytes;
  }

  static State& of(void* user) { return *static_cast<State*>(user); }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
      of(user).streams.try_emplace(frame->hd.stream_id);
    return 0;
  }

  // nghttp2 has checked names, values and the order of pseudo-headers (§8.3).
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t, void* user) {
    Stream* const stream = of(user).find(frame->hd.stream_id);
    if (!stream || stream->complete) return 0;
    if (!of(user).count(*stream, name_size + value_size + 32) ||
        stream->bytes > of(user).limits.most_head_bytes)
      return of(user).finish(frame->hd.stream_id, *stream, 431), 0;
    of(user).take_header(frame->hd.stream_id, *stream,
                         {reinterpret_cast<const char*>(name), name_size},
                         {reinterpret_cast<const char*>(value), value_size});
    return 0;
  }

  void take_header(std::int32_t id, Stream& stream, std::string_view name, std::string_view value) {
    Request& request = stream.read.request;
    if (name == ":method") {
      if (value == "HEAD") request.method = Method::head;
      if (value == "POST") request.method = Method::post;
      if (value != "GET" && value != "HEAD" && value != "POST") finish(id, stream, 405);
    } else if (name == ":path") {
      if (value.starts_with('/') && !value.contains('#')) request.url = value;
    } else if (name == ":authority" || name == "host") {
      if (!is_host(value)) return finish(id, stream, 400);
      stream.read.host = *to_field_name(value);
    } else if (!name.starts_with(':')) {
      request.headers.push_back({std::string(name), std::string(value)});
    }
  }

  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                     std::size_t size, void* user) {
    Stream* const stream = of(user).find(id);
    if (!stream || stream->complete) return 0;
    std::string& body = stream->read.request.body;
    if (!of(user).count(*stream, size) || body.size() + size > of(user).limits.most_body_bytes)
      return of(user).finish(id, *stream, 413), 0;
    body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (!ends_stream(*frame)) return 0;
    if (Stream* const stream = of(user).find(frame->hd.stream_id))
      of(user).finish(frame->hd.stream_id, *stream, 0);
    return 0;
  }

  // What more of a refused request there may be is not wanted (§8.1).
  static int on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    const Stream* const stream = of(user).find(frame->hd.stream_id);
    if (stream && stream->refused && ends_stream(*frame))
      lib().submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
  }

  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
    const Stream* const stream = of(user).find(id);
    if (!stream) return 0;
    if (!stream->complete) of(user).unfinished_bytes -= stream->bytes;
    (stream->answered ? of(user).answers_taken : of(user).given_up)++;
    of(user).streams.erase(id);
    return 0;
  }

  // libnghttp2 itself counts each reset, also of a stream that is answered; libcurl ends all its
  // streams so, and would have to come anew after a thousand requests.
  void open(const nghttp2_session_callbacks* callbacks) {
    nghttp2_option* option = nullptr;
    if (lib().option_new(&option) != 0) base::insist_on_memory();
    constexpr std::uint64_t kNoLimit = std::numeric_limits<std::int64_t>::max();
    if (lib().set_reset_limit) lib().set_reset_limit(option, kNoLimit, kNoLimit);
    if (lib().server_new(&session, callbacks, this, option) != 0) base::insist_on_memory();
    lib().option_del(option);
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t* buffer,
                           std::size_t size, std::uint32_t* flags, nghttp2_data_source*,
                           void* user) {
    Stream* const stream = of(user).find(id);
    if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::size_t copied =
        stream->body.copy(reinterpret_cast<char*>(buffer), size, stream->sent);
    stream->sent += copied;
    if (stream->sent == stream->body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(copied);
  }

  const RequestLimits limits;
  nghttp2_session* session = nullptr;
  std::map<std::int32_t, Stream> streams;  // open ones
  std::size_t unfinished_bytes = 0;
  std::size_t answers_taken = 0, given_up = 0;  // streams that are over
  std::vector<StreamRequest> ready;
};

Result<> Http2Session::open_library() {
  if (!opened()) return std::unexpected(opened().error());
  return {};
}

Http2Session::Http2Session(RequestLimits limits, std::uint32_t most_streams)
    : state_(std::make_unique<State>(limits)) {
  nghttp2_session_callbacks* callbacks = nullptr;
  if (lib().callbacks_new(&callbacks) != 0) base::insist_on_memory();
  lib().on_begin_headers(callbacks, State::on_begin_headers);
  lib().on_header(callbacks, State::on_header);
  lib().on_data(callbacks, State::on_data);
  lib().on_frame(callbacks, State::on_frame);
  lib().on_sent(callbacks, State::on_sent);
  lib().on_close(callbacks, State::on_close);
  state_->open(callbacks);
  lib().callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, most_streams},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.most_head_bytes)}};
  lib().submit_settings(state_->session, NGHTTP2_FLAG_NONE, settings, std::size(settings));
}

Http2Session::~Http2Session() = default;

bool Http2Session::feed(std::string_view bytes) {
  return lib().mem_recv(state_->session, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                        bytes.size()) >= 0 &&
         state_->given_up <= state_->answers_taken + kMostGivenUp;
}

std::vector<StreamRequest> Http2Session::requests() { return std::exchange(state_->ready, {}); }

void Http2Session::answer(std::int32_t id, Response response) {
  Stream* const stream = state_->find(id);
  if (!stream) return;
  std::vector<std::pair<std::string, std::string>> fields = {
      {":status", fmt::to_string(response.status)}};
  for (Header& header : response.headers)
    if (auto name = to_field_name(header.name))
      fields.emplace_back(*std::move(name), std::move(header.value));
  std::vector<nghttp2_nv> native;
  for (const auto& [name, value] : fields) native.push_back(to_nv(name, value));
  stream->answered = true;
  stream->body = std::move(response.body);
  const bool has_body = !stream->body.empty() && stream->wants_body;
  nghttp2_data_provider provider{};
  provider.read_callback = State::read_body;
  lib().submit_response(state_->session, id, native.data(), native.size(),
                        has_body ? &provider : nullptr);
}

void Http2Session::drop(std::int32_t id) {
  lib().submit_rst_stream(state_->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
}

std::string Http2Session::output() {
  std::string bytes;
  for (;;) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = lib().mem_send(state_->session, &data);
    if (size <= 0) return bytes;
    bytes.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  }
}

bool Http2Session::is_over() const {
  return !lib().want_read(state_->session) && !lib().want_write(state_->session);
}

}  // namespace everseal::http
