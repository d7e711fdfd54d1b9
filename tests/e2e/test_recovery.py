#!/usr/bin/python3
"""What was interrupted, removed or damaged comes back: nothing is lost, nothing is ordered twice."""

import datetime
import shutil
import subprocess

from harness import MachineCase, main, visitor
from harness.everseal import STATE, change_catalog, check_live
from harness.nginx import CONFIGURATION, PID_FILE
from harness.sites import fingerprint
from harness.strace import kill_at

OWN = CONFIGURATION / "everseal"
STATIC = CONFIGURATION / "sites-available/static"
FULL = {"static.example", "pair.example"}


class RecoveryCase(MachineCase):
    def setUp(self):
        super().setUp()
        self.before = fingerprint()

    def assert_starts_cold(self):
        self.assertEqual(self.nginx.test(), "")
        self.nginx.cold_start()

    def issued(self):
        return sum(self.authority.issued().values())

    def changes(self):
        return self.run_everseal("changes", "--json").json()["changes"]

    def kill(self, call, count, *arguments):
        """Runs a command and kills it, by itself alone, before that call."""
        result = self.everseal.run(*arguments, wrapper=kill_at(call, count))
        self.assertEqual(result.status, -9, str(result))


class Undo(RecoveryCase):
    def test_FaultD1_a_file_of_ours_that_another_site_includes_stays(self):
        self.run_everseal("secure", "pair.example", "--yes")
        self.run_everseal("secure", "static.example", "--yes")
        result = self.run_everseal("undo", "1", "--yes")
        self.assertIn(f"{OWN}/acme.conf stays: ", result.out)
        self.assertIn("sites-enabled/static", result.out)
        self.assertNotIn("not running", result.out + result.err)
        self.assert_starts_cold()
        self.assert_https("static.example")
        self.assert_no_https("pair.example")

        self.run_everseal("undo", "--yes")
        self.assertEqual(fingerprint(), self.before, "what stayed goes with the last who needs it")
        self.assert_starts_cold()

    def test_FaultD1_an_administrators_copy_keeps_what_it_includes(self):
        self.run_everseal("secure", "static.example", "--yes")
        copy = CONFIGURATION / "sites-enabled/copy"
        copy.write_text(STATIC.read_text().replace("server_name static.example", "server_name copy.example"))
        result = self.run_everseal("undo", "--yes")
        self.assertIn(f"{OWN}/acme.conf stays: {copy}:", result.out)
        self.assert_starts_cold()
        copy.unlink()
        self.assert_starts_cold()

    def test_FaultD1_recovery_keeps_what_a_copy_includes(self):
        self.kill("kill", 2, "secure", "static.example", "--yes")
        copy = CONFIGURATION / "sites-enabled/copy"
        copy.write_text(STATIC.read_text().replace("server_name static.example", "server_name copy.example"))
        result = self.run_everseal("renew", status=0)
        self.assertIn("acme.conf stays", result.out + result.err)
        self.assert_starts_cold()

    def test_FaultD1_what_cannot_be_read_is_not_taken_for_an_nginx_that_does_not_run(self):
        self.run_everseal("secure", "static.example", "--yes")
        kept = PID_FILE.read_text()
        PID_FILE.unlink()
        PID_FILE.mkdir()
        before = fingerprint()
        result = self.run_everseal("undo", "--yes", status=1)
        self.assertIn(str(PID_FILE), result.err)
        self.assertNotIn("not running", result.out + result.err)
        self.assertEqual(fingerprint(), before)
        PID_FILE.rmdir()
        PID_FILE.write_text(kept)
        self.run_everseal("undo", "--yes")
        self.assertEqual(fingerprint(), self.before)

    def test_FaultD1_where_nginx_does_not_run_nothing_is_reloaded(self):
        self.run_everseal("secure", "static.example", "--yes")
        self.nginx.stop()
        result = self.run_everseal("undo", "--yes")
        self.assertIn("nginx is not running", result.out + result.err)
        self.assertEqual(fingerprint(), self.before)
        self.nginx.start()

    def test_FaultN17_files_of_ours_that_were_purged_are_written_anew(self):
        self.run_everseal("secure", "static.example", "--yes")
        whole = fingerprint()
        for command in (("renew",), ("secure", "static.example", "--yes"), ("rotate", "account"),
                        ("undo", "--yes")):
            with self.subTest(command):
                shutil.rmtree(OWN)
                result = self.run_everseal(*command)
                self.assertIn(f"{OWN}/acme.conf was missing", result.out + result.err)
                self.assert_starts_cold()
                if command[0] in ("renew", "secure"):
                    self.assertEqual(fingerprint(), whole)
        self.run_everseal("undo", "--yes")
        self.assertEqual(fingerprint(), self.before)

    def test_FaultD5_damaged_files_of_ours_are_written_anew_and_edited_ones_are_not(self):
        self.run_everseal("secure", "static.example", "--yes")
        whole = fingerprint()
        for file in sorted(OWN.iterdir()):
            text = file.read_bytes()
            for damage in (b"", text[:40], b"\0" * len(text)):
                with self.subTest(file=file.name, damage=damage[:8]):
                    file.write_bytes(damage)
                    self.run_everseal("renew")
                    self.assertEqual(fingerprint(), whole)
            file.write_bytes(text + b"# mine\n")
            self.run_everseal("renew")
            self.assertTrue(file.read_bytes().endswith(b"# mine\n"))
            file.write_bytes(text)


