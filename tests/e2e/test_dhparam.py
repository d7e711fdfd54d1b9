#!/usr/bin/python3
"""`everseal dhparam`, held to what the real openssl and nginx make of its parameters."""

import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import time
import unittest

from harness import Nginx, sandbox
from harness.everseal import binary
from harness.nginx import CONFIGURATION

PEM = re.compile(r"-----BEGIN DH PARAMETERS-----\n([A-Za-z0-9+/=]+\n)+-----END DH PARAMETERS-----\n")
GROUPS = {"ffdhe2048": 2048, "ffdhe3072": 3072, "ffdhe4096": 4096, "ffdhe6144": 6144,
          "ffdhe8192": 8192}


def dhparam(*arguments, timeout=120, **options):
    return subprocess.run([binary(), "dhparam", *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, check=False, **options)


def openssl(*arguments, stdin=""):
    return subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True,
                          text=True, timeout=120, check=False)


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.directory = sandbox.SCRATCH / "dhparam"
        self.directory.mkdir()
        self.addCleanup(shutil.rmtree, self.directory)
        self.file = self.directory / "dh.pem"

    def assert_good(self, pem, bits):
        """By openssl, in words that it has only for good ones."""
        self.assertRegex(pem, rf"\A{PEM.pattern}\Z")
        checked = openssl("dhparam", "-check", "-noout", "-text", stdin=pem)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn("DH parameters appear to be ok.", checked.stderr)
        self.assertIn(f"DH Parameters: ({bits} bit)", checked.stdout)
        return checked.stdout

    def assert_nothing_else(self, *names):
        self.assertEqual(sorted(os.listdir(self.directory)), sorted(names))


class Groups(Case):
    def test_openssl_knows_each_by_its_name(self):
        for group, bits in GROUPS.items():
            done = dhparam("--group", group)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            text = self.assert_good(done.stdout, bits)
            self.assertIn(f"GROUP: {group}", text)

    def test_the_recommended_one_is_the_default(self):
        done = dhparam("-o", self.file)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, f"{self.file}: the group ffdhe2048 of RFC 7919, generator 2\n"
                                      f"For nginx: ssl_dhparam {self.file};\n")
        self.assertEqual(self.file.read_text(), dhparam("--group", "ffdhe2048").stdout)
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o644)
        self.assert_nothing_else("dh.pem")

    def test_an_unknown_one_is_refused(self):
        done = dhparam("--group", "ffdhe1024", "-o", self.file)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn('unknown group "ffdhe1024"; known are ffdhe2048', done.stderr)
        self.assert_nothing_else()

    def test_as_a_document(self):
        document = dhparam("--json", "-o", self.file).stdout
        self.assertEqual(json.loads(document),
                         {"version": 1, "command": "dhparam", "bits": 2048, "group": "ffdhe2048",
                          "file": str(self.file), "pem": self.file.read_text()})


class Own(Case):
    def test_openssl_takes_them(self):
        primes = set()
        for bits in (512, 513, 767, 1000, 1024, 1024):
            done = dhparam("--bits", bits)
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"Looking for a safe prime of {bits} bits", done.stderr)
            self.assertIn(f"{bits} bits are too few", done.stderr)
            self.assertIn("G:    2 (0x2)", self.assert_good(done.stdout, bits))
            primes.add(done.stdout)
        self.assertEqual(len(primes), 6)

    def test_quietly_into_a_file(self):
        done = dhparam("--quiet", "--bits", 2048, "-o", self.file)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        text = self.assert_good(self.file.read_text(), 2048)
        self.assertIn("recommended-private-length: 225 bits", text)
        self.assert_nothing_else("dh.pem")

    def test_a_size_that_nobody_takes_is_refused(self):
        for bits in ("511", "10001", "0", "-1", "x"):
            self.assertEqual(dhparam("--bits", bits).returncode, 2, bits)


