#!/usr/bin/python3
"""Hits one process of a running Everseal at a random moment, and looks at what is left.

A run is the command itself (the monitor) and its roles: keeper, net, verify. One of them is killed,
stopped for a while, stopped for good until the monitor is asked to end, or gets no more memory; or
the monitor gets a signal that a person or a system sends. The run must end soon, say what happened,
and leave no process, lock, temporary file or answer to a challenge; a second run, which nobody
disturbs, must finish the work, and no name may cost the CA a second certificate or order.
Acceptance rows C11, C12 and C13.
"""

import argparse
import collections
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
import traceback

from kill_everywhere import Machine, check, left_behind
# pylint: disable=wrong-import-order
from harness import processes, sandbox
from harness.everseal import STATE, live
from harness.sandbox import wait_until

MOST_SECONDS = 60  # that a run may take which was hit
MONITOR = "monitor"
SECURE = ("secure", "--all", "--yes")
PEOPLES_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)

Scenario = collections.namedtuple("Scenario", "title arguments again begin")
SCENARIOS = (Scenario("secure", SECURE, (SECURE,), "plain"),
             Scenario("renew", ("renew", "--force"), (SECURE, ("renew",)), "secured"))


def locks():
    """Locks that somebody holds on a file of the state directory (proc(5), /proc/locks)."""
    ours = {str(path.stat().st_ino) for path in STATE.rglob("*") if path.is_file()}
    return [line for line in pathlib.Path("/proc/locks").read_text().splitlines()
            if line.split()[-3].rsplit(":", 1)[-1] in ours]


# ---- The hits. Each is given the process and the monitor; each may take its time.

def kill(pid, _):
    os.kill(pid, signal.SIGKILL)


def stop_for_a_while(pid, _):
    os.kill(pid, signal.SIGSTOP)
    time.sleep(random.uniform(0.3, 2))
    os.kill(pid, signal.SIGCONT)


def stop_for_good(pid, monitor):
    os.kill(pid, signal.SIGSTOP)
    time.sleep(random.uniform(0.3, 2))
    os.kill(monitor, signal.SIGTERM)


