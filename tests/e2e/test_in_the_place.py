#!/usr/bin/python3
"""Something else in the place of what Everseal keeps: it is named, with what to do, before anything is ordered."""

import os
import shutil
import subprocess
import unittest

from harness import MachineCase, sandbox
from harness.everseal import STATE
from harness.nginx import CONFIGURATION
from harness.own_ca_case import KeptCase

_OWN = CONFIGURATION / "everseal/acme.conf"


class StateDirectory(KeptCase):
    commands = (("renew", "--force"), ("repair",), ("rotate", "account"))

    def assert_named(self, path, *advice):
        before = self.ca.requests()
        for command in self.commands:
            with self.subTest(path=path.name, command=command):
                result = self.run_everseal(*command, status=1)
                for words in (str(path), *advice):
                    self.assertIn(words, result.err)
        self.assertNotEqual(self.everseal.run("status", "--check").status, 0)
        self.assertEqual(self.ca.requests(), before)

    def assert_works_again(self):
        self.run_everseal("renew", "--force")
        self.assertEqual(self.everseal.run("status", "--check").status, 0)

    def test_FaultD14_a_file_for_a_directory(self):
        for name in ("live", "certs", "accounts"):
            path = STATE / name
            path.rename(STATE / "kept")
            path.write_text("")
            self.assert_named(path, "is not the directory", f"mv {path} {path}.aside")
            path.unlink()
            (STATE / "kept").rename(path)
            self.assert_works_again()

    def test_FaultD14_a_directory_for_the_lock(self):
        (STATE / "lock").unlink()
        (STATE / "lock").mkdir()
        self.assert_named(STATE / "lock", "is not the file", f"mv {STATE}/lock")
        (STATE / "lock").rmdir()
        self.assert_works_again()

    def test_FaultD14_a_disk_that_is_not_mounted(self):
        disk = STATE.parent / "disk"
        shutil.rmtree(disk, ignore_errors=True)
        (STATE / "certs").rename(disk)
        (STATE / "certs").mkdir()
        self.assert_named(STATE / "certs", "mount the disk")
        (STATE / "certs").rmdir()
        (STATE / "certs").symlink_to(disk)
        self.assert_works_again()
        disk.rename(STATE.parent / "elsewhere")
        self.assert_named(STATE / "certs", "leads nowhere")
        (STATE.parent / "elsewhere").rename(disk)
        self.assert_works_again()

    def test_what_cannot_be_mended_is_no_success(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", STATE / "live"], check=True)
        self.addCleanup(subprocess.run, ["umount", STATE / "live"])
        self.run_everseal("renew", status=1)


class OwnFiles(MachineCase):
    def setUp(self):
        super().setUp()
        self.run_everseal("secure", "pair.example", "--yes")

    def test_FaultD14_a_pipe_is_written_anew(self):
        _OWN.unlink()
        os.mkfifo(_OWN)
        self.assertIn("written anew", str(self.run_everseal("renew", timeout=60)))
        self.assertTrue(_OWN.is_file())
        self.assert_https("pair.example")

    def test_FaultD14_a_directory_is_named(self):
        _OWN.unlink()
        _OWN.mkdir()
        result = self.run_everseal("renew", status=1)
        self.assertIn(f"mv {_OWN} {_OWN}.aside", result.err)
        _OWN.rmdir()
        self.run_everseal("renew")
        self.assertEqual(self.everseal.run("status", "--check").status, 0)

    def test_FaultD14_an_answer_that_cannot_be_replaced_is_found_before_the_ca_is_asked(self):
        keys = {path: path.read_bytes() for path in STATE.glob("accounts/*/key.pem")}
        subprocess.run(["mount", "--bind", _OWN, _OWN], check=True)
        self.assertIn("mounted into its place", self.run_everseal("rotate", "account", status=1).err)
        subprocess.run(["umount", _OWN], check=True)
        _OWN.rename(CONFIGURATION / "moved.conf")
        _OWN.symlink_to(CONFIGURATION / "moved.conf")
        self.assertIn(str(_OWN), self.run_everseal("rotate", "account", status=1).err)
        self.assertEqual(keys, {path: path.read_bytes() for path in keys})
        _OWN.unlink()
        (CONFIGURATION / "moved.conf").rename(_OWN)
        self.run_everseal("rotate", "account")
        self.run_everseal("renew", "--force")


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