class Files(Case):
    def test_a_file_that_is_there_is_replaced_and_keeps_its_mode(self):
        self.file.write_text("old\n")
        self.file.chmod(0o640)
        link = self.directory / "link.pem"
        link.symlink_to("dh.pem")
        self.assertEqual(dhparam("-o", link).returncode, 0)
        self.assertTrue(link.is_symlink())
        self.assert_good(self.file.read_text(), 2048)
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o640)

    def test_what_is_no_file_is_left_alone(self):
        for path in ("/dev/null", self.directory):
            done = dhparam("-o", path)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr, f"everseal: {path} is not a file; without -o standard "
                                          "output is written\n")
        self.assertTrue(pathlib.Path("/dev/null").is_char_device())

    def test_a_directory_that_is_not_there_is_said_before_the_search(self):
        done = dhparam("--bits", 8192, "-o", self.directory / "none/dh.pem")
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file or directory", done.stderr)


class Stopped(Case):
    def start(self, *arguments):
        """On a terminal, of which it returns our end."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = subprocess.Popen([binary(), "dhparam", *map(str, arguments)], stdin=theirs,
                                   stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.addCleanup(process.kill)
        return process, ours

    def read_until(self, terminal, pattern):
        shown = ""
        end = time.monotonic() + 30
        while not re.search(pattern, shown):
            self.assertLess(time.monotonic(), end, shown)
            shown += os.read(terminal, 4096).decode()
        return shown

    def test_by_ctrl_c_it_shows_how_far_it_is_and_leaves_the_old_file(self):
        self.file.write_text("old\n")
        for sign in (signal.SIGINT, signal.SIGTERM):
            process, terminal = self.start("--bits", 8192, "-o", self.file)
            shown = self.read_until(terminal, r"\d+ candidates tested, \d+ on average, \d+ s")
            self.assertIn("Looking for a safe prime of 8192 bits", shown)
            process.send_signal(sign)
            self.read_until(terminal, r"everseal: stopped by a signal; no prime was found yet")
            self.assertEqual(process.wait(10), 1)
            self.assertEqual(self.file.read_text(), "old\n")
            self.assert_nothing_else("dh.pem")

    def test_killed_it_leaves_the_old_file(self):
        self.file.write_text("old\n")
        process, terminal = self.start("--bits", 8192, "-o", self.file)
        self.read_until(terminal, "Looking")
        process.kill()
        self.assertEqual(process.wait(10), -signal.SIGKILL)
        self.assertEqual(self.file.read_text(), "old\n")


class InNginx(Case):
    def setUp(self):
        super().setUp()
        CONFIGURATION.mkdir(exist_ok=True)
        self.addCleanup(shutil.rmtree, CONFIGURATION, ignore_errors=True)
        self.nginx = Nginx()
        made = openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=a.example",
                       "-keyout", self.directory / "key.pem", "-out", self.directory / "cert.pem")
        self.assertEqual(made.returncode, 0, made.stderr)
        (CONFIGURATION / "nginx.conf").write_text(f"""\
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {{}}
http {{
    access_log off;
    ssl_certificate {self.directory}/cert.pem;
    ssl_certificate_key {self.directory}/key.pem;
    ssl_protocols TLSv1.2;
    ssl_ciphers DHE-RSA-AES128-GCM-SHA256;
    ssl_dhparam {self.file};
    server {{ listen 127.0.0.1:443 ssl; return 200; }}
}}
""")

    def test_visitors_get_them(self):
        for arguments, bits in (((), 2048), (("--group", "ffdhe3072"), 3072),
                                (("--bits", "2048"), 2048)):
            self.assertEqual(dhparam(*arguments, "-o", self.file).returncode, 0)
            self.nginx.start()
            shaken = openssl("s_client", "-connect", "127.0.0.1:443", "-tls1_2")
            self.nginx.stop()
            self.assertIn(f"Server Temp Key: DH, {bits} bits", shaken.stdout)
            self.assertIn("Cipher is DHE-RSA-AES128-GCM-SHA256", shaken.stdout)

    def test_it_refuses_those_that_we_warn_of(self):
        self.assertEqual(dhparam("--bits", 1024, "-o", self.file).returncode, 0)
        self.assertIn("dh key too small", self.nginx.test())


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
