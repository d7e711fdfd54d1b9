#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/fake_file_system.h"
#include "nginx/site.h"

namespace everseal::nginx {
namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

// Every socket answers every name, by one of its servers.
void ask(const Model& model, const Socket& socket, const std::string& name) {
  check(model.socket(socket.address) == &socket);
  check(std::ranges::find(socket.servers, socket.default_server) != socket.servers.end());
  const auto servers = model.servers_for(socket, name);
  check(!servers.empty());
  for (const Server* server : servers)
    check(std::ranges::find(socket.servers, server) != socket.servers.end());
}

// The input's parts, between NULs, are the main file and the files "1", "2", … beside it.
void load(std::string_view input) {
  base::FakeFileSystem files;
  std::string path = "/n/nginx.conf";
  for (int number = 1;; ++number) {
    const std::size_t end = std::min(input.find('\0'), input.size());
    files.put(path, std::string(input.substr(0, end)));
    if (end == input.size()) break;
    input.remove_prefix(end + 1);
    path = "/n/" + std::to_string(number);
  }
  const auto model = Model::load(files, "/n/nginx.conf");
  if (!model) return;
  std::vector<std::string> names = {"", "a", "www.a.test"};
  for (const Server& server : model->servers())
    for (const ServerName& name : server.names)
      if (names.size() < 20) names.push_back(name.name);
  for (const Socket& socket : model->sockets())
    for (const std::string& name : names) ask(*model, socket, name);
  for (const Site& site : find_sites(*model).sites) check(!site.names.empty());
}

}  // namespace
}  // namespace everseal::nginx

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  everseal::nginx::load({reinterpret_cast<const char*>(data), size});
  return 0;
}
