#!/usr/bin/python3
"""Certificates without touching nginx."""

import pathlib

from harness import MachineCase, main
from harness.everseal import STATE, check_live, live
from harness.sites import WEBROOT, fingerprint


def files_under(directory):
    return sorted(str(path) for path in pathlib.Path(directory).rglob("*"))


class Issue(MachineCase):
    def test_by_webroot_and_nothing_stays_there(self):
        configuration, content = fingerprint(), files_under(WEBROOT)
        self.run_everseal("issue", "--yes", "-d", f"static.example:{WEBROOT}/static",
                          "-d", f"four.example:{WEBROOT}/four")
        self.assertEqual(self.authority.issued(), {("four.example", "static.example"): 1})
        self.assertEqual(live(), ["static.example"])
        check_live()
        self.assertEqual(fingerprint(), configuration)
        self.assertEqual(files_under(WEBROOT), content)
        self.assert_modes()

    def test_the_terms_of_service_need_a_yes(self):
        result = self.run_everseal("issue", "-d", f"four.example:{WEBROOT}/four", status=1)
        self.assertIn("terms of service", result.err)
        self.assertIn("--yes", result.err)
        self.assertNotIn("POST /order-plz", self.authority.requests())

    def test_separate_certificates_in_one_run(self):
        self.run_everseal("issue", "--yes", "--separate", "-d", f"static.example:{WEBROOT}/static",
                          "-d", f"four.example:{WEBROOT}/four")
        self.assertEqual(self.authority.issued(), {("four.example",): 1, ("static.example",): 1})
        self.assertEqual(live(), ["four.example", "static.example"])
        check_live()

    def test_again_is_not_due_unless_forced(self):
        command = ("issue", "--yes", "-d", f"four.example:{WEBROOT}/four")
        self.run_everseal(*command)
        self.run_everseal(*command)
        self.assertEqual(self.authority.order_count(), 1)
        self.run_everseal(*command, "--force")
        self.assertEqual(self.authority.order_count(), 2)

    def test_renew_goes_the_way_that_issue_went(self):
        self.run_everseal("issue", "--yes", "-d", f"four.example:{WEBROOT}/four")
        self.run_everseal("renew", "--force")
        self.assertEqual(self.authority.issued(), {("four.example",): 2})
        check_live()

    def test_standalone_where_nothing_listens(self):
        self.nginx.stop()
        self.authority.resolve("mail.example")
        for flags in ((), ("--standalone", "--force")):
            self.run_everseal("issue", "--yes", "-d", "mail.example", *flags)
        self.assertEqual(self.authority.issued(), {("mail.example",): 2})
        check_live()

    def test_standalone_where_port_80_is_taken(self):
        self.authority.resolve("mail.example")
        result = self.run_everseal("issue", "--yes", "--standalone", "-d", "mail.example", status=1)
        self.assertRegex(result.err, r"80")
        self.assertEqual(live(), [])
        self.assertFalse(self.authority.validations(), "a failed validation counts at the CA")

    def test_a_webroot_that_the_name_does_not_show(self):
        result = self.run_everseal("issue", "--yes", "-d", f"static.example:{WEBROOT}/four", status=1)
        self.assertIn("static.example", result.err)
        self.assertIn("404", result.err)

    def test_a_webroot_that_is_not_there(self):
        result = self.run_everseal("issue", "--yes", "-d", "static.example:/var/www/nothing", status=1)
        self.assertIn("/var/www/nothing", result.err)

    def assert_modes(self):
        """Keys are for root alone."""
        for path in STATE.rglob("*"):
            if path.name in ("privkey.pem", "bundle.pem", "key.pem"):
                self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)
                self.assertEqual(path.parent.stat().st_mode & 0o077, 0, path.parent)


if __name__ == "__main__":
    main()
