#include "dns/ares_resolver.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <map>
#include <set>
#include <thread>

#include "base/address.h"
#include "base/file_descriptor.h"

namespace everseal::dns {
namespace {

using base::FileDescriptor;
using base::SocketAddress;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int kCaaType = 257;

// What a server is to answer about one name.
struct Zone {
  std::map<int, std::vector<std::string>> records{};  // RDATA by type
  int code = ns_r_noerror;
  std::string alias_of{};
};

std::string be16(std::size_t number) {
  return {static_cast<char>(number >> 8), static_cast<char>(number & 0xFF)};
}

std::size_t be16(std::string_view bytes) {
  return static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8 |
         static_cast<unsigned char>(bytes[1]);
}

std::string encoded_name(std::string_view name) {
  std::string wire;
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    wire += static_cast<char>(dot);
    wire += name.substr(0, dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  return wire + '\0';
}

std::string record(const std::string& name, int type, const std::string& data) {
  return name + be16(static_cast<std::size_t>(type)) + be16(ns_c_in) +
         std::string("\0\0\0\x3C", 4) + be16(data.size()) + data;
}

// A recursive server on loopback, over UDP and TCP.
class Server {
 public:
  Server() {
    const auto any = *SocketAddress::from("127.0.0.1", 0);
    ::bind(udp_.get(), any.native(), any.length());
    const auto bound = SocketAddress::of_socket(udp_.get());
    ::bind(tcp_.get(), bound.native(), bound.length());
    ::listen(tcp_.get(), 8);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }

  std::string address() const { return SocketAddress::of_socket(udp_.get()).to_string(); }

  std::map<std::string, Zone> zones;  // to be filled before the first question
  std::set<std::string> silent;       // names that are not answered
  bool truncates = false;             // over UDP

 private:
  void serve() {
    while (true) {
      pollfd polls[] = {{stop_.get(), POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
      ::poll(polls, 3, -1);
      if (polls[0].revents != 0) return;
      if (polls[1].revents != 0) answer_datagram();
      if (polls[2].revents != 0) answer_connection();
    }
  }

  void answer_datagram() {
    char buffer[1024];
    SocketAddress from;
    const ssize_t size =
        ::recvfrom(udp_.get(), buffer, sizeof buffer, 0, from.native(), &from.length());
    std::string answer = answer_to({buffer, static_cast<std::size_t>(size)});
    if (truncates) {
      answer.resize(static_cast<std::size_t>(size));
      answer[2] = static_cast<char>(answer[2] | 0x02);
      answer.replace(6, 2, be16(0));
    }
    if (!answer.empty())
      ::sendto(udp_.get(), answer.data(), answer.size(), 0, from.native(), from.length());
  }

  void answer_connection() {
    const FileDescriptor connection(::accept(tcp_.get(), nullptr, nullptr));
    char buffer[1024];
    const ssize_t size = ::recv(connection.get(), buffer, sizeof buffer, 0);
    if (size < 2) return;
    const std::string answer = answer_to({buffer + 2, static_cast<std::size_t>(size) - 2});
    const std::string framed = be16(answer.size()) + answer;
    ::send(connection.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
  }

  std::string answer_to(std::string_view query) const {
    std::string name;
    std::size_t at = 12;
    for (; query[at] != '\0'; at += static_cast<std::size_t>(query[at]) + 1)
      name += (name.empty() ? "" : ".") +
              std::string(query.substr(at + 1, static_cast<std::size_t>(query[at])));
    const int type = static_cast<int>(be16(query.substr(at + 1)));
    if (silent.contains(name)) return {};
    const auto zone = zones.find(name);
    if (zone == zones.end()) return message(query, at + 5, ns_r_nxdomain, {});
    return message(query, at + 5, zone->second.code, answers(zone->second, type));
  }

  std::vector<std::string> answers(const Zone& zone, int type) const {
    std::vector<std::string> result;
    std::string name = "\xC0\x0C";  // the name that was asked for
    const Zone* source = &zone;
    if (!zone.alias_of.empty()) {
      result.push_back(record(name, ns_t_cname, encoded_name(zone.alias_of)));
      name = encoded_name(zone.alias_of);
      source = &zones.at(zone.alias_of);
    }
    if (const auto found = source->records.find(type); found != source->records.end())
      for (const std::string& data : found->second) result.push_back(record(name, type, data));
    return result;
  }

  static std::string message(std::string_view query, std::size_t question_end, int code,
                             const std::vector<std::string>& answers) {
    std::string text(query.substr(0, 2));
    text += "\x81";
    text += static_cast<char>(0x80 | code);
    text += be16(1) + be16(answers.size()) + be16(0) + be16(0);
    text += query.substr(12, question_end - 12);
    for (const std::string& each : answers) text += each;
    return text;
  }

  FileDescriptor udp_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  FileDescriptor tcp_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  FileDescriptor stop_{::eventfd(0, EFD_CLOEXEC)};
  std::thread thread_;
};

std::string character_string(std::string_view text) {
  return static_cast<char>(text.size()) + std::string(text);
}

std::string caa_data(char flags, std::string_view tag, std::string_view value) {
  return flags + character_string(tag) + std::string(value);
}

class AresResolverTest : public testing::Test {
 protected:
  static Instant soon(base::Milliseconds time = base::Milliseconds(2000)) {
    return std::chrono::steady_clock::now() + time;
  }
  template <class T>
  static std::string error_of(const Result<T>& result) {
    if (result) return "no error";
    return std::string(base::to_string(result.error().kind)) + ": " + result.error().message;
  }

  Server server_;
  std::unique_ptr<AresResolver> resolver_ = *AresResolver::open(server_.address());
};

TEST_F(AresResolverTest, FindsAddressesOfBothFamilies) {
  server_.zones["a.example"].records = {
      {ns_t_a, {std::string("\x7F\0\0\x01", 4), std::string("\x7F\0\0\x02", 4)}},
      {ns_t_aaaa, {std::string(15, '\0') + '\x01'}}};
  const auto addresses = *resolver_->addresses("a.example", soon());
  EXPECT_THAT(addresses.v4, ElementsAre("127.0.0.1", "127.0.0.2"));
  EXPECT_THAT(addresses.v6, ElementsAre("::1"));
}

TEST_F(AresResolverTest, FollowsAliases) {
  server_.zones["b.example"].alias_of = "a.example";
  server_.zones["a.example"].records = {{ns_t_a, {std::string("\x7F\0\0\x01", 4)}},
                                        {ns_t_txt, {character_string("x")}},
                                        {kCaaType, {caa_data(0, "issue", ";")}}};
  EXPECT_THAT(resolver_->addresses("b.example", soon())->v4, ElementsAre("127.0.0.1"));
  EXPECT_THAT(*resolver_->texts("b.example", soon()), ElementsAre("x"));
  EXPECT_EQ(resolver_->caa("b.example", soon())->size(), 1u);
}

TEST_F(AresResolverTest, PutsTheStringsOfATextTogether) {
  server_.zones["a.example"].records = {
      {ns_t_txt, {character_string("ab") + character_string("cd"), character_string("e")}}};
  EXPECT_THAT(*resolver_->texts("a.example", soon()), ElementsAre("abcd", "e"));
}

TEST_F(AresResolverTest, ReadsCaaRecords) {
  server_.zones["a.example"].records = {
      {kCaaType,
       {caa_data('\x80', "future", "x"),
        caa_data('\x01', "Issue", "ca.test; validationmethods=x")}}};
  const auto records = *resolver_->caa("a.example", soon());
  ASSERT_EQ(records.size(), 2u);
  EXPECT_TRUE(records[0].critical);
  EXPECT_EQ(records[0].tag, "future");
  EXPECT_FALSE(records[1].critical);
  EXPECT_EQ(records[1].value, "ca.test; validationmethods=x");
}

TEST_F(AresResolverTest, TellsNamesWithoutRecordsFromNamesThatDoNotExist) {
  server_.zones["a.example"] = {};
  EXPECT_THAT(*resolver_->texts("a.example", soon()), IsEmpty());
  EXPECT_THAT(*resolver_->caa("a.example", soon()), IsEmpty());
  EXPECT_THAT(resolver_->addresses("a.example", soon())->v4, IsEmpty());
  EXPECT_EQ(error_of(resolver_->texts("no.example", soon())),
            "not_found: no.example: the name does not exist");
  EXPECT_EQ(error_of(resolver_->addresses("no.example", soon())),
            "not_found: no.example: the name does not exist");
}

TEST_F(AresResolverTest, TellsTroubleOfTheResolver) {
  server_.zones["failing.example"].code = ns_r_servfail;
  server_.zones["refused.example"].code = ns_r_refused;
  EXPECT_EQ(error_of(resolver_->caa("failing.example", soon())),
            "transient: failing.example: SERVFAIL");
  EXPECT_EQ(error_of(resolver_->caa("refused.example", soon())),
            "transient: refused.example: REFUSED");
  EXPECT_EQ(error_of(resolver_->texts("a..example", soon())),
            "invalid: a..example: not a name that can be looked up");
}

TEST_F(AresResolverTest, GivesUpAtTheDeadline) {
  server_.silent = {"slow.example"};
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of(resolver_->texts("slow.example", soon(base::Milliseconds(200)))),
            "transient: slow.example: no answer in time");
  EXPECT_LT(std::chrono::steady_clock::now() - start, base::Milliseconds(600));
}

TEST_F(AresResolverTest, AsksAgainOverTcpForLongAnswers) {
  server_.truncates = true;
  for (int i = 0; i < 40; i++)
    server_.zones["a.example"].records[ns_t_txt].push_back(character_string(std::string(40, 'x')));
  EXPECT_EQ(resolver_->texts("a.example", soon())->size(), 40u);
}

TEST(AresResolver, RefusesAServerWithoutAnAddress) {
  EXPECT_EQ(AresResolver::open("localhost:53").error().kind, ErrorKind::invalid);
  EXPECT_TRUE(AresResolver::open(""));
}

}  // namespace
}  // namespace everseal::dns
