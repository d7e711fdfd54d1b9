#!/usr/bin/python3
"""What `everseal backup` writes `everseal restore` takes; and what others have made harms nothing."""

import contextlib
import os
import pathlib
import pty
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time

from harness import attacker, main
from harness.everseal import STATE, binary, check_live, live
from harness.own_ca_case import KeptCase
from harness.sandbox import SCRATCH
from harness.strace import kill_at

CATALOG = STATE / "catalog.db"
VERSIONS = STATE / "certs/plain.example/versions"
EVIL = pathlib.Path("/etc/cron.d/evil")
UNDER_WAY = ("INSERT INTO changes (id, at, state, summary) VALUES (77, 1, 'applying', 'harmless')",
             "INSERT INTO change_files (change_id, path, before, after) VALUES "
             f"(77, '{EVIL}', CAST('* * * * * root id\n' AS BLOB), NULL)")


class BackupCase(KeptCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.clean)
        self.clean()

    def clean(self):
        for path in STATE.parent.glob("everseal.*"):
            shutil.rmtree(path)
        EVIL.unlink(missing_ok=True)

    def backup(self, status=0, name="backup.tar"):
        path = SCRATCH / name
        path.unlink(missing_ok=True)
        return path, self.run_everseal("backup", path, status=status)

    def edited(self, path, *statements):
        """That archive with these statements run on its catalog."""
        work = SCRATCH / "edited"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        subprocess.run(["tar", "-xf", path, "-C", work], check=True)
        with contextlib.closing(sqlite3.connect(work / "catalog.db")) as catalog, catalog:
            for each in statements:
                catalog.execute(each)
        for log in work.glob("catalog.db-*"):
            log.unlink()
        edited = SCRATCH / "edited.tar"
        subprocess.run(["tar", "-cf", edited, "--format=pax", "-C", work, "catalog.db", "accounts",
                        "certs", "live"], check=True)
        return edited

    def assert_restored(self, path):
        """The archive brings the certificate back, and it is renewed."""
        self.run_everseal("restore", "--yes", path)
        self.assertEqual(live(), ["plain.example"])
        check_live()
        self.run_everseal("renew", "--force")
        check_live()


class Foreign(BackupCase):
    """Archives, catalogs and directories that somebody else has made."""

    def test_a_change_under_way_in_a_backup_is_ended_and_writes_no_file(self):
        hostile = self.edited(self.backup()[0], *UNDER_WAY)
        result = self.run_everseal("restore", "--yes", hostile)
        self.assertIn("everseal undo 77", result.out)
        self.run_everseal("renew")
        self.run_everseal("renew", "--force")
        self.assertFalse(EVIL.exists())
        [change] = self.run_everseal("changes", "--json").json()["changes"]
        self.assertEqual(change["state"], "applied")

        result = self.run_everseal("undo", "--yes")
        self.assertIn(f"{EVIL} is no file of nginx's configuration", result.out)
        self.assertFalse(EVIL.exists())

    def test_triggers_of_a_backups_catalog_are_not_taken_over(self):
        trigger = ("CREATE TRIGGER later AFTER INSERT ON moments BEGIN INSERT INTO changes (at, state, "
                   "summary) VALUES (1, 'applying', 'harmless'); END")
        hostile = self.edited(self.backup()[0], trigger)
        self.run_everseal("restore", "--yes", hostile)
        self.assertEqual(self.change_catalog("SELECT name FROM sqlite_schema WHERE type = 'trigger'"), [])
        self.run_everseal("renew", "--force")
        self.assertEqual(self.change_catalog("SELECT * FROM changes"), [])

    def test_a_catalog_put_there_by_hand_has_no_file_written_and_stops_no_renewal(self):
        for statement in UNDER_WAY:
            self.change_catalog(statement)
        result = self.run_everseal("renew", "--force")
        self.assertIn(f"{EVIL} is no file of nginx's configuration and is left as it is", result.out)
        self.assertIn("plain.example", result.out)
        self.assertFalse(EVIL.exists())

    def test_repair_ends_a_change_that_was_under_way(self):
        for statement in UNDER_WAY:
            self.change_catalog(statement)
        self.assertIn("everseal undo 77", self.run_everseal("repair").out)
        self.assertEqual(self.change_catalog("SELECT state FROM changes"), [("applied",)])

    def test_names_of_certificates_lead_nowhere_else(self):
        hostile = self.edited(self.backup()[0],
                              "UPDATE certificates SET name = '../../../../srv/evil', renew_at = 1, next_look = 0")
        self.run_everseal("restore", "--yes", hostile)
        self.everseal.run("renew", "--force")
        self.assertFalse(pathlib.Path("/srv/evil").exists())

    def test_a_directory_that_another_made_is_not_built_in(self):
        path, _ = self.backup()
        attacker.add_user()
        sticky = SCRATCH / "sticky"
        shutil.rmtree(sticky, ignore_errors=True)
        sticky.mkdir()
        sticky.chmod(0o1777)
        state = sticky / "state"
        self.run_everseal("restore", "--yes", "--state", state, path)
        ours, theirs = pty.openpty()
        process = subprocess.Popen([binary(), "restore", "--state", state, path], stdin=theirs,
                                   stdout=theirs, stderr=theirs)
        os.close(theirs)
        text = b""
        while b"[y/N]" not in text:
            text += os.read(ours, 4096)
        now = time.time()
        names = [f"{state}.restoring"] + [
            f"{state}.restore-{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now + k))}"
            for k in range(-60, 60)]
        code = "import os, sys\nfor name in sys.argv[1:]: os.mkdir(name); os.chmod(name, 0o777)"
        subprocess.run([*attacker.as_bob(), sys.executable, "-c", code, *names], check=True)
        os.write(ours, b"y\n")
        with contextlib.suppress(OSError):
            while block := os.read(ours, 4096):
                text += block
        process.wait(60)
        os.close(ours)
        self.assertEqual(process.returncode, 1, text)
        self.assertIn(b"of another user", text)
        self.assertEqual((state.stat().st_uid, stat.S_IMODE(state.stat().st_mode)), (0, 0o700))
        self.assertEqual([each for name in names for each in pathlib.Path(name).iterdir()], [])

    def test_a_directory_of_others_is_not_replaced(self):
        path, _ = self.backup()
        other = SCRATCH / "data"
        shutil.rmtree(other, ignore_errors=True)
        other.mkdir()
        (other / "precious").write_text("x")
        result = self.run_everseal("restore", "--yes", "--state", other, path, status=1)
        self.assertIn("holds other things than Everseal's (precious)", result.err)
        self.assertEqual([each.name for each in other.iterdir()], ["precious"])

    def test_it_is_asked_before_anything_of_ours_is_replaced(self):
        path, _ = self.backup()
        shutil.rmtree(STATE / "live")
        result = self.run_everseal("restore", path, status=1)
        self.assertIn("nothing was changed", result.err)
        self.assertFalse((STATE / "live").exists())


