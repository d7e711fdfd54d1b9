#!/usr/bin/python3
"""`everseal ca` beside Debian's pebble: orders per second, and memory over many orders.

Both have the same client, which issues a certificate for each of many names in one run, the same
DNS and the same nginx that answers the challenges; they take turns. pebble neither sleeps nor
rejects nonces, and keeps all in memory; `everseal ca` keeps all on disk before it answers.
"""

import argparse
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
# pylint: disable=wrong-import-position
from peers import CHALLENGES, NGINX_CONF, Everseal, Report
from harness import Authority, Nginx, OwnCa, sandbox
from harness.sandbox import SCRATCH


class Side:
    """One CA with a client of its own."""

    def __init__(self, title, ca, dns, home):
        self.title, self.ca, self.dns = title, ca, dns
        home.mkdir()
        self.client = Everseal(ca, home)
        self.names = 0
        self.rates = []

    def issue(self, count):
        names = [f"n{self.names + i}.{self.title}.example" for i in range(count)]
        self.names += count
        for name in names:
            self.dns.resolve(name)
        before = self.processor()
        wall = self.client.issue(*names).wall
        self.rates.append(count / wall)
        return count / wall, (self.processor() - before) / count

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
    theirs = Authority()
    theirs.start_ca()  # asks the DNS of ours
    sides = [Side("everseal", ours, ours.dns, SCRATCH / "ours"),
             Side("pebble", theirs, ours.dns, SCRATCH / "theirs")]
    for side in sides:
        side.issue(1)  # makes the account
    print(f"Orders per second, {options.orders} in each of {options.rounds} runs by turns")
    for side in sides:
        side.rates.clear()
    for _ in range(options.rounds):
        for side in sides:
            rate, processor = side.issue(options.orders)
            print(f"  {side.title:<12}{rate:>8.1f} /s {processor * 1000:>8.2f} ms of processor time "
                  f"for each {side.memory():>7.1f} MiB", flush=True)
    medians = [statistics.median(side.rates) for side in sides]
    report = Report()
    report.bar("pebble's rate against everseal ca's", medians[1] / medians[0], 1 / 2)
    while sides[0].names < options.memory_orders:
        sides[0].issue(5000)
        print(f"  {sides[0].names:>8} orders {sides[0].rates[-1]:>8.1f} /s "
              f"{sides[0].memory():>7.1f} MiB", flush=True)
    sys.exit(report.missed)


if __name__ == "__main__":
    main()
