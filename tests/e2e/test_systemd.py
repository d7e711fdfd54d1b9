#!/usr/bin/python3
"""The units of systemd/, run by systemd: who does what as whom, and that nothing is missing."""

import contextlib
import re
import shutil
import socket
import sqlite3
import time
import unittest
import urllib.request

from harness import sandbox, visitor
from harness.everseal import ROOT, binary
from harness.machine import Machine
from harness.own_ca_case import OwnCaCase
from harness.receivers import PASSWORD, USER, MailServer, make_certificate
from harness.sandbox import SCRATCH, wait_until

_UNITS = ROOT / "systemd"
_RATINGS = {"everseal.service": 1.5, "everseal-renew.service": 1.5, "everseal-ca.service": 1.6,
            "everseal-nginx@.service": 3.1}  # at most; 10 is the worst


class Units(OwnCaCase):
    """Two sites of an nginx that systemd has started, and a CA."""

    names = ("one.example", "two.example")

    def setUp(self):
        super().setUp()
        self.machine = Machine()
        problem = self.machine.start()
        if problem:
            self.skipTest(f"systemd cannot be started here: {problem}")
        self.addCleanup(self.machine.stop)
        self.root = self.machine.root
        for path in ("var/lib/everseal", "etc/everseal", "etc/nginx/everseal", "etc/nginx/sites-enabled"):
            shutil.rmtree(self.root / path, ignore_errors=True)
        shutil.copy(binary(), self.root / "usr/local/bin/everseal")
        for unit in _UNITS.glob("*.*"):
            if unit.suffix in (".service", ".socket", ".timer"):
                shutil.copy(unit, self.root / "etc/systemd/system")
        shutil.copy(self.ca.bundle, self.root / "etc/everseal-ca.pem")
        receiver = make_certificate(SCRATCH / "receiver.pem", "localhost")
        self.mail = MailServer(2525, receiver, authenticates=True).start()
        self.addCleanup(self.mail.stop)
        shutil.copy(receiver, self.root / "etc/receiver.pem")
        self.machine.put("/etc/everseal/smtp-password", f"{PASSWORD}\n")
        (self.root / "etc/everseal/smtp-password").chmod(0o600)
        self.machine.put("/etc/everseal/everseal.toml", f"""
            server = "{self.ca.url}"
            ca_bundle = "/etc/everseal-ca.pem"
            [daemon]
            metrics = "127.0.0.1:9402"
            [notify]
            to = "admin@example.org"
            [notify.smtp]
            host = "localhost"
            port = 2525
            user = "{USER}"
            password_file = "/etc/everseal/smtp-password"
            ca_bundle = "/etc/receiver.pem"
            """)
        self.machine.put("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        for name in self.names:
            self.ca.dns.resolve(name, ["127.0.0.1"], ["::1"])
            self.machine.put(f"/etc/nginx/sites-enabled/{name}",
                             f"server {{ listen 80; listen [::]:80; server_name {name}; "
                             "root /var/www/html; }\n")
        self.run_there("systemctl", "daemon-reload")
        self.run_there("systemctl", "start", "nginx")

    def run_there(self, *command, status=0):
        done = self.machine.run(*command)
        journal = "" if done.returncode == status else self.journal()
        self.assertEqual(done.returncode, status,
                         f"$ {' '.join(command)}\n{done.stdout}{done.stderr}{journal}{self.ca.log()[-2000:]}")
        return done.stdout

    def journal(self, unit="everseal*"):
        return self.machine.run("journalctl", "--no-pager", "--quiet", "--output", "cat", "--unit", unit).stdout

    def set_up_user(self):
        if self.machine.run("id", "everseal").returncode != 0:
            self.run_there("useradd", "--system", "--home-dir", "/var/lib/everseal", "--shell",
                           "/usr/sbin/nologin", "everseal")
        self.run_there("systemctl", "enable", "--now", "everseal-nginx.socket")
        shown = self.run_there("everseal", "setup", "--user", "everseal", "--yes")
        self.assertNotIn("sudoers", shown)

    def as_user(self, *arguments, status=0):
        return self.run_there("runuser", "--user", "everseal", "--", "everseal", *arguments, status=status)

    def serial(self, name):
        return visitor.certificate(name, self.ca.bundle)["serialNumber"]

    def make_due(self, statement="UPDATE certificates SET window_start = 1, window_end = 2, draw = 0, "
                                 "renew_at = 1, ask_at = unixepoch() + 86400, next_attempt = 0, next_look = 1"):
        with contextlib.closing(sqlite3.connect(self.root / "var/lib/everseal/catalog.db")) as catalog, catalog:
            catalog.execute(statement)

    def properties(self, unit, *names):
        found = self.run_there("systemctl", "show", unit, "--property", ",".join(names))
        return dict(line.split("=", 1) for line in found.splitlines())

    def everseals(self):
        """What the processes of the daemon may: the lines of their /proc/PID/status."""
        [group] = self.properties("everseal", "ControlGroup").values()
        pids = self.run_there("systemctl", "status", "everseal", "--no-pager", "--lines=0")
        self.assertIn(group, pids)
        for pid in re.findall(r"[├└]─\s*(\d+)", pids):
            text = self.run_there("cat", f"/proc/{pid}/status")
            yield dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def test_a_user_without_privileges_keeps_nginx_on_https(self):
        self.set_up_user()
        self.as_user("secure", "--all", "--yes")
        before = {name: self.serial(name) for name in self.names}
        master = self.properties("nginx", "MainPID")
        self.make_due()
        self.run_there("systemctl", "enable", "--now", "everseal")
        wait_until("both are renewed", lambda: all(self.serial(name) != before[name] for name in self.names))
        self.assertEqual(self.properties("nginx", "MainPID"), master)
        self.wait_until_it_sleeps()
        self.assertEqual(self.properties("everseal", "NRestarts", "ActiveState"),
                         {"NRestarts": "0", "ActiveState": "active"})
        user = str((self.root / "var/lib/everseal").stat().st_uid)
        processes = list(self.everseals())
        self.assertGreaterEqual(len(processes), 2, "the daemon and its metrics")
        for each in processes:
            self.assertEqual(set(each["Uid"].split()), {user})
            self.assertEqual((int(each["CapBnd"], 16), each["NoNewPrivs"], each["Seccomp"]), (0, "1", "2"))
        with urllib.request.urlopen("http://127.0.0.1:9402/metrics", timeout=5) as answer:
            self.assertIn('everseal_certificate_level{name="one.example"} 0', answer.read().decode())

        self.make_due(f"UPDATE chores SET done_at = {int(time.time()) - 183 * 86400}")
        thumbprint = (self.root / "etc/nginx/everseal/acme.conf").read_text()
        self.make_due("UPDATE certificates SET next_look = 1")
        self.run_there("systemctl", "reload", "everseal")
        wait_until("nginx answers for another account key",
                   lambda: (self.root / "etc/nginx/everseal/acme.conf").read_text() != thumbprint)
        wait_until("it is done", lambda: self.machine.run(
            "runuser", "--user", "everseal", "--", "everseal", "renew", "--force").returncode == 0)

        self.run_there("systemctl", "stop", "everseal")
        self.assertEqual(self.properties("everseal", "Result", "ExecMainStatus"),
                         {"Result": "success", "ExecMainStatus": "0"})
        self.assertNotRegex(self.journal("everseal"), "(?i)denied|not permitted|read-only|failed")

    def test_a_broken_configuration_is_named_and_not_loaded(self):
        self.set_up_user()
        self.as_user("secure", "--all", "--yes")
        serial = self.serial("one.example")
        workers = self.run_there("pgrep", "-f", "nginx: worker process")
        self.machine.put("/etc/nginx/conf.d/broken.conf", "nonsense on;\n")
        self.make_due()
        self.run_there("systemctl", "start", "everseal-renew", status=1)
        self.assertIn('unknown directive "nonsense" in /etc/nginx/conf.d/broken.conf:1', self.journal())
        self.assertEqual(self.run_there("pgrep", "-f", "nginx: worker process"), workers)
        [mail] = self.mail.mails
        self.assertIn("broken.conf:1", mail.get_content())
        (self.root / "etc/nginx/conf.d/broken.conf").unlink()
        self.make_due("UPDATE certificates SET next_look = 1, next_attempt = 0")
        self.run_there("systemctl", "start", "everseal-renew")
        self.assertNotEqual(self.serial("one.example"), serial)

    def test_FaultS10_the_socket_does_two_things_for_one_user(self):
        self.set_up_user()
        ask = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('/run/everseal/nginx'); " \
              "s.sendall(sys.argv[1].encode() + b'\\n'); print(s.makefile().read())"
        def answer(word, user="everseal"):
            return self.machine.run("runuser", "--user", user, "--", "/usr/bin/python3", "-c", ask, word)
        self.assertRegex(answer("test").stdout, r"test is successful\n(?s:.*)status 0\n")
        self.assertRegex(answer("reload").stdout, "signal process started\nstatus 0\n")
        for word in ("", "stop", "test; id", "$(id)", "reload -c /tmp/x", "-t", "x" * 100000):
            self.assertEqual(answer(word).stdout, "status 1\n\n", word[:20])
        self.assertIn("PermissionError", answer("test", "www-data").stderr)
        for user in ("www-data", "everseal"):
            swapped = self.machine.run("runuser", "--user", user, "--", "mv", "/run/everseal/nginx",
                                       "/run/everseal/other")
            self.assertIn("Permission denied", swapped.stderr, user)

    def test_by_the_timer(self):
        """And what docs/hooks.md says of services that need root."""
        self.set_up_user()
        self.as_user("secure", "--all", "--yes")
        serial = self.serial("one.example")
        hook = "/etc/everseal/deploy.d/wake"
        self.machine.put(hook, "#!/bin/sh\nmkdir -p /var/lib/everseal/deployed && "
                               ': > "/var/lib/everseal/deployed/$EVERSEAL_NAME"\n')
        (self.root / hook[1:]).chmod(0o755)
        self.machine.put("/etc/systemd/system/copy.path",
                         "[Path]\nDirectoryNotEmpty=/var/lib/everseal/deployed\n")
        self.machine.put("/etc/systemd/system/copy.service",
                         "[Service]\nType=oneshot\n"
                         "ExecStart=runuser -u everseal -- rm -r /var/lib/everseal/deployed\n"
                         "ExecStart=/bin/sh -euc 'umask 077; cd /etc; for f in bundle; do runuser -u "
                         "everseal -- cat /var/lib/everseal/live/one.example/$$f.pem > .$$f.new; "
                         "chgrp mail .$$f.new; chmod 640 .$$f.new; mv .$$f.new $$f.pem; done'\n")
        self.run_there("systemctl", "daemon-reload")
        self.run_there("systemctl", "start", "copy.path")
        self.run_there("systemctl", "enable", "--now", "everseal-renew.timer")
        self.assertIn("everseal-renew.service", self.run_there("systemctl", "list-timers", "--no-pager"))
        self.make_due()
        self.run_there("systemctl", "start", "everseal-renew")
        self.assertNotEqual(self.serial("one.example"), serial)
        self.assertEqual(self.properties("everseal-renew", "Result"), {"Result": "success"})
        live = self.root / "var/lib/everseal/certs/one.example/versions/2/bundle.pem"
        copy = self.root / "etc/bundle.pem"
        wait_until("the copy is there", lambda: copy.exists() and copy.read_bytes() == live.read_bytes())

    def wait_until_it_sleeps(self):
        wait_until("it sleeps",
                   lambda: "Looks again at" in self.properties("everseal", "StatusText")["StatusText"])

    def test_as_root(self):
        for unit in ("everseal", "everseal-renew"):
            (self.root / f"etc/systemd/system/{unit}.service.d").mkdir()
            shutil.copy(_UNITS / "as-root.conf", self.root / f"etc/systemd/system/{unit}.service.d")
        self.run_there("systemctl", "daemon-reload")
        self.run_there("everseal", "secure", "--all", "--yes")
        serial = self.serial("one.example")
        self.make_due()
        self.run_there("systemctl", "start", "everseal")
        wait_until("it is renewed", lambda: self.serial("one.example") != serial)
        self.wait_until_it_sleeps()
        self.run_there("systemctl", "stop", "everseal")
        serial = self.serial("one.example")
        self.make_due()
        self.run_there("systemctl", "start", "everseal-renew")
        self.assertNotEqual(self.serial("one.example"), serial)
        self.assertNotRegex(self.journal("everseal"), "(?i)denied|not permitted|read-only|failed")

    def test_a_state_of_roots_is_not_taken_over(self):
        self.run_there("everseal", "secure", "--all", "--yes")
        self.run_there("systemctl", "start", "everseal-renew", status=1)
        self.assertIn("everseal setup --user everseal", self.journal())
        self.assertEqual((self.root / "var/lib/everseal").stat().st_uid, 0)

    def test_the_ca(self):
        self.run_there("systemctl", "start", "everseal-ca")
        wait_until("it listens", lambda: visitor.serves_https(socket.gethostname(), self.root / "var/lib/private/everseal-ca/root.pem"))
        self.assertEqual(self.properties("everseal-ca", "ActiveState"), {"ActiveState": "active"})

    def test_they_are_locked_in(self):
        for unit, most in _RATINGS.items():
            shown = self.run_there("systemd-analyze", "security", "--no-pager", "--offline=yes",
                                   f"/etc/systemd/system/{unit}")
            rating = re.search(r"exposure level for \S+ ([\d.]+)", shown)
            self.assertLessEqual(float(rating[1]), most, shown)
        verified = self.machine.run("systemd-analyze", "verify", *(
            f"/etc/systemd/system/{unit.name}" for unit in _UNITS.glob("*.service") if "@" not in unit.name))
        self.assertEqual((verified.returncode, verified.stderr), (0, ""))


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
