#!/usr/bin/python3
"""Kills Everseal before each system call that changes something, and looks at what is left.

A first run under strace tells which calls there are: files, directories, signals, messages to the
CA. Then, for each of them, from the same beginning: the run is killed right before the call; nginx
must pass its test and start cold, every live key must match its leaf; a second run must finish the
work, and no name may cost the CA a second certificate. Acceptance rows C1 and C2.
"""

import argparse
import collections
import re
import shutil
import subprocess
import sys
import traceback
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
# pylint: disable=wrong-import-position
from harness import Application, Authority, Everseal, Nginx, Sites, sandbox, visitor
from harness.everseal import STATE, check_live, live
from harness.nginx import CONFIGURATION
from harness.sandbox import SCRATCH
from harness.sites import ADDRESSES, NAMES, fingerprint

CALLS = """write writev pwrite64 pwritev fsync fdatasync ftruncate fallocate openat rename renameat
renameat2 link linkat symlink symlinkat unlink unlinkat mkdir mkdirat rmdir chmod fchmod fchmodat
chown fchown fchownat kill sendto sendmsg exit_group""".split()

TRACE = SCRATCH / "trace"

Point = collections.namedtuple("Point", "call count line")
Scenario = collections.namedtuple("Scenario", "title arguments again begin")


class Machine:
    """The CA, nginx and its sites, and the beginnings that every point starts from."""

    def __init__(self):
        self.authority = Authority().start()
        self.application = Application().start()
        Sites().write().register(self.authority)
        self.nginx = Nginx()
        self.everseal = Everseal(self.authority)
        self.root = self.authority.root_file()

    def keep(self, beginning):
        for tree in (CONFIGURATION, STATE):
            if tree.exists():
                shutil.copytree(tree, SCRATCH / beginning / tree.name, symlinks=True)

    def back_to(self, beginning):
        self.nginx.stop()
        for tree in (CONFIGURATION, STATE):
            shutil.rmtree(tree, ignore_errors=True)
            kept = SCRATCH / beginning / tree.name
            if kept.exists():
                subprocess.run(["cp", "-a", str(kept), str(tree)], check=True)
        self.nginx.start()

    def restart_authority(self):
        """pebble 2.4 locks itself up after some thousand orders."""
        self.authority.stop_ca()
        self.authority.start_ca()
        self.root = self.authority.root_file()

    def run(self, *arguments, wrapper=()):
        return self.everseal.run(*arguments, wrapper=wrapper)

    def check_upright(self):
        """What must hold at any moment: visitors are served, now and after a reboot."""
        complaint = self.nginx.test()
        check(not complaint, f"nginx -t: {complaint}")
        check_live()
        self.nginx.cold_start()
        for name in NAMES:
            status = visitor.http_get(name, address=ADDRESSES[name][0]).status
            check(status in (200, 301), f"http://{name}/ answers {status}")

    def check_newest_is_served(self, issued):
        """For each of the sets of names the last certificate that the CA gave."""
        serials = self.authority.serials()
        for names in issued:
            served = visitor.certificate(names[0], self.root, ADDRESSES[names[0]][0])["serialNumber"]
            check(int(served, 16) == int(serials[names][-1], 16),
                  f"{names[0]}: the certificate that the CA gave is not served")

    def check_secured(self):
        for name in NAMES:
            for address in ADDRESSES[name]:
                visitor.certificate(name, self.root, address)
        check_live()


def check(holds, otherwise):
    if not holds:
        raise AssertionError(otherwise)


def main_thread_calls(trace):
    """The state-changing calls of the traced process, in order, each with its number among its kind."""
    counts = collections.Counter()
    for line in trace.splitlines():
        match = re.match(r"(\w+)\(", line)
        if not match:
            continue
        call = match[1]
        counts[call] += 1
        changes_nothing = ((call == "openat" and "O_CREAT" not in line)
                           or re.match(r"writev?\([12],", line))
        if not changes_nothing:
            yield Point(call, counts[call], line[:100])


