#!/usr/bin/python3
"""Kills Everseal before each system call that changes something, and looks at what is left.

A first run under strace tells which calls there are: files, directories, signals, messages to the
CA. Then, for each of them, from the same beginning: the run is killed right before the call, or the
call fails as on a full disk (--fault ENOSPC); nginx must pass its test and start cold, every live
key must match its leaf; a second run must finish the work, and no name may cost the CA a second
certificate. Acceptance rows C1, C2 and C4.
"""

import argparse
import collections
import contextlib
import dataclasses
import os
import re
import shutil
import socket
import subprocess
import sys
import traceback
import pathlib
import pwd

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
# pylint: disable=wrong-import-position
from cryptography import x509
from harness import Application, Authority, Everseal, Nginx, Sites, sandbox, visitor
from harness.everseal import STATE, binary, check_live, live
from harness.nginx import CONFIGURATION
from harness.sandbox import SCRATCH
from harness.sites import ADDRESSES, NAMES, fingerprint

CALLS = """write writev pwrite64 pwritev fsync fdatasync ftruncate fallocate openat rename renameat
renameat2 link linkat symlink symlinkat unlink unlinkat mkdir mkdirat rmdir chmod fchmod fchmodat
chown fchown fchownat kill sendto sendmsg exit_group""".split()

TRACE = SCRATCH / "trace"

# Calls that cannot fail for want of room: messages, signals, the end.
_NO_ROOM_NEEDED = {"kill", "sendto", "sendmsg", "exit_group"}

USER = "acme"
SUDOERS = pathlib.Path("/etc/sudoers.d")

Point = collections.namedtuple("Point", "call count line")


@dataclasses.dataclass
class Scenario:
    """A command, what is run after it was cut short, and what must be true in the end.

    `begin` is one of Machine.BEGINNINGS, `after` a method of Machine. With `orders` the second run
    orders, whatever the first one did. With `blocked` another program has that address and port
    443 meanwhile: the command ends with `status`, all being as it was before.
    """
    title: str
    arguments: tuple
    again: tuple
    begin: str
    after: str = "check_secured"
    orders: bool = False
    blocked: str = ""
    status: int = 0

    @contextlib.contextmanager
    def circumstances(self):
        with contextlib.ExitStack() as stack:
            if self.blocked:
                other = stack.enter_context(socket.socket())
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.bind((self.blocked, 443))
                other.listen()
            yield


_ALL = ("secure", "--all", "--yes")
_ISSUE = ("issue", "-d", "static.example:/var/www/static", "--yes")
_MODERN = ("secure", "--all", "--yes", "--profile", "modern", "--hsts=300")
_SETUP = ("setup", "--user", USER, "--yes")

SCENARIOS = [
    Scenario("secure", _ALL, _ALL, "plain"),
    Scenario("secure-hardened", _MODERN, _MODERN, "partly"),
    Scenario("renew", ("renew", "--force"), ("renew",), "secured"),
    Scenario("undo", ("undo", "--yes"), ("undo", "--yes"), "secured", "check_plain"),
    Scenario("issue", _ISSUE, _ISSUE, "plain", "check_issued"),
    Scenario("rotate-keys", ("rotate", "keys"), ("renew",), "secured"),
    Scenario("rotate-account", ("rotate", "account"), ("renew", "--force", "static.example"), "one",
             "check_one", orders=True),
    Scenario("rollback", ("secure", "four.example", "--yes"), ("secure", "four.example", "--yes"),
             "plain", "check_four", blocked="127.0.0.4", status=1),
    Scenario("setup", _SETUP, _SETUP, "secured", "check_set_up"),
]


