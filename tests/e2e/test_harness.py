#!/usr/bin/python3
"""The machine itself, proven by a client that others trust: Debian's uacme."""

import subprocess

from harness import MachineCase, main, visitor
from harness.sandbox import SCRATCH
from harness.sites import ADDRESSES, WEBROOT, fingerprint

_HOOK = """\
#!/bin/sh
directory=/var/www/static/.well-known/acme-challenge
[ "$2" = http-01 ] || exit 1
mkdir -p $directory
case $1 in begin) printf %s "$5" >$directory/$4 ;; *) rm $directory/$4 ;; esac
"""


class Harness(MachineCase):
    def test_every_site_answers_on_port_80(self):
        for name, addresses in ADDRESSES.items():
            for address in addresses:
                with self.subTest(name=name, address=address):
                    answer = visitor.http_get(name, address=address)
                    self.assertEqual(answer.status, 301 if name == "moved.example" else 200)
        self.assertEqual(visitor.http_get("nobody.example").status, 404)
        self.assertEqual(visitor.http_get("app.example", "/x").body,
                         "application: http://app.example/x\n")

    def test_a_real_client_gets_a_certificate_that_visitors_accept(self):
        hook = SCRATCH / "hook"
        hook.write_text(_HOOK)
        hook.chmod(0o755)
        with open("/etc/ssl/certs/ca-certificates.crt", "a", encoding="ascii") as trusted:
            trusted.write(self.authority.bundle.read_text())
        uacme = ["uacme", "-y", "-c", str(SCRATCH / "uacme"), "-a", self.authority.url,
                 "-h", str(hook)]
        subprocess.run([*uacme, "new"], check=True)
        subprocess.run([*uacme, "issue", "static.example"], check=True)
        self.assertEqual(self.authority.issued(), {("static.example",): 1})
        self.assertEqual(self.authority.order_count(), 1)
        self.assertEqual(self.authority.validations(), {"static.example": 1})

        before = fingerprint()
        (WEBROOT.parents[1] / "etc/nginx/conf.d/tls.conf").write_text(
            "server { listen 443 ssl; listen [::]:443 ssl; server_name static.example;"
            f" ssl_certificate {SCRATCH}/uacme/static.example/cert.pem;"
            f" ssl_certificate_key {SCRATCH}/uacme/private/static.example/key.pem; }}")
        self.assertNotEqual(before, fingerprint())
        self.nginx.cold_start()
        self.assert_https("static.example")
        self.assertEqual(visitor.chain_length("static.example"), 2)
        self.assert_no_https("app.example")

    def test_the_dns_says_what_it_is_told(self):
        self.authority.resolve("static.example", ipv4=("127.0.0.9",), ipv6=())
        found = subprocess.run(["getent", "ahosts", "static.example"], capture_output=True,
                               text=True).stdout
        self.assertIn("127.0.0.9", found)
        self.assertNotIn("127.0.0.1 ", found)
        self.assertNotEqual(subprocess.run(["getent", "ahosts", "nobody.example"]).returncode, 0)


if __name__ == "__main__":
    main()
