#!/usr/bin/python3
"""Many at once, and again and again: starts, certificates that are due, renewals, machines."""

import contextlib
import datetime
import itertools
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import time
import unittest

from harness import processes, sandbox
from harness.everseal import ROOT, STATE, check_live, live
from harness.many_certificates import fill
from harness.own_ca_case import WEBROOT, KeptCase
from harness.sandbox import SCRATCH
from test_daemon import DaemonCase


class Starts(KeptCase):
    def test_T2_a_thousand_at_once_renew_once(self):
        self.change_catalog("UPDATE certificates SET window_start = 1, window_end = 2, renew_at = 1, "
                            "ask_at = unixepoch() + 86400, next_look = 1")
        ordered = self.ca.requests()["new-order"]
        done = subprocess.run(
            ["xargs", "-P", "100", "-I", "{}", *self.everseal.command("renew", "--quiet")],
            input="\n".join(map(str, range(1000))), text=True, capture_output=True, timeout=300,
            check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), "each ends well")
        self.assertEqual(self.ca.requests()["new-order"], ordered + 1)
        self.assertEqual(processes.all_living(), [self.ca.pid, *processes.children(self.ca.pid)])
        check_live()


class Outage(KeptCase):
    """After months in which nothing could be renewed, and all names have changed. How many there are:
    DUE in the environment, a tenth of the table's million if it is not set."""

    count = int(os.environ.get("DUE", "100000"))
    allowed = 25

    def setUp(self):
        super().setUp()
        settings = pathlib.Path("/etc/everseal/everseal.toml")
        settings.parent.mkdir(exist_ok=True)
        settings.write_text(f'server = "{self.ca.url}"\n[limits]\n'
                            f'orders_per_account = "{self.allowed}/3h"\n')
        self.addCleanup(settings.unlink)

    def test_T3_more_are_due_than_the_ca_allows(self):
        """The first to expire first, no more than the CA allows, the others each with its moment."""
        self.run_everseal("renew")  # the daily look at all files is over: these have none
        with contextlib.closing(sqlite3.connect(STATE / "catalog.db")) as catalog, catalog:
            catalog.execute("DELETE FROM versions")
            catalog.execute("DELETE FROM certificates")
            fill(catalog, self.count, server=self.ca.url, webroot=WEBROOT, due=True)
        self.ca.dns.resolve_others()
        ordered = self.ca.requests()["new-order"]
        result = self.everseal.run("renew", timeout=300)
        renewed = self.change_catalog("SELECT id FROM certificates WHERE version > 1")
        self.assertEqual(self.ca.requests()["new-order"] - ordered, len(renewed), result.err[:2000])
        self.assertLessEqual(len(renewed), self.allowed)
        self.assertGreater(len(renewed), 0, result.out[:2000] + result.err[:2000])
        self.assertEqual(sorted(each for each, in renewed), list(range(1, len(renewed) + 1)),
                         "by their ends")
        self.assert_others_have_their_moments()
        check_live()

    def assert_others_have_their_moments(self):
        """One after the other as the limit has room, by their ends; what comes later than in a day is
        looked at in a day."""
        looks = [look for look, in self.change_catalog(
            "SELECT next_look FROM certificates WHERE version = 1 ORDER BY not_after, id")]
        self.assertGreater(looks[0], time.time())
        self.assertEqual(looks, sorted(looks))
        within_a_day = [look for look in looks if look < looks[-1] - 600]  # planning takes its time
        self.assertGreater(len(within_a_day), self.allowed)
        steps = [after - before for before, after in itertools.pairwise(within_a_day)]
        self.assertGreaterEqual(min(steps), 3 * 3600 / self.allowed)


