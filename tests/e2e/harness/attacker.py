"""A user of this machine who changes his own directories all the time, while root works in them."""

import os
import pwd
import subprocess
import sys

from .sandbox import wait_until

NAME = "bob"
HOME = "/srv/bob"

# Exchanges each path with each of its alternatives, one after the other, thousands of times a
# second (renameat2(2), RENAME_EXCHANGE). What root took away is made anew: "d" a directory, "s:TARGET"
# a symlink, "p" a pipe, "f" a file.
_LOOP = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
exchange = lambda a, b: libc.renameat2(-100, a, -100, b, 2)
pairs = [line.split("\\t") for line in sys.argv[2:]]
def make(path, kind):
    try:
        if kind == "d": os.mkdir(path, 0o755)
        elif kind == "p": os.mkfifo(path, 0o666)
        elif kind == "f": os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        else: os.symlink(kind[2:], path)
    except OSError: pass
done = 0
report = open(sys.argv[1], "w")
while True:
    for path, kind, other, other_kind in pairs:
        if exchange(path.encode(), other.encode()) == 0: done += 1
        else: make(path, kind); make(other, other_kind)
    if done % 64 < len(pairs):
        report.seek(0); report.write(str(done)); report.flush()
"""


def add_user():
    """bob, with a home that is his."""
    try:
        pwd.getpwnam(NAME)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", "--home-dir", HOME, NAME],
                       check=True)


def as_bob():
    return ("setpriv", "--reuid", NAME, "--regid", NAME, "--clear-groups", "--inh-caps=-all")


class Attacker:
    """Runs from start() to stop(). A pair is (path, kind, other path, other kind)."""

    def __init__(self, report, pairs):
        self._report = report
        self._pairs = ["\t".join(map(str, pair)) for pair in pairs]

    def start(self):
        self._report.write_text("")
        os.chown(self._report, pwd.getpwnam(NAME).pw_uid, -1)
        self._process = subprocess.Popen(
            [*as_bob(), sys.executable, "-c", _LOOP, str(self._report), *self._pairs])
        wait_until("the attacker swaps", self.swaps)
        return self

    def swaps(self):
        return int(self._report.read_text() or 0)

    def stop(self):
        self._process.kill()
        self._process.wait()
