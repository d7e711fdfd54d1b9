#include "jobs/damage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/encoding.h"
#include "jobs/chronicle.h"
#include "jobs/notices.h"

namespace everseal::jobs {
namespace {

using store::CertificateStore;

// A certificate's files, one after the other.
class Files {
 public:
  Files(const Environment& environment, State& state, const store::CertificateRecord& certificate)
      : environment_(environment),
        store_(state.certificates()),
        certificate_(certificate),
        has_key_(certificate.request.empty()) {}

  // Finds the key and the chain in what is left. Errors: invalid, if that does not make a whole
  // version.
  Result<> look();

  // What was found wrong, in words; empty: nothing. Errors: those of look().
  Result<std::string> mend();

  const std::vector<std::string>& wrong() const { return wrong_; }

 private:
  Result<> find_key();
  Result<> find_chain();
  Result<std::optional<std::string>> text_of(std::string_view file, std::uint64_t begin = 0) const;
  Result<std::optional<crypto::KeyInFile>> key_in(std::string_view file) const;
  Result<bool> is_the_chain(const std::optional<std::string>& pem);
  bool holds_our_key(const std::optional<crypto::KeyInFile>& file) const {
    return file && file->public_key_der == public_key_;
  }
  bool keeps(std::string_view file, const std::optional<std::string>& found,
             const std::string& wanted);
  Result<> mend_certificates();
  Result<> mend_key();
  Result<> mend_bundle();
  Result<> mend_link();

  const std::string& name() const { return certificate_.name; }
  int version() const { return certificate_.version; }

