"""Tests that begin with a CA of our own."""

import os
import pathlib
import re
import shutil
import subprocess
import unittest
import urllib.request

from .everseal import STATE, Everseal, change_catalog
from .nginx import CONFIGURATION, Nginx
from .own_ca import OwnCa
from .sandbox import SCRATCH

WEBROOT = pathlib.Path("/var/www/clients")
CHALLENGES = WEBROOT / ".well-known/acme-challenge"

_NGINX_CONF = f"""\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {{ worker_connections 768; }}
http {{
    access_log off;
    server {{ listen 80 default_server; listen [::]:80 default_server; root {WEBROOT}; }}
    include /etc/nginx/sites-enabled/*;
}}
"""


class OwnCaCase(unittest.TestCase):
    """Starts every test with a new CA that the machine trusts, and nothing on ports 80 and 443."""

    options = ()
    maxDiff = None

    def setUp(self):
        for directory in (SCRATCH / "ca", SCRATCH / "home", CONFIGURATION, STATE):
            shutil.rmtree(directory, ignore_errors=True)
        self.home = SCRATCH / "home"
        self.home.mkdir()
        self.ca = OwnCa(*self.options).start()
        self.addCleanup(self.ca.stop)
        bundle = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
        bundle.write_text(self.ca.bundle.read_text())

    def run_client(self, *command, status=0, **options):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=120, cwd=self.home,
                              errors="replace",
                              env={**os.environ, "HOME": str(self.home),
                                   "REQUESTS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt",
                                   **options})
        self.assertEqual(done.returncode, status,
                         f"{command}\n{done.stdout}{done.stderr}\n{self.ca.log()[-2000:]}")
        return done.stdout + done.stderr

    def serve_webroot(self):
        CHALLENGES.mkdir(parents=True, exist_ok=True)
        (CONFIGURATION / "sites-enabled").mkdir(parents=True)
        (CONFIGURATION / "nginx.conf").write_text(_NGINX_CONF)
        nginx = Nginx().start()
        self.addCleanup(nginx.stop)
        return nginx

    def assert_good(self, chain_file, *names):
        """The chain leads to the CA's root and is for these names."""
        text = self._openssl("verify", "-CAfile", self.ca.bundle, "-untrusted", chain_file, chain_file)
        self.assertIn(": OK", text)
        text = self._openssl("x509", "-noout", "-ext", "subjectAltName", "-in", chain_file)
        self.assertEqual(sorted(re.findall(r"(?:DNS|Address):([^,\s]+)", text)), sorted(names))

    def serial(self, chain_file):
        text = self._openssl("x509", "-noout", "-serial", "-in", chain_file)
        return text.strip().removeprefix("serial=")

    def revoked(self):
        """The serial numbers of all CRLs."""
        found = set()
        for issuer in (1, 2):
            with urllib.request.urlopen(f"http://localhost:8555/crl/{issuer}.crl") as answer:
                (SCRATCH / "list.crl").write_bytes(answer.read())
            text = self._openssl("crl", "-inform", "DER", "-noout", "-text", "-in",
                                 SCRATCH / "list.crl")
            found |= set(re.findall(r"Serial Number: (\w+)", text))
        return found

    @staticmethod
    def _openssl(*arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
        return done.stdout + done.stderr


class KeptCase(OwnCaCase):
    """Starts every test with a certificate for `name` that is kept, by a webroot of nginx."""

    name = "plain.example"

    def setUp(self):
        super().setUp()
        self.serve_webroot()
        self.everseal = Everseal(self.ca)
        self.issue(self.name)

    def issue(self, name):
        self.ca.dns.resolve(name, ["127.0.0.1"], ["::1"])
        self.run_everseal("issue", "--yes", "-d", f"{name}:{WEBROOT}")

    def run_everseal(self, *arguments, status=0):
        result = self.everseal.run(*arguments)
        self.assertEqual(result.status, status, f"{result}\n{self.ca.log()[-2000:]}")
        return result

    change_catalog = staticmethod(change_catalog)
