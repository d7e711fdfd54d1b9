// What the user who runs Everseal may do on this machine, and what that takes.
#pragma once

#include <map>
#include <string>

#include "base/file_system.h"
#include "nginx/config.h"

namespace everseal::jobs {

// What it takes to edit a configuration: rights by real path, read 4, write 2, pass 1. A file is
// only read: it is replaced by another in its directory. Written are the directories of the main
// file, of what lies below it, and of files elsewhere that hold http{} or server{}.
using Rights = std::map<std::string, unsigned>;
Rights rights_to_edit(const FileReader& files, const nginx::Config& config);

// Adds what it takes to read one file.
void add_rights_to_read(Rights& rights, const FileReader& files, const std::string& path);

// Errors: rejected, with the path that this user may not change, and what to do.
Result<> check_may_edit(const FileReader& files, const nginx::Config& config);

// Whether that existing file can be replaced by another in its directory: not on a file system that
// is mounted read-only, and not where the file is itself a mount, as in containers. Errors:
// rejected.
Result<> check_may_replace(const std::string& path);

// The same, tried as it would be done: by a file beside it, which is removed again. Errors:
// rejected, those of the file system.
Result<> try_to_replace(const std::string& path);

// Whether a server of our own could listen there, as far as rights go. Errors: rejected.
Result<> check_may_listen_on_port_80();

}  // namespace everseal::jobs
