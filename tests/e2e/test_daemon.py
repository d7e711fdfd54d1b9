#!/usr/bin/python3
"""`everseal daemon`: each certificate at its moment, settings read anew, ended tidily."""

import os
import pathlib
import signal
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from harness import sandbox
from harness.everseal import check_live
from harness.own_ca_case import KeptCase
from harness.sandbox import SCRATCH, wait_until

_SETTINGS = pathlib.Path("/etc/everseal/everseal.toml")


class DaemonCase(KeptCase):
    def start(self, **environment):
        daemon = self.everseal.start("daemon", env={**os.environ, **environment})
        self.addCleanup(self.end, daemon)
        return daemon

    def end(self, daemon):
        """By SIGTERM, unless it has ended; its exit status and what it said."""
        if daemon.returncode is None:
            daemon.send_signal(signal.SIGTERM)
            self.said = daemon.communicate(timeout=60)
        return daemon.returncode

    def listen(self):
        """Takes the place of systemd: its socket, and what tells a daemon of it."""
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(str(SCRATCH / "notify"))
        self.addCleanup((SCRATCH / "notify").unlink)
        manager.settimeout(20)
        return manager, {"NOTIFY_SOCKET": str(SCRATCH / "notify")}

    def make_due(self, moment):
        """At this moment of the clock; the CA need not be asked."""
        self.change_catalog(f"UPDATE certificates SET window_start = {moment}, window_end = {moment + 1}, "
                            f"draw = 0, renew_at = {moment}, ask_at = unixepoch() + 86400, "
                            f"next_attempt = 0, next_look = {moment}")


class Daemon(DaemonCase):
    def certificate(self):
        [found] = self.run_everseal("status", "--json").json()["certificates"]
        return found

    def version(self):
        return self.certificate()["version"]

    def test_renews_at_the_moment_and_ends_by_sigterm(self):
        moment = int(time.time()) + 4
        self.make_due(moment)
        daemon = self.start()
        time.sleep(2)
        self.assertEqual(self.version(), 1, "not before")
        wait_until("it is renewed", lambda: self.version() == 2)
        check_live()
        self.assertEqual(self.end(daemon), 0)
        self.assertIn("ok     plain.example: renewed, valid until", self.said[0])
        self.assertEqual(self.said[1], "")

    def test_is_quiet_and_still_when_nothing_is_due(self):
        self.run_everseal("renew")
        daemon = self.start()
        time.sleep(2)
        ticks = pathlib.Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
        self.assertLess(int(ticks[11]) + int(ticks[12]), 30, "hundredths of a second")
        self.assertEqual(self.end(daemon), 0)
        self.assertEqual(self.said, ("", ""))

    def test_reads_the_settings_anew_by_sighup(self):
        _SETTINGS.parent.mkdir(exist_ok=True)
        self.addCleanup(_SETTINGS.unlink, missing_ok=True)
        self.run_everseal("renew")
        daemon = self.start()
        time.sleep(1)
        _SETTINGS.write_text("no such setting = 1\n")
        daemon.send_signal(signal.SIGHUP)
        time.sleep(1)
        self.make_due(int(time.time()))
        _SETTINGS.write_text('key_type = "rsa2048"\n')
        daemon.send_signal(signal.SIGHUP)
        wait_until("it is renewed", lambda: self.version() == 2)
        self.assertEqual(self.certificate()["key_type"], "rsa-2048")
        self.assertEqual(self.end(daemon), 0)
        self.assertIn("everseal.toml:1:", self.said[1])
        self.assertIn("The settings stay as they were.", self.said[1])

    def test_tells_systemd_how_it_is(self):
        self.run_everseal("renew")
        manager, environment = self.listen()
        daemon = self.start(**environment, WATCHDOG_USEC="1000000")
        self.assertEqual(manager.recv(4096), b"READY=1")
        self.assertIn(b"STATUS=Looks again at 2", manager.recv(4096))
        for _ in range(4):
            self.assertEqual(manager.recv(4096), b"WATCHDOG=1")
        self.assertEqual(self.end(daemon), 0)
        self.assertEqual(manager.recv(4096), b"STOPPING=1")

    def test_ends_amid_an_order_and_resumes_it_later(self):
        self.ca.fault({"resource": "finalize", "delay": "60s"})
        self.make_due(int(time.time()))
        daemon = self.start()
        wait_until("it is at it", lambda: self.ca.requests()["finalize"] > 1)
        self.assertEqual(self.end(daemon), 0)
        self.ca.clear()
        self.make_due(int(time.time()))
        result = self.run_everseal("renew")
        self.assertEqual(self.version(), 2, f"{self.said} {result}")
        self.assertEqual(len(self.ca.ledger("SELECT id FROM orders")), 2, "no order for nothing")
        check_live()

    def metrics(self, port=9402):
        """What is shown there, or None."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                self.assertEqual(answer.headers["Content-Type"],
                                 "text/plain; version=0.0.4; charset=utf-8")
                return answer.read().decode()
        except OSError:
            return None

    def set_metrics(self, value):
        _SETTINGS.parent.mkdir(exist_ok=True)
        self.addCleanup(_SETTINGS.unlink, missing_ok=True)
        _SETTINGS.write_text(f"[daemon]\nmetrics = {value}\n")

    def test_shows_metrics(self):
        self.run_everseal("renew")
        self.set_metrics('"127.0.0.1:9402"')
        daemon = self.start()
        wait_until("they are shown", self.metrics)
        self.assertEqual(self.metrics(), self.run_everseal("status", "--prometheus").out)
        for path in ("", "metrics/", "../etc/passwd", "%00"):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://127.0.0.1:9402/{path}", timeout=5)
            self.assertEqual(refused.exception.code, 404)
        self.change_catalog("UPDATE certificates SET failures = 7")
        self.make_due(int(time.time()) + 9999)
        daemon.send_signal(signal.SIGHUP)
        wait_until("they are looked up anew", lambda: "failures{name=\"plain.example\"} 7" in (self.metrics() or ""))

        subprocess.run(["pkill", "-9", "everseal-edge"], check=True)
        wait_until("the process is gone", lambda: self.metrics() is None)
        self.set_metrics('"127.0.0.1:9403"')
        daemon.send_signal(signal.SIGHUP)
        wait_until("another port", lambda: self.metrics(9403))
        self.assertIsNone(self.metrics())
        self.assertEqual(self.end(daemon), 0)
        self.assertEqual(self.said, ("", ""))
        self.assertIsNone(self.metrics(9403))

    def test_renews_though_it_cannot_show_metrics(self):
        with socket.create_server(("127.0.0.1", 9402)):
            self.set_metrics('"127.0.0.1:9402"')
            self.make_due(int(time.time()))
            daemon = self.start()
            wait_until("it is renewed", lambda: self.version() == 2)
            time.sleep(2)
            self.assertEqual(self.end(daemon), 0)
        self.assertEqual(self.said[1].count("listen on 127.0.0.1:9402: Address already in use"), 1, self.said)

    def test_metrics_need_an_address(self):
        for value in ('"9402"', '"localhost:9402"', "9402", '"127.0.0.1"'):
            self.set_metrics(value)
            self.assertIn("everseal.toml:2:11: daemon.metrics: ", self.run_everseal("daemon", status=2).err)

    def test_waits_where_there_is_nothing_yet(self):
        daemon = self.everseal.start("daemon", "--state", str(SCRATCH / "nothing"))
        time.sleep(1)
        self.assertIsNone(daemon.poll())
        self.assertEqual(self.end(daemon), 0)
        self.assertEqual(self.said, ("", ""))


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
