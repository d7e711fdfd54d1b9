#!/usr/bin/python3
"""`everseal ca` and the clients that people have, as Debian ships them."""

import os
import subprocess
import unittest

from harness import OwnCaCase, sandbox, visitor
from harness.nginx import CONFIGURATION
from harness.own_ca_case import CHALLENGES, WEBROOT
from harness.sandbox import SCRATCH

_CONTACT = "admin@example.com"


class Clients(OwnCaCase):
    def test_uacme(self):
        self.serve_webroot()
        self.ca.dns.resolve("uacme.example")

        def uacme(*arguments):
            return self.run_client("uacme", "-y", "-t", "EC", "-c", self.home, "-a", self.ca.url,
                                   "-h", "/usr/share/uacme/uacme.sh", *arguments,
                                   UACME_CHALLENGE_PATH=str(CHALLENGES))
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
                                   "--acme-dir", str(CHALLENGES), "--directory-url", self.ca.url,
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
            f"CA={self.ca.url}\nBASEDIR={self.home}\nWELLKNOWN={CHALLENGES}\n"
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
        self.check_certbot("certonly", "--webroot", "-w", str(WEBROOT), name="certbot.example")

    def test_certbot_with_its_nginx_plugin(self):
        nginx = self.serve_webroot()
        (CONFIGURATION / "sites-enabled/certbot").write_text(
            f"server {{ listen 80; server_name certbot.example; root {WEBROOT}; }}\n")
        nginx.reload()
        self.ca.dns.resolve("certbot.example", ipv6=())
        self.check_certbot("run", "--nginx", name="certbot.example")


class ClientsWhoWait(Clients):
    """The same with a CA that heeds CAA: where an authorization is reused the order is processed
    for a moment (RFC 8555 §7.4), as it is at Let's Encrypt."""

    def setUp(self):
        policy = SCRATCH / "caa.toml"
        policy.write_text('caa_identities = ["ca.example"]\n')
        self.options = ("--policy", str(policy))
        super().setUp()


# Twenty minutes of each certificate's life are left when it is issued: less than the third at which
# these servers renew.
_BRIEF = '''[profiles.brief]
validity = "80m"
'''

_CADDYFILE = """\
{
    acme_ca %(url)s
    acme_ca_root %(root)s
    email admin@example.com
    renew_interval 2s
    ocsp_stapling off
    admin off
}
caddy.example {
    respond "hello"
}
"""

_MODULES = "/usr/lib/apache2/modules"
_HTTPD_CONF = f"""\
ServerRoot %(home)s
ServerName apache.example
LoadModule mpm_event_module {_MODULES}/mod_mpm_event.so
LoadModule authz_core_module {_MODULES}/mod_authz_core.so
LoadModule ssl_module {_MODULES}/mod_ssl.so
LoadModule md_module {_MODULES}/mod_md.so
User www-data
Group www-data
PidFile %(home)s/httpd.pid
ErrorLog %(home)s/error.log
LogLevel warn md:info
Listen 80
Listen 443
MDCertificateAuthority %(url)s
MDCACertificateFile /etc/ssl/certs/ca-certificates.crt
MDCertificateAgreement accepted
MDContactEmail admin@example.com
MDPrivateKeys secp256r1
MDStoreDir %(home)s/md
MDInitialDelay 0s
MDCheckInterval 1s
MDomain apache.example
<VirtualHost *:80>
    ServerName apache.example
</VirtualHost>
<VirtualHost *:443>
    ServerName apache.example
    SSLEngine on
</VirtualHost>
"""


class Servers(OwnCaCase):
    """Web servers that get their certificates themselves; they have no command to revoke one."""

    def setUp(self):
        super().setUp()
        policy = self.home / "policy.toml"
        policy.write_text(_BRIEF)
        self.ca.stop_ca()
        self.ca.start_ca("--policy", str(policy))

    def start(self, *command):
        log = open(self.home / "server.log", "ab")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=self.home, env={**os.environ, "HOME": str(self.home)})
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

    def serial_of(self, name):
        try:
            return visitor.certificate(name, self.ca.bundle)["serialNumber"]
        except OSError:
            return None

    def check_renewal(self, name, take=lambda: None):
        """A certificate is served, and later another, also after the CA was killed."""
        def another():
            take()
            now = self.serial_of(name)
            return now if now not in serials else None
        serials = [None]
        try:
            serials.append(sandbox.wait_until(f"{name} is served", another, seconds=60))
            self.ca.kill_ca()
            self.ca.start_ca("--policy", str(self.home / "policy.toml"))
            serials.append(sandbox.wait_until(f"{name} is renewed", another, seconds=60))
        except TimeoutError:
            for log in ("server.log", "error.log"):
                if (self.home / log).exists():
                    print((self.home / log).read_text(errors="replace")[-4000:])
            raise

    def test_caddy(self):
        self.ca.dns.resolve("caddy.example")
        file = self.home / "Caddyfile"
        file.write_text(_CADDYFILE % {"url": self.ca.url, "root": self.ca.bundle})
        self.start("caddy", "run", "--config", file, "--adapter", "caddyfile")
        self.check_renewal("caddy.example")

    def test_mod_md_in_apache(self):
        self.ca.dns.resolve("apache.example", ipv6=())
        file = self.home / "httpd.conf"
        file.write_text(_HTTPD_CONF % {"url": self.ca.url, "root": self.ca.bundle, "home": self.home})
        self.home.chmod(0o755)
        self.start("apache2", "-D", "FOREGROUND", "-f", file)
        staged = self.home / "md/staging/apache.example"

        def restart():
            """What it got it serves after a graceful restart, which is the administrator's to give."""
            if list(staged.glob("pubcert*")):
                subprocess.run(["apache2", "-f", str(file), "-k", "graceful"], capture_output=True)
                sandbox.wait_until("what was staged is taken", lambda: not staged.exists())
        self.check_renewal("apache.example", restart)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