class Unfinished(RecoveryCase):
    def leave_one(self):
        """A change to nginx that was killed at its last reload, and edited since by hand."""
        self.run_everseal("secure", "pair.example", "--yes")
        self.kill("kill", 2, "secure", "static.example", "--yes")
        text = STATIC.read_text()
        self.assertIn("acme.conf", text)
        STATIC.write_text(text.replace("everseal/acme.conf;", "everseal/acme.conf; # mine"))

    def test_FaultD2_stops_no_renewal_is_told_and_settled_by_undo(self):
        self.leave_one()
        serial = self.serial("pair.example")
        result = self.run_everseal("renew", "--force", "pair.example", status=3)
        self.assertIn("everseal undo", result.err)
        self.assertNotEqual(self.serial("pair.example"), serial)

        self.run_everseal("renew", status=1)
        check = self.everseal.run("status", "--check")
        self.assertEqual(check.status, 1, str(check))
        self.assertIn("a change to nginx was left unfinished", check.out)

        result = self.run_everseal("undo", "--yes")
        self.assertIn("Left as it is: ", result.out)
        self.assertIn(str(STATIC.name), result.out)
        self.assertIn("# mine", STATIC.read_text())
        self.assert_starts_cold()
        self.assert_https("pair.example")
        self.run_everseal("renew")
        self.assertEqual(self.everseal.run("status", "--check").status, 0)
        self.assertNotIn("applying", [each["state"] for each in self.changes()])

    def test_FaultD6_the_undoing_of_a_change_is_one_commit(self):
        self.run_everseal("secure", "static.example", "--yes")
        secured = fingerprint()
        trace = STATE.parent / "undo.trace"
        self.run_everseal("undo", "--yes", wrapper=("strace", "-o", str(trace), "-e",
                                                    "trace=fdatasync,fsync"))
        calls = trace.read_text().count("fdatasync(")
        self.run_everseal("secure", "static.example", "--yes")
        for count in range(max(1, calls - 5), calls + 1):
            with self.subTest(fdatasync=count):
                self.kill("fdatasync", count, "undo", "--yes")
                self.run_everseal("renew")  # takes back what is unfinished
                undone = [each["id"] for each in self.changes() if each["state"] == "undone"]
                is_secured = fingerprint() == secured
                self.assertTrue(is_secured or fingerprint() == self.before)
                [change] = [each for each in self.changes()
                            if each["summary"].startswith("secure")][:1]
                self.assertEqual(change["state"], "applied" if is_secured else "undone", undone)
                if not is_secured:
                    self.run_everseal("secure", "static.example", "--yes")


