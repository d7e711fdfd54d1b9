#!/usr/bin/python3
"""`everseal ca` as a program, with our own client."""

import json
import os
import signal
import unittest
import urllib.request

from harness import Nginx, OwnCa, OwnCaCase, Sites, processes, sandbox, visitor
from harness.everseal import Everseal
from harness.nginx import CONFIGURATION
from harness.own_ca_case import CHALLENGES, WEBROOT
from harness.sites import ADDRESSES, NAMES


class OurOwnClient(OwnCaCase):
    def setUp(self):
        super().setUp()
        sites = Sites().write()
        sites.register(self.ca.dns)
        self.nginx = Nginx().start()
        self.addCleanup(self.nginx.stop)
        self.everseal = Everseal(self.ca)

    def run_everseal(self, *arguments, status=0):
        result = self.everseal.run(*arguments)
        self.assertEqual(result.status, status, f"\n{result}\n{self.ca.log()}")
        return result

    def serial_of(self, name):
        return visitor.certificate(name, self.ca.bundle, ADDRESSES[name][0])["serialNumber"]

    def test_secures_all_sites_and_renews_them(self):
        self.run_everseal("secure", "--all", "--yes")
        serials = {name: self.serial_of(name) for name in NAMES}
        self.run_everseal("renew", "--force")
        for name in NAMES:
            self.assertNotEqual(self.serial_of(name), serials[name])

    def test_goes_on_after_the_ca_was_killed_and_started_again(self):
        self.run_everseal("secure", "static.example", "--yes")
        before = self.serial_of("static.example")
        self.ca.kill_ca()
        result = self.run_everseal("renew", "--force", status=1)
        self.assertIn("localhost:8555", result.err)
        self.ca.start_ca()
        self.run_everseal("renew", "--force")
        self.assertNotEqual(self.serial_of("static.example"), before)

    def test_loses_nothing_that_the_ca_answered_before_it_was_killed(self):
        """The process dies after it has answered newOrder and whatever comes after, again and again."""
        CHALLENGES.mkdir(parents=True, exist_ok=True)
        (CONFIGURATION / "sites-enabled/more").write_text(
            f"server {{ listen 80; listen [::]:80; server_name new-order.example challenge.example\n"
            f"         finalize.example; root {WEBROOT}; }}\n")
        self.nginx.replace_workers()
        for moment in ("new-order", "challenge", "finalize"):
            self.ca.fault({"resource": moment, "times": 1, "drop": "after", "delay": "1s"})
            self.ca.dns.resolve(f"{moment}.example")
            before = self._count(moment)
            run = self.everseal.start("issue", "--yes", "-d", f"{moment}.example:{WEBROOT}")
            sandbox.wait_until(f"{moment} is answered", lambda: self._count(moment) > before)
            self.ca.kill_ca()
            self.ca.start_ca()
            out, err = run.communicate(timeout=60)
            self.assertEqual(run.returncode, 0, f"{moment}\n{out}{err}")

    def test_a_profile_of_the_policy_and_a_fault_of_a_file(self):
        policy, faults = self.home / "policy.toml", self.home / "faults.toml"
        policy.write_text('''terms_of_service = "https://ca.example/terms"
[profiles.intranet]
validity = "30d"
''')
        faults.write_text('''[[fault]]
resource = "new-order"
times = 1
problem = { type = "rejectedIdentifier", detail = "not today" }
''')
        self.assertEqual(self.ca.stop_ca(), 0)
        self.ca.start_ca("--policy", str(policy), "--faults", str(faults))
        result = self.run_everseal("issue", "--yes", "-d", "static.example:/var/www/static", status=1)
        self.assertIn("not today", result.err)
        self.run_everseal("issue", "--yes", "-d", "static.example:/var/www/static")

    def _count(self, moment):
        """How often the ledger says that this was done."""
        query = {"new-order": "SELECT count(*) FROM orders",
                 "challenge": "SELECT count(*) FROM authorizations WHERE attempted <> ''",
                 "finalize": "SELECT count(*) FROM certificates WHERE order_id > 0"}[moment]
        return self.ca.ledger(query)[0]


class TheCommand(OwnCaCase):
    def test_says_where_it_is_and_ends_cleanly(self):
        self.assertEqual(self.ca.said["directory"], "https://localhost:8555/directory")
        self.assertEqual(self.ca.said["root"], str(self.ca.bundle))
        with urllib.request.urlopen(self.ca.url) as answer:
            self.assertIn("newOrder", json.load(answer))
        self.assertEqual(self.ca.stop_ca(), 0)

    def test_a_second_one_does_not_touch_the_state_of_the_first(self):
        with self.assertRaisesRegex(AssertionError, "another everseal ca .* is at work"):
            OwnCa().start_ca()

    def test_keys_are_the_owners_alone(self):
        for path in self.ca.state.rglob("*"):
            if path.suffix == ".key" or path.name == "https.pem" or path.name.startswith("ledger"):
                self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)

    def test_keys_are_in_a_process_that_does_nothing_but_sign(self):
        """And the roots' in none, once the intermediates are made."""
        self.ca.stop_ca()
        self.ca.start_ca()
        [holder] = processes.children(self.ca.pid)
        memory = {pid: processes.memory(pid) for pid in (holder, self.ca.pid)}
        for path in (self.ca.state / "authority").glob("*.key"):
            having = {pid for pid in memory
                      if any(form in memory[pid] for form in processes.key_material(path))}
            self.assertEqual(having, {holder} if path.name.startswith("intermediate") else set())
        status = processes.status(holder)
        self.assertEqual((status["CapEff"], status["NoNewPrivs"], status["Seccomp"]),
                         (["0" * 16], ["1"], ["2"]))
        self.assertEqual(len(os.listdir(f"/proc/{holder}/fd")), 4)

    def test_ends_when_its_keys_are_gone(self):
        os.kill(processes.children(self.ca.pid)[0], signal.SIGKILL)
        sandbox.wait_until("the CA has ended", lambda: not processes.lives(self.ca.pid))
        self.assertEqual(self.ca.stop_ca(), 1)
        self.assertIn("the process that holds the CA's keys has ended", self.ca.log())
        self.ca.start_ca()

    def test_keeps_its_roots(self):
        root = self.ca.bundle.read_text()
        self.ca.kill_ca()
        self.ca.start_ca()
        self.assertEqual(self.ca.bundle.read_text(), root)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
