#!/usr/bin/python3
"""`everseal daemon` with certificates of minutes, for as many renewals as are wanted: real nginx, real
pebble, and a visitor who never stops asking."""

import argparse
import collections
import contextlib
import pathlib
import random
import socket
import sqlite3
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
# pylint: disable=wrong-import-position
from harness import Authority, Nginx, sandbox
from harness.everseal import STATE, Everseal
from harness.nginx import CONFIGURATION
from harness.sandbox import SCRATCH

_NGINX_CONF = """\
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { worker_connections 2000; }
http {
    access_log off;
    server_names_hash_bucket_size 128;
    server_names_hash_max_size 8192;
    include /etc/nginx/sites-enabled/*;
}
"""

_BATCH = 10  # sites secured in one run


class Visitor(threading.Thread):
    """Twenty visits a second, each a new connection that checks the chain, the name and the dates."""

    def __init__(self, names, root):
        super().__init__(daemon=True)
        self._names = names
        self._context = ssl.create_default_context(cafile=root)
        self.visits = 0
        self.failures = collections.Counter()
        self.ended = threading.Event()

    def trust(self, root):
        self._context.load_verify_locations(root)

    def run(self):
        while not self.ended.wait(0.05):
            self.visits += 1
            try:
                self._visit(random.choice(self._names))
            except OSError as error:
                self.failures[str(error)] += 1

    def _visit(self, name):
        with socket.create_connection(("127.0.0.1", 443), timeout=10) as plain:
            with self._context.wrap_socket(plain, server_hostname=name) as connection:
                connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                answer = b""
                while part := connection.recv(4096):
                    answer += part
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise OSError(f"answered {answer[:40]}")


class Keeper(threading.Thread):
    """Starts pebble again when it stands still: 2.4 takes a lock twice for reading, and waits for
    ever if somebody wants to write in between. Then its accounts and its root are new."""

    def __init__(self, authority, visitor):
        super().__init__(daemon=True)
        self._authority, self._visitor = authority, visitor
        self.standstills = 0

    def run(self):
        while not self._visitor.ended.wait(5):
            try:
                urllib.request.urlopen(f"{self._authority.management}/cert-status-by-serial/1", timeout=5,
                                       context=ssl._create_unverified_context()).close()  # pylint: disable=protected-access
            except urllib.error.HTTPError:
                continue  # there is no such certificate
            except OSError:
                self._authority.stop_stuck_ca()
                self._authority.start_ca()
                self._visitor.trust(self._authority.root_file())
                self.standstills += 1


def catalog(query):
    with contextlib.closing(sqlite3.connect(f"file:{STATE}/catalog.db?mode=ro", uri=True, timeout=30)) as open_:
        return open_.execute(query).fetchone()[0]


class Sample:
    """How large everything is."""

    def __init__(self, pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        self.memory = int(status.split("VmRSS:")[1].split()[0]) / 1024
        self.descriptors = len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))
        self.files = sum(1 for _ in STATE.rglob("*"))
        self.catalog = (STATE / "catalog.db").stat().st_size / 2**20
        self.processes = sum(1 for each in pathlib.Path("/proc").iterdir() if each.name.isdigit())

    def __str__(self):
        return (f"{self.memory:>7.1f} MiB {self.descriptors:>4} descriptors {self.files:>6} files "
                f"{self.catalog:>6.2f} MiB of catalog {self.processes:>4} processes")


class Least(Sample):
    """Of several."""

    def __init__(self, samples):  # pylint: disable=super-init-not-called
        for what in vars(samples[0]):
            setattr(self, what, min(getattr(each, what) for each in samples))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--renewals", type=int, default=10_000)
    parser.add_argument("--sites", type=int, default=400)
    parser.add_argument("--validity", type=int, default=240, help="seconds; half of it is used")
    options = parser.parse_args()
    sandbox.enter()
    (CONFIGURATION / "sites-enabled").mkdir(parents=True, exist_ok=True)
    (CONFIGURATION / "nginx.conf").write_text(_NGINX_CONF)
    names = [f"s{i}.example" for i in range(options.sites)]
    for name in names:
        (CONFIGURATION / "sites-enabled" / name).write_text(
            f"server {{ listen 80; server_name {name}; location / {{ return 200 'here\\n'; }} }}\n")
    Nginx().start()
    authority = Authority(validity=options.validity)
    authority.start()
    authority.dns.resolve_others()
    everseal = Everseal(authority)
    begin = time.monotonic()
    # Spread over the time until the first is due: what is issued together is renewed together, and
    # pebble 2.4 may come to a stop when many orders are in flight.
    for batch in range(0, options.sites, _BATCH):
        done = everseal.run("secure", "--yes", *names[batch:batch + _BATCH], timeout=600)
        if done.status != 0:
            sys.exit(str(done))
        time.sleep(max(0, begin + batch / options.sites * options.validity / 2 - time.monotonic()))
    print(f"{options.sites} sites secured in {time.monotonic() - begin:.1f} s", flush=True)
    visitor = Visitor(names, authority.root_file())
    visitor.start()
    keeper = Keeper(authority, visitor)
    keeper.start()
    with open(SCRATCH / "daemon.log", "w+", encoding="utf-8") as log:
        daemon = everseal.start("daemon", "--yes")
        threading.Thread(target=lambda: [log.write(line) for line in daemon.stderr], daemon=True).start()
        threading.Thread(target=lambda: [None for _ in daemon.stdout], daemon=True).start()
        samples = []
        renewals = 0
        while renewals < options.renewals and daemon.poll() is None:
            time.sleep(20)
            renewals = catalog("SELECT sum(version - 1) FROM certificates")
            failing = catalog("SELECT count(*) FROM certificates WHERE failures > 0")
            samples.append(Sample(daemon.pid))
            print(f"{time.monotonic() - begin:>6.0f} s {renewals:>7} renewals {samples[-1]} {failing} failing "
                  f"{visitor.visits} visits {sum(visitor.failures.values())} failed", flush=True)
        visitor.ended.set()
        visitor.join()
        daemon.terminate()
        print(f"daemon's exit status {daemon.wait(60)}")
        log.flush()
        log.seek(0)
        said = log.read()
    print(f"pebble stood still {keeper.standstills} times")
    print(f"{visitor.visits} visits, failed: {dict(visitor.failures)}")
    print(f"the daemon's complaints: {len(said.splitlines())} lines\n{said[-3000:]}")
    # A sample amid a turn has its roles and its new versions: the least counts, of the second fifth
    # (every certificate has its two versions by then) and of the last.
    fifth = max(1, len(samples) // 5)
    early, late = (Least(part) for part in (samples[fifth:2 * fifth] or samples, samples[-fifth:]))
    print(f"second fifth {early}\n  last fifth {late}")
    flat = (late.memory < early.memory * 1.05 and late.descriptors <= early.descriptors
            and late.files <= early.files)
    print(f"  {'met   ' if flat else 'MISSED'} memory, descriptors and files are flat")
    print(f"  {'MISSED' if visitor.failures else 'met   '} no visit failed")
    sys.exit(bool(visitor.failures) or not flat)


if __name__ == "__main__":
    main()
