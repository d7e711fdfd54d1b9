#!/usr/bin/python3
"""How often the disk is waited for: what ended together is one commit of the catalog.

EVERSEAL_CERTIFICATES says how many certificates are got in one run (40); each file that was synced is
printed with its count.
"""

import collections
import os
import re

from harness import main
from harness.everseal import binary
from harness.own_ca_case import OwnCaCase
from harness.sandbox import SCRATCH

CERTIFICATES = int(os.environ.get("EVERSEAL_CERTIFICATES", "40"))
TRACE = SCRATCH / "trace"


class Commits(OwnCaCase):
    def test_FaultD9_what_ended_together_is_one_commit(self):
        names = [f"n{number}.example" for number in range(CERTIFICATES)]
        for name in names:
            self.ca.dns.resolve(name, ["127.0.0.1"], [])
        self.run_client("strace", "-f", "-y", "-qq", "-e", "trace=fsync,fdatasync",
                        "-o", TRACE, binary(), "issue", "--yes", "--separate",
                        *[word for name in names for word in ("-d", name)],
                        "--server", self.ca.url, "--ca-bundle", self.ca.bundle)
        synced = collections.Counter(re.findall(r"sync\(\d+<([^>]*)>", TRACE.read_text()))
        for path, count in of_one_kind(synced).most_common(15):
            print(f"{count:6} {path}")
        commits = sum(count for path, count in synced.items() if "catalog.db" in path)
        print(f"{commits} commits, {sum(synced.values())} syncs, {len(names)} certificates")
        # Three and a half for each, where each was committed by itself; its order's URL is one.
        self.assertLess(commits, len(names))
        self.assertGreater(commits, 0)


def of_one_kind(synced):
    """By paths in which a certificate's name and a version's number are left out."""
    kinds = collections.Counter()
    for path, count in synced.items():
        kinds[re.sub(r"versions/\d+", "versions/N", re.sub(r"n\d+\.example", "NAME", path))] += count
    return kinds


if __name__ == "__main__":
    main()
