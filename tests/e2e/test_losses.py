#!/usr/bin/python3
"""Certificates that nginx names and that are lost, unknown or unfinished: nothing says that all is well."""

import re
import shutil
import subprocess

from harness import MachineCase, main
from harness.everseal import STATE, change_catalog, check_live
from harness.nginx import CONFIGURATION
from harness.sites import WEBROOT
from harness.strace import kill_at

CATALOG = STATE / "catalog.db"
WELL = re.compile(r"Nothing to|No certificates yet|not changed yet|EVERSEAL OK|no keys yet")


class LossCase(MachineCase):
    def certificates(self, *arguments):
        document = self.run_everseal("status", "--json", *arguments).json()
        return {each["name"]: each for each in document["certificates"]}

    def assert_not_well(self, *commands, status=1, says="everseal repair"):
        for command in commands:
            with self.subTest(command):
                result = self.run_everseal(*command, status=status)
                self.assertNotRegex(result.out + result.err, WELL)
                self.assertIn(says, result.out + result.err)

    def check(self, status):
        result = self.run_everseal("status", "--check", status=status)
        self.assertNotIn("\\x0a", result.out)
        self.assertEqual(result.out.count("\n"), 1)
        return result.out


class Lost(LossCase):
    """The state directory or the catalog is gone, and nginx goes on naming what was there."""

    def setUp(self):
        super().setUp()
        self.run_everseal("secure", "--yes", "static.example", "four.example")

    def lose(self, name):
        """One certificate as if the catalog and the disk had never had it."""
        change_catalog(f"DELETE FROM certificates WHERE name = '{name}'")
        (STATE / "live" / name).unlink()
        shutil.rmtree(STATE / "certs" / name)

    def test_FaultC9_without_a_state_directory_every_command_says_so(self):
        shutil.rmtree(STATE)
        self.assert_not_well(("renew",), ("renew", "--dry-run"), ("status",), ("changes",), ("undo", "--yes"),
                             ("rotate", "keys"), ("rotate", "account"), ("secure", "--all", "--yes"),
                             ("issue", "--yes", "-d", f"w1.example:{WEBROOT}"))
        self.assertFalse(CATALOG.exists(), "nothing is begun anew over what is lost")
        self.assertIn("EVERSEAL CRITICAL", self.check(2))

    def test_FaultC9_a_catalog_that_knows_less_is_not_taken_for_all(self):
        self.lose("four.example")
        self.assert_not_well(("renew",), ("renew", "--dry-run"), says="everseal repair")
        self.assert_not_well(("status",), status=0)
        self.assertIn("four.example", self.check(2))
        [lost] = self.run_everseal("status", "--json").json()["lost"]
        self.assertEqual(lost, {"name": "four.example", "has_files": False})

    def test_FaultC9_the_words_of_repair_followed_in_their_order_mend_it(self):
        shutil.rmtree(STATE)
        result = self.run_everseal("repair", "--server", self.authority.url)
        self.assertIn("EVERSEAL CRITICAL", self.check(2))
        self.assertIn("Now, in this order", result.out)
        [command] = re.findall(r"\(umask 077; for name .*\)", result.out)
        subprocess.run(command, shell=True, check=True, capture_output=True)
        self.assertEqual(self.nginx.test(), "")
        self.assertIn("was lost with an earlier catalog", result.out)
        self.assert_not_well(("changes",), ("undo", "--yes"), says="was lost with an earlier catalog")
        self.run_everseal("renew", "--yes")
        for path in (STATE / "live").glob(".*.set-aside"):
            shutil.rmtree(path)
        check_live()
        self.assert_https("static.example", "four.example")
        self.assertIn("Nothing to do", self.run_everseal("renew").out)
        self.assertIn("EVERSEAL OK", self.check(0))

    def test_FaultC9_an_older_catalog_put_back_is_seen_by_status(self):
        older = CATALOG.read_bytes()
        self.run_everseal("renew", "--force")
        for path in STATE.glob("catalog.db-*"):
            path.unlink()
        CATALOG.write_bytes(older)
        self.assertIn("an older catalog was put back", self.check(1))
        self.assertIn("an older catalog was put back", self.run_everseal("status").out)
        self.run_everseal("renew")
        self.assertIn("EVERSEAL OK", self.check(0))

    def test_FaultC15_files_that_are_lost_are_named_and_due(self):
        for path in (STATE / "certs/four.example/versions/1").glob("*.pem"):
            if path.name in ("bundle.pem", "privkey.pem"):
                path.unlink()
        table = self.run_everseal("status").out
        self.assertRegex(table, r"four\.example +\d+ days .*files missing")
        self.assertIn("four.example: its files are missing or damaged", table)
        self.assertIn("four.example: would be renewed", self.run_everseal("renew", "--dry-run").out)
        (STATE / "live/static.example").unlink()
        dry = self.run_everseal("renew", "--dry-run")
        self.assertIn("static.example", dry.out)
        self.assertFalse((STATE / "live/static.example").is_symlink(), "a dry run mends nothing")
        self.run_everseal("renew")
        check_live()
        self.assert_https("static.example", "four.example")


