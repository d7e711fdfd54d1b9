#!/usr/bin/python3
"""The account of which the CA wants to know nothing more: a new key has a new one, and all goes on."""

import shutil
import unittest

from harness import MachineCase, sandbox
from harness.everseal import STATE
from harness.sandbox import SCRATCH
from harness.strace import kill_at
from test_rotation import RotationCase

_BACKUP = SCRATCH / "before.tar"
_TOLD = "a new key has a new account there"


class LostAccount(RotationCase):
    """Nginx answers for the account's key, by its thumbprint."""

    def thumbprints(self):
        """Of the accounts that the CA has; the latest is the last."""
        return self.ca.ledger("SELECT thumbprint FROM accounts ORDER BY id")

    def set_up_an_older_state(self):
        self.run_everseal("backup", "--force", _BACKUP)
        self.run_everseal("rotate", "account")
        self.put_back()

    def put_back(self):
        shutil.rmtree(STATE)
        self.run_everseal("restore", "--yes", _BACKUP)

    def end_accounts(self):
        self.ca.ledger("UPDATE accounts SET status = 'deactivated'")

    def assert_replaced(self, *command, accounts=2):
        """By this command, which does what it is for, and says so; the administrator hears of it once."""
        before, serial = len(self.server.mails), self.served()["serialNumber"]
        result = self.run_everseal(*command)
        self.assertEqual((result.out + result.err).count(_TOLD), 1, str(result))
        self.assertEqual(self.served()["serialNumber"] != serial, command[0] != "rotate")
        thumbprints = self.thumbprints()
        self.assertEqual(len(thumbprints), accounts)
        self.assertEqual(self.change_catalog("SELECT thumbprint FROM accounts"), [(thumbprints[-1],)])
        self.assertIn(thumbprints[-1], self.snippet())
        self.assertFalse([name for name in self.files() if "next" in name or "spare" in name])
        self.run_everseal("renew", "--force")
        self.run_everseal("renew")
        told = [mail for mail in self.server.mails[before:] if _TOLD in mail.get_content()]
        self.assertEqual(len(told), 1, self.subjects())
        self.assertEqual(self.thumbprints(), thumbprints)
        self.assertEqual(self.run_everseal("status", "--check").status, 0)

    def test_FaultD13_an_older_backup(self):
        for command in (("renew", "--force"), ("secure", "--all", "--yes", "--force"),
                        ("rotate", "account")):
            with self.subTest(command=command):
                self.set_up_an_older_state()
                old = [path.read_bytes() for path in STATE.glob("accounts/*/key.pem")]
                self.assert_replaced(*command, accounts=len(self.thumbprints()) + 1)
                self.assertIn(old[0], [path.read_bytes()
                                       for path in STATE.glob("accounts/*/key.until-*.pem")])

    def test_FaultA18_a_deactivated_account(self):
        for command in (("renew", "--force"), ("rotate", "account")):
            with self.subTest(command=command):
                self.end_accounts()
                self.assert_replaced(*command, accounts=len(self.thumbprints()) + 1)

    def test_FaultD13_orders_of_the_lost_account_are_forgotten(self):
        self.ca.fault({"resource": "order", "problem": {
            "type": "serverInternal", "status": 500, "detail": "away"}})
        self.everseal.run("renew", "--force", wrapper=kill_at("sendmsg", 30))
        self.ca.clear()
        self.end_accounts()
        self.assert_replaced("renew", "--force")

    def test_a_refusal_that_is_not_the_accounts_costs_none(self):
        before = self.ca.requests()
        for kind in ("malformed", "unauthorized"):
            self.ca.fault({"resource": "new-order", "problem": {
                "type": kind, "status": 403, "detail": "not on a Saturday"}})
            self.run_everseal("renew", "--force", status=1)
            self.ca.clear()
        self.assertEqual(len(self.thumbprints()), 1)
        self.assertEqual((self.ca.requests() - before)["new-account"], 2)
        self.assert_all_fits()

    def test_a_ca_that_wants_no_new_account_is_asked_again(self):
        self.end_accounts()
        self.ca.fault({"resource": "new-account", "problem": {
            "type": "rateLimited", "status": 429, "detail": "too many accounts"}})
        result = self.run_everseal("renew", "--force", status=1)
        self.assertIn("the account is deactivated", result.err)
        self.assertIn("too many accounts", result.err)
        self.ca.clear()
        self.assert_replaced("renew", "--force")

    def test_FaultD13_a_kill_at_any_moment(self):
        self.run_everseal("backup", "--force", _BACKUP)
        self.run_everseal("rotate", "account")
        self.kill_at_each(("fsync", "rename", "sendmsg"), range(1, 200, 3), ("renew", "--force"),
                          self.assert_told_and_answered, before=self.put_back)

    def assert_told_and_answered(self):
        self.assertIn(self.thumbprints()[-1], self.snippet())
        [_] = self.change_catalog(
            "SELECT headline FROM incidents WHERE headline LIKE '%has a new account%'")


class AtPebble(MachineCase):
    def test_FaultD13_an_older_backup(self):
        self.run_everseal("secure", "pair.example", "--yes")
        self.run_everseal("backup", "--force", _BACKUP)
        self.run_everseal("rotate", "account")
        shutil.rmtree(STATE)
        self.run_everseal("restore", "--yes", _BACKUP)
        result = self.run_everseal("renew", "--force")
        self.assertIn(_TOLD, result.out + result.err)
        self.assert_https("pair.example")
        self.assertNotIn(_TOLD, str(self.run_everseal("renew", "--force")))


if __name__ == "__main__":
    sandbox.enter()
    unittest.main()
