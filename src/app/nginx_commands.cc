#include "app/nginx_commands.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "app/nginx_sites.h"
#include "base/encoding.h"
#include "base/file_descriptor.h"
#include "nginx/config.h"
#include "nginx/instance.h"
#include "nginx/trivia.h"

namespace everseal::app {
namespace {

constexpr const char* kStandardInput = "-";

// The machine's files and, if it is asked for, the standard input under the name "-".
Result<nginx::OverlayReader> reader_for(const FileReader& files,
                                        const std::vector<std::string>& paths) {
  std::map<std::string, std::string> texts;
  if (std::ranges::find(paths, kStandardInput) != paths.end()) {
    const base::FileDescriptor input(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    texts[kStandardInput] = TRY(base::read_all(input, "read standard input"));
  }
  return nginx::OverlayReader(files, std::move(texts));
}

Result<std::string> read_and_compose(const FileReader& reader, const std::string& path) {
  const auto document = TRY(nginx::Document::parse(path, TRY(reader.read(path))));
  return nginx::compose(document);
}

// The main configuration file: as set, else as compiled into the nginx that runs.
Result<std::string> main_path(const jobs::Environment& environment) {
  const jobs::Settings& settings = environment.settings;
  if (!settings.nginx_config.empty()) return settings.nginx_config;
  const auto instance = TRY(base::within(
      "look for nginx's configuration (or name it by --nginx-config)",
      nginx::Instance::find(environment.commands, environment.files, {settings.nginx_binary, {}})));
  return instance.config_path();
}

}  // namespace

Result<Output> execute(const NginxParseCommand& command, const jobs::Environment& environment) {
  const auto reader = TRY(reader_for(environment.files, command.options.files));
  const Json payload = parse_payload(reader, command.options);
  Output output;
  output.exit_status = payload["status"] == "ok" ? kDone : kFailed;
  output.bytes =
      payload.dump(command.options.indent, ' ', false, Json::error_handler_t::replace) + "\n";
  return output;
}

Result<Output> execute(const NginxCatCommand& command, const jobs::Environment& environment) {
  const auto reader = TRY(reader_for(environment.files, command.files));
  Output output;
  output.document = {{"files", Json::array()}};
  output.bytes.emplace();
  std::size_t failed = 0;
  for (const std::string& path : command.files) {
    const auto bytes = read_and_compose(reader, path);
    if (bytes) {
      output.document["files"].push_back({{"file", path}, {"text", *bytes}});
      *output.bytes += *bytes;
      continue;
    }
    ++failed;
    output.complaints.push_back(bytes.error().message);
  }
  if (failed > 0) output.exit_status = failed == command.files.size() ? kFailed : kPartly;
  return output;
}

Result<Output> execute(const NginxSitesCommand& command, const jobs::Environment& environment) {
  const auto model = TRY(nginx::Model::load(environment.files, TRY(main_path(environment))));
  return command.names.empty() ? show_sites(model) : show_answers(model, command.names);
}

}  // namespace everseal::app
