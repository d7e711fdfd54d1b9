#!/usr/bin/python3
"""`everseal daemon` on a machine that sleeps, or whose clock somebody sets."""

import datetime
import fcntl
import re
import signal
import time
import unittest

from harness import sandbox
from harness.everseal import STATE, check_live
from harness.sandbox import wait_until
from harness.settable_clock import SettableClock
from test_daemon import DaemonCase

_MINUTE, _DAY = 60, 86400
_QUARTER = 15 * _MINUTE  # between two looks, at most
_DOUBT = "nothing is renewed by such a clock"


class ClockCase(DaemonCase):
    """A daemon that is told at once that its clock was set, and whose turns are heard."""

    def setUp(self):
        super().setUp()
        self.issue("other.example")
        self.ca.fault({"resource": "renewal-info", "drop": "before"})  # its clock is that of the machine
        self.clock = SettableClock()
        self.manager, self.environment = self.listen()
        self.daemon = None

    def start(self, **environment):
        """Until its first turn is over."""
        self.daemon = super().start(**self.environment, **self.clock.environment, **environment)
        return self.turn()

    def turn(self):
        """Until the next one is over; in how many seconds the one after it is."""
        while True:
            said = self.manager.recv(4096).decode()
            if found := re.search("STATUS=Looks again at (.*)Z", said):
                moment = datetime.datetime.fromisoformat(found[1] + "+00:00").timestamp()
                return moment - self.clock.time()

    def step(self, seconds):
        self.clock.step(seconds)
        return self.turn()

    def suspend(self, seconds):
        self.clock.suspend(seconds)
        return self.turn()

    def versions(self):
        found = self.run_everseal("status", "--json").json()["certificates"]
        return [each["version"] for each in found]

    def assert_renewed(self):
        for _ in range(5):
            if self.versions() != [2, 2]:
                self.turn()
        self.assertEqual(self.versions(), [2, 2])
        check_live()

    def assert_not_renewed(self):
        self.assertEqual(self.versions(), [1, 1])
        self.assertEqual(self.ca.requests()["new-order"], 2)

    def end(self, daemon):
        self.manager.close()  # it waits for who listens and does not read
        return super().end(daemon)

    def doubts(self):
        """How often the daemon, which ends, has said that it does."""
        self.assertEqual(self.end(self.daemon), 0)
        return self.said[0].count(_DOUBT)


