#!/usr/bin/python3
"""Fails on a call that takes a path, outside the files that may make it.

Whoever may write in a directory decides what a path in it leads to, from one call to the next. So
src/base/directory.h (a held directory) acts on what others may change, src/base/trusted_file.h looks
at what is run or obeyed, and each other file that hands a path to the system is named here with the
reason why nobody can lead it elsewhere.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

CALLS = re.compile(
    r"(?<![\w>])::(access|chdir|chmod|chown|chroot|creat|execv\w*|faccessat|fchmodat|fchownat|"
    r"fopen|freopen|fstatat|getxattr|glob|lchown|link|linkat|listxattr|lstat|mkdir|mkdirat|mkdtemp|"
    r"mkfifo|mknod\w*|mkstemp|mount|nftw|open|openat|opendir|posix_spawnp?|readlink|readlinkat|"
    r"realpath|removexattr|rename\w*|rmdir|scandir|setxattr|stat|statvfs|statx|symlink|symlinkat|"
    r"truncate|umount2?|unlink|unlinkat|utimensat)\(|"
    r"(?<![\w:.>])(posix_spawnp?|fopen|popen|system)\(|SYS_openat2|sqlite3_open_v2\(|::dlopen\(|std::(remove|rename|fopen)\(|"
    r"std::(basic_)?[io]?fstream|std::filesystem")

# file below src: why no other user leads it elsewhere
ALLOWED = {
    "base/directory.cc": "acts on held directories, one name at a time, no symlink followed",
    "base/path_walk.cc": "opens one name after the other below held directories",
    "base/trusted_file.cc": "opens by its descriptor what was looked at",
    "base/ownership.cc": "acts on held directories, no symlink followed",
    "base/file_system.cc": "the state directory, which is refused if others may write in it or above "
                           "it, and reading, which waits for no pipe",
    "base/access_list.cc": "reads access lists of nginx's files, which are root's",
    "base/file_lock.cc": "the lock in the state directory, made without following a symlink",
    "base/command_runner.cc": "starts what find_trusted() has looked at, by a way that only root changes",
    "base/exchange.cc": "the state directory and what is to take its place, in a directory that only root "
                        "and who runs it may change (jobs/backup.cc walks there first)",
    "base/writable.cc": "asks whether a held directory may be written",
    "base/sqlite.cc": "the database in the state directory, opened without following a symlink",
    "base/shared_library.cc": "libraries by name, from the system's directories",
    "nginx/stage.cc": "mounts over nginx's files in a namespace of its own, starts nginx as the "
                      "command runner does, and opens files of /dev and /proc",
    "jobs/rights.cc": "asks whether nginx's files may be changed; decides nothing else",
    "app/dhparam_command.cc": "asks whether a directory may be written; decides nothing else",
    "app/command_line.cc": "makes the words of a person absolute; opens nothing",
    "app/ca_command.cc": "makes the words of a person absolute; opens nothing",
    "app/streams.cc": "opens /dev/null",
    "privsep/process.cc": "starts /proc/self/exe",
    "privsep/landlock.cc": "names the files that a role may use, before it reads a message",
    "privsep/probe.cc": "tries what must be refused",
}
SKIPPED = re.compile(r"(_test|_fuzz|_bench|_fixture|_in_thread)\.(cc|h)$|/fake_")


def violations():
    unused = set(ALLOWED)
    for path in sorted((ROOT / "src").rglob("*.[ch]*")):
        name = str(path.relative_to(ROOT / "src"))
        if SKIPPED.search(name):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            call = CALLS.search(line.split("//")[0])
            if not call:
                continue
            unused.discard(name)
            if name not in ALLOWED:
                yield (f"src/{name}:{number}: {call[0].rstrip('(')} takes a path; use "
                       "base/directory.h or base::FileSystem")
    for name in sorted(unused):
        yield f"tests/check_paths.py: src/{name} needs no exception any more"


def main():
    found = list(violations())
    print("\n".join(found) or "Every path goes through base/, or has its reason.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
