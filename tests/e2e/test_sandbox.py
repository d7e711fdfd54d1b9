#!/usr/bin/env python3
"""FaultS12: the sandbox is really on, for root and for anybody else; tried in each role."""

import json
import pathlib
import shutil
import subprocess
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