class Whole(BackupCase):
    """A backup can be restored, or is not made."""

    def test_what_does_not_belong_is_left_out_and_said(self):
        version = next(VERSIONS.iterdir())
        account = next((STATE / "accounts").iterdir())
        for path in (STATE / "certs/README", STATE / "live/README", STATE / "accounts/notes.txt",
                     STATE / "certs/plain.example/old/", STATE / "certs/old copy/", version / "old/",
                     VERSIONS / "1.bak", account / "old/", STATE / "certs/plain.example/notes",
                     STATE / "live/copy.example/", STATE / "README"):
            with self.subTest(path):
                is_directory = str(path) != str(path).rstrip("/") or path.name in (
                    "old", "old copy", "copy.example")
                path.mkdir() if is_directory else path.write_text("hello")
                archive, result = self.backup()
                self.assertIn(": 1 certificate with", result.out)
                if path.parent != STATE:
                    self.assertIn(f"{path} is left out", result.out)
                path.rmdir() if is_directory else path.unlink()
                self.run_everseal("restore", "--yes", archive)
                check_live()
        self.assert_restored(archive)

    def test_links_in_live_are_counted_with_what_they_lead_to(self):
        (STATE / "live/gone.example").symlink_to("../certs/gone.example/versions/3")
        archive, result = self.backup()
        self.assertIn(": 1 certificate with", result.out)
        self.assertIn("gone.example is left out", result.out)
        self.assert_restored(archive)

    def test_directories_on_another_disk_are_followed(self):
        for name in ("certs", "accounts", "certs/plain.example"):
            with self.subTest(name):
                path, elsewhere = STATE / name, SCRATCH / "disk"
                shutil.rmtree(elsewhere, ignore_errors=True)
                shutil.move(path, elsewhere)
                path.symlink_to(elsewhere)
                archive, result = self.backup()
                self.assertIn(": 1 certificate with", result.out)
                self.assert_restored(archive)
        path = STATE / "accounts"
        shutil.rmtree(path)
        path.symlink_to("/srv/not-mounted")
        result = self.backup(status=1)[1]
        self.assertIn(f"{path} is a symlink that leads nowhere: mount the disk that it leads to", result.err)

    def test_a_catalog_that_is_lost_or_damaged_is_said_and_replaces_no_backup(self):
        good, _ = self.backup()
        before = good.read_bytes()
        whole = CATALOG.read_bytes()

        def put(content):
            for path in STATE.glob("catalog.db*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if content is not None:
                CATALOG.write_bytes(content)

        damaged = whole[:4096] + b"\xff" * 4096 + whole[8192:]
        for content, may_be_kept in ((None, False), (b"", False), (b"noise" * 1000, True), (damaged, True)):
            with self.subTest(content and content[:8]):
                put(content)
                result = self.run_everseal("backup", "--force", good, status=1)
                self.assertIn("everseal repair", result.err)
                self.assertEqual(good.read_bytes(), before)
                archive, result = self.backup(status=0 if may_be_kept else 1, name="damaged.tar")
                self.assertIn("everseal repair", result.out + result.err)
                if not may_be_kept:
                    continue
                self.run_everseal("restore", "--yes", archive)
                self.run_everseal("repair")
                self.run_everseal("renew", "--force")
                check_live()
        put(None)
        CATALOG.mkdir()
        self.assertIn("catalog.db", self.backup(status=1, name="none.tar")[1].err)
        self.assertFalse((SCRATCH / "none.tar").exists())
        CATALOG.rmdir()
        self.assert_restored(good)

    def test_only_plain_files_are_replaced(self):
        target = SCRATCH / "special"
        for make in (lambda: os.mkfifo(target), lambda: os.mknod(target, 0o600 | stat.S_IFSOCK),
                     lambda: target.symlink_to("/dev/null"), target.mkdir):
            make()
            before = target.lstat()
            for force in ((), ("--force",)):
                result = self.run_everseal("backup", *force, target, status=1)
                self.assertIn("is no plain file", result.err)
            self.assertEqual(target.lstat().st_ino, before.st_ino)
            target.rmdir() if target.is_dir() and not target.is_symlink() else target.unlink()
        self.assertIn("in the state directory itself",
                      self.run_everseal("backup", STATE / "backup.tar", status=1).err)


class Place(BackupCase):
    """The place of the state directory, and who is at work in it."""

    def test_who_waited_for_the_lock_does_not_work_beside_another(self):
        archive, _ = self.backup()
        self.ca.fault({"resource": "new-order", "delay": "8s"})
        first = self.everseal.start(
            "renew", "--force", wrapper=("strace", "-f", "-o", "/dev/null", "-e", "trace=flock", "-e",
                                         "inject=flock:delay_enter=3000000:when=1"))
        time.sleep(1)
        self.run_everseal("restore", "--yes", archive)
        time.sleep(4)
        second = self.everseal.run("renew", "--force")
        self.assertIn("another everseal", second.err)
        out, err = first.communicate(timeout=60)
        self.assertEqual(first.returncode, 0, out + err)
        check_live()

    def test_a_lock_that_is_another_file_is_refused(self):
        victim = STATE.parent / "victim"
        victim.write_text("precious " * 20)
        self.addCleanup(victim.unlink)
        (STATE / "lock").unlink()
        (STATE / "lock").hardlink_to(victim)
        self.assertIn("no file of ours alone", self.run_everseal("renew", status=1).err)
        self.assertEqual(victim.read_text(), "precious " * 20)

    def test_what_a_killed_restore_leaves_goes_with_the_next(self):
        archive, _ = self.backup()
        half_built = STATE.parent / "everseal.restoring"
        for k in (3, 8):
            result = self.everseal.run("restore", "--yes", archive, wrapper=kill_at("fsync", k))
            self.assertEqual(result.status, -signal.SIGKILL)
            self.assertTrue(half_built.is_dir())
            self.assertEqual(list(STATE.parent.glob("everseal.restore-*")), [])
        result = self.run_everseal("restore", "--yes", "--json", archive).json()
        self.assertFalse(half_built.exists())
        self.assertEqual([str(each) for each in STATE.parent.glob("everseal.re*")], [result["replaced"]])

    def test_a_mount_point_is_said_with_what_to_do(self):
        archive, _ = self.backup()
        kept = SCRATCH / "kept"
        shutil.copytree(STATE, kept, symlinks=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", STATE], check=True)
        self.addCleanup(subprocess.run, ["umount", STATE], check=True)
        STATE.chmod(0o700)
        subprocess.run(["cp", "-a", f"{kept}/.", STATE], check=True)
        result = self.run_everseal("restore", "--yes", archive, status=1)
        self.assertIn("is a mount point", result.err)
        commands = result.err.split("into it: ")[1].strip().replace("everseal repair",
                                                                   f"{binary()} repair")
        subprocess.run(commands, shell=True, check=True, capture_output=True)
        check_live()
        self.assertTrue((STATE.parent / "everseal.before/catalog.db").exists())
        self.run_everseal("renew", "--force")

    def test_it_says_of_when_the_backup_is_and_what_is_next(self):
        archive, _ = self.backup()
        made = time.strftime("%Y-%m-%dT", time.gmtime())
        asked = self.run_everseal("restore", archive, status=1)
        self.assertIn(f"The backup, of {made}", asked.err + asked.out)
        result = self.run_everseal("restore", "--yes", archive)
        self.assertIn(f"The backup of {made}", result.out)
        self.assertIn(" is restored: 1 certificate.", result.out)
        self.assertIn("nginx -s reload", result.out)


if __name__ == "__main__":
    main()
