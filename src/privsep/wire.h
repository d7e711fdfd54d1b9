// Messages between roles as bytes, and back without believing any of them.
//
// A message is a struct with a function `fields(archive, message)` that names its members in order;
// one such function both writes and reads. Numbers are eight bytes of this machine's order, texts
// and lists carry their length, a variant the index of what it holds.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace everseal::privsep {

// What a message may be, all in all; less than a socket's smallest default buffer (unix(7)).
inline constexpr std::size_t kMostMessageBytes = 128 << 10;

// How many enumerators an enumeration has that is sent.
template <class Enum>
inline constexpr std::uint64_t kEnumerators = 0;

class Writer {
 public:
  template <class... Fields>
  void operator()(const Fields&... all) {
    (put(all), ...);
  }

  std::string take() { return std::move(bytes_); }

 private:
  template <class Number>
    requires std::integral<Number>
  void put(Number number) {
    put_number(static_cast<std::uint64_t>(number));
  }
  template <class Enum>
    requires std::is_enum_v<Enum>
  void put(Enum value) {
    static_assert(kEnumerators<Enum> > 0, "say how many enumerators there are");
    put_number(static_cast<std::uint64_t>(value));
  }
  void put(const std::string& text) {
    put_number(text.size());
    bytes_ += text;
  }
  void put(Time time) { put_number(static_cast<std::uint64_t>(time.time_since_epoch().count())); }
  void put(base::Milliseconds span) { put_number(static_cast<std::uint64_t>(span.count())); }
  void put(base::Seconds span) { put(base::Milliseconds(span)); }
  template <class Item>
  void put(const std::vector<Item>& items) {
    put_number(items.size());
    for (const Item& each : items) put(each);
  }
  template <class Value>
  void put(const std::optional<Value>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <class Value>
  void put(const Result<Value>& result) {
    put(result.has_value());
    if (!result) return put(result.error());
    if constexpr (!std::is_void_v<Value>) put(*result);
  }
  template <class... Kinds>
  void put(const std::variant<Kinds...>& value) {
    put_number(value.index());
    std::visit([&](const auto& each) { put(each); }, value);
  }
  // fields() takes what it may change; a Writer changes nothing.
  template <class Message>
    requires std::is_class_v<Message>
  void put(const Message& message) {
    fields(*this, const_cast<Message&>(message));
  }

  void put_number(std::uint64_t number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }

  std::string bytes_;
};

// Fails for good at the first byte that cannot be: a length beyond the end, a bool that is neither
// 0 nor 1, an unknown enumerator.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <class... Fields>
  void operator()(Fields&... all) {
    (get(all), ...);
  }

  // Whether all was well, and nothing is left.
  bool complete() const { return good_ && rest_.empty(); }

 private:
  template <class Number>
    requires std::integral<Number>
  void get(Number& number) {
    const std::uint64_t value = get_number();
    number = static_cast<Number>(value);
    if constexpr (std::same_as<Number, bool>) good_ &= value <= 1;
    if constexpr (!std::same_as<Number, bool>) good_ &= static_cast<std::uint64_t>(number) == value;
  }
  template <class Enum>
    requires std::is_enum_v<Enum>
  void get(Enum& value) {
    static_assert(kEnumerators<Enum> > 0, "say how many enumerators there are");
    const std::uint64_t number = get_number();
    good_ &= number < kEnumerators<Enum>;
    if (good_) value = static_cast<Enum>(number);
  }
  void get(std::string& text) {
    const std::uint64_t size = get_number();
    good_ &= size <= rest_.size();
    if (!good_) return;
    text = rest_.substr(0, size);
    rest_.remove_prefix(size);
  }
  // Of the years 1970 to 9999, so that no arithmetic on it can overflow.
  void get(Time& time) {
    const std::uint64_t seconds = get_number();
    good_ &= seconds < 253'402'300'800;
    time = Time(base::Seconds(good_ ? seconds : 0));
  }
  // At most ten years.
  void get(base::Milliseconds& span) {
    const std::uint64_t count = get_number();
    good_ &= count < 315'576'000'000;
    span = base::Milliseconds(good_ ? count : 0);
  }
  void get(base::Seconds& span) {
    base::Milliseconds exact{};
    get(exact);
    span = std::chrono::floor<base::Seconds>(exact);
  }
  template <class Item>
  void get(std::vector<Item>& items) {
    std::uint64_t count = get_number();
    items.clear();
    // Each item takes at least one number, so that a count cannot make us reserve what is not
    // there.
    good_ &= count <= rest_.size() / sizeof(std::uint64_t);
    for (; good_ && count > 0; --count) get(items.emplace_back());
  }
  template <class Value>
  void get(std::optional<Value>& value) {
    bool there = false;
    get(there);
    if (there && good_) get(value.emplace());
  }
  template <class Value>
  void get(Result<Value>& result) {
    bool there = false;
    get(there);
    if (!there) {
      Error error{ErrorKind::internal, ""};
      get(error);
      result = std::unexpected(std::move(error));
    } else if constexpr (!std::is_void_v<Value>) {
      result = Value();
      get(*result);
    } else {
      result = {};
    }
  }
  template <class... Kinds>
  void get(std::variant<Kinds...>& value) {
    const std::uint64_t index = get_number();
    good_ &= index < sizeof...(Kinds);
    std::size_t i = 0;
    if (good_)
      static_cast<void>(((i++ == index && (get(value.template emplace<Kinds>()), true)) || ...));
  }
  template <class Message>
    requires std::is_class_v<Message>
  void get(Message& message) {
    fields(*this, message);
  }

  std::uint64_t get_number() {
    std::uint64_t number = 0;
    good_ &= rest_.size() >= sizeof number;
    if (!good_) return 0;
    std::memcpy(&number, rest_.data(), sizeof number);
    rest_.remove_prefix(sizeof number);
    return number;
  }

  std::string_view rest_;
  bool good_ = true;
};

template <>
inline constexpr std::uint64_t kEnumerators<ErrorKind> = 5;

template <class Archive>
void fields(Archive& archive, Error& error) {
  archive(error.kind, error.message);
}

template <class Message>
std::string encode(const Message& message) {
  Writer writer;
  writer(message);
  return writer.take();
}

// Errors: rejected.
template <class Message>
Result<Message> decode(std::string_view bytes) {
  Message message{};
  Reader reader(bytes);
  reader(message);
  if (!reader.complete()) return base::rejected("a message that is none");
  return message;
}

}  // namespace everseal::privsep
