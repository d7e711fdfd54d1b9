#!/usr/bin/python3
"""`everseal ca` beside Debian's pebble: orders per second, and memory over many orders.

Both have the same client (ca_load: our own without its disk), which issues a certificate for each of
many names at once, the same DNS and the same nginx that answers the challenges; they take turns.
pebble neither sleeps nor rejects nonces, and keeps all in memory; `everseal ca` has all on disk
before it answers.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
# pylint: disable=wrong-import-position
from peers import CHALLENGES, NGINX_CONF, Report
from harness import Authority, Nginx, OwnCa, sandbox
from harness.everseal import binary

LOAD = pathlib.Path(binary()).parent / "bench/ca_load"
PATIENCE = 30  # seconds, for one run of the client


class Side:
    """One CA under load."""

    def __init__(self, title, ca):
        self.title, self.ca = title, ca
        self.orders = 0
        self.rates = []

    def issue(self, count):
        """Orders per second, and the CA's processor time for one in seconds."""
        seconds = None
        while seconds is None:
            before = self.processor()
            seconds = self._load(count)
        self.orders += count
        self.rates.append(count / seconds)
        return count / seconds, (self.processor() - before) / count

    def _load(self, count):
        """Seconds; None if the CA came to a stop: pebble 2.4 takes a lock twice for reading, and stands
        still for ever when somebody wants to write in between."""
        try:
            return float(subprocess.run(
                [LOAD, self.ca.url, self.ca.bundle, CHALLENGES,
                 f"{self.orders}.{self.title}.example", str(count)],
                check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE).stdout)
        except subprocess.TimeoutExpired:
            print(f"  {self.title:<12}stands still; started again", flush=True)
            self.ca.stop_ca()
            self.ca.start_ca()
            return None

    def memory(self):
        """Resident, in MiB."""
        status = pathlib.Path(f"/proc/{self.ca.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def processor(self):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{self.ca.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=500, help="of one run of the client")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-orders", type=int, default=0,
                        help="then so many of everseal ca alone, to see its memory")
    options = parser.parse_args()
    sandbox.enter()
    CHALLENGES.mkdir(parents=True)
    pathlib.Path("/etc/nginx").mkdir()
    pathlib.Path("/etc/nginx/nginx.conf").write_text(NGINX_CONF)
    Nginx().start()
    ours = OwnCa().start()
    ours.dns.resolve_others()
    theirs = Authority()
    theirs.start_ca()  # asks the DNS of ours
    sides = [Side("everseal", ours), Side("pebble", theirs)]
    print(f"Orders per second, {options.orders} in each of {options.rounds} runs by turns")
    for _ in range(options.rounds):
        for side in sides:
            rate, processor = side.issue(options.orders)
            print(f"  {side.title:<12}{rate:>8.1f} /s {processor * 1000:>8.2f} ms of processor time "
                  f"for each {side.memory():>7.1f} MiB", flush=True)
    medians = [statistics.median(side.rates) for side in sides]
    report = Report()
    report.bar("pebble's rate against everseal ca's", medians[1] / medians[0], 1 / 2)
    while sides[0].orders < options.memory_orders:
        sides[0].issue(5000)
        print(f"  {sides[0].orders:>8} orders {sides[0].rates[-1]:>8.1f} /s "
              f"{sides[0].memory():>7.1f} MiB", flush=True)
    sys.exit(report.missed)


if __name__ == "__main__":
    main()
