#include "dns/ares_resolver.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/address.h"
#include "base/encoding.h"
#include "dns/ares.h"

namespace everseal::dns {
namespace {

constexpr int kCaaType = 257;  // RFC 8659 §4.1; <arpa/nameser.h> is older
constexpr int kCriticalFlag = 0x80;
constexpr int kTries = 2;
constexpr int kMostAddresses = 64;  // of one family

// Once AresResolver::open() has succeeded.
const Ares& ares() { return **open_ares(); }

struct FreeData {
  void operator()(void* data) const { ares().free_data(data); }
};
struct Destroy {
  void operator()(ares_channel channel) const { ares().destroy(channel); }
};
using ChannelPointer = std::unique_ptr<std::remove_pointer_t<ares_channel>, Destroy>;

// One question and, once it has ended, what came of it. Its address is known to libcares.
struct Question {
  std::string name;
  int type;
  std::optional<int> status{};
  std::string answer{};  // the whole message
};

void on_answer(void* user, int status, int, unsigned char* message, int size) {
  auto& question = *static_cast<Question*>(user);
  question.status = status;
  if (message && size > 0)
    question.answer.assign(reinterpret_cast<char*>(message), static_cast<std::size_t>(size));
}

// What the resolver's answer asks for: a name that does not exist is not the resolver's failure.
std::unexpected<Error> failure(const Question& question, int status) {
  const std::string name = base::printable(question.name, 253);
  switch (status) {
    case ARES_ENOTFOUND:
      return base::not_found(fmt::format("{}: the name does not exist", name));
    case ARES_EBADNAME:
      return base::invalid(fmt::format("{}: not a name that can be looked up", name));
    case ARES_ESERVFAIL:
      return base::transient(fmt::format("{}: SERVFAIL", name));
    case ARES_EREFUSED:
      return base::transient(fmt::format("{}: REFUSED", name));
    case ARES_ETIMEOUT:
    case ARES_ECANCELLED:
      return base::transient(fmt::format("{}: no answer in time", name));
    default:
      return base::transient(fmt::format("{}: {}", name, ares().strerror(status)));
  }
}

// Questions under way on sockets of their own.
class Channel {
 public:
  // Half of the time goes to each try. SERVFAIL and REFUSED are answers: libcares would hide which
  // of them it got.
  static Result<Channel> open(const std::string& server, Instant deadline) {
    ares_options options{};
    options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP;
    options.tries = kTries;
    options.timeout = static_cast<int>(std::max<std::int64_t>(left(deadline).count() / kTries, 1));
    ares_channel channel = nullptr;
    if (ares().init_options(&channel, &options,
                            ARES_OPT_FLAGS | ARES_OPT_TRIES | ARES_OPT_TIMEOUTMS) != ARES_SUCCESS)
      return base::transient("start a DNS question");
    Channel result{ChannelPointer(channel)};
    if (!server.empty() && ares().set_servers(channel, server.c_str()) != ARES_SUCCESS)
      return base::invalid(fmt::format("not a DNS server: {}", server));
    return result;
  }

  void ask(Question& question) {
    ares().query(channel_.get(), question.name.c_str(), ns_c_in, question.type, on_answer,
                 &question);
  }

  // Until each question has ended.
  void wait(Instant deadline) {
    while (true) {
      std::array<pollfd, ARES_GETSOCK_MAXNUM> polls{};
      const nfds_t count = sockets(polls);
      if (count == 0) return;
      const auto time = time_to_wait(deadline);
      if (time.count() <= 0) return ares().cancel(channel_.get());
      ::poll(polls.data(), count, static_cast<int>(time.count()));
      process(polls, count);
    }
  }

 private:
  explicit Channel(ChannelPointer channel) : channel_(std::move(channel)) {}

  static base::Milliseconds left(Instant deadline) {
    return std::chrono::ceil<base::Milliseconds>(deadline - std::chrono::steady_clock::now());
  }

  nfds_t sockets(std::array<pollfd, ARES_GETSOCK_MAXNUM>& polls) const {
    std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> fds{};
    const auto bits =
        static_cast<unsigned>(ares().getsock(channel_.get(), fds.data(), ARES_GETSOCK_MAXNUM));
    nfds_t count = 0;
    for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
      const bool reads = ARES_GETSOCK_READABLE(bits, i), writes = ARES_GETSOCK_WRITABLE(bits, i);
      const auto events = static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
      if (events != 0) polls[count++] = {fds[i], events, 0};
    }
    return count;
  }

  // libcares wants to try again before `deadline`, perhaps.
  base::Milliseconds time_to_wait(Instant deadline) const {
    timeval time{};
    const auto most = left(deadline);
    if (most.count() <= 0 || !ares().timeout(channel_.get(), nullptr, &time)) return most;
    const base::Milliseconds next(time.tv_sec * 1000 + time.tv_usec / 1000 + 1);
    return std::min(most, next);
  }

