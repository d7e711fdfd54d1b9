"""Visitors, many of them, who notice when one request fails."""

import collections
import re
import signal
import subprocess
import threading

Report = collections.namedtuple("Report", "requests failed")


class Load(threading.Thread):
    """Asks again and again, each time over a new connection; keeps what failed."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self._ask = ask
        self._over = threading.Event()
        self.requests = 0
        self.failures = []

    def run(self):
        while not self._over.is_set():
            self.requests += 1
            try:
                status = self._ask().status
                if status >= 400:
                    self.failures.append(f"status {status}")
            except OSError as error:
                self.failures.append(repr(error))

    def stop(self):
        self._over.set()
        self.join()


class Wrk:
    """Debian's wrk, until it is stopped; also over new connections only.

    When nginx reloads it closes idle kept-alive connections, which wrk would count as errors and
    any browser answers by opening another.
    """

    def __init__(self, url, host):
        self._process = subprocess.Popen(
            ["wrk", "--threads=1", "--connections=2", "--duration=3600", "--header=Host: " + host,
             "--header=Connection: close", url], stdout=subprocess.PIPE, text=True)

    def stop(self):
        self._process.send_signal(signal.SIGINT)
        text = self._process.communicate(timeout=30)[0]
        [requests] = re.findall(r"(\d+) requests in", text)
        failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout|responses:?) (\d+)",
                                         text.partition("requests in")[2])))
        return Report(int(requests), failed)
