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

_TURNS = 21


def fill(catalog, count):
    """Certificates as they are in the middle of their lives, looked at four times a day."""
    now = int(time.time())
    columns = [row[1] for row in catalog.execute("PRAGMA table_info(certificates)")]
    values = {"id": "i", "name": "'n' || i || '.example'",
              "names": """'["n' || i || '.example","www.n' || i || '.example"]'""",
              "covered": """'["n' || i || '.example","www.n' || i || '.example"]'""",
              "server": "'https://acme-v02.api.letsencrypt.org/directory'",
              "key_type": "'ecdsa-p256'", "method": "'webroot'", "webroots": "'[]'",
              "preferred_chain": "''", "version": "1", "fingerprint": "hex(i) || hex(randomblob(28))",
              "not_before": f"{now} - 86400 * 30 + i % 86400", "not_after": f"{now} + 86400 * 60 + i % 86400",
              "renew_at": f"{now} + 86400 * 30 + i % 86400", "ask_at": f"{now} + 600 + i % 21600",
              "next_look": f"{now} + 600 + i % 21600", "renewal_id": "'aYhba4dGQEHhs3uEe6CuLN4ByNQ.' || i",
              "draw": "abs(random()) % 4294967296", "last_error": "''"}
    row = ", ".join(values.get(column, "''" if column in ("beside", "in_haproxy", "window_explanation")
                               else "'[]'" if column in ("failing",) else "0") for column in columns)
    catalog.execute(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
                    f"INSERT INTO certificates SELECT {row} FROM n")
    catalog.execute("INSERT INTO versions (certificate_id, number, state, order_url, not_before, not_after, "
                    "fingerprint) SELECT id, 1, 'live', '', not_before, not_after, fingerprint "
                    "FROM certificates")


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
