#!/usr/bin/python3
"""One turn of the scheduler (`everseal renew` with nothing due): time and memory by how many
certificates are kept. Whole processes; the catalog is in the page cache."""

import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
# pylint: disable=wrong-import-position
from harness.everseal import binary
from harness.many_certificates import fill

_TURNS = 21


def turn(state):
    """Seconds, and the most that was resident in MiB."""
    begin = time.perf_counter()
    process = subprocess.Popen([binary(), "renew", "--quiet", "--state", state])
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"everseal renew: status {status}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def main():
    print(f"{'certificates':>12} {'catalog':>10} {'median of a turn':>17} {'slowest':>9} {'memory':>10}")
    worst = (0.0, 0.0)
    for count in (1_000, 10_000, 100_000, 1_000_000):
        state = tempfile.mkdtemp(prefix="everseal-scheduler-")
        try:
            subprocess.run([binary(), "issue", "-d", "first.example:/nonexistent", "--yes", "--state", state,
                            "--server", "https://127.0.0.1:1/"], stderr=subprocess.DEVNULL, check=False)
            catalog = sqlite3.connect(f"{state}/catalog.db")
            with catalog:
                catalog.execute("DELETE FROM certificates")
                fill(catalog, count)
            catalog.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            catalog.close()
            size = pathlib.Path(f"{state}/catalog.db").stat().st_size / 2**20
            turn(state)
            turns = [turn(state) for _ in range(_TURNS)]
            worst = (statistics.median(seconds for seconds, _ in turns), max(memory for _, memory in turns))
            print(f"{count:>12,} {size:>6.1f} MiB {worst[0] * 1000:>14.1f} ms "
                  f"{max(turns)[0] * 1000:>6.1f} ms {worst[1]:>6.1f} MiB", flush=True)
        finally:
            shutil.rmtree(state)
    missed = worst[0] >= 0.05 or worst[1] >= 100
    print(f"  {'MISSED' if missed else 'met   '} a turn with 1,000,000: under 50 ms and 100 MiB")
    sys.exit(missed)


if __name__ == "__main__":
    main()
