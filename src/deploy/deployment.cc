#include "deploy/deployment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include "base/diff.h"
#include "deploy/proof.h"
#include "deploy/reach.h"
#include "nginx/config.h"
#include "nginx/snippets.h"
#include "nginx/stage.h"

namespace everseal::deploy {
namespace {

using Text = std::optional<std::string>;

Result<Text> read_if_there(const FileReader& files, const std::string& path) {
  auto text = files.read(path);
  if (text) return Text(*std::move(text));
  if (text.error().kind == ErrorKind::not_found) return Text();
  return std::unexpected(std::move(text).error());
}

Result<> make(const Context& context, const std::string& path, const std::string& text) {
  TRY(base::make_directories(context.files, base::directory_of(path), 0755));
  return base::write_durably(context.files, path, text, 0644);
}

Result<> remove(const Context& context, const std::string& path) {
  const std::string directory = base::directory_of(path);
  TRY(base::remove_file(context.files, path));
  TRY(context.files.sync(directory));
  if (directory == context.own_directory && TRY(context.files.list(directory)).empty())
    return context.files.remove(directory);
  return {};
}

Result<> write(const Context& context, const std::string& path, const Text& text) {
  if (!text) return remove(context, path);
  return base::exists(context.files, path) ? context.files.replace(path, *text)
                                           : make(context, path, *text);
}

Result<> write_all(const Context& context, const std::vector<ChangedFile>& steps) {
  for (const ChangedFile& step : steps) TRY(write(context, step.path, step.after));
  return {};
}

bool is_ours(const Context& context, const ChangedFile& file) {
  return base::directory_of(file.path) == context.own_directory;
}

// Snippets of ours come before those who include them and go after them, so that nginx can start
// from every state in between.
void order(const Context& context, std::vector<ChangedFile>& steps) {
  const auto rank = [&](const ChangedFile& file) {
    return !is_ours(context, file) ? 1 : file.after ? 0 : 2;
  };
  std::ranges::stable_sort(steps, {}, rank);
}

Result<> staged_test(const Context& context, const std::vector<ChangedFile>& steps) {
  nginx::StagedFiles staged{{}, {}, context.own_directory, context.stage_directory};
  for (const ChangedFile& step : steps)
    if (step.after)
      staged.texts[step.path] = *step.after;
    else
      staged.removed.insert(step.path);
  TRY(base::remove_tree(context.files, context.stage_directory));
  TRY(base::make_directories(context.files, context.stage_directory, 0700));
  auto result = nginx::staged_test(context.instance, context.files, staged);
  TRY(base::remove_tree(context.files, context.stage_directory));
  return result;
}

Result<> reload_if_running(const nginx::Instance& instance) {
  if (!TRY(instance.is_running())) return {};
  TRY(reload(instance, kPatience));
  return {};
}

// `current` with the change before → after taken back. What we made and wrote anew since, for
// another key or profile, is ours to remove all the same.
Result<Text> take_back(const ChangedFile& file, const Text& current) {
  if (current == file.after || current == file.before) return file.before;
  if (current && !file.before && nginx::is_untouched(*current)) return file.before;
  if (!current || !file.before || !file.after)
    return base::rejected(fmt::format("{}: was changed since; left as it is", file.path));
  return within(file.path, base::merge_lines(*file.after, *file.before, *current));
}

// The way back of one file, or of one that somebody has changed in the same place.
Result<> add_way_back(Return& way, const ChangedFile& file, const Text& current) {
  auto original = take_back(file, current);
  if (!original && original.error().kind != ErrorKind::rejected)
    return std::unexpected(std::move(original).error());
  if (!original)
    way.conflicts.push_back(std::move(original).error().message);
  else if (*original != current)
    way.files.push_back({file.path, current, *std::move(original)});
  return {};
}

void keep_what_is_named(const Context& context, Return& way) {
  std::map<std::string, std::string> texts;
  for (const ChangedFile& file : way.files)
    if (file.after) texts[file.path] = *file.after;
  const nginx::OverlayReader after(context.files, std::move(texts));
  const auto config = nginx::Config::load(after, context.instance.config_path());
  std::erase_if(way.files, [&](const ChangedFile& file) {
    if (file.after) return false;
    const auto by = config ? nginx::named_by(*config, after, file.path)
                           : std::optional("perhaps: " + config.error().message);
    if (by) way.kept.push_back({file.path, *by});
    return by.has_value();
  });
}

// A change with several steps to a file has it at one of them; only if it is at none has somebody
// else been at it.
Result<> add_way_back_of_steps(Return& way, const FileReader& files,
                               const std::vector<ChangedFile>& steps) {
  std::set<std::string> seen;
  for (const ChangedFile& step : steps) {
    if (!seen.insert(step.path).second) continue;
    const Text current = TRY(read_if_there(files, step.path));
    const bool is_known = std::ranges::any_of(steps, [&](const ChangedFile& other) {
      return other.path == step.path && (current == other.after || current == other.before);
    });
    const Text& known = is_known ? current : step.after;
    TRY(add_way_back(way, {step.path, step.before, known}, current));
  }
  return {};
}

Result<> write_back(const Context& context, Return& way) {
  order(context, way.files);
  return write_all(context, way.files);
}

std::string in_words(const Return& way) {
  std::string text;
  for (const StillNamed& each : way.kept)
    text += fmt::format("; {} stays, {} includes it", each.path, each.by);
  for (const std::string& each : way.refused)
    text += fmt::format("; {} and is left as it is", each);
  return text;
}

// Takes out of `change` the files that are not nginx's, and says so.
Result<std::vector<std::string>> refuse_others(const Context& context,
                                               store::ChangeRecord& change) {
  const Reach reach(context);
  std::map<std::string, std::string> refused;  // why, by path
  for (const ChangedFile& file : change.files) {
    const auto checked = reach.check(file.path);
    if (!checked && checked.error().kind != ErrorKind::rejected)
      return std::unexpected(checked.error());
    if (!checked) refused.emplace(file.path, checked.error().message);
  }
  std::erase_if(change.files, [&](const ChangedFile& file) { return refused.contains(file.path); });
  std::vector<std::string> words;
  for (const auto& [path, why] : refused) words.push_back(why);
  return words;
}

// Of a change of nothing but files of nginx's.
Result<Return> plan_way(const Context& context, const store::ChangeRecord& change) {
  Return way;
  if (change.state == store::ChangeState::applying)
    TRY(add_way_back_of_steps(way, context.files, change.files));
  else
    for (const ChangedFile& file : change.files)
      TRY(add_way_back(way, file, TRY(read_if_there(context.files, file.path))));
  keep_what_is_named(context, way);
  return way;
}

}  // namespace

const ChangedFile* Deployment::Originals::find(const std::string& path) const {
  const auto file = std::ranges::find(deployment_.files_, path, &ChangedFile::path);
  return file == deployment_.files_.end() ? nullptr : &*file;
}

Result<> Deployment::Originals::check_existed(const std::string& path) const {
  if (const ChangedFile* file = find(path); file && !file->before)
    return base::system_error(fmt::format("open {}", path), ENOENT);
  return {};
}

Result<std::string> Deployment::Originals::read(const std::string& path) const {
  TRY(check_existed(path));
  if (const ChangedFile* file = find(path)) return *file->before;
  return deployment_.context_.files.read(path);
}

Result<base::FileStatus> Deployment::Originals::status(const std::string& path) const {
  TRY(check_existed(path));
  return deployment_.context_.files.status(path);
}

Result<std::string> Deployment::Originals::real_path(const std::string& path) const {
  TRY(check_existed(path));
  return deployment_.context_.files.real_path(path);
}

Result<std::string> Deployment::Originals::read_link(const std::string& path) const {
  return deployment_.context_.files.read_link(path);
}

Result<std::vector<std::string>> Deployment::Originals::list(const std::string& directory) const {
  auto names = TRY(deployment_.context_.files.list(directory));
  std::erase_if(names, [&](const std::string& name) {
    return !check_existed(base::join_path(directory, name));
  });
  return names;
}

Result<> Deployment::journal(const std::vector<ChangedFile>& steps) {
  if (!change_)
    change_ = TRY(context_.catalog.begin_change(context_.clock.now(), summary_, sites_));
  return context_.catalog.add_changed_files(*change_, steps);
}

Result<> Deployment::put(const std::vector<ChangedFile>& files) {
  std::vector<ChangedFile> next = files;
  for (const ChangedFile& known : files_)
    if (std::ranges::find(files, known.path, &ChangedFile::path) == files.end())
      next.push_back({known.path, known.before, known.before});

  std::vector<ChangedFile> steps;  // from what stands to what is wanted
  std::vector<ChangedFile> back;   // and from there to what stands
  for (const ChangedFile& file : next) {
    const auto known = std::ranges::find(files_, file.path, &ChangedFile::path);
    const Text& expected = known == files_.end() ? file.before : known->after;
    if (TRY(read_if_there(context_.files, file.path)) != expected)
      return base::rejected(fmt::format(
          "{}: was changed by somebody else meanwhile; theirs was kept. Run everseal again",
          file.path));
    if (file.after == expected) continue;
    steps.push_back(file);
    back.push_back({file.path, file.after, expected});
  }
  if (steps.empty()) return {};
  order(context_, steps);
  const bool in_place = !context_.instance.is_ours();
  if (!in_place) TRY(staged_test(context_, steps));
  TRY(journal(steps));
  const std::vector<ChangedFile> before = std::exchange(files_, std::move(next));
  TRY(write_all(context_, steps));
  if (!in_place) return {};
  auto tested = context_.instance.test();
  if (!tested) TRY(put_back(std::move(back), before));
  return tested;
}

// What the failed test was of goes before anybody reloads nginx.
Result<> Deployment::put_back(std::vector<ChangedFile> back, std::vector<ChangedFile> before) {
  order(context_, back);
  TRY(write_all(context_, back));
  files_ = std::move(before);
  if (!files_.empty()) return {};
  return context_.catalog.set_change_state(*std::exchange(change_, std::nullopt),
                                           store::ChangeState::restored);
}

Result<> Deployment::restore() {
  if (!change_) return {};
  Return way;
  for (const ChangedFile& file : files_)
    TRY(add_way_back(way, file, TRY(read_if_there(context_.files, file.path))));
  keep_what_is_named(context_, way);
  TRY(write_back(context_, way));
  // What the reload says is told when it is on record that the files are back.
  const Result<> reloaded = reload_if_running(context_.instance);
  if (!way.conflicts.empty()) return base::rejected(way.conflicts.front());
  TRY(context_.catalog.set_change_state(*change_, store::ChangeState::restored));
  return within("the files of nginx are as they were before, but", reloaded);
}

Result<> Deployment::commit(store::ChangeState state) {
  if (!change_) return {};
  std::erase_if(files_, [](const ChangedFile& file) { return file.before == file.after; });
  return context_.catalog.end_change(*change_,
                                     files_.empty() ? store::ChangeState::restored : state, files_);
}

Result<Return> plan_return(const Context& context, const store::ChangeRecord& change) {
  store::ChangeRecord of_nginx = change;
  auto refused = TRY(refuse_others(context, of_nginx));
  Return way = TRY(plan_way(context, of_nginx));
  way.refused = std::move(refused);
  return way;
}

Result<std::string> recover(const Context& context) {
  std::string text;
  while (auto change = TRY(context.catalog.last_change(store::ChangeState::applying))) {
    auto refused = TRY(refuse_others(context, *change));
    for (const ChangedFile& step : change->files)
      TRY(base::remove_file(context.files, base::temporary_path(step.path)));
    Return way = TRY(plan_way(context, *change));
    way.refused = std::move(refused);
    if (!way.conflicts.empty())
      return base::rejected(fmt::format(
          "change {} ({}), which an earlier run left unfinished, cannot be taken back: {}; "
          "`everseal undo` takes back the rest of it and leaves this as it is",
          change->id, change->summary, way.conflicts.front()));
    TRY(write_back(context, way));
    TRY(base::remove_tree(context.files, context.stage_directory));
    const Result<> reloaded = reload_if_running(context.instance);
    TRY(context.catalog.set_change_state(change->id, store::ChangeState::restored));
    text += fmt::format("{}took back change {} ({}), which an earlier run left unfinished{}",
                        text.empty() ? "" : "; ", change->id, change->summary, in_words(way));
    TRY(within(text + ": the files of nginx are as they were before, but", reloaded));
  }
  return text;
}

}  // namespace everseal::deploy
