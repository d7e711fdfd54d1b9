#!/usr/bin/python3
"""Configurations on which other clients' editing broke: nginx before and after, as visitors see it.

Each tree of shared/nginx/edits is a test. What holds for all of them is in `secure`; what a tree
expects in particular is in `_EXPECT`, as the lines that may differ and what must be said.
"""

import re
import subprocess
import sys

from harness import edit_cases, main
from harness.edit_case import SITE, EditCase
from harness.edit_cases import CASES, EditTree
from harness.nginx import CONFIGURATION

ACME = "include /etc/nginx/everseal/acme.conf;"


def pair(name="example.com"):
    bundle = f"/var/lib/everseal/live/{name}/bundle.pem"
    return [f"ssl_certificate {bundle};", f"ssl_certificate_key {bundle};"]


def plain_site(*listens):
    """What an edit of an ordinary site without TLS adds, where port 80 stays as it is."""
    return [ACME, *(listens or ("listen 443 ssl;",)), *pair()]


def redirecting(names="example.com"):
    """What an edit puts before a site, the first lines of which become those of the new server."""
    return ["server {", f"server_name {names};", ACME, "location / {",
            "return 301 https://$host$request_uri;", "}", "}"]


class Edits(EditCase):
    """What each tree of shared/nginx/edits expects in particular; those without a method here
    get what holds for all."""

    def expect_A01(self):
        self.secure("--no-hardening")
        self.assert_changed(SITE)
        self.assert_difference(SITE, [], plain_site())

    def expect_A02(self):
        self.secure("--no-hardening")
        self.assert_changed(SITE)

    def expect_A03(self):
        self.secure("--no-hardening")
        self.assert_difference(SITE, [], plain_site())

    expect_A04 = expect_A05 = expect_A06 = expect_A10 = expect_A03

    def expect_A08(self):
        self.secure("--no-hardening")
        self.assert_changed(SITE)
        self.assertIn(b"# caf\xe9\n", self.after[SITE])

    def expect_A11(self):
        self.secure("--no-hardening")
        self.assert_difference(
            SITE, [], redirecting() +
            ["listen 10.10.10.10:443 ssl;", *pair()])
        self.assertEqual(edit_cases.listening(), {("10.10.10.10", 80), ("10.10.10.10", 443)})

    def expect_A12(self):
        self.secure("--no-hardening")
        self.assertIn(b"    listen 443 ssl proxy_protocol;\n    server_name example.com;",
                      self.after[SITE])

    def expect_A14(self):
        self.refuse("sites-enabled/a:1", "server_name example.com")
        self.assertEqual(self.tree.bytes()[SITE].count(b"deferred"), 1)

    def expect_A15(self):
        self.secure()
        self.assertEqual(b"".join(self.after.values()).count(b"hash_bucket_size"), 1)
        self.assert_changed(SITE, "nginx.conf")

    def expect_A16(self):
        self.secure("--no-hardening")
        self.assert_difference(SITE, [], plain_site())
        self.assert_changed(SITE)

    def expect_A17(self):
        self.secure("--no-hardening")
        names = "example.com www.example.com"
        self.assert_difference(SITE, [], redirecting(names) +
                               ["listen 443 ssl;", *pair()])
        self.assertRegex(self.said, r"sites-enabled/a:1: no longer served in clear.* /healthz")

    def expect_A18(self):
        self.secure("--no-hardening")
        self.assertEqual(re.findall(rb"listen.*443.*;", self.after[SITE]),
                         [b"listen 443 ssl;", b"listen 443;"])
        self.assertEqual(self.after[SITE].count(b"/etc/ssl/certs/x.pem"), 1, "a.com keeps its own")

    def expect_A19(self):
        self.secure("--no-hardening")
        self.assertRegex(self.said, r"sites-enabled/a:1: .*first server on \*:443.*unknown names")
        self.assertRegex(self.said, r"listen 443 ssl default_server; ssl_reject_handshake on;")

    def expect_A22(self):
        rsa, ecdsa = ("/etc/ssl/certs/rsa.pem", "/etc/ssl/certs/ecdsa.pem")
        self.secure("--no-hardening")
        self.assertIn(rsa.encode(), self.after[SITE])
        self.assertNotIn(ecdsa.encode(), self.after[SITE])
        self.assertIn("of rsa.pem", self.subject_for("RSA+SHA256"))
        self.assertNotIn("of ecdsa.pem", self.subject_for("ECDSA+SHA256"))

    def subject_for(self, algorithms):
        """Of the certificate that a client gets which understands only these signatures."""
        done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:443", "-servername",
                               "example.com", "-tls1_2", "-sigalgs", algorithms],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return re.search(r"subject=(.*)", done.stdout).group(1)

    def expect_A24(self):
        self.refuse("00-default:", "server_name example.com")

    def expect_A26(self):
        self.refuse("nginx.conf:4 already listens on *:443 outside of http{}")

    def expect_A29(self):
        self.refuse("sites-enabled/a:1", "regular expression")

    def expect_A30(self):
        self.refuse("sites-enabled/a:3", "b\u00fccher.example", "compares bytes",
                    "xn--bcher-kva.example")
        edited = self.before[SITE].replace(b".example;", b".example xn--bcher-kva.example;")
        (CONFIGURATION / SITE).write_bytes(edited)
        self.before = self.tree.bytes()
        self.nginx.cold_start()
        self.seen = edit_cases.look(self.tree.names(), self.tree.paths())
        self.secure("--no-hardening")

    def expect_A32(self):
        self.secure("--no-hardening")
        self.assert_difference(SITE, ["ssl_certificate /etc/ssl/certs/old.pem;",
                                      "ssl_certificate_key /etc/ssl/private/old.key;"], pair())
        self.run_everseal("secure", "example.com", "--yes", "--no-hardening")
        self.assertEqual(self.tree.bytes(), self.after)

    def expect_A33(self):
        self.secure("--no-hardening")
        self.assert_difference(SITE, [], plain_site())

    def expect_A34(self):
        self.secure()
        ours = self.after["everseal/tls.conf"]
        self.assertNotIn(b"ssl_protocols", ours)
        self.assertNotIn(b"ssl_session_tickets", ours)
        done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:443", "-tls1_2"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0, "TLS 1.2 stays off")
        self.assert_difference(SITE, [], plain_site())

    def expect_A36(self):
        self.secure("--no-hardening")
        self.assert_difference(SITE, ["ssl_certificate /etc/ssl/certs/x.pem;",
                                      "ssl_certificate_key /etc/ssl/private/x.key;"],
                               [ACME, *pair()])

    expect_A37 = expect_A36

    def expect_A39(self):
        self.secure("--no-hardening")
        self.assert_difference(SITE, ["return 301 https://$host$request_uri;"],
                               [ACME, "listen 443 ssl;", *pair(),
                                "if ($scheme = http) { return 301 https://$host$request_uri; }"])
        self.assertEqual(self.now["127.0.0.1", 443, "example.com", "https", "/"].status, 401)

    def expect_A42(self):
        self.secure("--no-hardening")
        for token in (b"server{", b"listen 80;", b"server_name example.com;", b"root /srv;"):
            self.assertIn(token, self.after[SITE])


def _test_of(name):
    def test(self):
        tree = EditTree(name)
        if module := tree.missing_module():
            self.skipTest(f"nginx's {module} is not installed: scripts/install-deps.sh test")
        if tree.expect["id"] == "A26":  # server_name in stream{} is newer than Debian 12's nginx
            tree.drop_line("nginx.conf", "server_name")
        self.start(tree)
        getattr(self, f"expect_{tree.expect.get('id')}", self.secure)()
        if self.tree.bytes() != self.before:
            self.undo()
    return test


for _name in edit_cases.all_cases():
    setattr(Edits, "test_" + re.sub(r"\W", "_", _name), _test_of(_name))


if __name__ == "__main__":
    if not edit_cases.all_cases():
        print(f"skipped: there are no cases in {CASES}", file=sys.stderr)
    main()