class Unfinished(LossCase):
    """`everseal secure` ends after the CA gave the certificates and before nginx has them."""

    def test_what_is_not_installed_is_not_well(self):
        for call in ("symlink", "symlinkat"):
            self.everseal.run("secure", "--yes", "static.example", wrapper=kill_at(call, 1))
            if (STATE / "certs/static.example/versions/1").exists():
                break
        self.assertTrue((STATE / "certs/static.example/versions/1").exists())
        for _ in range(2):
            result = self.run_everseal("renew")
            self.assertNotRegex(result.out, WELL)
            self.assertIn("everseal secure static.example", result.out)
        self.assertIn("everseal secure", self.check(1))
        self.assertIn("everseal secure", self.run_everseal("status").out)
        details = self.run_everseal("status", "static.example").out
        self.assertIn("everseal secure goes on with it", details)
        self.assertNotIn("nothing refers to it", details)
        self.assertEqual(self.run_everseal("renew", "--json").json()["unfinished"], ["static.example"])
        orders = self.authority.order_count()
        self.run_everseal("secure", "--yes", "static.example")
        self.assertEqual(self.authority.order_count(), orders, "the CA is not asked again")
        self.assert_https("static.example")
        self.assertIn("EVERSEAL OK", self.check(0))


class Edited(LossCase):
    """Somebody's edit keeps nginx from starting again."""

    def test_FaultL1_a_run_by_a_person_says_so(self):
        self.run_everseal("secure", "--yes", "static.example")
        self.run_everseal("renew")
        with (CONFIGURATION / "nginx.conf").open("a") as file:
            file.write("garbage\n")
        result = self.run_everseal("renew", status=1)
        self.assertNotRegex(result.out, WELL)
        self.assertIn("nginx.conf", result.out + result.err)
        self.assertIn("nginx would not start again", self.check(1))


class Ended(LossCase):
    """What is wrong ends with it, whoever has mended it."""

    def test_a_failure_that_issue_has_mended_is_none(self):
        self.run_everseal("issue", "--yes", "-d", f"four.example:{WEBROOT}/four")
        change_catalog("UPDATE certificates SET server = 'https://localhost:1/'")
        self.run_everseal("renew", "--force", status=1)
        self.assertIn("four.example could not be renewed", self.check(1))
        self.run_everseal("issue", "--yes", "-d", f"four.example:{WEBROOT}/four")
        self.assertIn("EVERSEAL OK", self.check(0))
        self.assertNotIn("could not be renewed", self.run_everseal("status").out)

    def test_a_name_that_is_mistyped_is_no_incident(self):
        self.run_everseal("secure", "--yes", "static.example")
        self.run_everseal("rotate", "keys", "nothere.example", status=1)
        self.assertIn("EVERSEAL OK", self.check(0))


class Wrong(LossCase):
    """Settings that are wrong."""

    def test_the_check_is_one_line_that_is_unknown(self):
        settings = CONFIGURATION.parent / "everseal" / "everseal.toml"
        settings.parent.mkdir(exist_ok=True)
        settings.write_text('nothing = "x"\n')
        self.addCleanup(settings.unlink)
        line = self.check(3)
        self.assertTrue(line.startswith("EVERSEAL UNKNOWN - "), line)
        self.assertNotIn("--help", line)
        self.assertEqual(line.count("everseal: "), 0, line)


if __name__ == "__main__":
    main()
