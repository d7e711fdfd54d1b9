"""One test on one machine."""

import shutil
import sys
import unittest

from . import sandbox, visitor
from .authority import Authority
from .everseal import STATE, Everseal
from .nginx import CONFIGURATION, Nginx
from .sites import ADDRESSES, Application, Sites


class MachineCase(unittest.TestCase):
    """Starts every test with a CA, a running nginx with the usual sites, and no Everseal yet.

    `authority_options` (keywords of Authority) may be set by a class or passed to `new_authority`.
    """

    authority_options = {}
    maxDiff = None

    def setUp(self):
        self.nginx = Nginx()
        self.addCleanup(self._reset)
        self.addCleanup(self._report)
        self.application = Application().start()
        self.addCleanup(self.application.stop)
        self.sites = Sites().write()
        self.new_authority(**self.authority_options)
        self.nginx.start()
        self.addCleanup(self.nginx.stop)

    def new_authority(self, **options):
        """Another CA, configured by `options`, takes the place of the one before."""
        if hasattr(self, "authority"):
            self.authority.stop()
        else:
            self.addCleanup(lambda: self.authority.stop())
        self.authority = self.make_authority(**options).start()
        self.sites.register(self.authority)
        results = self.everseal.results if hasattr(self, "everseal") else []
        self.everseal = Everseal(self.authority)
        self.everseal.results = results

    def make_authority(self, **options):
        return Authority(**options)

    def run_everseal(self, *arguments, status=0, **options):
        result = self.everseal.run(*arguments, **options)
        self.assertEqual(result.status, status, f"\n{result}")
        return result

    def assert_https(self, *names, root=0):
        """A browser that trusts the CA's root `root` gets an answer for each name, everywhere."""
        root_file = self.authority.root_file(root)
        for name in names:
            for address in ADDRESSES.get(name, ("127.0.0.1", "::1")):
                with self.subTest(https=name, address=address):
                    self.assertTrue(visitor.https_get(name, root_file, address=address).status)

    def assert_no_https(self, *names):
        root_file = self.authority.root_file()
        for name in names:
            for address in ADDRESSES[name]:
                with self.subTest(no_https=name, address=address):
                    self.assertFalse(visitor.serves_https(name, root_file, address))

    def serial(self, name):
        root_file = self.authority.root_file()
        return visitor.certificate(name, root_file, ADDRESSES[name][0])["serialNumber"]

    def _reset(self):
        for directory in (CONFIGURATION, STATE):
            shutil.rmtree(directory, ignore_errors=True)

    def _report(self):
        """On failure: what Everseal said, and the logs of those it dealt with."""
        outcome = self._outcome.result
        failed = [test for test, _ in outcome.failures + outcome.errors]
        if not any(test is self or getattr(test, "test_case", None) is self for test in failed):
            return
        print(f"\n===== {self.id()}", file=sys.stderr)
        for result in self.everseal.results:
            print(f"{result}\n", file=sys.stderr)
        for title, text in (("CA", self.authority.log()), ("nginx", self.nginx.log())):
            print(f"----- {title}\n{text[-6000:]}", file=sys.stderr)


def main():
    sandbox.enter()
    unittest.main(verbosity=2)
