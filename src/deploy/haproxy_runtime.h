// HAProxy's memory of certificates, read and changed while it runs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/result.h"

namespace everseal::deploy {

// Whether HAProxy's command line takes the path as one word that means itself.
bool is_plain_path(std::string_view path);

// HAProxy's runtime API: the commands about certificates of one stats socket of level admin
// (HAProxy management guide, 9.3; 2.4 or newer). Each call ends within some `timeout`s, whatever
// answers, or soon after base::stop_requested. Nobody is talked to at whose socket another user may
// listen (base::Connection::open_trusted). A socket that gave no answer once is not asked again.
class HaproxyRuntime {
 public:
  explicit HaproxyRuntime(std::string socket,
                          base::Milliseconds timeout = base::Milliseconds(10'000))
      : socket_(std::move(socket)), timeout_(timeout) {}

  // Makes HAProxy show `bundle` (PEM: key and chain, read from its beginning) as its file `path`,
  // without a reload; a file that it does not know yet becomes one of its directory. A transaction
  // in that directory that was begun and not ended is dropped first. Errors: invalid (HAProxy
  // refuses these bytes); anything else may be mended by a reload. HAProxy shows what it showed
  // before then.
  Result<> load(const std::string& path, const base::FileDescriptor& bundle) const;

  // Makes HAProxy forget a file that load() made known to it.
  Result<> unload(const std::string& path) const;

  // Why the socket gave no answer; nullopt as long as it did.
  const std::optional<Error>& silence() const { return silence_; }

 private:
  Result<std::string> ask(const std::string& command,
                          const base::FileDescriptor* bundle = nullptr) const;
  Result<std::string> status(const std::string& path) const;
  Result<> abort(const std::string& path) const;
  Result<> drop_transaction(const std::string& directory) const;
  Result<> make_known(const std::string& path) const;
  Result<> replace(const std::string& path, const base::FileDescriptor& bundle) const;
  Result<> add_to_directory(const std::string& path) const;

  std::string socket_;
  base::Milliseconds timeout_;
  mutable std::optional<Error> silence_;
};

}  // namespace everseal::deploy