  const Environment& environment_;
  CertificateStore& store_;
  const store::CertificateRecord& certificate_;
  const bool has_key_;
  std::vector<std::string> wrong_;
  std::optional<crypto::KeyInFile> key_, bundle_;  // that which the files begin with
  std::string public_key_;
  crypto::EncodedChain chain_;
};

// A file that is not there, or cannot be opened as one, has no text. One that cannot be read for
// another reason may be whole.
Result<std::optional<std::string>> Files::text_of(std::string_view file,
                                                  std::uint64_t begin) const {
  const auto opened = store_.open_file(name(), version(), file);
  if (!opened &&
      (opened.error().kind == ErrorKind::not_found || opened.error().kind == ErrorKind::invalid))
    return std::nullopt;
  if (!opened) return std::unexpected(opened.error());
  if (::lseek(opened->get(), static_cast<off_t>(begin), SEEK_SET) < 0)
    return base::system_error(fmt::format("read {} of {}", file, name()), errno);
  return TRY(base::read_all(*opened, fmt::format("read {} of {}", file, name())));
}

Result<std::optional<crypto::KeyInFile>> Files::key_in(std::string_view file) const {
  const auto opened = store_.open_file(name(), version(), file);
  if (!opened &&
      (opened.error().kind == ErrorKind::not_found || opened.error().kind == ErrorKind::invalid))
    return std::nullopt;
  if (!opened) return std::unexpected(opened.error());
  auto key = TRY(environment_.workers.key_examiner())->examine(*opened);
  if (!key && key.error().kind == ErrorKind::invalid) return std::nullopt;
  if (!key) return std::unexpected(key.error());
  return *std::move(key);
}

// Whether it is the one of which the catalog knows the leaf, with our key, whole and in order. What
// the process that reads it cannot say, for reasons of its own, is not known.
Result<bool> Files::is_the_chain(const std::optional<std::string>& pem) {
  if (!pem) return false;
  crypto::Verifier* const verifier = TRY(environment_.workers.verifier());
  const auto leaf = verifier->inspect(*pem);
  if (!leaf && leaf.error().kind != ErrorKind::invalid) return std::unexpected(leaf.error());
  if (!leaf) return false;
  auto chain = verifier->verify(*pem, {public_key_, leaf->names, leaf->not_before});
  const bool is_bad = !chain && (chain.error().kind == ErrorKind::invalid ||
                                 chain.error().kind == ErrorKind::rejected);
  if (!chain && !is_bad) return std::unexpected(std::move(chain).error());
  if (!chain || chain->fingerprint != certificate_.fingerprint) return false;
  chain_ = *std::move(chain);
  return true;
}

Result<> Files::find_key() {
  if (!has_key_) {
    crypto::Verifier* const verifier = TRY(environment_.workers.verifier());
    public_key_ = TRY(verifier->read_request(TRY(base::decode_base64url(certificate_.request))))
                      .public_key_der;
    return {};
  }
  key_ = TRY(key_in(CertificateStore::kKey));
  bundle_ = TRY(key_in(CertificateStore::kBundle));
  return {};
}

// From any file that has it, for either key: the right one of two is that of the leaf.
Result<> Files::find_chain() {
  const auto whole = TRY(text_of(CertificateStore::kChain));
  const auto leaf = TRY(text_of(CertificateStore::kLeaf));
  const auto issuers = TRY(text_of(CertificateStore::kIssuers));
  std::vector<std::optional<std::string>> candidates = {whole};
  if (bundle_) candidates.push_back(TRY(text_of(CertificateStore::kBundle, bundle_->bytes)));
  if (leaf && issuers) candidates.push_back(*leaf + *issuers);
  std::vector<std::string> keys;
  if (!has_key_) keys.push_back(public_key_);
  if (key_) keys.push_back(key_->public_key_der);
  if (bundle_) keys.push_back(bundle_->public_key_der);
  for (const std::string& key : keys) {
    public_key_ = key;
    for (const auto& candidate : candidates)
      if (TRY(is_the_chain(candidate))) return {};
  }
  return base::invalid(keys.empty() ? "its key is lost" : "its chain is lost");
}

// Whether a file is as it must be; what is not is remembered.
bool Files::keeps(std::string_view file, const std::optional<std::string>& found,
                  const std::string& wanted) {
  const bool good = found == wanted && store_.is_well_kept(name(), version(), file);
  if (!good) wrong_.emplace_back(file);
  return good;
}

Result<> Files::mend_certificates() {
  const std::array<std::pair<std::string_view, std::string>, 3> wanted = {
      {{CertificateStore::kChain, chain_.to_pem()},
       {CertificateStore::kIssuers, chain_.to_pem(1)},
       {CertificateStore::kLeaf, chain_.leaf_pem()}}};
  for (const auto& [file, pem] : wanted)
    if (!keeps(file, TRY(text_of(file)), pem)) TRY(store_.restore(name(), version(), file, pem));
  return {};
}

// The file holds the key and nothing else. What is behind it may be read: it is no key.
Result<> Files::mend_key() {
  const bool is_right = holds_our_key(key_);
  if (is_right &&
      keeps(CertificateStore::kKey, TRY(text_of(CertificateStore::kKey, key_->bytes)), ""))
    return {};
  if (!is_right) wrong_.emplace_back(CertificateStore::kKey);
  if (!holds_our_key(bundle_)) {
    wrong_.emplace_back(CertificateStore::kBundle);
    TRY(store_.restore_bundle(name(), version(), key_->bytes, chain_.to_pem()));
    bundle_ = key_;
  }
  TRY(store_.restore_key(name(), version(), bundle_->bytes));
  key_ = bundle_;
  return {};
}

Result<> Files::mend_bundle() {
  const auto behind = holds_our_key(bundle_)
                          ? TRY(text_of(CertificateStore::kBundle, bundle_->bytes))
                          : std::nullopt;
  if (keeps(CertificateStore::kBundle, behind, chain_.to_pem())) return {};
  return store_.restore_bundle(name(), version(), key_->bytes, chain_.to_pem());
}

// One that leads to a later version is the work of a run that is not finished; to an older one,
// somebody has led it on purpose: what is served then is told.
Result<> Files::mend_link() {
  const auto live = store_.live(name());
  if (live && *live && store_.is_well_kept(name(), **live, CertificateStore::kChain) &&
      store_.leads_to(name(), **live))
    return {};
  wrong_.push_back("live/" + name());
  return store_.switch_live(name(), version());
}

Result<> Files::look() {
  TRY(find_key());
  return find_chain();
}

Result<std::string> Files::mend() {
  TRY(look());
  TRY(mend_certificates());
  if (has_key_) {
    TRY(mend_key());
    TRY(mend_bundle());
  }
  TRY(mend_link());
  return fmt::format("{}", fmt::join(wrong_, ", "));
}

// So that nginx can start until there is a new one. Of versions that are not whole none is taken.
void lead_to_an_older_one(const Environment& environment, State& state,
                          const store::CertificateRecord& certificate) {
  const auto old = state.catalog().old_versions(certificate.id);
  if (!old) return environment.reporter.note(old.error().message);
  for (const int number : *old) {
    if (!state.certificates().is_well_kept(certificate.name, number, CertificateStore::kBundle))
      continue;
    if (state.certificates().live(certificate.name) == number) return;
    if (const auto led = state.certificates().switch_live(certificate.name, number); !led)
      environment.reporter.note(led.error().message);
    return;
  }
}

// What is live is lost: it is due, unless a version is on its way already.
Result<> make_due(State& state, store::CertificateRecord certificate) {
  certificate.renew_at = certificate.next_look = {};
  return state.catalog().save_certificates({&certificate, 1});
}

bool may_have_changed(const CertificateStore& store, const store::CertificateRecord& certificate,
                      std::string_view file, Time since) {
  const auto opened = store.open_file(certificate.name, certificate.version, file);
  struct stat status{};
  return !opened || ::fstat(opened->get(), &status) != 0 ||
         Time(base::Seconds(status.st_ctime)) >= since ||
         !store.is_well_kept(certificate.name, certificate.version, file);
}

}  // namespace

bool may_be_damaged(State& state, const store::CertificateRecord& certificate, Time since) {
  if (certificate.version == 0) return false;
  const CertificateStore& store = state.certificates();
  std::vector<std::string_view> files = {CertificateStore::kChain, CertificateStore::kIssuers,
                                         CertificateStore::kLeaf};
  if (certificate.request.empty())
    files.insert(files.end(), {CertificateStore::kKey, CertificateStore::kBundle});
  return !store.leads_to(certificate.name, certificate.version) ||
         std::ranges::any_of(files, [&](std::string_view file) {
           return may_have_changed(store, certificate, file, since);
         });
}

Result<std::vector<Damage>> mend_files(const Environment& environment, State& state,
                                       std::span<const store::CertificateRecord> certificates) {
  std::vector<Damage> found;
  std::vector<std::string> unknown;
  Chronicle chronicle(environment, state);
  for (const store::CertificateRecord& certificate : certificates) {
    if (certificate.version == 0) continue;
    Files files(environment, state, certificate);
    const auto wrong = files.mend();
    if (wrong && wrong->empty()) continue;
    const std::string& name = certificate.name;
    if (wrong) {
      const std::string text =
          fmt::format("missing or different on disk: {}; put right from the other files", *wrong);
      chronicle.add(name, store::EventKind::damaged, text);
      enter_notice(environment, state, "files " + name, fmt::format("{}: {}", name, text));
      found.push_back({name, *wrong});
    } else if (wrong.error().kind == ErrorKind::invalid) {
      const std::string text =
          fmt::format("the files of version {} are lost ({}); it is due at once",
                      certificate.version, wrong.error().message);
      if (certificate.renew_at != Time()) {
        chronicle.add(name, store::EventKind::damaged, text);
        enter_notice(environment, state, "files " + name, fmt::format("{}: {}", name, text));
      }
      lead_to_an_older_one(environment, state, certificate);
      TRY(make_due(state, certificate));
      found.push_back({name, wrong.error().message, false});
    } else {
      unknown.push_back(fmt::format("{}: {}", name, wrong.error().message));
    }
  }
  if (unknown.empty()) return found;
  return base::transient(
      fmt::format("{}{}", unknown.front(),
                  unknown.size() == 1 ? "" : fmt::format(" (and {} others)", unknown.size() - 1)));
}

Result<std::vector<std::string>> find_beyond_repair(
    const Environment& environment, State& state,
    std::span<const store::CertificateRecord> certificates) {
  std::vector<std::string> found;
  for (const store::CertificateRecord& certificate : certificates) {
    if (certificate.version == 0) continue;
    const auto looked = Files(environment, state, certificate).look();
    if (looked) continue;
    if (looked.error().kind != ErrorKind::invalid) return std::unexpected(looked.error());
    found.push_back(certificate.name);
  }
  return found;
}

}  // namespace everseal::jobs