class ClockThatIsSet(ClockCase):
    def test_T1_nothing_is_renewed_before_it_has_been_so_for_an_hour(self):
        self.make_due(int(time.time()) + 9 * _DAY)
        self.start()
        self.assertGreater(self.step(10 * _DAY), _QUARTER - 5, "not busy with it")
        self.suspend(50 * _MINUTE)
        self.assert_not_renewed()
        self.suspend(11 * _MINUTE)
        self.assert_renewed()
        self.assertEqual(self.doubts(), 2)
        self.assertNotRegex(self.said[0], "example: waits", "the clock is one reason for all")

    def test_T1_by_years_and_back_all_is_as_it_was(self):
        self.run_everseal("renew")
        before = self.catalog()
        self.start()
        for jump in (1000 * _DAY, -1000 * _DAY):
            self.assertGreater(self.step(jump), _QUARTER - 5)
            self.assertEqual(self.incidents(), ["the clock is wrong"])
            self.assertGreater(self.step(-jump), _QUARTER - 5)
            self.assertEqual(self.incidents(), [])
        self.assertEqual(self.catalog(), before)
        self.make_due(int(time.time()) + 3)
        self.daemon.send_signal(signal.SIGHUP)
        self.assert_renewed()
        self.assertEqual(self.doubts(), 2)

    def incidents(self):
        return [headline for headline, in self.change_catalog("SELECT headline FROM incidents")]

    def catalog(self):
        found = self.run_everseal("status", "--json").json()["certificates"]
        return [{key: each[key] for key in each if key != "next_action"} for each in found]

    def test_amid_an_order_it_is_noticed_after_it(self):
        self.make_due(int(time.time()) + 9 * _DAY)
        self.change_catalog("UPDATE certificates SET renew_at = 1, next_look = 1, window_start = 1, "
                            "window_end = 2 WHERE name = 'plain.example'")
        self.ca.fault({"resource": "finalize", "delay": "3s"})
        finalized = self.ca.requests()["finalize"]
        self.daemon = DaemonCase.start(self, **self.environment, **self.clock.environment)
        wait_until("it is at it", lambda: self.ca.requests()["finalize"] > finalized)
        self.clock.step(10 * _DAY)
        self.turn()
        self.turn()
        self.assertEqual(sorted(self.versions()), [1, 2])
        self.assertEqual(self.doubts(), 1)

    def test_while_another_is_at_work_it_is_doubted_after_it(self):
        self.make_due(int(time.time()) + 9 * _DAY)
        self.start()
        with open(STATE / "lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertLess(self.step(10 * _DAY), _MINUTE + 5)
        self.suspend(_MINUTE)
        self.assert_not_renewed()
        self.assertEqual(self.doubts(), 1)

    def test_wrong_at_the_start_and_then_put_right_it_holds_up_nothing(self):
        """What was tried in vain in years to come is tried again."""
        self.clock.step(1000 * _DAY)
        self.make_due(int(time.time()))
        self.start()
        self.assertEqual(self.versions(), [1, 1])
        self.step(-1000 * _DAY)
        for _ in range(5):
            self.suspend(_QUARTER)
        self.assert_renewed()
        self.assertGreater(self.doubts(), 0)
        self.assertIn("failed plain.example", self.said[1])

    def test_a_ca_knows_that_it_is_wrong(self):
        """Beyond the moment that the CA suggests; the daemon itself has known no other clock."""
        self.ca.clear()
        self.clock.step(70 * _DAY)
        self.assertGreater(self.start(), _QUARTER - 5)
        self.suspend(_QUARTER)
        self.assert_not_renewed()
        self.assertEqual(self.doubts(), 2)

    def test_a_ca_knows_that_it_was_put_right(self):
        """As on a machine that keeps no time while it is off: no alarm then, nor later."""
        self.clock.step(-70 * _DAY)
        self.start()
        self.ca.clear()
        self.change_catalog("UPDATE certificates SET ask_at = 0")
        self.step(70 * _DAY)
        self.suspend(_QUARTER)
        self.assertEqual(self.doubts(), 0)


class MachineThatReboots(ClockCase):
    def test_C14_amid_an_order_by_a_clock_of_1970(self):
        """Nothing is renewed or forgotten by it; once it is right, the order that was begun goes on."""
        self.make_due(int(time.time()))
        self.ca.fault({"resource": "finalize", "delay": "5s"})
        finalized = self.ca.requests()["finalize"]
        daemon = DaemonCase.start(self, **self.environment, **self.clock.environment)
        wait_until("it is at it", lambda: self.ca.requests()["finalize"] > finalized)
        daemon.kill()
        daemon.communicate(timeout=20)
        orders = self.ca.requests()["new-order"]
        self.ca.clear()
        before = self.everything()

        self.clock.step(60 - int(time.time()))
        self.start()
        self.suspend(_QUARTER)
        self.assertEqual(self.everything(), before, "neither renewed nor forgotten")
        self.assertEqual(self.ca.requests()["new-order"], orders)

        self.step(int(time.time()) - int(self.clock.time()))
        for _ in range(5):
            self.suspend(_QUARTER)
        self.assert_renewed()
        self.assertEqual(self.ca.requests()["new-order"], orders, "no second order")

    @staticmethod
    def everything():
        """Every key and certificate on disk."""
        return sorted(str(path) for path in STATE.rglob("*.pem"))


class MachineThatSleeps(ClockCase):
    def test_what_came_due_meanwhile_is_renewed(self):
        self.make_due(int(time.time()) + 9 * _DAY)
        self.start()
        self.suspend(10 * _DAY)
        self.assert_renewed()
        self.assertEqual(self.doubts(), 0)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
