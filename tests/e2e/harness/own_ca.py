"""`everseal ca` under test, and the DNS that it asks."""

import collections
import contextlib
import json
import signal
import sqlite3
import subprocess
import urllib.request

from .dns import Dns
from .everseal import binary
from .sandbox import SCRATCH


class OwnCa:
    """A CA whose HTTPS and certificates are trusted by `bundle`. Its state outlives stop() and kill()."""

    url = "https://localhost:8555/directory"

    def __init__(self, *options):
        self.dns = Dns()
        self.state = SCRATCH / "ca"
        self.bundle = self.state / "root.pem"
        self.log_file = SCRATCH / "ca.log"
        self._options = options
        self._process = None

    def start(self):
        self.dns.start()
        return self.start_ca()

    def start_ca(self, *more):
        """Returns when it has said where it is."""
        with open(self.log_file, "ab") as log:
            self._process = subprocess.Popen(
                [binary(), "ca", "--state", str(self.state), "--resolver", self.dns.address,
                 "--management", "127.0.0.1:8556", "--json", *self._options, *more],
                stdout=subprocess.PIPE, stderr=log, text=True)
        line, said = None, ""
        while line not in ("}\n", ""):
            line = self._process.stdout.readline()
            said += line
        self.said = json.loads(said)
        if "error" in self.said:
            self._end(signal.SIGTERM)
            raise AssertionError(f"the CA does not start: {self.log()}")
        return self

    @property
    def pid(self):
        return self._process.pid

    def stop_ca(self):
        """By SIGTERM; returns its exit status."""
        return self._end(signal.SIGTERM)

    def kill_ca(self):
        self._end(signal.SIGKILL)

    def stop(self):
        self.dns.stop()
        if self._process.poll() is None:
            self.stop_ca()

    def manage(self, path, document):
        self._manage(path, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def fault(self, *faults):
        """Adds faults (docs/ca.md)."""
        self.manage("/faults", {"fault": faults})

    def clear(self):
        """From now on nothing goes wrong."""
        self.manage("/faults/clear", {})

    # What happened.

    def requests(self):
        """How many requests each resource had since the CA was started: Counter."""
        return collections.Counter(json.loads(self._manage("/requests")))

    def ledger(self, query):
        """The first column of what a query of the CA's database gives."""
        with contextlib.closing(sqlite3.connect(self.state / "ledger.db")) as ledger, ledger:
            return [row[0] for row in ledger.execute(query)]

    # As Authority has it.

    def resolve(self, name, ipv4=("127.0.0.1",), ipv6=("::1",)):
        self.dns.resolve(name, ipv4, ipv6)

    def root_file(self, _=0):
        return self.bundle

    @staticmethod
    def _manage(path, body=None, headers=()):
        request = urllib.request.Request(f"http://127.0.0.1:8556{path}", body, dict(headers))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return answer.read()

    def log(self):
        return self.log_file.read_text()

    def _end(self, number):
        self._process.send_signal(number)
        status = self._process.wait(timeout=20)
        self._process.stdout.close()
        return status
