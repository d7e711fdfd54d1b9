#!/usr/bin/python3
"""Reloads that fail without a word, and an administrator who edits at the same time."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import threading
import time

from harness import main, processes, visitor
from harness.edit_case import SITE, EditCase, port_taken
from harness.edit_cases import EditTree
from harness.everseal import live
from harness.nginx import CONFIGURATION
from harness.sandbox import wait_until

_SITE = """\
server {
    listen 80;
    server_name example.com;
    root /srv;
}
"""
_MAIN = """\
error_log /var/log/nginx/error.log;
events {}
http {
    include /etc/nginx/sites-enabled/*;
}
"""


class EditFaults(EditCase):
    def setUp(self):
        super().setUp()
        self.start(EditTree.of_texts("site", {"nginx.conf": _MAIN, SITE: _SITE}, ["example.com"]))
        self.file = CONFIGURATION / SITE

    def assert_rolled_back(self, *words, served=True):
        """`secure` fails, says why in `words`, and all is as before."""
        result = self.run_everseal("secure", "example.com", "--yes", status=1)
        for word in words:
            self.assertIn(word, result.err)
        self.assertEqual(self.tree.bytes(), self.before)
        if served:
            # At once, but for a worker that was respawned while the master was told to reload.
            wait_until("the site is as before", self.is_served_in_clear)
        return result

    def is_served_in_clear(self):
        return visitor.http_get("example.com").body == "the page of /srv\n"

    def secure_later(self):
        """What stood in the way is gone: the certificate that was got is used."""
        self.run_everseal("secure", "example.com", "--yes")
        self.assert_https("example.com")
        self.assertLessEqual(self.authority.order_count(), 1)

    def assert_https(self, name):
        self.assertTrue(visitor.https_get(name, self.authority.root_file()).status)

    # faults.md, L2: nginx -t and the reload report success, and the master keeps what it had.

    def test_L2_the_master_keeps_the_old_configuration(self):
        with port_taken(443):
            self.assert_rolled_back("goes on with the configuration of before",
                                    "bind() to 0.0.0.0:443 failed (98: Address already in use)")
        self.secure_later()

    def test_L2_the_master_keeps_the_old_configuration_and_writes_no_log(self):
        (CONFIGURATION / "nginx.conf").write_text(_MAIN.replace("/var/log/nginx/error.log",
                                                                "stderr"))
        self.nginx.cold_start()
        self.before = self.tree.bytes()
        with port_taken(443):
            self.assert_rolled_back("goes on with the configuration of before")

    def test_a_renewal_that_the_master_does_not_take(self):
        self.run_everseal("secure", "example.com", "--yes")
        serial = self.serial_of("example.com")
        with port_taken(8443):
            (CONFIGURATION / "sites-enabled/b").write_text("server { listen 8443; }\n")
            result = self.run_everseal("renew", "--force", status=1)
            self.assertIn("bind() to 0.0.0.0:8443 failed", result.err)
            self.assertEqual(self.serial_of("example.com"), serial)
        self.run_everseal("renew")
        self.assertNotEqual(self.serial_of("example.com"), serial)

    def serial_of(self, name):
        return visitor.certificate(name, self.authority.root_file())["serialNumber"]

    # faults.md, L3: the new workers die.

    def test_L3_the_new_workers_cannot_start(self):
        main_file = CONFIGURATION / "nginx.conf"
        text = main_file.read_text()
        main_file.write_text("worker_rlimit_nofile 1;\n" + text)
        self.before = self.tree.bytes()
        self.assert_rolled_back("nginx's new workers do not live", "cannot be respawned",
                                served=False)
        main_file.write_text(text)
        self.nginx.cold_start()  # its master has given up on workers
        self.secure_later()

    def test_L3_the_new_workers_are_killed_again_and_again(self):
        stop = threading.Event()
        killer = threading.Thread(target=self.kill_workers_with_tls, args=(stop,))
        killer.start()
        try:
            self.assert_rolled_back("nginx's new workers do not live")
        finally:
            stop.set()
            killer.join()
        self.secure_later()

    def kill_workers_with_tls(self, stop):
        """As a crash would: only where the new configuration is in force."""
        master = self.nginx.pid()
        while not stop.is_set():
            if "443 ssl" in self.file.read_text():
                for pid in processes.children(master):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.001)

    # The administrator edits meanwhile: theirs wins, and it is said.

    def test_L7_an_edit_between_the_plan_and_the_yes(self):
        ours, theirs = pty.openpty()
        process = self.everseal_at(theirs)
        said = b""
        while b"Go ahead?" not in said:
            said += os.read(ours, 4096)
        self.file.write_text(_SITE.replace("root /srv", "root /srv; index other.html"))
        edited = self.tree.bytes()
        os.write(ours, b"y\ny\n")  # also to the CA's terms
        said += self.read_to_the_end(process, ours)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"sites-enabled/a", said)
        self.assertIn(b"was changed by somebody else", said)
        self.assertEqual(self.tree.bytes(), edited)
        self.assertEqual(self.authority.order_count(), 0)

    def everseal_at(self, terminal):
        command = self.everseal.command("secure", "example.com")
        process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)
        os.close(terminal)
        return process

    @staticmethod
    def read_to_the_end(process, terminal):
        said = b""
        try:
            while data := os.read(terminal, 4096):
                said += data
        except OSError:
            pass  # the other side is closed
        process.wait(30)
        return said

    def test_L7_an_edit_while_the_ca_looks(self):
        self.new_authority(sleep_seconds=3)
        self.authority.resolve("example.com", ipv6=())
        process = self.everseal.start("secure", "example.com", "--yes")
        wait_until("it ordered", lambda: self.authority.order_count() > 0)
        time.sleep(0.3)
        self.assertIn("acme.conf", self.file.read_text())
        self.file.write_text("# mine\n" + self.file.read_text().replace("/srv;", "/srv; # here"))
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, out + err)
        self.assertIn("sites-enabled/a: was changed by somebody else meanwhile; theirs was kept", err)
        self.assertEqual(self.file.read_text(), "# mine\n" + _SITE.replace("/srv;", "/srv; # here"))
        self.assertEqual(self.nginx.test(), "")
        self.secure_later()

    # What was changed, and taking it back beside later edits.

    def test_changes_are_listed_with_their_diffs(self):
        self.assertEqual(self.run_everseal("changes", "--json").json()["changes"], [])
        self.run_everseal("secure", "example.com", "--yes")
        [change] = self.run_everseal("changes", "--json").json()["changes"]
        self.assertEqual(change["sites"], ["example.com"])
        self.assertEqual(change["state"], "applied")
        self.assertIn(str(self.file), change["files"])
        self.assertIn("+    listen 443 ssl;", change["diff"])
        self.assertRegex(change["at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        text = self.run_everseal("changes", str(change["id"])).out
        self.assertRegex(text, rf"Change {change['id']}, .*, applied: secure example.com")
        self.assertIn(f"+++ {self.file}", text)
        self.run_everseal("undo", str(change["id"]), "--yes")
        states = [each["state"] for each in
                  self.run_everseal("changes", "--json").json()["changes"]]
        self.assertEqual(states, ["undone", "undone"])
        self.assertIn("4711", self.run_everseal("changes", "4711", status=1).err)

    def test_L9_undo_leaves_later_edits(self):
        self.run_everseal("secure", "example.com", "--yes", "--no-redirect")
        text = self.file.read_text()
        self.file.write_text(re.sub(r"(ssl_certificate_key .*;\n)", r"\1    # mine, beside yours\n",
                                    text) + "# mine, below\n")
        self.run_everseal("undo", "--yes")
        expected = _SITE.replace("    root", "    # mine, beside yours\n    root")
        self.assertEqual(self.file.read_text(), expected + "# mine, below\n")
        self.assertEqual(self.nginx.test(), "")

    def test_L9_undo_refuses_where_lines_overlap_and_shows_both(self):
        self.run_everseal("secure", "example.com", "--yes", "--no-redirect")
        edited = self.file.read_text().replace("443 ssl", "8443 ssl")
        self.file.write_text(edited)
        before = self.tree.bytes()
        result = self.run_everseal("undo", "--yes", status=1)
        self.assertIn(f"{self.file}: line 4 was changed on both sides", result.err)
        self.assertIn("    listen 8443 ssl;", result.err)
        self.assertIn("    listen 443 ssl;", result.err)
        self.assertEqual(self.tree.bytes(), before)
        self.assertEqual(live(), ["example.com"])


if __name__ == "__main__":
    main()
