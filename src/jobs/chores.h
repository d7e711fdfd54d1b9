// What is done again now and then besides renewing: when it is due, and how it went.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "store/catalog.h"

namespace everseal::jobs {

// The kinds of store::ChoreRecord. The subject is …
inline constexpr const char* kAccountKey = "account key";  // the CA's directory URL
inline constexpr const char* kDhparam = "dhparam";         // the file's path
inline constexpr const char* kHook = "hook";               // "PATH for CERTIFICATE"
inline constexpr const char* kHooks = "hooks";             // their directory
inline constexpr const char* kNginxTest = "nginx test";    // its main file
inline constexpr const char* kCopy = "copy";               // "DIRECTORY for CERTIFICATE"

// Whether a chore that has failed may be tried again, with the delays of renewals.
bool may_be_tried(const store::ChoreRecord& chore, Time now);

// Enters how an attempt went.
void enter_result(store::ChoreRecord& chore, const Result<>& result, Time now);

}  // namespace everseal::jobs