def take_memory(pid, _):
    """It keeps what it has; what it asks for next is refused."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    size = int(re.search(r"VmSize:\s+(\d+) kB", status)[1]) << 10
    user, group = (re.search(rf"{kind}:\s+(\d+)", status)[1] for kind in ("Uid", "Gid"))
    # By its own user: root may lack CAP_SYS_RESOURCE, as in a container.
    subprocess.run(["setpriv", "--reuid", user, "--regid", group, "--clear-groups",
                    "prlimit", "--pid", str(pid), f"--as={size}"], check=True, capture_output=True)


def send(number):
    return lambda pid, _: os.kill(pid, number)


Hit = collections.namedtuple("Hit", "title act victims weight ends_orders", defaults=[False])
HITS = (Hit("SIGKILL", kill, "all", 6), Hit("SIGSTOP, SIGCONT", stop_for_a_while, "all", 3),
        Hit("SIGSTOP, monitor SIGTERM", stop_for_good, "roles", 2, True),
        Hit("no memory", take_memory, "all", 4),
        *(Hit(number.name, send(number), MONITOR, 1, True) for number in PEOPLES_SIGNALS))


def choose_victim(hit, monitor, process=None):
    """One that lives now, each name as likely; None where none does."""
    living = [] if hit.victims == MONITOR else processes.roles(of=monitor)
    if hit.victims != "roles" and processes.lives(monitor):
        living.append((monitor, MONITOR))
    names = {name for _, name in living if process in (None, name)}
    if not names:
        return None
    name = random.choice(sorted(names))
    return random.choice([pid for pid, role in living if role == name]), name


# ---- One run.

class Ended(Exception):
    """The run was over before it could be hit."""


class Trial:
    """One hit at one moment, and what must hold after it."""

    def __init__(self, machine, scenario, usual):
        self.machine = machine
        self.scenario = scenario
        self.usual = usual  # what an undisturbed run leaves, and how long it takes
        self.victim = None
        self.orders = self.issued = None
        self.status = self.err = None

    def run(self, hit, process):
        self.machine.back_to(self.scenario.begin)
        before = left_behind()
        authority = self.machine.authority
        self.orders, self.issued = authority.orders(), authority.issued()
        self.disturb(hit, process)
        self.check_words(hit)
        self.check_upright()
        if not self.may_leave_its_work(hit):
            self.check_tidy(before)
        for arguments in self.scenario.again:
            again = self.machine.run(*arguments)
            check(again.status == 0, f"run again\n{again}")
        self.machine.check_secured()
        self.check_finished()
        self.check_thrift(hit)

    def disturb(self, hit, process):
        moment = random.uniform(0, self.usual.seconds)
        with self.machine.everseal.start(*self.scenario.arguments) as run:
            began = time.monotonic()
            try:
                time.sleep(moment)
                self.victim = choose_victim(hit, run.pid, process)
                if self.victim:
                    hit.act(self.victim[0], run.pid)
            except (ProcessLookupError, FileNotFoundError, subprocess.CalledProcessError, TypeError):
                self.victim = None  # it has ended meanwhile
            try:
                _, self.err = run.communicate(timeout=MOST_SECONDS)
            except subprocess.TimeoutExpired:
                state = [(name, processes.state(pid)) for pid, name in processes.roles(of=run.pid)]
                run.kill()
                raise AssertionError(f"no end within {MOST_SECONDS} s after {moment:.2f} s; "
                                     f"{run.stderr.read()} {state}") from None
            self.status = run.returncode
        self.seconds = time.monotonic() - began
        if not self.victim:
            raise Ended

    def was_monitor_killed(self, hit):
        """By the signal itself: SIGKILL, or one that came before there was a handler."""
        return self.victim[1] == MONITOR and self.status == -getattr(signal, hit.title, 0)

    def may_leave_its_work(self, hit):
        """To the next run: a monitor that was killed, or has no memory to tidy up (row C13)."""
        return self.victim[1] == MONITOR and hit.title in ("SIGKILL", "no memory")

    def check_words(self, hit):
        if self.was_monitor_killed(hit):
            return
        check(self.status in (0, 1, 3), f"exit status {self.status}: {self.err}")
        check("terminate called" not in self.err, self.err)
        if self.status == 0:
            return
        check(re.search(r"[a-z]{3,} [a-z]{2,}", self.err), f"says nothing: {self.err!r}")
        if hit.title == "SIGKILL" and self.victim[1] != MONITOR:
            check(re.search(rf"the {self.victim[1]} process was ended by signal 9", self.err),
                  f"does not say what happened: {self.err!r}")

    def check_upright(self):
        wait_until("all processes end", lambda: not processes.all_living(), 2)
        check(not locks(), f"locked: {locks()}")
        self.machine.check_upright()
        if self.scenario.begin == "secured":
            self.machine.check_secured()

    def check_tidy(self, beginning):
        """Nothing is there but what was there before, or what an undisturbed run leaves.

        A version that was begun is kept: the next run goes on with it.
        """
        left = {path for path in left_behind() if "/versions/N.new" not in path}
        check(left <= beginning | self.usual.left,
              f"left: {sorted(left - beginning - self.usual.left)}")

    def check_finished(self):
        left = left_behind()
        check(left == self.usual.left,
              f"other files are left than without a hit: {sorted(left ^ self.usual.left)}")

    def check_thrift(self, hit):
        """What was ordered is issued once; a signal gives up one order for each certificate."""
        authority = self.machine.authority
        newly = authority.issued() - self.issued
        check(all(count == 1 for count in newly.values()), f"issued more than once: {newly}")
        orders = len(authority.standing_orders() - self.orders)
        given_up = len(live()) if hit.ends_orders else 0
        check(sum(newly.values()) <= orders <= sum(newly.values()) + given_up,
              f"{orders} orders for {sum(newly.values())} certificates")
        self.machine.check_newest_is_served(newly)


Usual = collections.namedtuple("Usual", "seconds left")


def measure(machine, scenario):
    seconds = []
    for _ in range(2):
        machine.back_to(scenario.begin)
        began = time.monotonic()
        result = machine.run(*scenario.arguments)
        seconds.append(time.monotonic() - began)
        check(result.status == 0, f"without a hit\n{result}")
    return Usual(min(seconds), left_behind())


def begin_afresh(machine):
    """With a CA that has seen nothing, and certificates of it. Whether the one before was stuck, and
    what is usual with this one."""
    was_stuck = machine.restart_authority()
    machine.back_to("plain")
    result = machine.run(*SECURE)
    check(result.status == 0, result)
    machine.keep("secured")
    return was_stuck, {scenario.title: measure(machine, scenario) for scenario in SCENARIOS}


# ---- All runs.

def print_table(ends):
    columns = ("well", "error", "failed")
    print(f"\n{'hit':26}{'process':10}{'runs':>6}{'ended well':>12}{'with error':>12}{'failures':>10}")
    for (title, name), counts in sorted(ends.items()):
        print(f"{title:26}{name:10}{counts.total():6}" +
              "".join(f"{counts[column]:{width}}" for column, width in zip(columns, (12, 12, 10))))
    total = sum(ends.values(), collections.Counter())
    print(f"{'all':36}{total.total():6}{total['well']:12}{total['error']:12}{total['failed']:10}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hit", choices=[each.title for each in HITS], help="only this one")
    parser.add_argument("--process", help="only this one: monitor, keeper, net, verify")
    options = parser.parse_args()
    sandbox.enter()
    random.seed(options.seed)

    machine = Machine()
    machine.keep("plain")
    ends = collections.defaultdict(collections.Counter)
    said = collections.Counter()
    hits = [each for each in HITS if options.hit in (None, each.title)]
    number = 0
    while number < options.runs:
        if number % 40 == 0:
            _, usual = begin_afresh(machine)
        scenario = SCENARIOS[number % 2]
        hit = random.choices(hits, [each.weight for each in hits])[0]
        trial = Trial(machine, scenario, usual[scenario.title])
        reason = ""
        try:
            trial.run(hit, options.process)
            end = "well" if trial.status == 0 else "error"
        except Ended:
            continue
        except (AssertionError, OSError, subprocess.SubprocessError, TimeoutError) as problem:
            end = "failed"
            reason = (str(problem) if isinstance(problem, AssertionError)
                      else traceback.format_exc())
            for pid in processes.all_living():
                os.kill(pid, signal.SIGKILL)
            was_stuck, usual = begin_afresh(machine)
            if was_stuck:
                print("pebble had locked itself up: tried again")
                continue
        number += 1
        name = trial.victim[1] if trial.victim else MONITOR
        ends[hit.title, name][end] += 1
        words_said = (trial.err or "").strip()
        said[words_said] += 1
        print(f"{'FAILED' if end == 'failed' else 'ok':7} {number}/{options.runs} {scenario.title}: "
              f"{hit.title} {name}, status {trial.status}: {words_said}\n{reason}".rstrip(),
              flush=True)
    print_table(ends)
    failures = sum(counts["failed"] for counts in ends.values())
    print(f"{failures} failed")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