  void process(const std::array<pollfd, ARES_GETSOCK_MAXNUM>& polls, nfds_t count) {
    const auto socket_if = [](const pollfd& poll, int events) {
      return (poll.revents & events) != 0 ? poll.fd : ARES_SOCKET_BAD;
    };
    ares().process_fd(channel_.get(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what is overdue
    for (nfds_t i = 0; i < count; i++) {
      ares().process_fd(channel_.get(), socket_if(polls[i], POLLIN | POLLERR | POLLHUP),
                        socket_if(polls[i], POLLOUT));
    }
  }

  ChannelPointer channel_;
};

// The message that answers a question; nullopt if the name has no such records.
Result<std::optional<std::string>> answer_of(Question& question) {
  const int status = question.status.value_or(ARES_ECANCELLED);
  if (status == ARES_ENODATA) return std::nullopt;
  if (status != ARES_SUCCESS) return failure(question, status);
  return std::move(question.answer);
}

// Asks and waits for one answer, and reads it by one of libcares' functions, which make lists.
template <class Record, class Parse>
Result<std::unique_ptr<Record, FreeData>> ask_for(const std::string& server, Question question,
                                                  Instant deadline, Parse parse) {
  {
    Channel channel = TRY(Channel::open(server, deadline));
    channel.ask(question);
    channel.wait(deadline);
  }
  const auto answer = TRY(answer_of(question));
  Record* records = nullptr;
  if (!answer) return std::unique_ptr<Record, FreeData>();
  const int status = parse(reinterpret_cast<const unsigned char*>(answer->data()),
                           static_cast<int>(answer->size()), &records);
  std::unique_ptr<Record, FreeData> owner(records);
  if (status != ARES_SUCCESS && status != ARES_ENODATA) return failure(question, status);
  return owner;
}

// Appends the addresses of one family to `list`, each at `member` of a Record.
template <class Record, class Parse, class Member>
Result<> read_addresses(Question& question, int family, Parse parse, Member member,
                        std::vector<std::string>& list) {
  const auto answer = TRY(answer_of(question));
  if (!answer) return {};
  std::array<Record, kMostAddresses> records;
  int count = kMostAddresses;
  const int status = parse(reinterpret_cast<const unsigned char*>(answer->data()),
                           static_cast<int>(answer->size()), nullptr, records.data(), &count);
  if (status == ARES_ENODATA) return {};
  if (status != ARES_SUCCESS) return failure(question, status);
  for (int i = 0; i < count; i++) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    list.emplace_back(::inet_ntop(family, &(records[static_cast<std::size_t>(i)].*member),
                                  text.data(), text.size()));
  }
  return {};
}

std::string text_of(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

Result<std::unique_ptr<AresResolver>> AresResolver::open(const std::string& server) {
  static_cast<void>(TRY(open_ares()));
  if (!server.empty()) TRY(base::SocketAddress::parse(server));
  return std::unique_ptr<AresResolver>(new AresResolver(server));
}

// Both families at once. Where one answer is lost, the other is enough.
Result<Addresses> AresResolver::addresses(const std::string& name, Instant deadline) {
  Question v6{name, ns_t_aaaa}, v4{name, ns_t_a};
  {
    Channel channel = TRY(Channel::open(server_, deadline));
    channel.ask(v6);
    channel.ask(v4);
    channel.wait(deadline);
  }
  Addresses addresses;
  const auto first = read_addresses<ares_addr6ttl>(v6, AF_INET6, ares().parse_aaaa_reply,
                                                   &ares_addr6ttl::ip6addr, addresses.v6);
  const auto second = read_addresses<ares_addrttl>(v4, AF_INET, ares().parse_a_reply,
                                                   &ares_addrttl::ipaddr, addresses.v4);
  if (!addresses.v6.empty() || !addresses.v4.empty()) return addresses;
  TRY(first);
  TRY(second);
  return addresses;
}

Result<std::vector<std::string>> AresResolver::texts(const std::string& name, Instant deadline) {
  const auto records =
      TRY(ask_for<ares_txt_ext>(server_, {name, ns_t_txt}, deadline, ares().parse_txt_reply));
  std::vector<std::string> texts;
  for (const ares_txt_ext* each = records.get(); each; each = each->next) {
    if (each->record_start != 0 || texts.empty()) texts.emplace_back();
    texts.back() += text_of(each->txt, each->length);
  }
  return texts;
}

Result<std::vector<CaaRecord>> AresResolver::caa(const std::string& name, Instant deadline) {
  const auto records =
      TRY(ask_for<ares_caa_reply>(server_, {name, kCaaType}, deadline, ares().parse_caa_reply));
  std::vector<CaaRecord> result;
  for (const ares_caa_reply* each = records.get(); each; each = each->next) {
    result.push_back({.critical = (each->critical & kCriticalFlag) != 0,
                      .tag = text_of(each->property, each->plength),
                      .value = text_of(each->value, each->length)});
  }
  return result;
}

}  // namespace everseal::dns