class Interrupted(RecoveryCase):
    """FaultX1: what is there is never ordered again."""

    command = ("issue", "-d", "static.example:/var/www/static", "--yes")

    def assert_issued_once(self):
        self.run_everseal(*self.command)
        self.assertEqual(self.issued(), 1)
        self.assertEqual(self.authority.order_count(), 1)
        check_live()
        self.assertEqual([entry.name for entry in (STATE / "live").iterdir()], ["static.example"])

    def test_FaultX1_issue_killed_at_the_switch(self):
        self.kill("symlink", 1, *self.command)
        self.assertEqual(self.issued(), 1)
        self.assert_issued_once()

    def test_FaultX1_issue_killed_at_the_rename_of_the_link(self):
        self.kill("rename", 2, *self.command)
        self.assert_issued_once()

    def test_FaultX1_issue_that_may_not_make_the_directory(self):
        (STATE / "live").parent.mkdir(parents=True, mode=0o700)
        (STATE / "live").write_text("in the way")
        self.run_everseal(*self.command, status=1)
        (STATE / "live").unlink()
        self.assert_issued_once()

    def test_FaultX1_issue_forced_and_killed_at_the_switch(self):
        self.run_everseal(*self.command)
        self.kill("symlink", 1, *self.command, "--force")
        self.assertEqual(self.issued(), 2)
        self.run_everseal(*self.command)
        self.assertEqual(self.issued(), 2)
        [found] = self.run_everseal("status", "--json").json()["certificates"]
        self.assertEqual(found["version"], 2)

    def test_FaultX1_names_in_another_order_are_the_same(self):
        STATIC.write_text(STATIC.read_text().replace("static.example;", "static.example a.example;"))
        self.authority.resolve("a.example")
        self.nginx.replace_workers()
        first, second, third = (("-d", f"{name}:/var/www/{page}") for name, page in (
            ("static.example", "static"), ("a.example", "static"), ("four.example", "four")))
        self.kill("symlink", 1, "issue", *first, *second, *third, "--yes")
        self.run_everseal("issue", *first, *third, *second)
        self.assertEqual(self.issued(), 1)

    def test_FaultX1_secure_killed_at_the_switch(self):
        self.kill("symlink", 1, "secure", "static.example", "--yes")
        self.run_everseal("secure", "static.example", "--yes")
        self.assertEqual(self.issued(), 1)
        self.assert_https("static.example")

    def test_FaultX1_renew_killed_at_the_switch(self):
        self.run_everseal("secure", "static.example", "--yes")
        self.kill("symlink", 1, "renew", "--force")
        self.run_everseal("renew")
        self.assertEqual(self.issued(), 2)

    def test_FaultX10_renew_and_status_tell_one_next_try(self):
        self.run_everseal("secure", "static.example", "--yes")
        change_catalog("UPDATE certificates SET renew_at = 1, next_look = 0, not_before = "
                       "not_before - 85 * 86400, not_after = not_after - 85 * 86400")
        certificates = STATE / "certs"
        subprocess.run(["mount", "--bind", certificates, certificates], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", certificates], check=True)
        try:
            moment = self.assert_one_truth(self.run_everseal("renew", status=1))
            self.assertNotIn("is due", self.everseal.results[-1].out)
            self.assertLess(moment, self.moment(minutes=5))
        finally:
            subprocess.run(["umount", "-l", certificates], check=True)
        self.authority.servfail("static.example")
        self.assert_one_truth(self.run_everseal("renew", "--force", status=1))

    @staticmethod
    def moment(**later):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**later)
        return now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def assert_one_truth(self, failed):
        self.assertIn("static.example", failed.err)
        renewed = self.run_everseal("renew", "--json").json()
        [found] = self.run_everseal("status", "--json").json()["certificates"]
        moment = found["next_action"]["at"]
        self.assertEqual(renewed["next_renewal"], moment)
        self.assertIn(moment, self.run_everseal("renew").out)
        return moment


