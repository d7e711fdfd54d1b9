#!/usr/bin/env python3
"""FaultS12: the sandbox is really on, for root and for anybody else; tried in each role."""

import errno
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import unittest

from harness import Authority, sandbox
from harness.everseal import binary

ROLES = ["keeper", "net", "verify", "edge"]


class Sandbox(unittest.TestCase):
    def run_as(self, user, *arguments):
        """Everseal run by a user; the binary is copied to where all may execute it."""
        program = sandbox.SCRATCH / "everseal"
        shutil.copy(binary(), program)
        sandbox.SCRATCH.chmod(0o755)
        program.chmod(0o755)
        prefix = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
        return subprocess.run([*prefix, str(program), *arguments], capture_output=True, text=True,
                              timeout=60)

    def check(self, user):
        done = self.run_as(user, "sandbox", "--json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        document = json.loads(done.stdout)
        self.assertTrue(document["holds"])
        self.assertEqual([role["role"] for role in document["roles"]], ROLES)
        for role in document["roles"]:
            self.assertGreater(len(role["attempts"]), 20)
            for attempt in role["attempts"]:
                self.assertTrue(attempt["refused"], (role["role"], attempt))
            for guard in role["guards"]:
                self.assertTrue(guard["on"], (role["role"], guard))
            self.assertNotEqual(role["uid"], 0)
        return document

    def test_as_root_each_role_has_a_user_of_its_own(self):
        roles = {role["role"]: role["uid"] for role in self.check(None)["roles"]}
        self.assertNotEqual(roles["keeper"], roles["net"])
        self.assertEqual(roles["net"], roles["verify"])

    def test_as_a_user_the_roles_are_that_user(self):
        subprocess.run(["useradd", "--system", "acme"], check=True)
        user = int(subprocess.run(["id", "-u", "acme"], capture_output=True, text=True).stdout)
        self.assertEqual({role["uid"] for role in self.check("acme")["roles"]}, {user})

    def test_a_descriptor_that_was_left_open_is_found(self):
        """By a role that is started as the monitor starts none."""
        self.assertEqual(errno.EBADF, self.try_inherited())
        self.assertEqual(0, self.try_inherited("/etc/passwd"))

    def try_inherited(self, *left_open):
        """The error that a role gets which uses what is left open."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        code = ("import os, sys\n"
                "os.dup2(int(sys.argv[2]), 3)\n"
                "os.closerange(4, 100)\n"
                "for number, path in enumerate(sys.argv[3:], 77):\n"
                "    os.set_inheritable(os.dup2(os.open(path, os.O_RDONLY), number), True)\n"
                "os.execv(sys.argv[1], 'everseal role verify 1:1 required inherited 1'.split())")
        with subprocess.Popen([sys.executable, "-c", code, binary(), str(theirs.fileno()), *left_open],
                              pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            theirs.close()
            with ours:
                ours.recv(1 << 17)  # how it is locked in
                return int.from_bytes(ours.recv(1 << 17), sys.byteorder)

    def test_it_is_told_in_words(self):
        done = self.run_as(None, "sandbox")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("refused\n"), 4)
        self.assertIn("  on     no new privileges\n", done.stdout)

    def test_the_ca_is_looked_up_by_dns(self):
        """Behind the name the CA has a certificate for another: it was reached, and refused."""
        authority = Authority().start()
        self.addCleanup(authority.stop)
        authority.resolve("ca.example")
        issue = ["issue", "--yes", "-d", f"a.example:{sandbox.SCRATCH}", "--server",
                 "https://ca.example:14000/dir", "--ca-bundle", str(authority.bundle)]
        pathlib.Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
        self.assertIn("certificate subject name", self.run_as(None, *issue).stderr)
        pathlib.Path("/etc/resolv.conf").write_text("nameserver 127.0.0.9\n")
        self.assertIn("look up ca.example: ", self.run_as(None, *issue).stderr)

    def test_a_role_is_not_a_command(self):
        done = self.run_as(None, "role", "keeper", "-", "required")
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