class Machine:
    """The CA, nginx and its sites, and the beginnings that every point starts from."""

    def __init__(self):
        self.authority = Authority().start()
        self.application = Application().start()
        Sites().write().register(self.authority)
        self.nginx = Nginx()
        self.everseal = Everseal(self.authority)
        self.root = self.authority.root_file()
        self.plain = fingerprint(CONFIGURATION)
        self.make_user()
        self.keep("plain")

    @staticmethod
    def make_user():
        """For `everseal setup`; the build may be where only root can look."""
        os.environ["EVERSEAL"] = str(shutil.copy(binary(), SCRATCH / "everseal"))
        subprocess.run(["useradd", "--system", "--create-home", "--home-dir", f"/var/lib/{USER}",
                        "--shell", "/usr/sbin/nologin", USER], check=True)

    def keep(self, beginning):
        for tree in (CONFIGURATION, STATE):
            if tree.exists():
                (SCRATCH / beginning).mkdir(exist_ok=True)
                subprocess.run(["cp", "-a", str(tree), str(SCRATCH / beginning / tree.name)],
                               check=True)

    # What is run to get to a beginning, from the plain one.
    BEGINNINGS = {"plain": [], "secured": [_ALL],
                  "partly": [("secure", "pair.example", "static.example", "--yes")],
                  "one": [("secure", "static.example", "--yes")]}
    ONCE_ONLY = {"one"}  # where the CA does not go back: it remembers an account's new key

    def make(self, beginning):
        if (SCRATCH / beginning).exists() and beginning not in self.ONCE_ONLY:
            return
        shutil.rmtree(SCRATCH / beginning, ignore_errors=True)
        self.back_to("plain")
        for arguments in self.BEGINNINGS[beginning]:
            result = self.run(*arguments)
            check(result.status == 0, f"to begin with\n{result}")
        self.keep(beginning)

    def back_to(self, beginning):
        self.nginx.stop()
        for file in SUDOERS.glob("everseal-*"):
            file.unlink()
        for tree in (CONFIGURATION, STATE):
            shutil.rmtree(tree, ignore_errors=True)
            kept = SCRATCH / beginning / tree.name
            if kept.exists():
                subprocess.run(["cp", "-a", str(kept), str(tree)], check=True)
        self.nginx.start()

    def restart_authority(self):
        """pebble 2.4 locks itself up after some thousand orders. True where it had done so."""
        was_stuck = self.authority.stop_stuck_ca()
        self.authority.start_ca()
        self.root = self.authority.root_file()
        for beginning in self.BEGINNINGS.keys() - {"plain"}:  # they are of the roots before
            shutil.rmtree(SCRATCH / beginning, ignore_errors=True)
        return was_stuck

    def run(self, *arguments, **options):
        return self.everseal.run(*arguments, **options)

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
            leaf = x509.load_pem_x509_certificate((STATE / "live" / names[0] / "cert.pem").read_bytes())
            check(leaf.serial_number == int(serials[names][-1], 16),
                  f"{names[0]}: the certificate that the CA gave is not live")
            if "everseal" not in (CONFIGURATION / "sites-enabled/static").read_text():
                continue
            served = visitor.certificate(names[0], self.root, ADDRESSES[names[0]][0])["serialNumber"]
            check(int(served, 16) == int(serials[names][-1], 16),
                  f"{names[0]}: the certificate that the CA gave is not served")

    def failed(self):
        """The certificates of which the last attempt has failed."""
        if not STATE.exists():
            return []
        return [each["name"] for each in self.run("status", "--json").json()["certificates"]
                if each["failures"] > 0]

    def check_plain(self):
        """nginx's configuration is as it was before all; the certificates stay."""
        check(fingerprint(CONFIGURATION) == self.plain, "the configuration is not as it was")
        check_live()

    def check_four(self):
        visitor.certificate("four.example", self.root, "127.0.0.4")
        check_live()

    def check_one(self):
        visitor.certificate("static.example", self.root, "127.0.0.1")
        check_live()

    def check_issued(self):
        check(live() == ["static.example"], f"live are {live()}")
        self.check_plain()

    def check_set_up(self):
        self.check_secured()
        check([file.name for file in SUDOERS.glob("everseal-*")] == [f"everseal-{USER}"],
              "more or less than one file for sudo")
        owners = {path.lstat().st_uid for path in [STATE, *STATE.rglob("*")]}
        check(owners == {pwd.getpwnam(USER).pw_uid}, f"the state belongs to {owners}")
        result = self.run("renew", wrapper=("setpriv", "--reuid", USER, "--regid", USER,
                                            "--clear-groups", "--inh-caps=-all"), cwd="/")
        check(result.status == 0, f"as the user\n{result}")

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
    """Cut short, look, run again, look: for one scenario, at one point after the other."""

    def __init__(self, machine, scenario, fault):
        self.machine = machine
        self.scenario = scenario
        self.fault = fault
        self.points, self.end = self.record()

    def begin(self):
        self.machine.make(self.scenario.begin)
        self.machine.back_to(self.scenario.begin)

    def record(self):
        self.begin()
        with self.scenario.circumstances():
            result = self.machine.run(
                *self.scenario.arguments,
                wrapper=["strace", "-o", str(TRACE), "-e", "trace=" + ",".join(CALLS)])
        check(result.status == self.scenario.status, f"without a fault\n{result}")
        if self.scenario.status != 0:
            self.machine.check_plain()
            self.machine.run(*self.scenario.again)
        self.check_end()
        points = list(main_thread_calls(TRACE.read_text()))
        if self.fault != "KILL":
            points = [point for point in points if point.call not in _NO_ROOM_NEEDED]
        return points, left_behind()

    def check_end(self):
        getattr(self.machine, self.scenario.after)()

    def cut_short(self, point):
        what = "signal=SIGKILL" if self.fault == "KILL" else f"error={self.fault}"
        with self.scenario.circumstances():
            result = self.machine.run(
                *self.scenario.arguments,
                wrapper=["strace", "-o", "/dev/null", "-e", f"trace={point.call}", "-e",
                         f"inject={point.call}:{what}:when={point.count}"])
        allowed = (self.scenario.status, -9) if self.fault == "KILL" else (0, 1, 3)
        check(result.status in allowed, f"with the fault\n{result}")
        return result

    def try_point(self, point):
        """Raises AssertionError with what does not hold; returns a remark or ""."""
        machine = self.machine
        self.begin()
        orders, issued = machine.authority.orders(), machine.authority.issued()
        result = self.cut_short(point)
        machine.check_upright()

        if self.scenario.orders:  # what comes now is not this command's
            check(machine.authority.issued() == issued, "something was issued")
            orders, issued = machine.authority.orders(), machine.authority.issued()
        again = machine.run(*self.scenario.again)
        check(again.status == 0, f"run again\n{again}")
        if failed := machine.failed():  # what failed waits a minute, unless a person asks
            check(self.fault != "KILL", f"a kill counts as a failure of {', '.join(failed)}\n{again}")
            again = machine.run("renew", "--force", *failed)
            check(again.status == 0, f"tried at once\n{again}")
        self.check_end()
        newly = machine.authority.issued() - issued
        check(all(count == 1 for count in newly.values()), f"issued more than once: {newly}")
        machine.check_newest_is_served(newly)
        left = left_behind()
        check(left == self.end or self.scenario.orders,
              "other files are left than without a fault: " + " ".join(sorted(left ^ self.end)))
        # Where the cold start meets a validation, the CA ends the order and another is due.
        orders = len(machine.authority.standing_orders() - orders)
        check(orders == sum(newly.values()), f"{orders} orders for {sum(newly.values())} certificates")
        return "" if result.status != self.scenario.status else "(ended by itself)"


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
    parser.add_argument("--begin", type=int, default=1, help="from this point on")
    parser.add_argument("--only", action="append", choices=[each.title for each in SCENARIOS],
                        help="only this command; may be given again")
    parser.add_argument("--fault", action="append", choices=["KILL", "ENOSPC", "EIO"],
                        help="what happens at each point; may be given again; else KILL")
    options = parser.parse_args()
    sandbox.enter()

    machine = Machine()
    failures = 0
    for scenario in SCENARIOS:
        if options.only and scenario.title not in options.only:
            continue
        for fault in options.fault or ["KILL"]:
            failures += try_all(machine, scenario, fault, options)
    print(f"{failures} failed")
    sys.exit(failures > 0)


def try_all(machine, scenario, fault, options):
    """Returns how many points failed."""
    failures = 0
    sequence = Sequence(machine, scenario, fault)
    points = spread(sequence.points[options.begin - 1::options.every], options.spread)
    print(f"{scenario.title}: {len(sequence.points)} calls that change something, "
          f"{fault} at {len(points)} of them, {len(live())} certificates", flush=True)
    for number, point in enumerate(points, 1):
        if scenario.begin == "plain" and number % 50 == 0:
            machine.restart_authority()
        title = f"{scenario.title} {fault} {number}/{len(points)} {point.call}#{point.count}"
        try:
            print(f"ok      {title} {sequence.try_point(point)}", flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError) as problem:
            failures += 1
            reason = "" if isinstance(problem, AssertionError) else traceback.format_exc()
            print(f"FAILED  {title}: {point.line}\n{problem}\n{reason}", flush=True)
    return failures


if __name__ == "__main__":
    main()
