// A domain name system in memory, for tests.
#pragma once

#include <fmt/format.h>

#include <map>
#include <mutex>

#include "dns/resolver.h"

namespace everseal::dns {

// Knows what it was told; other names do not exist.
class FakeResolver : public Resolver {
 public:
  void put(const std::string& name, Addresses addresses) { set(addresses_, name, addresses); }
  void put_text(const std::string& name, const std::string& text) {
    const std::lock_guard lock(mutex_);
    texts_[name].push_back(text);
  }
  void put_caa(const std::string& name, CaaRecord record) {
    const std::lock_guard lock(mutex_);
    caa_[name].push_back(std::move(record));
  }
  // From now on every question about `name` ends so.
  void fail(const std::string& name, Error error) { set(errors_, name, std::move(error)); }
  void clear() {
    const std::lock_guard lock(mutex_);
    addresses_.clear(), texts_.clear(), caa_.clear(), errors_.clear();
  }

  Result<Addresses> addresses(const std::string& name, Instant) override {
    return find(addresses_, name);
  }
  Result<std::vector<std::string>> texts(const std::string& name, Instant) override {
    return find(texts_, name);
  }
  Result<std::vector<CaaRecord>> caa(const std::string& name, Instant) override {
    return find(caa_, name);
  }

 private:
  template <class T>
  void set(std::map<std::string, T>& in, const std::string& name, T value) {
    const std::lock_guard lock(mutex_);
    in.insert_or_assign(name, std::move(value));
  }

  template <class T>
  Result<T> find(const std::map<std::string, T>& in, const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (const auto error = errors_.find(name); error != errors_.end())
      return std::unexpected(error->second);
    if (const auto found = in.find(name); found != in.end()) return found->second;
    if (addresses_.contains(name) || texts_.contains(name) || caa_.contains(name)) return T();
    return base::not_found(fmt::format("{}: the name does not exist", name));
  }

  std::mutex mutex_;
  std::map<std::string, Addresses> addresses_;
  std::map<std::string, std::vector<std::string>> texts_;
  std::map<std::string, std::vector<CaaRecord>> caa_;
  std::map<std::string, Error> errors_;
};

}  // namespace everseal::dns
