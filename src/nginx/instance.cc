#include "nginx/instance.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "nginx/config.h"

namespace everseal::nginx {
namespace {

constexpr std::string_view kDefaultPrefix = "/usr/local/nginx";

// The version behind the first `marker` in `text`; 0.0.0 if it is not there.
Version version_after(std::string_view text, std::string_view marker) {
  Version version{};
  std::size_t at = text.find(marker);
  if (at == text.npos) return version;
  const char* begin = text.data() + at + marker.size();
  const char* end = text.data() + text.size();
  for (int& number : version) {
    auto [next, error] = std::from_chars(begin, end, number);
    if (error != std::errc() || next == end || *next != '.') break;
    begin = next + 1;
  }
  return version;
}

// The value of a configure argument, or empty.
std::string argument(std::string_view text, std::string_view name) {
  std::string marker = fmt::format(" --{}=", name);
  std::size_t at = text.find(marker);
  if (at == text.npos) return {};
  text.remove_prefix(at + marker.size());
  return std::string(text.substr(0, text.find_first_of(" \n")));
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string below(const std::string& directory, const std::string& path) {
  return path.starts_with('/') ? path : base::join_path(directory, path);
}

// posix_spawn and exec want a path; the runner searches the same directories.
std::string find_binary(const FileReader& reader, const std::string& name) {
  if (name.contains('/')) return name;
  for (const char* directory : {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"}) {
    std::string path = base::join_path(directory, name);
    if (base::exists(reader, path)) return path;
  }
  return name;
}

std::string process_title(const FileReader& reader, pid_t pid) {
  return reader.read(fmt::format("/proc/{}/cmdline", pid)).value_or("");
}

bool is_master(const FileReader& reader, pid_t pid) {
  return process_title(reader, pid).starts_with("nginx: master process");
}

bool is_leaving(const std::string& title) {
  return title.starts_with("nginx: worker process") && title.contains("shutting down");
}

// Whether a process lives that /proc does not show to us (proc(5), hidepid).
bool is_hidden(const FileReader& reader, pid_t pid) {
  return base::exists(reader, "/proc/self") &&
         !base::exists(reader, fmt::format("/proc/{}", pid)) &&
         (::kill(pid, 0) == 0 || errno == EPERM);
}

// The parent from /proc/PID/stat: the second field behind the command in parentheses.
pid_t parent_of(const FileReader& reader, const std::string& pid) {
  std::string stat = reader.read("/proc/" + pid + "/stat").value_or("");
  std::size_t close = stat.rfind(')');
  pid_t parent = 0;
  if (close == stat.npos || close + 4 > stat.size()) return parent;
  std::from_chars(stat.data() + close + 4, stat.data() + stat.size(), parent);
  return parent;
}

}  // namespace

Result<> read_test_output(int exit_status, std::string_view output) {
  if (exit_status == 0) return {};
  std::string text;
  for (std::string_view line : lines_of(output)) {
    bool summary = line.ends_with(" test failed") || line.contains("[warn]");
    if (summary) continue;
    if (line.starts_with("nginx: ")) line.remove_prefix(7);
    text += (text.empty() ? "" : "; ") + std::string(line);
  }
  if (text.empty()) text = fmt::format("it ended with status {} and said nothing", exit_status);
  return base::invalid("nginx -t: " + text);
}

Result<Instance> Instance::find(CommandRunner& runner, const FileReader& reader,
                                const InstanceOptions& options) {
  Instance instance(runner, reader);
  instance.binary_ = find_binary(reader, options.binary);
  auto answer = TRY(base::within("nginx -V", runner.run({{instance.binary_, "-V"}})));
  const std::string& text = answer.output;
  instance.version_ = version_after(text, "nginx version: ");
  std::size_t slash = text.find('/', std::min(text.find("version: "), text.size()));
  if (slash != text.npos) instance.version_ = version_after(text.substr(slash), "/");
  if (answer.exit_status != 0 || instance.version_ == Version{}) {
    return base::invalid(fmt::format("{} -V does not answer as nginx does: {}", instance.binary_,
                                     text.substr(0, 200)));
  }
  instance.openssl_ = version_after(text, "running with OpenSSL ");
  if (instance.openssl_ == Version{}) instance.openssl_ = version_after(text, "with OpenSSL ");
  instance.prefix_ = argument(text, "prefix");
  if (instance.prefix_.empty()) instance.prefix_ = kDefaultPrefix;
  std::string compiled = argument(text, "conf-path");
  if (compiled.empty()) compiled = "conf/nginx.conf";
  instance.config_path_ =
      options.config_path.empty() ? below(instance.prefix_, compiled) : options.config_path;
  std::string pid = argument(text, "pid-path");
  instance.pid_path_ = below(instance.prefix_, pid.empty() ? "logs/nginx.pid" : pid);
  std::string log = argument(text, "error-log-path");
  if (log.empty()) log = "logs/error.log";
  if (log != "stderr") instance.error_log_path_ = below(instance.prefix_, log);
  return instance;
}

std::string Instance::error_log_path() const {
  const auto config = Config::load(*reader_, config_path_);
  if (!config) return error_log_path_;
  for (const Directive& directive : config->directives()) {
    if (directive.name() != "error_log") continue;
    const std::string_view path = directive.argument(1);
    if (path == "stderr" || path.starts_with("syslog:") || path.starts_with("memory:")) return {};
    return below(prefix_, std::string(path));
  }
  return error_log_path_;
}

Result<> Instance::test() const {
  const auto answer = TRY(gate_ == Gate::none   ? runner_->run({test_command()})
                          : gate_ == Gate::sudo ? run_by_sudo(*runner_, test_command())
                                                : ask_gate(kGateSocket, "test"));
  return read_test_output(answer.exit_status, answer.output);
}

// A file that the configuration includes and that is missing says nothing of the master.
Result<std::string> Instance::pid_file() const {
  std::string path = pid_path_;
  auto config = Config::load(*reader_, config_path_);
  if (!config)
    return base::invalid("whether nginx runs is not known, as its configuration cannot be read: " +
                         config.error().message);
  for (const Directive& directive : config->directives()) {
    if (directive.name() == "pid") path = below(prefix_, std::string(directive.argument(1)));
  }
  return path;
}

Result<bool> Instance::is_running() const {
  const auto found = master();
  if (found) return true;
  if (found.error().kind == ErrorKind::not_found) return false;
  return std::unexpected(found.error());
}

Result<pid_t> Instance::master() const {
  const std::string path = TRY(pid_file());
  auto not_running = [&](std::string_view why) {
    return base::not_found(
        fmt::format("nginx is not running (pid file {} {}): start it with \"systemctl start "
                    "nginx\" and run again",
                    path, why));
  };
  auto text = reader_->read(path);
  if (!text && text.error().kind == ErrorKind::not_found) return not_running("does not exist");
  if (!text) return std::unexpected(std::move(text).error());
  pid_t pid = 0;
  std::from_chars(text->data(), text->data() + text->size(), pid);
  if (pid <= 1 && process_title(*reader_, 1).find("nginx: master") == std::string::npos) {
    return not_running("holds no process");
  }
  std::string title = process_title(*reader_, pid);
  if (title.empty() && !is_hidden(*reader_, pid))
    return not_running(fmt::format("names process {}, which is gone", pid));
  if (title.empty())
    return base::rejected(
        fmt::format("whether nginx runs is not known: process {} of the pid file {} is hidden from "
                    "this user (/proc is mounted with hidepid)",
                    pid, path));
  if (!is_master(*reader_, pid)) {
    return base::not_found(
        fmt::format("process {} of the pid file {} is not an nginx master but \"{}\"", pid, path,
                    title.c_str()));
  }
  return pid;
}

Result<> Instance::reload() const {
  const pid_t pid = TRY(master());
  if (gate_ == Gate::none) {
    if (::kill(pid, SIGHUP) == 0) return {};
    return base::system_error(fmt::format("signal nginx's master, process {}", pid), errno);
  }
  const auto answer = TRY(gate_ == Gate::sudo ? run_by_sudo(*runner_, reload_command())
                                              : ask_gate(kGateSocket, "reload"));
  return base::within("nginx -s reload", read_test_output(answer.exit_status, answer.output));
}

Result<std::vector<pid_t>> Instance::children(pid_t master) const {
  std::vector<pid_t> children;
  for (const std::string& name : TRY(reader_->list("/proc"))) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    if (parent_of(*reader_, name) == master) children.push_back(pid);
  }
  std::ranges::sort(children);
  return children;
}

Result<std::vector<pid_t>> Instance::workers(pid_t master) const {
  std::vector<pid_t> workers = TRY(children(master));
  std::erase_if(workers, [&](pid_t pid) {
    const std::string title = process_title(*reader_, pid);
    return !title.starts_with("nginx: worker process") || is_leaving(title);
  });
  return workers;
}

Result<std::vector<pid_t>> Instance::leaving_workers(pid_t master) const {
  std::vector<pid_t> leaving = TRY(children(master));
  std::erase_if(leaving, [&](pid_t pid) { return !is_leaving(process_title(*reader_, pid)); });
  return leaving;
}

// The new master of an upgrade is a child of the old one, and it is the new one that the pid file
// names. A child with a master's title may be a worker that has not yet named itself.
Result<std::vector<pid_t>> Instance::other_masters(pid_t master) const {
  const pid_t parent = parent_of(*reader_, fmt::format("{}", master));
  return is_master(*reader_, parent) ? std::vector{parent} : std::vector<pid_t>();
}

}  // namespace everseal::nginx