class Sequence:
    """Kill, look, run again, look: for one scenario, at one point after the other."""

    def __init__(self, machine, scenario):
        self.machine = machine
        self.scenario = scenario
        self.points, self.end = self.record()

    def record(self):
        self.machine.back_to(self.scenario.begin)
        result = self.machine.run(
            *self.scenario.arguments,
            wrapper=["strace", "-o", str(TRACE), "-e", "trace=" + ",".join(CALLS)])
        check(result.status == 0, f"without a kill\n{result}")
        self.machine.check_secured()
        return list(main_thread_calls(TRACE.read_text())), left_behind()

    def try_point(self, point):
        """Raises AssertionError with what does not hold; returns a remark or ""."""
        machine = self.machine
        machine.back_to(self.scenario.begin)
        orders, issued = machine.authority.orders(), machine.authority.issued()
        result = machine.run(
            *self.scenario.arguments,
            wrapper=["strace", "-o", "/dev/null", "-e", f"trace={point.call}", "-e",
                     f"inject={point.call}:signal=SIGKILL:when={point.count}"])
        check(result.status in (0, -9), f"with the kill\n{result}")
        machine.check_upright()

        again = machine.run(*self.scenario.again)
        check(again.status == 0, f"run again\n{again}")
        machine.check_secured()
        newly = machine.authority.issued() - issued
        check(all(count == 1 for count in newly.values()), f"issued more than once: {newly}")
        machine.check_newest_is_served(newly)
        check(left_behind() == self.end, "other files are left than without a kill: " +
              " ".join(sorted(left_behind() ^ self.end)))
        # Where the cold start meets a validation, the CA ends the order and another is due.
        orders = len(machine.authority.standing_orders() - orders)
        check(orders == sum(newly.values()), f"{orders} orders for {sum(newly.values())} certificates")
        return "" if result.status == -9 else "(ended by itself)"


def left_behind():
    """Kinds of files: which keys and certificates there are differs from run to run."""
    return ({f"nginx:{path}" for path in fingerprint(CONFIGURATION)} |
            {f"state:{re.sub(r'versions/[0-9]+', 'versions/N', path)}"
             for path in fingerprint(STATE) if not path.startswith("catalog.db-")})


def spread(points, count):
    """`count` of them, evenly, the first and the last among them."""
    if not count or count >= len(points):
        return points
    return [points[round(i * (len(points) - 1) / (count - 1))] for i in range(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spread", type=int, default=0, help="only so many points of each run")
    parser.add_argument("--every", type=int, default=1, help="only every N-th point")
    parser.add_argument("--only", choices=["secure", "renew"], help="only this command")
    options = parser.parse_args()
    sandbox.enter()

    machine = Machine()
    machine.keep("plain")
    scenarios = [Scenario("secure", ("secure", "--all", "--yes"), ("secure", "--all", "--yes"),
                          "plain"),
                 Scenario("renew", ("renew", "--force"), ("renew",), "secured")]
    failures = 0
    for scenario in scenarios:
        if options.only not in (None, scenario.title):
            continue
        if scenario.begin == "secured":
            machine.back_to("plain")
            machine.run("secure", "--all", "--yes")
            machine.keep("secured")
        sequence = Sequence(machine, scenario)
        points = spread(sequence.points[::options.every], options.spread)
        print(f"{scenario.title}: {len(sequence.points)} calls that change something, "
              f"killing before {len(points)} of them, {len(live())} certificates", flush=True)
        for number, point in enumerate(points, 1):
            if scenario.begin == "plain" and number % 50 == 0:
                machine.restart_authority()
            title = f"{scenario.title} {number}/{len(points)} {point.call}#{point.count}"
            try:
                print(f"ok      {title} {sequence.try_point(point)}", flush=True)
            except (AssertionError, OSError, subprocess.SubprocessError) as problem:
                failures += 1
                reason = "" if isinstance(problem, AssertionError) else traceback.format_exc()
                print(f"FAILED  {title}: {point.line}\n{problem}\n{reason}", flush=True)
    print(f"{failures} failed")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