class Damage(RecoveryCase):
    """FaultD5, FaultC15: what is missing or different on disk is found, put right and told."""

    def setUp(self):
        super().setUp()
        self.run_everseal("secure", "static.example", "--yes")
        self.version = (STATE / "live/static.example").resolve()
        self.whole = self.contents()
        self.orders = self.authority.order_count()

    def contents(self):
        return fingerprint(STATE / "certs") | fingerprint(STATE / "live")

    def assert_put_right(self, *words, command=("renew",)):
        """Found by the next run, without the CA; said, entered and shown."""
        check = self.everseal.run("status", "--check")
        result = self.run_everseal(*command)
        self.assertEqual(self.contents(), self.whole)
        for word in words:
            self.assertIn(word, result.out + result.err)
        self.assertEqual(self.authority.order_count(), self.orders)
        self.assert_starts_cold()
        self.assert_https("static.example")
        history = self.run_everseal("status", "static.example").out
        self.assertIn("missing or different on disk", history)
        self.assertNotIn("missing or different", self.run_everseal(*command).err)
        return check

    def test_FaultD5_each_file_is_put_right_from_the_others(self):
        for file in ("bundle.pem", "privkey.pem", "fullchain.pem", "chain.pem", "cert.pem"):
            path = self.version / file
            text = path.read_bytes()
            middle = len(text) // 2
            for damage in (None, b"", text[:middle], b"\0" * len(text),
                           text[:middle] + b"A" + text[middle + 1:], text + b"more\n"):
                with self.subTest(file=file, damage=damage and damage[:8]):
                    path.unlink()
                    if damage is not None:
                        path.write_bytes(damage)
                        path.chmod(0o600)
                    check = self.assert_put_right(file)
                    if file == "bundle.pem" and not damage:
                        self.assertEqual(check.status, 2, str(check))
                        self.assertIn("everseal renew puts them right", check.out)

    def test_FaultD5_several_at_once(self):
        for lost in (("bundle.pem", "cert.pem"), ("privkey.pem", "fullchain.pem", "chain.pem"),
                     ("privkey.pem", "cert.pem", "chain.pem"), ("bundle.pem", "fullchain.pem")):
            with self.subTest(lost):
                for file in lost:
                    (self.version / file).unlink()
                self.assert_put_right(*lost)

    def test_FaultD5_modes_and_owners(self):
        for file in ("bundle.pem", "privkey.pem", "fullchain.pem"):
            with self.subTest(file):
                (self.version / file).chmod(0o644)
                self.assert_put_right(file)
        shutil.chown(self.version / "bundle.pem", "www-data")
        self.assert_put_right("bundle.pem")

    def test_FaultD5_live_links(self):
        link = STATE / "live/static.example"
        target = link.readlink()

        def dangling():
            link.unlink()
            link.symlink_to("../certs/static.example/versions/77")

        def elsewhere():
            link.unlink()
            link.symlink_to("/etc")

        def to_a_directory():
            link.unlink()
            shutil.copytree(self.version, link)

        for damage in (link.unlink, dangling, elsewhere, lambda: shutil.rmtree(link.parent)):
            with self.subTest(getattr(damage, "__name__", "")):
                damage()
                self.assertEqual(self.assert_put_right("live/static.example").status, 2)
                self.assertEqual(link.readlink(), target)
        to_a_directory()
        self.run_everseal("renew")
        self.assertEqual(link.readlink(), target)
        self.assertTrue((link.parent / ".static.example.set-aside/bundle.pem").exists(), "kept")

    def test_FaultC15_an_edited_certificate_is_put_right(self):
        path = self.version / "fullchain.pem"
        subprocess.run(["sed", "-i", "3s/./x/", path], check=True)
        self.assert_put_right("fullchain.pem")

    def test_FaultC15_what_is_lost_is_ordered_anew(self):
        for lose in (lambda: shutil.rmtree(self.version.parent),
                     lambda: shutil.rmtree(STATE / "certs"),
                     lambda: [(STATE / "live/static.example" / file).unlink()
                              for file in ("privkey.pem", "bundle.pem")]):
            with self.subTest():
                issued, serial = self.issued(), self.serial("static.example")
                lose()
                result = self.run_everseal("renew")
                self.assertIn("are lost", result.out + result.err)
                self.assertEqual(self.issued(), issued + 1)
                self.assertNotEqual(self.serial("static.example"), serial)
                self.assert_starts_cold()
                check_live()
                self.assertIn("othing to do", self.run_everseal("renew").out)
                self.assertIn("are lost", self.run_everseal("status", "static.example").out)

    def test_FaultC15_until_there_is_a_new_one_an_older_version_serves(self):
        self.run_everseal("renew", "--force")
        shutil.rmtree((STATE / "live/static.example").resolve())
        self.authority.stop_ca()
        self.run_everseal("renew", status=1)
        self.assert_starts_cold()
        check = self.everseal.run("status", "--check")
        self.assertEqual(check.status, 2, str(check))
        self.authority.start_ca()
        self.run_everseal("renew", "--force", "static.example")
        self.assert_starts_cold()
        self.assert_https("static.example")
        self.run_everseal("renew")
        self.assertEqual(self.everseal.run("status", "--check").status, 0)


