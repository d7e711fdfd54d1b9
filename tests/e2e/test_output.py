#!/usr/bin/python3
"""A report that cannot be written is no report: commands whose standard output takes nothing."""

import contextlib
import os
import subprocess
import unittest

from harness import sandbox, screen
from harness.everseal import STATE
from harness.nginx import CONFIGURATION
from harness.own_ca_case import WEBROOT, OwnCaCase
from harness import Everseal

LOST = "everseal: write to standard output: No space left on device"


class FullOutput(OwnCaCase):
    def setUp(self):
        super().setUp()
        self.everseal = Everseal(self.ca)
        self.nginx = self.serve_webroot()
        self.ca.dns.resolve("a.example", ["127.0.0.1"], ["::1"])

    def run_full(self, *arguments, output="/dev/full", errors=subprocess.PIPE):
        with open(output, "w") as full:
            return subprocess.run(self.everseal.command(*arguments), stdout=full, stderr=errors,
                                  stdin=subprocess.DEVNULL, text=True, timeout=120)

    def assert_lost(self, *arguments):
        done = self.run_full(*arguments)
        self.assertEqual(done.returncode, 1, f"{arguments}\n{done.stderr}")
        self.assertIn(LOST, done.stderr, arguments)

    def test_every_command_says_so_and_fails(self):
        issue = ("issue", "--yes", "-d", f"a.example:{WEBROOT}")
        for arguments in (
                ("--help",), ("--version",), ("secure", "--help"),
                ("nginx", "sites"), ("nginx", "sites", "--json"),
                ("nginx", "parse", "/etc/nginx/nginx.conf"), ("nginx", "cat", "/etc/nginx/nginx.conf"),
                ("dhparam",),
                ("sandbox",), ("sandbox", "--json"), ("secure", "--dry-run", "--all"),
                issue, ("renew", "--force"), ("renew", "--force", "--json"), ("renew",),
                ("status",), ("status", "--json"), ("changes",), ("changes", "--json"),
                ("repair",), ("backup", str(self.home / "b.tar")),
                ("restore", "--yes", str(self.home / "b.tar")), ("rotate", "keys", "--yes"),
                ("setup", "--user", "nobody", "--dry-run"),
                ("ca", "--state", str(self.home / "ca"), "--listen", "127.0.0.1:8600")):
            with self.subTest(arguments):
                self.assert_lost(*arguments)

    def test_a_terminal_keeps_the_report(self):
        """The lines of what is under way go, and nothing else with them."""
        for name in ("b.example", "c.example"):
            self.ca.dns.resolve(name, ["127.0.0.1"], ["::1"])
        for names, terminal in ((["a.example"], "xterm"), (["b.example", "c.example"], "xterm"),
                                (["a.example"], "dumb")):
            with self.subTest(names, terminal=terminal):
                command = self.everseal.command(
                    "issue", "--yes", "--force", "--separate",
                    *(word for name in names for word in ("-d", f"{name}:{WEBROOT}")))
                status, lines, shown = screen.show(command, columns=120, TERM=terminal)
                self.assertEqual(status, 0, lines)
                for name in names:
                    self.assertTrue(any(line.startswith(f"/var/lib/everseal/live/{name}  issued")
                                        for line in lines), lines)
                self.assertFalse([line for line in lines if line.lstrip().startswith("...")], lines)
                if terminal == "dumb":
                    self.assertNotIn(b"\x1b", shown)

    def test_what_was_to_be_done_is_done(self):
        self.assert_lost("issue", "--yes", "-d", f"a.example:{WEBROOT}")
        self.assertTrue((STATE / "live/a.example/bundle.pem").exists())

    def test_a_job_goes_on_though_nobody_hears_of_its_failures(self):
        """Standard error is full, too."""
        with open("/dev/full", "w") as full:
            done = self.run_full("issue", "--yes", "-d", f"a.example:{WEBROOT}",
                                 "-d", "unknown.example:/var/www/clients", errors=full)
        self.assertIn(done.returncode, (1, 3))
        done = self.run_full("renew", "nobody.example", errors=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 1)

    def test_no_file_takes_the_place_of_a_stream_that_is_closed(self):
        """The catalog would be written over by what is printed."""
        self.run_full("issue", "--yes", "-d", f"a.example:{WEBROOT}", output="/dev/null")
        for streams in (">&-", ">&- 2>&-", "<&- >&- 2>&-"):
            done = subprocess.run(["sh", "-c", f'"$@" {streams}', "sh",
                                   *self.everseal.command("renew", "--force")], timeout=120)
            self.assertEqual(done.returncode, 1, streams)
            done = subprocess.run(self.everseal.command("status", "--json"), capture_output=True,
                                  text=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_nobody_is_asked_about_what_could_not_be_shown(self):
        """With a terminal to answer by."""
        (CONFIGURATION / "sites-enabled/a").write_text(
            f"server {{ listen 80; listen [::]:80; server_name a.example; root {WEBROOT}; }}\n")
        self.nginx.replace_workers()
        leader, follower = os.openpty()
        with contextlib.ExitStack() as opened:
            opened.callback(os.close, leader)
            opened.callback(os.close, follower)
            os.write(leader, b"y\n")
            with open("/dev/full", "w") as full:
                done = subprocess.run(
                    self.everseal.command("secure", "a.example"), stdin=follower,
                    stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("Nobody agrees to what could not be shown.", done.stderr)
        self.assertFalse((STATE / "live/a.example").exists())


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