class Soak(DaemonCase):
    """A daemon through many renewals."""

    rounds = 12
    names = [f"n{number}.example" for number in range(8)]

    def measure(self, daemon):
        status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
        return {"memory": int(re.search(r"VmRSS:\s+(\d+)", status)[1]),
                "descriptors": min(self.descriptors(daemon) for _ in range(20)),
                "children": len(processes.children(daemon.pid)),
                # The catalog's log goes and comes with the connections of this test.
                "files": sum(1 for path in STATE.rglob("*") if not path.name.startswith("catalog.db-"))}

    @staticmethod
    def descriptors(daemon):
        """That one turn ends with may be closing yet."""
        time.sleep(0.02)
        return len(os.listdir(f"/proc/{daemon.pid}/fd"))

    def rest(self):
        """Until a turn is over that is not followed by the next one at once."""
        soon = datetime.timedelta(seconds=30)
        while True:
            said = re.search(rb"STATUS=Looks again at (\S+)", self.manager.recv(4096))
            if said and (datetime.datetime.fromisoformat(said[1].decode())
                         - datetime.datetime.now(datetime.timezone.utc)) > soon:
                return

    def renew_all(self, daemon):
        version = self.version()
        self.make_due(int(time.time()))
        daemon.send_signal(signal.SIGHUP)
        while self.version() == version:
            self.rest()

    def version(self):
        [(least,)] = self.change_catalog("SELECT min(version) FROM certificates")
        return least

    def test_T4_memory_descriptors_and_files_stay(self):
        for name in self.names:
            self.issue(name)
        self.run_everseal("renew")
        self.manager, environment = self.listen()
        daemon = self.start(**environment)
        self.rest()
        for _ in range(3):  # each has its two versions then
            self.renew_all(daemon)
        before = self.measure(daemon)
        for _ in range(self.rounds):
            self.renew_all(daemon)
        after = self.measure(daemon)
        self.assertLess(after.pop("memory"), before.pop("memory") * 1.1 + 1024)
        self.assertEqual(after, before)
        self.assertEqual(self.version(), 1 + 3 + self.rounds)
        self.assertEqual(live(), sorted([self.name, *self.names]))
        check_live()
        self.manager.close()  # the daemon waits for who listens and does not read
        self.assertEqual(self.end(daemon), 0)


class Machines(KeptCase):
    """A thousand that were installed alike do not come to the CA at the same moment."""

    def assert_even(self, shares):
        """Of [0, 1): Kolmogorov and Smirnov's distance from the uniform, passed once in a million."""
        shares = sorted(shares)
        count = len(shares)
        distance = max(max((i + 1) / count - each, each - i / count) for i, each in enumerate(shares))
        self.assertLess(distance, 2.7 / count ** 0.5)

    def test_T5_by_cron_each_has_its_second_of_the_hour(self):
        [line] = [line for line in (ROOT / "systemd/everseal.cron").read_text().splitlines()
                  if line.startswith("17 ")]
        command = line.split(None, 6)[6].replace("\\%", "%")
        slept = SCRATCH / "slept"
        script = f"""
            hostname() {{ echo "machine$number.example"; }}
            everseal() {{ :; }}
            sleep() {{ echo "$1" >> {slept}; }}
            test() {{ return 1; }}
            number=0
            while [ $number -lt 1000 ]; do number=$((number + 1)); {command}; done"""
        subprocess.run(["sh", "-c", script], check=True)
        seconds = [int(each) for each in slept.read_text().split()]
        self.assertEqual(len(seconds), 1000)
        self.assert_even([each / 3600 for each in seconds])
        once = slept.read_text()
        slept.unlink()
        subprocess.run(["sh", "-c", script], check=True)
        self.assertEqual(slept.read_text(), once, "each its own, always the same")

    def test_T5_by_systemds_timer_likewise(self):
        timer = (ROOT / "systemd/everseal-renew.timer").read_text()
        for setting in ("OnCalendar=hourly", "RandomizedDelaySec=1h", "FixedRandomDelay=yes"):
            self.assertIn(f"\n{setting}\n", timer)

    def test_T5_each_certificate_has_its_own_part_of_the_window(self):
        names = [f"n{number}.example" for number in range(200)]
        for name in names:
            self.ca.dns.resolve(name)
        self.run_everseal("issue", "--yes", "--separate",
                          *(word for name in names for word in ("-d", f"{name}:{WEBROOT}")))
        self.run_everseal("renew")  # asks for the CA's window
        draws = [draw / 2**32 for draw, in self.change_catalog("SELECT draw FROM certificates")]
        self.assertEqual(len(draws), 201)
        self.assert_even(draws)
        moments = {moment for moment, in self.change_catalog("SELECT renew_at FROM certificates")}
        self.assertGreater(len(moments), 195)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