class AccountKey(RecoveryCase):
    def key(self):
        [path] = (STATE / "accounts").glob("*/key.pem")
        return path

    def assert_account_is_made_anew(self):
        serial = self.serial("static.example")
        result = self.run_everseal("renew", "--force")
        self.assertIn("was lost or damaged", result.out + result.err)
        self.assertNotEqual(self.serial("static.example"), serial)
        serial = self.serial("static.example")
        result = self.run_everseal("renew", "--force")
        self.assertNotIn("lost", result.out + result.err)
        self.assertNotEqual(self.serial("static.example"), serial)

    def test_FaultD7_a_lost_key_has_a_new_account_once_with_notice(self):
        self.run_everseal("secure", "static.example", "--yes")
        self.key().unlink()
        self.assert_account_is_made_anew()
        shutil.rmtree(STATE / "accounts")
        self.assert_account_is_made_anew()

    def test_FaultD7_a_damaged_key_is_kept_aside(self):
        self.run_everseal("secure", "static.example", "--yes")
        key = self.key()
        for damage in (b"", b"\0" * 200, key.read_bytes()[:60]):
            with self.subTest(damage[:8]):
                key.write_bytes(damage)
                self.assert_account_is_made_anew()
                [aside] = key.parent.glob("key.damaged-*.pem")
                self.assertEqual(aside.read_bytes(), damage)
                aside.unlink()

    def test_FaultD7_killed_on_the_way_it_is_registered_by_the_next_run(self):
        self.run_everseal("secure", "static.example", "--yes")
        self.key().unlink()
        self.kill("rename", 1, "renew", "--force")
        self.everseal.run("renew", "--force",
                          wrapper=kill_at("sendmsg", 6))
        self.run_everseal("renew", "--force")
        self.run_everseal("renew", "--force")
        self.assert_https("static.example")


class TornPair(RecoveryCase):
    """FaultL4: another tool has left its old key beside its new certificate."""

    def test_FaultL4_is_diagnosed_and_never_made_worse(self):
        self.run_everseal("secure", "pair.example", "--yes")
        for name in ("one", "two"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"/etc/nginx/{name}.key",
                            "-out", f"/etc/nginx/{name}.pem", "-subj", "/CN=static.example"],
                           check=True, capture_output=True)
        STATIC.write_text(STATIC.read_text().replace(
            "    listen 80;\n", "    listen 80;\n    listen 443 ssl;\n"
            "    ssl_certificate one.pem;\n    ssl_certificate_key one.key;\n"))
        self.nginx.replace_workers()
        shutil.copy("/etc/nginx/two.pem", "/etc/nginx/one.pem")
        before = fingerprint()
        for command in (("secure", "--all", "--yes"), ("secure", "pair.example", "--yes"),
                        ("renew", "--force")):
            with self.subTest(command):
                result = self.run_everseal(*command, status=1)
                self.assertIn("one.key", result.err)
                self.assertIn("sites-enabled/static:6", result.err)
                self.assertIn("does not belong to the certificate", result.err)
                self.assertEqual(fingerprint(), before)
                check_live()
                self.assertEqual(visitor.http_get("static.example").status, 200)
                self.assert_https("pair.example")
        issued = self.issued()
        shutil.copy("/etc/nginx/two.key", "/etc/nginx/one.key")
        self.run_everseal("renew")
        self.assertEqual(self.issued(), issued, "what was got is used")
        self.assert_starts_cold()


if __name__ == "__main__":
    main()
