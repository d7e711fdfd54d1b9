#!/usr/bin/python3
"""Cuts the power after each system call that changes something, on a real ext4.

The state directory and nginx's configuration are on an ext4 file system in a file. strace stops the
program after each call; what has reached the file by then is all that a cut would leave. Each such
disk is copied, mounted (the journal is replayed) and looked at: nginx must pass its test and start
cold, every live key must match its leaf, a second run must finish the work, and no certificate that
the CA had given may cost a second one. Acceptance rows C3 and C10.

Each run is cut twice: as it is, and beside somebody who makes a file of his own durable all the time,
which commits the journal: names are on the disk then, and the data behind them need not be.
The negative control is the same with fsync that does nothing: there the cuts must do harm.
"""

import argparse
import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

from kill_everywhere import CALLS, Machine, check, spread
# pylint: disable=wrong-import-order
from harness import processes, sandbox
from harness.everseal import STATE
from harness.nginx import CONFIGURATION
from harness.sandbox import SCRATCH

IMAGE = SCRATCH / "disk.img"
DISK = SCRATCH / "disk"  # where it is mounted
TRACE = SCRATCH / "calls"
SKIPPED = 77  # as automake and ctest have it

SECURE = ("secure", "--all", "--yes")

Scenario = collections.namedtuple("Scenario", "title arguments again begin")
SCENARIOS = (Scenario("secure", SECURE, (SECURE,), "plain"),
             Scenario("renew", ("renew", "--force"), (("renew",), SECURE), "secured"),
             Scenario("undo", ("undo", "1", "--yes"), (("renew",), SECURE), "secured"))

CONTROL = "renew"  # the scenario that is run without fsync, too

Mode = collections.namedtuple("Mode", "title is_durable has_bystander")
MODES = (Mode("", True, False), Mode(", beside a bystander", True, True),
         Mode(", beside a bystander, without fsync", False, True))

MOST_CUTS = 60  # by one CA: pebble 2.4 locks itself up after some thousand orders

# What the disk held after a call, and what the CA had issued before the run and by then.
Cut = collections.namedtuple("Cut", "number line image before issued")


class Disk:
    """An ext4 file system in a file: its directories are nginx's configuration and the state."""

    def __init__(self):
        DISK.mkdir()

    def make(self):
        with open(IMAGE, "wb") as file:
            file.truncate(24 << 20)
        run("mkfs.ext4", "-q", "-b", "1024", "-J", "size=1", IMAGE)

    def mount(self, image=IMAGE):
        # It commits when it is asked to, and not by the clock: the worst case, each time the same.
        run("mount", "-o", "loop,commit=300", image, DISK)
        for name, place in (("nginx", CONFIGURATION), ("state", STATE)):
            (DISK / name).mkdir(exist_ok=True, mode=0o755 if name == "nginx" else 0o700)
            place.mkdir(parents=True, exist_ok=True)
            run("mount", "--bind", DISK / name, place)

    def unmount(self):
        for place in (CONFIGURATION, STATE, DISK):
            run("umount", place)

    def written(self):
        """How much was ever written to it, by the kernel's account (Documentation/block/stat.rst)."""
        device = subprocess.run(["findmnt", "-no", "SOURCE", DISK], check=True, capture_output=True,
                                text=True).stdout.strip()
        return pathlib.Path("/sys/block", device.removeprefix("/dev/"), "stat").read_text().split()[6]


class Bystander:
    """Somebody on the same disk, who makes a file of his own durable."""

    def __init__(self):
        self._file = open(DISK / "bystander", "wb", 0)  # pylint: disable=consider-using-with

    def work(self):
        self._file.write(b"x")
        os.fsync(self._file.fileno())

    def leave(self):
        self._file.close()


def run(*command):
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def fill(tree, kept):
    """Makes a directory that cannot be replaced hold what `kept` holds."""
    for path in tree.iterdir():
        run("rm", "-rf", path)
    if kept.exists():
        run("cp", "-a", f"{kept}/.", tree)


