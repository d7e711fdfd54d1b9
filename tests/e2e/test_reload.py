#!/usr/bin/python3
"""nginx that somebody else reloads or upgrades, or that does not let go, while certificates change.

EVERSEAL_FLIPS says how often to renew while others reload (10; the acceptance run takes thousands).
"""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

from harness import MachineCase, main, visitor
from harness.everseal import STATE, check_live
from harness.load import Load
from harness.nginx import PID_FILE
from harness.sandbox import wait_until

NAME = "static.example"
FLIPS = int(os.environ.get("EVERSEAL_FLIPS", "10"))
LOOKS = 20
OLD_PID_FILE = PID_FILE.with_name(PID_FILE.name + ".oldbin")


class Reload(MachineCase):
    def setUp(self):
        super().setUp()
        self.run_everseal("secure", NAME, "--yes")
        self.root = self.authority.root_file()

    def serials(self):
        """What visitors see, one after the other."""
        return [self.serial(NAME) for _ in range(LOOKS)]

    # --- somebody reloads

    def test_FaultL13_no_certificate_is_taken_back_while_others_reload(self):
        """Four times a second, and at each look the key and the certificate are of one version."""
        loads = [Load(lambda: visitor.https_get(NAME, self.root)),
                 Load(lambda: visitor.https_get(NAME, self.root, address="::1"))]
        serials = {self.serial(NAME)}
        with reloads_by_others(self.nginx):
            for load in loads:
                load.start()
            for _ in range(FLIPS):
                self.run_everseal("renew", "--force")
                serials.add(self.serial(NAME))
                check_live()
            for load in loads:
                load.stop()
        self.assertEqual([load.failures for load in loads], [[], []])
        self.assertEqual(len(serials), FLIPS + 1)
        self.assertEqual(self.nginx.test(), "")
        self.nginx.cold_start()
        self.assert_https(NAME)

    def test_FaultL13_a_switch_while_nginx_reads_is_never_served(self):
        """nginx opens the bundle twice, for the certificate and for the key. Where the link is switched
        between, far more often than anybody renews, it refuses that pair and keeps what it had."""
        self.run_everseal("renew", "--force")
        link = STATE / "live" / NAME
        live, versions = os.readlink(link), sorted(link.resolve().parent.iterdir())
        self.assertEqual(len(versions), 2)
        load = Load(lambda: visitor.https_get(NAME, self.root))
        load.start()
        with flips(link, versions) as count, reloads_by_others(self.nginx):
            words = {refusal(self.nginx.test()) for _ in range(FLIPS * 3)}
        load.stop()
        print(f"{count[0]} flips, {load.requests} requests")
        self.assertLessEqual(words, {"", "key values mismatch"})
        self.assertEqual(load.failures, [])
        switch(link, live)
        self.assertEqual(self.nginx.test(), "")
        self.nginx.cold_start()
        self.assert_https(NAME)

    # --- an upgrade of the binary

    def test_FaultL6_an_upgrade_that_was_not_ended_is_said(self):
        before = self.serial(NAME)
        old = self.begin_upgrade()
        result = self.run_everseal("renew", "--force", status=1)
        self.assertIn("nginx has two masters", result.err)
        self.assertIn(f"`kill -QUIT {old}`", result.err)
        self.assertEqual(set(self.serials()), {before})
        check_live()
        self.end_upgrade(old)
        issued = sum(self.authority.issued().values())
        self.run_everseal("renew")
        self.assertEqual(len(set(self.serials())), 1)
        self.assertNotEqual(self.serial(NAME), before)
        self.assertEqual(sum(self.authority.issued().values()), issued, "what was got is used")

    def test_FaultL6_an_upgrade_that_goes_on_is_waited_for(self):
        before = self.serial(NAME)
        old = self.begin_upgrade()
        ending = threading.Timer(2, self.end_upgrade, [old])
        ending.start()
        self.run_everseal("renew", "--force")
        ending.join()
        self.assertEqual(len(set(self.serials())), 1)
        self.assertNotEqual(self.serial(NAME), before)

    def test_FaultL6_nothing_is_changed_during_an_upgrade(self):
        old = self.begin_upgrade()
        result = self.run_everseal("secure", "four.example", "--yes", status=1)
        self.assertIn("nginx has two masters", result.err)
        self.end_upgrade(old)
        self.run_everseal("secure", "four.example", "--yes")
        self.assert_https("four.example", NAME)

    def begin_upgrade(self):
        """nginx.org, "Upgrading Executable on the Fly"; returns the old master."""
        old = self.nginx.pid()
        self.addCleanup(self.end_upgrade, old)
        os.kill(old, signal.SIGUSR2)
        wait_until("there are two masters",
                   lambda: OLD_PID_FILE.exists() and self.nginx.pid() not in (None, old))
        wait_until("the new one has workers", lambda: children(self.nginx.pid()))
        return old

    def end_upgrade(self, old):
        with contextlib.suppress(ProcessLookupError):
            os.kill(old, signal.SIGQUIT)
        wait_until("the old master is gone", lambda: not pathlib.Path(f"/proc/{old}").exists()
                   or not OLD_PID_FILE.exists())

    # --- workers that stay

    def test_FaultL10_old_workers_are_told_of_and_are_no_failure(self):
        """Half a request holds a worker that is to leave."""
        with socket.create_connection(("127.0.0.1", 80)) as held:
            held.sendall(b"GET / HTTP/1.1\r\nHost: static.example\r\n")
            first = self.run_everseal("renew", "--force")
            self.assertNotIn("worker_shutdown_timeout", first.out + first.err)
            second = self.run_everseal("renew", "--force")
            self.assertIn("One worker of nginx from before an earlier reload still serves",
                          second.out + second.err)
            self.assertIn("worker_shutdown_timeout 1h;", second.out + second.err)
            self.assertEqual(len(set(self.serials())), 1)
            held.sendall(b"Connection: close\r\n\r\n")
            self.assertTrue(held.recv(100).startswith(b"HTTP/1.1 "))
        wait_until("the worker has gone", lambda: "shutting down" not in titles())
        third = self.run_everseal("renew", "--force")
        self.assertNotIn("worker_shutdown_timeout", third.out + third.err)


@contextlib.contextmanager
def reloads_by_others(nginx):
    """Some four times a second."""
    end = threading.Event()

    def reload():
        while not end.is_set():
            nginx.reload()
            time.sleep(0.25)

    thread = threading.Thread(target=reload)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@contextlib.contextmanager
def flips(link, versions):
    """As many as can be; yields their count."""
    end, count = threading.Event(), [0]

    def flip():
        while not end.is_set():
            switch(link, versions[count[0] % len(versions)])
            count[0] += 1

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        yield count
    finally:
        end.set()
        thread.join()


def switch(link, target):
    """As the program does it."""
    other = link.with_name(".flip")
    other.symlink_to(target)
    other.rename(link)


def refusal(words):
    """What OpenSSL says in the words of `nginx -t`."""
    found = re.search(r"key values mismatch", words)
    return found[0] if found else words


def children(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return []


def titles():
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
