#!/usr/bin/python3
"""Disks that fail once, and a system that has no more to give: files, memory, processes.

Whatever cannot be done is said, nothing is left half done, and the next run, which lacks nothing,
does the work (faults.md, C5 and C8).
"""

import os
import re
import shutil

from harness import MachineCase, main, processes
from harness.everseal import STATE, check_live
from harness.sandbox import SCRATCH
from harness.sites import fingerprint

NAME = "static.example"
SECURE = ("secure", NAME, "--yes")
TRACE = SCRATCH / "trace"
_ENDS = (0, 1, 2, 3)  # never by a signal; 2: the settings could not be read
_SAID = "everseal: |^failed "
# Which call fails is another one in each run; as there are many, most are left out. 2 tries twice as many.
SPREAD = int(os.environ.get("EVERSEAL_SPREAD", "1"))


class Scarce(MachineCase):
    def setUp(self):
        super().setUp()
        self.before = fingerprint()

    def assert_survives(self, *wrapper, **options):
        """One run that lacks something; what it left, and the one after it. Returns the former."""
        result = self.everseal.run(*SECURE, wrapper=wrapper, **options)
        self.assertIn(result.status, _ENDS, result)
        self.assertEqual(processes.all_living(), [])
        self.assertEqual(self.nginx.test(), "")
        check_live()
        if result.status != 0:
            self.assertRegex(result.err, _SAID, result)
        else:
            self.assert_https(NAME)
        self.run_everseal(*SECURE)
        self.assert_https(NAME)
        self.nginx.cold_start()
        check_live()
        self.assert_nothing_temporary()
        self.run_everseal("undo", "--yes")
        self.assertEqual(fingerprint(), self.before)
        shutil.rmtree(STATE)
        return result

    def assert_nothing_temporary(self):
        left = [str(path) for path in STATE.rglob("*")
                if path.name.endswith(".new") or path.name.startswith(".")]
        self.assertEqual(left, [])

    # --- C5

    def test_FaultC5_a_sync_that_fails_once_is_no_success(self):
        failed = 0
        for when in spread(40, 4):
            with self.subTest(fsync=when):
                result = self.assert_survives(*failing("fsync", "EIO", when))
                failed += result.status != 0
                self.assert_not_synced_again()
        self.assertGreater(failed, 4)

    def test_FaultC5_nor_is_one_of_the_catalog(self):
        failed = 0
        for when in spread(12, 2):
            with self.subTest(fdatasync=when):
                failed += self.assert_survives(*failing("fdatasync", "EIO", when)).status != 0
        self.assertGreater(failed, 2)

    def assert_not_synced_again(self):
        """A second fsync of that descriptor would say that all is well (fsyncgate)."""
        lines = TRACE.read_text().splitlines()
        failed = [number for number, line in enumerate(lines) if "EIO" in line]
        for number in failed:
            descriptor = re.search(r"fsync\((\d+)<", lines[number])[1]
            for line in lines[number + 1:]:
                if re.match(rf"(\d+ +)?close\({descriptor}<", line):
                    break
                self.assertNotRegex(line, rf"fsync\({descriptor}<", lines[number])

    # --- C8

    def test_FaultC8_no_more_files(self):
        for files in spread(24, 2, begin=4):
            with self.subTest(nofile=files):
                self.assert_survives("prlimit", f"--nofile={files}:{files}")

    def test_FaultC8_no_more_files_in_the_system(self):
        for call, count, step in (("openat", 60, 6), ("socketpair", 6, 1), ("pipe2", 6, 1),
                                  ("memfd_create", 3, 1)):
            for when in spread(count, step):
                with self.subTest(call=call, when=when):
                    self.assert_survives(*failing(call, "ENFILE", when))

    def test_FaultC8_no_more_processes(self):
        for when in spread(10, 1):
            with self.subTest(when=when):
                self.assert_survives(*failing("clone,clone3,fork,vfork", "EAGAIN", when))

    def test_FaultC8_no_more_memory(self):
        failed = 0
        for megabytes in (20, 24, 28, 32, 40, 60, 80, 120, 200):  # with less it does not even start
            with self.subTest(megabytes=megabytes):
                limit = megabytes << 20
                result = self.everseal.run(*SECURE, wrapper=("prlimit", f"--as={limit}:{limit}"))
                self.assertIn(result.status, _ENDS, result)
                if result.status != 0:
                    failed += 1
                    self.assertRegex(result.err, _SAID, result)
                self.assertEqual(processes.all_living(), [])
                self.assertEqual(self.nginx.test(), "")
                check_live()
        self.assertGreater(failed, 0)
        self.run_everseal(*SECURE)
        self.assert_https(NAME)

    def test_FaultC8_no_more_memory_in_a_role(self):
        for when in spread(60, 6):
            with self.subTest(when=when):
                self.assert_survives(*failing("mmap,brk", "ENOMEM", when + 40, everywhere=True))


def spread(most, step, begin=1):
    return range(begin, most + begin, max(1, step // SPREAD))


def failing(call, error, when, everywhere=False):
    """A command that runs another whose `when`-th such call fails: of the monitor, or of each role."""
    follow = ["-f"] if everywhere else []
    return ("strace", "-qq", "-y", *follow, "-o", str(TRACE), "-e", f"trace={call},close,openat",
            "-e", f"inject={call}:error={error}:when={when}")


if __name__ == "__main__":
    main()