class Cutter:
    """Runs a scenario and keeps the disks of all its moments."""

    def __init__(self, machine, disk):
        self.machine = machine
        self.disk = disk

    def begin(self, beginning):
        """A new disk, all of it durable."""
        self.machine.nginx.stop()
        self.disk.make()
        self.disk.mount()
        for tree in (CONFIGURATION, STATE):
            fill(tree, SCRATCH / beginning / tree.name)
        run("sync", "-f", DISK)
        self.machine.nginx.start()

    def secure(self):
        """Makes the beginning "secured", by the CA as it is now."""
        self.begin("plain")
        result = self.machine.run(*SECURE)
        check(result.status == 0, result)
        self.machine.keep("secured")
        self.end()

    def end(self):
        self.machine.nginx.stop()
        self.disk.unmount()

    def record(self, scenario, mode):
        """The cuts of a run that nobody disturbs, and the number of its calls."""
        self.begin(scenario.begin)
        before = self.machine.authority.issued()
        bystander = Bystander() if mode.has_bystander else None
        TRACE.unlink(missing_ok=True)
        os.mkfifo(TRACE)
        durable = ["fsync", "fdatasync"]
        others = [call for call in CALLS if call not in durable]
        lies = "" if mode.is_durable else "retval=0:"
        process = self.machine.everseal.start(
            *scenario.arguments,
            wrapper=["strace", "-o", str(TRACE), "-e", "trace=" + ",".join(CALLS),
                     "-e", "inject=" + ",".join(others) + ":signal=SIGSTOP",
                     "-e", "inject=" + ",".join(durable) + f":{lies}signal=SIGSTOP"])
        cuts = []
        with open(TRACE, encoding="utf-8", errors="replace") as trace:
            call, number, seen = "", 0, None
            for line in trace:
                if re.match(r"\w+\(", line):
                    call, number = line.strip(), number + 1
                if "stopped by SIGSTOP" not in line:
                    continue
                if bystander and changes_files(call):
                    bystander.work()
                written = self.disk.written()
                if written != seen:
                    image = SCRATCH / f"cut-{len(cuts)}.img"
                    run("cp", "--sparse=always", IMAGE, image)
                    cuts.append(Cut(number, call[:100], image, before, None))
                    seen = written
                cuts[-1] = cuts[-1]._replace(issued=self.machine.authority.issued())
                os.kill(processes.children(process.pid)[0], signal.SIGCONT)
        out, err = process.communicate(timeout=60)
        check(process.returncode == 0, f"without a cut\n{out}{err}")
        if bystander:
            bystander.leave()
        self.end()
        return cuts, number

    def cut_all(self, scenario, mode, wanted):
        """How many do harm that must not; all, or `wanted` of them."""
        title = scenario.title + mode.title
        tried = harm = 0
        while True:
            cuts, calls = self.record(scenario, mode)
            chosen = spread(cuts, wanted)
            if not tried:
                print(f"{title}: {calls} calls, {len(cuts)} different disks, cut at {len(chosen)}", flush=True)
            part = chosen[tried:tried + MOST_CUTS]
            harm += sum(self.does_harm(scenario, mode, cut) for cut in part)
            tried += len(part)
            for cut in cuts:
                cut.image.unlink()
            if tried >= len(chosen):
                break
            self.machine.restart_authority()
            self.secure()
        if mode.is_durable:
            return harm
        if not harm:
            print(f"FAILED  {title}: no cut does harm, so that this test proves nothing")
        return not harm

    def does_harm(self, scenario, mode, cut):
        title = f"{scenario.title}{mode.title} {cut.number}"
        try:
            self.try_cut(scenario, cut)
        except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as problem:
            print(f"{'FAILED' if mode.is_durable else 'harm':8}{title}: {cut.line}\n"
                  f"{problem if mode.is_durable else str(problem)[:200]}", flush=True)
            return True
        print(f"{'ok' if mode.is_durable else 'no harm':8}{title}", flush=True)
        return False

    def try_cut(self, scenario, cut):
        """Raises AssertionError with what does not hold."""
        authority = self.machine.authority
        self.machine.nginx.stop()
        self.disk.mount(cut.image)
        try:
            self.machine.nginx.start()
            self.machine.check_upright()
            issued = authority.issued()
            for arguments in scenario.again:
                again = self.machine.run(*arguments)
                check(again.status == 0, f"run again\n{again}")
            self.machine.check_secured()
            newly = authority.issued() - issued
            twice = {names for names in newly if newly[names] > 1 or
                     (scenario.title != "undo" and cut.issued[names] > cut.before[names])}
            check(not twice, f"issued again: {twice}")
        finally:
            self.end()


def changes_files(call):
    return not (call.startswith("openat(") and "O_CREAT" not in call) and not re.match(
        r"writev?\([12],|send|kill|exit|f(data)?sync", call)


def can_mount():
    """Whether there are loop devices to be had here."""
    done = subprocess.run(["losetup", "--find"], capture_output=True, check=False)
    return done.returncode == 0 and shutil.which("mkfs.ext4") is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spread", type=int, default=0, help="only so many cuts of each run")
    parser.add_argument("--only", choices=[each.title for each in SCENARIOS])
    options = parser.parse_args()
    sandbox.enter()
    if not can_mount():
        print("skipped: there is no loop device, or no mkfs.ext4 (e2fsprogs)")
        sys.exit(SKIPPED)

    machine = Machine()
    machine.keep("plain")
    machine.nginx.stop()
    for tree in (CONFIGURATION, STATE):
        shutil.rmtree(tree, ignore_errors=True)
    cutter = Cutter(machine, Disk())
    cutter.secure()
    failures = 0
    for scenario in SCENARIOS:
        if options.only not in (None, scenario.title):
            continue
        for mode in MODES:
            if mode.is_durable or scenario.title == CONTROL:
                failures += cutter.cut_all(scenario, mode, options.spread)
    print(f"{failures} failed")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
