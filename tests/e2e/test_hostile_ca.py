#!/usr/bin/python3
"""CAs as they should not be: broken, lying, slow, hostile (faults.md, A3 to A30).

Most faults are local to one certificate, so that one run meets many of them at once; with each
goes a certificate whose CA behaves, and which must get what it wants.
"""

import datetime
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import time

from harness import MachineCase, Everseal, Proxy, main, proxy, visitor
from harness.everseal import STATE, check_live
from harness.nginx import CONFIGURATION
from harness.proxy import Trap
from harness.sandbox import SCRATCH, wait_until
from harness.sites import WEBROOT, fingerprint

MANY = WEBROOT / "many"

ACCOUNT, NEW_ORDER, ORDER, FINALIZE = "/sign-me-up", "/order-plz", "/my-order/", "/finalize-order/"
AUTHORIZATION, CERTIFICATE, NONCE = "/authZ/", "/certZ/", "/nonce-plz"


def documents(pending):
    """Broken forms of a JSON document; `pending` is a good one."""
    return {
        "nothing": b"",
        "cut short": pending[:len(pending) // 2],
        "not an object": b"[1, 2]",
        "NUL": pending[:20] + b"\0" + pending[20:],
        "NUL after it": pending + b"\0",
        "deep": b"[" * 100_000,
        "deep and closed": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "deep behind a string": b'{"\\\\":"\\"[","b":' + b"[" * 100_000,
        "not UTF-8": pending.replace(b'"pending"', b'"pending\xff\xc0\x80"'),
        "wrong types": b'{"status":7,"identifiers":{},"authorizations":"x","challenges":1,'
                       b'"identifier":[],"finalize":null,"newNonce":1,"newOrder":[]}',
        "a huge number": b'{"status":' + b"9" * 100_000 + b"}",
    }


def openssl(*arguments, text=""):
    return subprocess.run(["openssl", *map(str, arguments)], input=text, check=True, text=True,
                          capture_output=True).stdout


def certificates(pem):
    """The single certificates of a chain."""
    end = "-----END CERTIFICATE-----\n"
    return [part + end for part in pem.replace("\n\n", "\n").split(end) if part.strip()]


class HostileCa(MachineCase):
    authority_options = {"chain_length": 2}

    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.authority).start()
        self.addCleanup(self.proxy.stop)
        self.everseal = Everseal(self.proxy)
        self.names = []

    # ---- Many certificates at once.

    def serve(self, count):
        """Names whose challenges are answered by files in MANY."""
        MANY.mkdir(parents=True, exist_ok=True)
        (CONFIGURATION / "conf.d/many.conf").write_text(
            "server { listen 80; listen [::]:80; server_name *.many.example;"
            f" root {MANY}; }}\n")
        (MANY / "hello").write_text("hello")
        self.nginx.reload()
        wait_until("nginx serves the names", lambda: visitor.http_get(
            "x.many.example", "/hello").status == 200)
        names = [f"n{number}.many.example" for number in range(count)] + ["good.many.example"]
        for name in names:
            self.authority.resolve(name)
        self.names = names
        return names

    def issue_arguments(self):
        return ("issue", "--yes", "--separate",
                *(word for name in self.names for word in ("-d", f"{name}:{MANY}")))

    def certificate_files(self):
        return {name: (STATE / "live" / name / "cert.pem").read_bytes() for name in self.names}

    def assert_faults(self, faults, again=True):
        """`faults`: [(path, action, words, options of Proxy.on)…], each for a certificate of its
        own that is renewed. It fails with `words` (a regular expression), or succeeds for None."""
        names = self.serve(len(faults))
        self.run_everseal(*self.issue_arguments())
        before = self.certificate_files()
        for name, (path, action, _, *options) in zip(names, faults):
            self.proxy.on(action, path=path, name=name, **(options[0] if options else {}))
        expected = {name: words for name, (_, _, words, *_) in zip(names, faults) if words}
        document = self.run_everseal("renew", "--force", "--json",
                                     status=3 if expected else 0).json()
        failed = {each["name"]: each["message"] for each in document["failed"]}
        self.assertEqual(sorted(failed), sorted(expected))
        for name, words in expected.items():
            with self.subTest(name=name):
                self.assertRegex(failed[name], words)
                self.assertLess(len(failed[name]), 2500)
        after = self.certificate_files()
        for name in names:
            with self.subTest(changes=name):
                self.assertEqual(after[name] == before[name], name in expected)
        self.assert_tidy()
        check_live()
        if again:
            self.assert_undisturbed()
        return failed

    def assert_undisturbed(self):
        """Without faults everything is renewed."""
        self.proxy.clear()
        before = self.certificate_files()
        self.run_everseal("renew", "--force")
        after = self.certificate_files()
        for name in self.names:
            self.assertNotEqual(after[name], before[name])
        check_live()
        self.assert_tidy()

    # ---- Nothing is left.

    def assert_tidy(self, state=STATE):
        self.assertEqual([], roles(), "processes")
        for tree in (WEBROOT, CONFIGURATION):
            found = [path for path in tree.rglob("*")
                     if path.name.startswith(".") or path.suffix in (".new", ".tmp")]
            self.assertEqual([], found)
        stage = state / "stage"
        self.assertEqual([], list(stage.iterdir()) if stage.exists() else [])
        with open(state / "lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.assertEqual("", self.nginx.test())


def roles():
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[1:2] == [b"role"]:
            found.append(words)
    return found


class Documents(HostileCa):
    def test_A8_broken_documents(self):
        order = json.dumps({
            "status": "pending", "identifiers": [{"type": "dns", "value": "n.many.example"}],
            "authorizations": [self.proxy.origin + "/authZ/1"],
            "finalize": self.proxy.origin + "/finalize-order/1"}).encode()
        authorization = json.dumps({
            "status": "pending", "identifier": {"type": "dns", "value": "n.many.example"},
            "challenges": []}).encode()

        def twice(reply):
            reply.body = b'{"status":"invalid",' + reply.body.lstrip(b"{")

        self.assert_faults([
            *((NEW_ORDER, proxy.replace_body(body), "the CA's order")
              for body in documents(order).values()),
            *((AUTHORIZATION, proxy.replace_body(body), "the CA's authorization")
              for body in documents(authorization).values()),
            *((NEW_ORDER, proxy.answer(403, body), r"status 403")
              for body in documents(b'{"type":"pending","detail":[1]}').values()),
            (NEW_ORDER, proxy.edit(twice), None),
            (AUTHORIZATION, proxy.edit(twice), None),
        ])

    def test_A8_broken_directories(self):
        self.serve(0)
        self.run_everseal(*self.issue_arguments())
        for what, body in documents(b'{"newNonce": "pending"}').items():
            with self.subTest(what):
                self.proxy.on(proxy.answer(200, body), path="/dir")
                result = self.run_everseal("renew", "--force", status=1)
                self.assertIn("the CA's directory", result.err)
                self.proxy.clear()
        self.assert_tidy()
        self.assert_undisturbed()


if __name__ == "__main__":
    main()
