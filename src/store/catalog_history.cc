// Of the catalog: what happened, what is wrong, what was done last.
#include <fmt/format.h>

#include <algorithm>

#include "store/catalog.h"
#include "store/columns.h"

namespace everseal::store {
namespace {

using base::Statement;
using base::Transaction;

constexpr Words<4> kMoments = {"renewal run", "served check", "names check", "files check"};

constexpr std::string_view kChoreColumns =
    "kind, subject, done_at, done_for, failures, first_failure, last_failure, last_error, "
    "next_attempt";

constexpr std::string_view kChangeColumns = "SELECT id, at, state, summary, sites FROM changes";

constexpr std::string_view kServedColumns =
    "certificate_id, sight, checked_at, fingerprint, not_after, places, problem";

constexpr std::string_view kIncidentColumns = "key, headline, since, told_at, once";

// All columns of those of one kind (?1) that `rest` leaves.
Result<Statement> select_chores(base::Database& database, std::string_view rest) {
  return database.prepare(
      fmt::format("SELECT {} FROM chores WHERE kind = ?1 {}", kChoreColumns, rest));
}

Result<Statement> select_served(base::Database& database, std::string_view rest) {
  return database.prepare(fmt::format("SELECT {} FROM served {}", kServedColumns, rest));
}

}  // namespace

std::string_view to_string(EventKind kind) { return kEventKinds[static_cast<std::size_t>(kind)]; }
std::string_view to_string(Sight sight) { return kSights[static_cast<std::size_t>(sight)]; }
std::string_view to_string(ChangeState state) {
  return kChangeStates[static_cast<std::size_t>(state)];
}

Result<std::vector<IncidentRecord>> Catalog::incidents() {
  Statement rows = TRY(
      database_.prepare(fmt::format("SELECT {} FROM incidents ORDER BY key", kIncidentColumns)));
  std::vector<IncidentRecord> found;
  while (TRY(rows.step()))
    found.push_back({rows.text(0), rows.text(1), to_time(rows.integer(2)), to_time(rows.integer(3)),
                     rows.integer(4) != 0});
  return found;
}

Result<> Catalog::save_incidents(std::span<const IncidentRecord> incidents) {
  Transaction transaction = TRY(Transaction::begin(database_));
  TRY(database_.execute("DELETE FROM incidents"));
  TRY(add_incidents(incidents));
  return transaction.commit();
}

Result<> Catalog::add_incidents(std::span<const IncidentRecord> incidents) {
  Statement insert = TRY(database_.prepare(replace_into("incidents", kIncidentColumns)));
  for (const IncidentRecord& each : incidents) {
    insert.bind(1, each.key).bind(2, each.headline);
    insert.bind(3, to_integer(each.since)).bind(4, to_integer(each.told_at));
    insert.bind(5, std::int64_t{each.once});
    TRY(insert.run());
    insert.reset();
  }
  return {};
}

Result<ChoreRecord> Catalog::chore(const std::string& kind, const std::string& subject) {
  Statement rows = TRY(select_chores(database_, "AND subject = ?2"));
  rows.bind(1, kind).bind(2, subject);
  auto found = TRY(read_chores(std::move(rows)));
  if (found.empty()) return ChoreRecord{.kind = kind, .subject = subject};
  return std::move(found.front());
}

Result<std::vector<ChoreRecord>> Catalog::chores(const std::string& kind) {
  Statement rows = TRY(select_chores(database_, "ORDER BY subject"));
  rows.bind(1, kind);
  return read_chores(std::move(rows));
}

Result<std::vector<ChoreRecord>> Catalog::failing_chores(const std::string& kind) {
  Statement rows = TRY(select_chores(database_, "AND failures > 0 ORDER BY subject"));
  rows.bind(1, kind);
  return read_chores(std::move(rows));
}

Result<std::vector<ChoreRecord>> Catalog::read_chores(Statement rows) {
  std::vector<ChoreRecord> found;
  while (TRY(rows.step()))
    found.push_back({.kind = rows.text(0),
                     .subject = rows.text(1),
                     .done_at = to_time(rows.integer(2)),
                     .done_for = rows.text(3),
                     .failures = static_cast<int>(rows.integer(4)),
                     .first_failure = to_time(rows.integer(5)),
                     .last_failure = to_time(rows.integer(6)),
                     .last_error = rows.text(7),
                     .next_attempt = to_time(rows.integer(8))});
  return found;
}

Result<> Catalog::save_chore(const ChoreRecord& chore) {
  Statement insert = TRY(database_.prepare(replace_into("chores", kChoreColumns)));
  insert.bind(1, chore.kind).bind(2, chore.subject).bind(3, to_integer(chore.done_at));
  insert.bind(4, chore.done_for).bind(5, std::int64_t{chore.failures});
  insert.bind(6, to_integer(chore.first_failure)).bind(7, to_integer(chore.last_failure));
  insert.bind(8, chore.last_error).bind(9, to_integer(chore.next_attempt));
  return insert.run();
}

Result<> Catalog::remove_chore(const ChoreRecord& chore) {
  Statement remove = TRY(database_.prepare("DELETE FROM chores WHERE kind = ? AND subject = ?"));
  return remove.bind(1, chore.kind).bind(2, chore.subject).run();
}

Result<std::optional<Time>> Catalog::next_chore() {
  Statement rows =
      TRY(database_.prepare("SELECT min(next_attempt) FROM chores WHERE failures > 0"));
  static_cast<void>(TRY(rows.step()));
  return rows.integer(0) > 0 ? std::optional(to_time(rows.integer(0))) : std::nullopt;
}

Result<Catalog::Limits> Catalog::limits() {
  Statement rows = TRY(database_.prepare("SELECT bucket, full_at FROM limits"));
  Limits limits;
  while (TRY(rows.step())) limits.emplace(rows.text(0), rows.integer(1));
  return limits;
}

Result<> Catalog::save_limits(const Limits& changed, Time now) {
  Transaction transaction = TRY(Transaction::begin(database_));
  Statement set = TRY(database_.prepare(replace_into("limits", "bucket, full_at")));
  for (const auto& [bucket, full_at] : changed) TRY(set.bind(1, bucket).bind(2, full_at).run());
  Statement forget = TRY(database_.prepare("DELETE FROM limits WHERE full_at <= ?"));
  TRY(forget.bind(1, to_integer(now) * 1000).run());
  return transaction.commit();
}

Result<std::int64_t> Catalog::begin_change(Time at, const std::string& summary,
                                           const std::vector<std::string>& sites) {
  Statement insert =
      TRY(database_.prepare("INSERT INTO changes (at, state, summary, sites) VALUES (?, ?, ?, ?)"));
  insert.bind(1, to_integer(at)).bind(2, to_string(ChangeState::applying)).bind(3, summary);
  insert.bind(4, to_json(sites));
  TRY(insert.run());
  return database_.last_id();
}

Result<> Catalog::append_files(std::int64_t change, std::span<const ChangedFile> files) {
  Statement insert = TRY(database_.prepare(
      "INSERT INTO change_files (change_id, path, before, after) VALUES (?, ?, ?, ?)"));
  for (const ChangedFile& file : files) {
    insert.bind(1, change).bind(2, file.path).bind_blob(3, file.before).bind_blob(4, file.after);
    TRY(insert.run());
  }
  return {};
}

Result<> Catalog::add_changed_files(std::int64_t change, std::span<const ChangedFile> files) {
  Transaction transaction = TRY(Transaction::begin(database_));
  TRY(append_files(change, files));
  return transaction.commit();
}

Result<> Catalog::end_change(std::int64_t change, ChangeState state,
                             std::span<const ChangedFile> files) {
  Transaction transaction = TRY(Transaction::begin(database_));
  Statement forget = TRY(database_.prepare("DELETE FROM change_files WHERE change_id = ?"));
  TRY(forget.bind(1, change).run());
  TRY(append_files(change, files));
  Statement update = TRY(database_.prepare("UPDATE changes SET state = ? WHERE id = ?"));
  TRY(update.bind(1, to_string(state)).bind(2, change).run());
  return transaction.commit();
}

Result<> Catalog::set_change_state(std::int64_t change, ChangeState state) {
  Statement update = TRY(database_.prepare("UPDATE changes SET state = ? WHERE id = ?"));
  return update.bind(1, to_string(state)).bind(2, change).run();
}

Result<std::optional<ChangeRecord>> Catalog::change(std::int64_t id) {
  Statement rows = TRY(database_.prepare(fmt::format("{} WHERE id = ?", kChangeColumns)));
  rows.bind(1, id);
  return read_change(rows);
}

Result<std::optional<ChangeRecord>> Catalog::last_change(ChangeState state) {
  Statement rows = TRY(database_.prepare(
      fmt::format("{} WHERE state = ? ORDER BY id DESC LIMIT 1", kChangeColumns)));
  rows.bind(1, to_string(state));
  return read_change(rows);
}

Result<std::vector<ChangeRecord>> Catalog::changes() {
  Statement rows = TRY(database_.prepare(fmt::format("{} ORDER BY id DESC", kChangeColumns)));
  std::vector<ChangeRecord> all;
  while (auto change = TRY(read_change(rows))) all.push_back(*std::move(change));
  return all;
}

Result<std::vector<ChangedFile>> Catalog::last_files_in(const std::string& directory_name) {
  Statement rows = TRY(database_.prepare(
      "SELECT path, after FROM change_files JOIN changes ON changes.id = change_id "
      "WHERE state IN ('applied', 'undone') AND path LIKE '%/' || ? || '/%' "
      "ORDER BY changes.id DESC, change_files.id DESC"));
  rows.bind(1, directory_name);
  std::vector<ChangedFile> last;
  while (TRY(rows.step())) {
    const std::string path = rows.text(0);
    if (std::ranges::find(last, path, &ChangedFile::path) == last.end())
      last.push_back({path, std::nullopt, rows.blob(1)});
  }
  return last;
}

Result<std::optional<ChangeRecord>> Catalog::read_change(Statement& rows) {
  if (!TRY(rows.step())) return std::nullopt;
  ChangeRecord change{rows.integer(0),
                      to_time(rows.integer(1)),
                      TRY(from_word<ChangeState>(kChangeStates, rows.text(2))),
                      rows.text(3),
                      from_json(rows.text(4)),
                      {}};
  Statement files = TRY(database_.prepare(
      "SELECT path, before, after FROM change_files WHERE change_id = ? ORDER BY id"));
  files.bind(1, change.id);
  while (TRY(files.step())) change.files.push_back({files.text(0), files.blob(1), files.blob(2)});
  return change;
}

Result<> Catalog::add_events(std::span<const EventRecord> events) {
  if (events.empty()) return {};
  Transaction transaction = TRY(Transaction::begin(database_));
  Statement insert =
      TRY(database_.prepare("INSERT INTO events (at, subject, kind, text) VALUES (?, ?, ?, ?)"));
  Statement forget = TRY(database_.prepare(
      "DELETE FROM events WHERE subject = ?1 AND id <= (SELECT id FROM events WHERE subject = ?1 "
      "ORDER BY id DESC LIMIT 1 OFFSET ?2)"));
  for (const EventRecord& event : events) {
    insert.bind(1, to_integer(event.at)).bind(2, event.subject).bind(3, to_string(event.kind));
    TRY(insert.bind(4, event.text).run());
    TRY(forget.bind(1, event.subject).bind(2, std::int64_t{kMostEvents}).run());
  }
  return transaction.commit();
}

Result<std::vector<EventRecord>> Catalog::events(const std::string& subject, int most) {
  Statement rows = TRY(database_.prepare(
      // Those of an older version may have no kind.
      "SELECT at, kind, text FROM events WHERE subject = ? AND kind <> '' "
      "ORDER BY id DESC LIMIT ?"));
  rows.bind(1, subject).bind(2, std::int64_t{most});
  std::vector<EventRecord> found;
  while (TRY(rows.step()))
    found.push_back({to_time(rows.integer(0)), subject,
                     TRY(from_word<EventKind>(kEventKinds, rows.text(1))), rows.text(2)});
  std::ranges::reverse(found);
  return found;
}

Result<std::vector<ServedRecord>> Catalog::served() {
  return read_served(TRY(select_served(database_, "ORDER BY certificate_id")));
}

Result<std::vector<ServedRecord>> Catalog::served_troubles() {
  return read_served(
      TRY(select_served(database_, "WHERE sight <> 'right' ORDER BY certificate_id")));
}

Result<std::vector<ServedRecord>> Catalog::read_served(Statement rows) {
  std::vector<ServedRecord> found;
  while (TRY(rows.step()))
    found.push_back({rows.integer(0), TRY(from_word<Sight>(kSights, rows.text(1))),
                     to_time(rows.integer(2)), rows.text(3), to_time(rows.integer(4)),
                     from_json(rows.text(5)), rows.text(6)});
  return found;
}

Result<> Catalog::save_served(std::span<const ServedRecord> served) {
  Transaction transaction = TRY(Transaction::begin(database_));
  TRY(database_.execute("DELETE FROM served"));
  Statement insert = TRY(database_.prepare(replace_into("served", kServedColumns)));
  for (const ServedRecord& each : served) {
    insert.bind(1, each.certificate_id).bind(2, to_string(each.sight));
    insert.bind(3, to_integer(each.checked_at)).bind(4, each.fingerprint);
    insert.bind(5, to_integer(each.not_after)).bind(6, to_json(each.places));
    TRY(insert.bind(7, each.problem).run());
  }
  return transaction.commit();
}

Result<Time> Catalog::last(Moment moment) {
  Statement rows = TRY(database_.prepare("SELECT at FROM moments WHERE name = ?"));
  rows.bind(1, kMoments[static_cast<std::size_t>(moment)]);
  return TRY(rows.step()) ? to_time(rows.integer(0)) : Time();
}

Result<> Catalog::save_last(Moment moment, Time at) {
  Statement insert = TRY(database_.prepare(replace_into("moments", "name, at")));
  return insert.bind(1, kMoments[static_cast<std::size_t>(moment)]).bind(2, to_integer(at)).run();
}

}  // namespace everseal::store
