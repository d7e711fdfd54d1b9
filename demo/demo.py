#!/usr/bin/python3
"""Seven sites from plain HTTP to HTTPS and back, on a real nginx, with a CA of our own."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
# pylint: disable=wrong-import-position
from harness import Application, Nginx, OwnCa, Sites, sandbox, visitor
from harness.everseal import binary
from harness.load import Wrk
from harness.sites import ADDRESSES, NAMES, fingerprint

# What makes each of them differ.
SITES = {
    "static.example": "files from a directory",
    "pair.example": "two names on one server",
    "www.pair.example": "the second name",
    "socket.example": "a proxy to a Unix socket, no root",
    "app.example": "everything goes to an application",
    "moved.example": "a redirect at server level",
    "four.example": "on an IPv4 address of its own",
}


def colored(code, text):
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


class Demo:
    def __init__(self):
        self.steps = 0
        self.failed = False

    def step(self, text):
        self.steps += 1
        print("\n" + colored("1;36", f"{self.steps}. {text}"), flush=True)

    def check(self, holds, text):
        self.failed = self.failed or not holds
        sign = colored("32", "ok    ") if holds else colored("31", "FAILED")
        print(f"   {sign} {text}", flush=True)

    def everseal(self, *arguments):
        """Runs it as typed; only the CA's address, which is ours here, is not shown."""
        print(colored("1", f"   $ everseal {' '.join(arguments)}"), flush=True)
        to_ca = []
        if arguments[0] in ("secure", "renew"):
            to_ca = ["--server", self.authority.url, "--ca-bundle", str(self.authority.bundle)]
        status = subprocess.run([binary(), *arguments, *to_ca]).returncode
        self.check(status == 0, f"exit status {status}")

    def run(self):
        self.step("A CA (everseal ca) and an nginx with seven differing sites, in private namespaces")
        self.authority = OwnCa().start()
        Application().start()
        Sites().write().register(self.authority)
        Nginx().start()
        before = fingerprint()
        for name in SITES:
            answer = visitor.http_get(name, address=ADDRESSES[name][0])
            self.check(answer.status in (200, 301), f"http://{name:<17} {SITES[name]}")

        self.step("What would be done to one of them? A dry run shows it and asks the CA nothing")
        self.everseal("secure", "static.example", "--dry-run")
        self.check(not self.asked(), "the CA saw no request")
        self.check(fingerprint() == before, "no file was touched")

        self.step("All sites on HTTPS")
        self.everseal("secure", "--all", "--yes")
        root = self.authority.root_file()
        for name in NAMES:
            for address in ADDRESSES[name]:
                self.check(self.curl(name, address, root),
                           f"https://{name:<17} at {address:<9} curl verifies the certificate")

        self.step("Once more: nothing to do, and the CA is not asked")
        asked = self.asked()
        self.everseal("secure", "--all", "--yes")
        self.check(self.asked() == asked, "the CA saw no request")

        self.step("A renewal by force, while visitors ask as fast as they can")
        load = Wrk("https://127.0.0.1/", "static.example")
        serial = visitor.certificate("static.example", root)["serialNumber"]
        self.everseal("renew", "static.example", "--force")
        report = load.stop()
        self.check(visitor.certificate("static.example", root)["serialNumber"] != serial,
                   "visitors get the new certificate")
        self.check(report.requests > 0 and not report.failed,
                   f"{report.requests} requests during the renewal, {report.failed} failed")

        self.step("What there is")
        self.everseal("status")

        self.step("And back: nginx as it was")
        self.everseal("undo", "--yes")
        self.check(fingerprint() == before, "every file is as it was, byte for byte")
        self.check(visitor.http_get("static.example").body == "the static page\n",
                   "http://static.example answers as before")
        print(f"\n{'Something FAILED.' if self.failed else 'All of it worked.'}")
        return int(self.failed)

    def asked(self):
        """How many requests the CA has seen."""
        return self.authority.requests().total()

    def curl(self, name, address, root):
        address = f"[{address}]" if ":" in address else address
        return subprocess.run(["curl", "--silent", "--cacert", str(root), "--output", os.devnull,
                               "--connect-to", f"{name}:443:{address}:443",
                               f"https://{name}/"]).returncode == 0


if __name__ == "__main__":
    sandbox.enter()
    sys.exit(Demo().run())
