#!/usr/bin/python3
"""`everseal ca` and the clients that people have, as Debian ships them."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest
import urllib.request

from harness import Nginx, OwnCa, Sites, sandbox, visitor
from harness.everseal import STATE, Everseal
from harness.nginx import CONFIGURATION
from harness.sandbox import SCRATCH
from harness.sites import ADDRESSES, NAMES

_WEBROOT = pathlib.Path("/var/www/clients")
_CHALLENGES = _WEBROOT / ".well-known/acme-challenge"
_CONTACT = "admin@example.com"

_NGINX_CONF = f"""\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {{ worker_connections 768; }}
http {{
    access_log off;
    server {{ listen 80 default_server; listen [::]:80 default_server; root {_WEBROOT}; }}
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
        _CHALLENGES.mkdir(parents=True, exist_ok=True)
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
        _CHALLENGES.mkdir(parents=True, exist_ok=True)
        (CONFIGURATION / "sites-enabled/more").write_text(
            f"server {{ listen 80; listen [::]:80; server_name new-order.example challenge.example\n"
            f"         finalize.example; root {_WEBROOT}; }}\n")
        self.nginx.replace_workers()
        for moment in ("new-order", "challenge", "finalize"):
            self.ca.fault({"resource": moment, "times": 1, "drop": "after", "delay": "1s"})
            self.ca.dns.resolve(f"{moment}.example")
            before = self._count(moment)
            run = self.everseal.start("issue", "--yes", "-d", f"{moment}.example:{_WEBROOT}")
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


class Clients(OwnCaCase):
    def test_uacme(self):
        self.serve_webroot()
        self.ca.dns.resolve("uacme.example")

        def uacme(*arguments):
            return self.run_client("uacme", "-y", "-t", "EC", "-c", self.home, "-a", self.ca.url,
                                   "-h", "/usr/share/uacme/uacme.sh", *arguments,
                                   UACME_CHALLENGE_PATH=str(_CHALLENGES))
        uacme("new", _CONTACT)
        uacme("issue", "uacme.example")
        chain = self.home / "uacme.example/cert.pem"
        self.assert_good(chain, "uacme.example")
        first = self.serial(chain)
        self.ca.kill_ca()
        self.ca.start_ca()
        uacme("-f", "issue", "uacme.example")
        second = self.serial(chain)
        self.assertNotEqual(first, second)
        uacme("newkey")
        uacme("revoke", str(chain))
        self.assertEqual(self.revoked(), {second})
        uacme("deactivate")

    def lego(self, *arguments, name, **environment):
        return self.run_client("lego", "--path", self.home, "--server", self.ca.url, "--accept-tos",
                               "--email", _CONTACT, "--domains", name, *arguments, **environment)

    def check_lego(self, *how, name, **environment):
        self.lego(*how, "run", name=name, **environment)
        chain = self.home / f"certificates/{name.replace('*', '_')}.crt"
        self.assert_good(chain, name)
        first = self.serial(chain)
        self.ca.kill_ca()
        self.ca.start_ca()
        self.lego(*how, "renew", "--days", "1000", "--no-random-sleep", name=name, **environment)
        second = self.serial(chain)
        self.assertNotEqual(first, second)
        self.lego("revoke", name=name)
        self.assertEqual(self.revoked(), {second})

    def test_lego_by_http(self):
        self.ca.dns.resolve("lego.example")
        self.check_lego("--http", name="lego.example")

    def test_lego_by_tls(self):
        self.ca.dns.resolve("lego.example", ipv6=())
        self.check_lego("--tls", name="lego.example")

    def test_lego_by_dns_for_a_wildcard(self):
        script = self.home / "dns.sh"
        script.write_text("#!/bin/sh\n"
                          "case $1 in present) c=set-txt;; *) c=clear-txt;; esac\n"
                          "exec curl -sS -d \"{\\\"host\\\":\\\"$2\\\",\\\"value\\\":\\\"$3\\\"}\" "
                          "http://127.0.0.1:8055/$c\n")
        script.chmod(0o755)
        self.check_lego("--dns", "exec", "--dns.disable-cp", "--dns.resolvers", self.ca.dns.address,
                        name="*.lego.example", EXEC_PATH=str(script))

    def test_acme_tiny(self):
        self.serve_webroot()
        self.ca.dns.resolve("tiny.example")
        self.run_client("openssl", "genrsa", "-out", "account.key", "2048")
        for kind in ("rsa", "ec"):
            if kind == "rsa":
                self.run_client("openssl", "genrsa", "-out", "key.pem", "2048")
            else:
                self.run_client("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout",
                                "-out", "key.pem")
            self.run_client("openssl", "req", "-new", "-sha256", "-key", "key.pem", "-subj", "/",
                            "-addext", "subjectAltName=DNS:tiny.example", "-out", "tiny.csr")
            done = subprocess.run(["acme-tiny", "--account-key", "account.key", "--csr", "tiny.csr",
                                   "--acme-dir", str(_CHALLENGES), "--directory-url", self.ca.url,
                                   "--contact", "mailto:" + _CONTACT], cwd=self.home,
                                  capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            chain = self.home / "tiny.crt"
            chain.write_text(done.stdout)
            self.assert_good(chain, "tiny.example")

    def test_dehydrated(self):
        self.serve_webroot()
        self.ca.dns.resolve("dehydrated.example")
        (self.home / "config").write_text(
            f"CA={self.ca.url}\nBASEDIR={self.home}\nWELLKNOWN={_CHALLENGES}\n"
            f"KEY_ALGO=prime256v1\nCONTACT_EMAIL={_CONTACT}\n")

        def dehydrated(*arguments):
            return self.run_client("dehydrated", "--config", self.home / "config", *arguments)
        dehydrated("--register", "--accept-terms")
        dehydrated("--cron", "--domain", "dehydrated.example")
        chain = self.home / "certs/dehydrated.example/fullchain.pem"
        self.assert_good(chain, "dehydrated.example")
        first = self.serial(chain)
        dehydrated("--cron", "--force", "--domain", "dehydrated.example")
        second = self.serial(chain)
        self.assertNotEqual(first, second)
        dehydrated("--revoke", self.home / "certs/dehydrated.example/cert.pem")
        self.assertEqual(self.revoked(), {second})

    def certbot(self, *arguments):
        return self.run_client("certbot", *arguments, "--non-interactive", "--server", self.ca.url,
                               *(f"--{kind}-dir={self.home / kind}"
                                 for kind in ("config", "work", "logs")))

    def check_certbot(self, *how, name):
        self.certbot(*how, "-d", name, "--agree-tos", "--email", _CONTACT, "--no-eff-email")
        chain = self.home / f"config/live/{name}/fullchain.pem"
        self.assert_good(chain, name)
        first = self.serial(chain)
        self.ca.kill_ca()
        self.ca.start_ca()
        self.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
        second = self.serial(chain)
        self.assertNotEqual(first, second)
        self.certbot("revoke", "--cert-name", name, "--reason", "superseded",
                     "--no-delete-after-revoke")
        self.assertEqual(self.revoked(), {second})

    def test_certbot_standalone(self):
        self.ca.dns.resolve("certbot.example")
        self.check_certbot("certonly", "--standalone", name="certbot.example")

    def test_certbot_webroot(self):
        self.serve_webroot()
        self.ca.dns.resolve("certbot.example")
        self.check_certbot("certonly", "--webroot", "-w", str(_WEBROOT), name="certbot.example")

    def test_certbot_with_its_nginx_plugin(self):
        nginx = self.serve_webroot()
        (CONFIGURATION / "sites-enabled/certbot").write_text(
            f"server {{ listen 80; server_name certbot.example; root {_WEBROOT}; }}\n")
        nginx.reload()
        self.ca.dns.resolve("certbot.example", ipv6=())
        self.check_certbot("run", "--nginx", name="certbot.example")


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

    def test_keeps_its_roots(self):
        root = self.ca.bundle.read_text()
        self.ca.kill_ca()
        self.ca.start_ca()
        self.assertEqual(self.ca.bundle.read_text(), root)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
