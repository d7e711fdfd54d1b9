#!/usr/bin/python3
"""The state directory lost, damaged, older or moved, and what brings it back."""

import contextlib
import io
import os
import pathlib
import shutil
import signal
import sqlite3
import stat
import subprocess
import tarfile

from harness import MachineCase, main
from harness.everseal import STATE, change_catalog, check_live, live
from harness.sandbox import SCRATCH
from harness.sites import WEBROOT
from harness.strace import kill_at

CATALOG = STATE / "catalog.db"
REMEDY = "everseal repair"


def log_of(path=CATALOG):
    return path.with_name(path.name + "-wal")


def shared_index():
    return CATALOG.with_name("catalog.db-shm")


def versions(name):
    return sorted(int(path.name) for path in (STATE / "certs" / name / "versions").iterdir())


class KeptState(MachineCase):
    """A machine with one certificate in nginx and one by a webroot."""

    def setUp(self):
        super().setUp()
        self.run_everseal("secure", "--yes", "static.example")
        self.run_everseal("issue", "--yes", "-d", f"four.example:{WEBROOT}/four")
        self.addCleanup(lambda: [shutil.rmtree(path) for path in STATE.parent.glob("everseal.restore-*")])

    def certificates(self):
        found = self.run_everseal("status", "--json").json()["certificates"]
        return {each["name"]: each for each in found}

    def assert_refused(self, *commands):
        """`renew` and `status` say what helps, and change nothing."""
        for command in (("renew",), ("renew", "--force"), ("status",), ("changes",)):
            result = self.run_everseal(*command, status=1)
            self.assertIn(REMEDY, result.err)
            self.assertNotIn("none of 0", result.out)
        check = self.run_everseal("status", "--check", status=3)
        self.assertNotIn("OK", check.out)

    def assert_repaired(self, versions_before=1):
        """Nothing was ordered anew; nginx starts cold; the next renewal works."""
        before = self.certificates()
        self.assertEqual(sorted(before), ["four.example", "static.example"])
        self.assertEqual((before["static.example"]["method"], before["static.example"]["in_nginx"]),
                         ("nginx", True))
        self.assertEqual(before["four.example"]["method"], "webroot")
        for each in before.values():
            self.assertEqual(each["version"], versions_before)
            self.assertEqual(each["server"], self.authority.url)
        self.assertIn("Nothing to do", self.run_everseal("renew").out)
        check_live()
        self.nginx.cold_start()
        self.assert_https("static.example")
        self.run_everseal("renew", "--force")
        self.assertEqual({each["version"] for each in self.certificates().values()},
                         {versions_before + 1})
        check_live()
        self.nginx.cold_start()
        self.assert_https("static.example")

    def repair(self, orders=2):
        dry = self.run_everseal("repair", "--dry-run")
        self.assertIn("Nothing was changed", dry.out)
        result = self.run_everseal("repair", "--json").json()
        self.assertEqual([each["name"] for each in result["certificates"]],
                         ["four.example", "static.example"])
        self.assertEqual(self.authority.order_count(), orders)
        return result


class Repair(KeptState):
    """The catalog lost, damaged or older, with all else there."""

    def test_FaultC9_a_catalog_that_is_deleted(self):
        for path in (CATALOG, log_of(), shared_index()):
            path.unlink(missing_ok=True)
        self.assert_refused()
        self.assertFalse(CATALOG.exists())
        report = self.repair()
        self.assertIsNone(report["aside"])
        self.assert_repaired()

    def test_FaultC9_a_catalog_that_is_emptied(self):
        for path in (log_of(), shared_index()):
            path.unlink(missing_ok=True)
        CATALOG.write_bytes(b"")
        self.assert_refused()
        self.repair()
        self.assert_repaired()

    def test_FaultC9_a_catalog_that_is_cut_off(self):
        log_of().unlink()
        with CATALOG.open("r+b") as file:
            file.truncate(CATALOG.stat().st_size // 2 // 4096 * 4096)
        self.assert_refused()
        aside = pathlib.Path(self.repair()["aside"])
        self.assertTrue((aside / "catalog.db").exists())
        self.assert_repaired()

    def test_FaultC9_a_catalog_of_zeros_or_of_noise(self):
        for content in (bytes(CATALOG.stat().st_size), os.urandom(CATALOG.stat().st_size)):
            with self.subTest(content[:4]):
                for path in (log_of(), shared_index()):
                    path.unlink(missing_ok=True)
                CATALOG.write_bytes(content)
                self.assert_refused()
                self.repair()
        self.assert_repaired()

    def test_FaultC9_every_page_of_the_catalog_damaged_in_turn(self):
        """Whatever is damaged, no run says that all is well and forgets a certificate."""
        whole = CATALOG.read_bytes()
        for page in range(len(whole) // 4096):
            with self.subTest(page=page):
                for path in (log_of(), shared_index()):
                    path.unlink(missing_ok=True)
                damaged = bytearray(whole)
                damaged[page * 4096:page * 4096 + 64] = bytes(b ^ 0x55 for b in damaged[page * 4096:page * 4096 + 64])
                CATALOG.write_bytes(damaged)
                self.repair()
                self.assertEqual(len(self.certificates()), 2)
                self.assertIn("Nothing to do", self.run_everseal("renew").out)
        self.assert_repaired()

    def test_FaultC9_damage_where_nothing_is_read_is_found_within_a_day(self):
        log_of().unlink()
        [(page,)] = change_catalog("SELECT rootpage FROM sqlite_schema WHERE name = 'change_files_by_change'")
        with CATALOG.open("r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(b"\xff" * 64)
        change_catalog("UPDATE moments SET at = 1 WHERE name = 'served check'")
        result = self.run_everseal("renew", status=1)
        self.assertIn(REMEDY, result.err + result.out)
        self.repair()
        self.assert_repaired()

    def test_FaultC9_a_catalog_of_a_newer_version_is_refused_and_kept(self):
        change_catalog("PRAGMA user_version = 99")
        before = CATALOG.read_bytes()
        for command in (("renew",), ("status",), ("repair",), ("repair", "--dry-run")):
            self.assertIn("newer everseal", self.run_everseal(*command, status=1).err)
        self.assertEqual(change_catalog("PRAGMA user_version"), [(99,)])
        self.assertEqual(CATALOG.read_bytes()[100:], before[100:])
        change_catalog("PRAGMA user_version = -3")
        self.assert_refused()
        self.repair()
        self.assert_repaired()

    def test_FaultC9_the_log_or_its_index_alone_removed(self):
        for removed in ((log_of(),), (shared_index(),), (log_of(), shared_index())):
            with self.subTest([path.name for path in removed]):
                for path in removed:
                    path.unlink()
                self.assertEqual(len(self.certificates()), 2)
                self.assertIn("Nothing to do", self.run_everseal("renew").out)
        self.assert_repaired()

    def test_FaultC9_the_database_alone_is_a_whole_copy_after_each_run(self):
        def dump(name, *files):
            copy = SCRATCH / name
            for path in files:
                shutil.copyfile(path, log_of(copy) if path == log_of() else copy)
            with contextlib.closing(sqlite3.connect(copy)) as catalog:
                return list(catalog.iterdump())

        for k, command in enumerate((("status",), ("renew",), ("renew", "--force"), ("rotate", "keys"))):
            self.run_everseal(*command)
            with_log = dump(f"{k}-with-log.db", CATALOG, log_of())
            self.assertEqual(dump(f"{k}-alone.db", CATALOG), with_log)
            self.assertGreater(len(with_log), 20)

    def test_FaultC9_an_older_catalog_put_back(self):
        older = CATALOG.read_bytes()
        self.run_everseal("renew", "--force")
        self.run_everseal("renew", "--force")
        files = {path: path.read_bytes() for path in (STATE / "certs").rglob("*.pem")}
        log_of().unlink()
        CATALOG.write_bytes(older)
        result = self.run_everseal("renew", "--force")
        self.assertIn("an older catalog was put back", result.out)
        for name in live():
            self.assertEqual(versions(name), [3, 4], "the numbers go on, what is live stays until then")
        for path, content in files.items():
            if path.exists():
                self.assertEqual(path.read_bytes(), content, "no version is written twice")
        check_live()
        self.nginx.cold_start()
        self.assert_https("static.example")

    def test_FaultC9_an_older_catalog_orders_nothing_that_is_there(self):
        older = CATALOG.read_bytes()
        self.run_everseal("renew", "--force")
        orders = self.authority.order_count()
        log_of().unlink()
        CATALOG.write_bytes(older)
        change_catalog("UPDATE certificates SET renew_at = 1, next_look = 0")
        self.run_everseal("renew")
        self.assertEqual(self.authority.order_count(), orders)
        self.assertEqual({each["version"] for each in self.certificates().values()}, {2})
        log_of().unlink()
        CATALOG.write_bytes(older)
        self.repair(orders)
        self.assertEqual({each["version"] for each in self.certificates().values()}, {2})

    def test_FaultC9_an_older_catalog_without_a_certificate_that_is_live(self):
        change_catalog("DELETE FROM certificates WHERE name = 'four.example'")
        change_catalog("UPDATE moments SET at = 1 WHERE name = 'served check'")
        result = self.run_everseal("renew", status=1)
        self.assertIn("four.example", result.out + result.err)
        self.assertIn(REMEDY, result.out + result.err)
        self.repair()
        self.assert_repaired()

    def test_FaultC15_the_links_are_made_anew(self):
        shutil.rmtree(STATE / "live")
        self.repair()
        self.assert_repaired()

    def test_FaultC15_a_certificate_of_which_nothing_is_known_but_itself(self):
        for path in (STATE / "certs").rglob("certificate.json"):
            path.unlink()
        for path in (CATALOG, log_of(), shared_index()):
            path.unlink()
        report = self.repair()
        [four] = [each for each in report["certificates"] if each["name"] == "four.example"]
        self.assertIn(f"everseal issue --server {self.authority.url} -d four.example:WEBROOT",
                      " ".join(four["notes"]))
        self.run_everseal("issue", "--yes", "-d", f"four.example:{WEBROOT}/four")
        self.assert_repaired()

    def test_repair_keeps_what_can_be_read_of_the_old_catalog(self):
        changes = self.run_everseal("changes").out
        change_catalog("DROP TABLE served")
        self.repair()
        self.assertEqual(self.run_everseal("changes").out, changes)
        self.run_everseal("undo", "--yes")
        self.assertEqual(self.nginx.test(), "")

    def test_a_repair_that_is_killed_anywhere_is_done_by_the_next(self):
        for call in ("rename", "fsync", "fdatasync", "unlink", "mkdirat", "pwrite64"):
            ends = []
            for k in (1, 2, 3, 4, 6, 8, 12):
                ends.append(self.everseal.run("repair", wrapper=kill_at(call, k, follow=True)).status)
                if k % 4 == 0:
                    self.assertEqual(self.nginx.test(), "")
            self.assertIn(-signal.SIGKILL, ends, f"never killed at {call}")
            self.repair()
            self.assertEqual(len(self.certificates()), 2)
        self.assert_repaired()


class Backup(KeptState):
    """The whole state directory in one file, and back."""

    def backup(self, name="backup.tar"):
        path = SCRATCH / name
        path.unlink(missing_ok=True)
        self.run_everseal("backup", path)
        return path

    def tree(self):
        found = {}
        for path in sorted(STATE.rglob("*")):
            if path.name in ("lock", "catalog.db", "catalog.db-wal", "catalog.db-shm", "stage"):
                continue
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            found[str(path.relative_to(STATE))] = (content, stat.S_IMODE(path.lstat().st_mode),
                                                   path.lstat().st_uid)
        return found

    def test_FaultC15_a_state_directory_that_is_deleted_comes_back(self):
        path, before = self.backup(), self.tree()
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        shutil.rmtree(STATE)
        for command in (("renew",), ("status",)):
            result = self.run_everseal(*command, status=1)
            self.assertIn("names 1 certificate of", result.err)
            self.assertIn("everseal restore FILE", result.err)
        self.run_everseal("restore", path)
        self.assertEqual(self.tree(), before)
        self.assert_repaired()

    def test_FaultC15_a_state_directory_that_is_deleted_without_a_backup(self):
        """Of what nginx serves all is ordered anew; the words of `repair` say how."""
        shutil.rmtree(STATE)
        report = self.run_everseal("repair", "--json", "--server", self.authority.url).json()
        [static] = report["certificates"]
        [command] = [note.split("(", 1)[1].removesuffix(")") for note in static["notes"] if "openssl" in note]
        subprocess.run(command, shell=True, check=True, capture_output=True)
        self.assertEqual(self.nginx.test(), "")
        self.run_everseal("renew", "--yes")
        shutil.rmtree(STATE / "live/.static.example.set-aside")  # what was of no worth
        check_live()
        self.nginx.cold_start()
        self.assert_https("static.example")
        self.assertIn("Nothing to do", self.run_everseal("renew").out)

    def test_a_backup_is_a_tar_archive_that_tar_reads(self):
        path, before = self.backup(), self.tree()
        target = SCRATCH / "unpacked"
        target.mkdir()
        self.addCleanup(shutil.rmtree, target)
        done = subprocess.run(["tar", "-xpf", path, "-C", target], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for name, (content, mode, _) in before.items():
            found = target / name
            self.assertEqual(os.readlink(found) if found.is_symlink() else
                             found.read_bytes() if found.is_file() else None, content)
            if not found.is_symlink():
                self.assertEqual(stat.S_IMODE(found.stat().st_mode), mode)

    def test_a_backup_never_overwrites_unless_told(self):
        path = self.backup()
        before = path.read_bytes()
        self.assertIn("--force replaces it", self.run_everseal("backup", path, status=1).err)
        self.assertEqual(path.read_bytes(), before)
        self.run_everseal("backup", "--force", path)

    def test_a_restore_keeps_what_was_there_and_asks_before(self):
        path = self.backup()
        self.run_everseal("renew", "--force")
        newer = self.tree()
        self.assertIn("--yes", self.run_everseal("restore", path, status=1).err)
        self.assertEqual(self.tree(), newer)
        result = self.run_everseal("restore", "--yes", "--json", path).json()
        kept = pathlib.Path(result["replaced"])
        self.assertEqual(os.readlink(kept / "live/static.example"),
                         "../certs/static.example/versions/2")
        self.assert_repaired()

    def test_a_restore_says_what_nginx_needs_and_the_backup_does_not_hold(self):
        """What was secured after the backup: its words are followed one by one."""
        path = self.backup()
        self.run_everseal("secure", "--yes", "pair.example")
        result = self.run_everseal("restore", "--yes", path)
        self.assertIn("names 1 certificate that the backup does not hold (pair.example)", result.out)
        self.assertIn("Now: everseal repair", result.out)
        report = self.run_everseal("repair", "--json", "--server", self.authority.url).json()
        notes = [note for each in report["certificates"] for note in each["notes"]]
        for command in [note.split("(", 1)[1].removesuffix(")") for note in notes if "openssl" in note]:
            subprocess.run(command, shell=True, check=True, capture_output=True)
        self.run_everseal("renew", "--yes")
        shutil.rmtree(STATE / "live/.pair.example.set-aside")  # what was of no worth
        check_live()
        self.nginx.cold_start()
        self.assert_https("pair.example")
        self.assert_https("static.example")

    def test_a_restore_over_a_damaged_state(self):
        path = self.backup()
        shutil.rmtree(STATE / "certs")
        CATALOG.write_bytes(b"noise" * 1000)
        self.run_everseal("restore", "--yes", path)
        self.assert_repaired()

    def test_a_restore_gives_all_to_whom_the_directory_belonged(self):
        path = self.backup()
        for each in (STATE, *STATE.rglob("*")):
            os.lchown(each, 33, 33)
        self.run_everseal("restore", "--yes", path)
        self.assertEqual({each.lstat().st_uid for each in (STATE, *STATE.rglob("*"))}, {33})

    def test_hostile_archives_are_refused_and_change_nothing(self):
        path, before = self.backup(), self.tree()
        hostile = SCRATCH / "hostile.tar"

        def members():
            with tarfile.open(path) as archive:
                return [(member, archive.extractfile(member).read() if member.isfile() else b"")
                        for member in archive]

        def write(*more, replace=()):
            with tarfile.open(hostile, "w", format=tarfile.PAX_FORMAT) as archive:
                for member, content in (*members(), *more):
                    if member.name not in replace:
                        archive.addfile(member, io.BytesIO(content))

        def member(name, kind=tarfile.REGTYPE, link="", content=b""):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(content)
            return info, content

        for evil in (member("../evil"), member("/etc/evil"), member("certs/../../evil"),
                     member("certs/a.example/versions/1/../../../../../evil"),
                     member("live/evil.example", tarfile.SYMTYPE, "/etc"),
                     member("live/evil.example", tarfile.SYMTYPE, "../certs/../../../etc"),
                     member("certs/evil.example", tarfile.SYMTYPE, "/etc"),
                     member("accounts/evil", tarfile.SYMTYPE, "/etc"),
                     member("catalog.db", tarfile.SYMTYPE, "/etc/passwd"),
                     member("live/evil.example", tarfile.LNKTYPE, "/etc/passwd"),
                     member("accounts/evil", tarfile.FIFOTYPE), member("accounts/evil", tarfile.CHRTYPE),
                     member("lock", content=b"1"), member("other", content=b"1"),
                     member("live/x" + "y" * 5000, tarfile.SYMTYPE, "/etc"),
                     member("catalog.db", content=b"twice")):
            with self.subTest(evil[0].name[:60], kind=evil[0].type):
                write(evil)
                result = self.run_everseal("restore", "--yes", hostile, status=1)
                self.assertIn(str(hostile), result.err)
                self.assertEqual(self.tree(), before)
        for size in (0, 511, 512, 5000, path.stat().st_size // 2, path.stat().st_size - 1024):
            hostile.write_bytes(path.read_bytes()[:size])
            self.run_everseal("restore", "--yes", hostile, status=1)
            self.assertEqual(self.tree(), before)
        self.assertFalse(list(STATE.parent.glob("everseal.restore-*")))
        self.assertFalse(pathlib.Path("/etc/evil").exists())

    def test_a_restore_that_is_killed_leaves_the_old_or_the_new(self):
        path = self.backup()
        self.run_everseal("renew", "--force")
        for call in ("renameat2", "openat", "fsync", "mkdirat", "symlinkat", "sendfile"):
            ends = []
            for k in (1, 2, 5, 20):
                ends.append(self.everseal.run("restore", "--yes", path,
                                              wrapper=kill_at(call, k, follow=True)).status)
                self.assertEqual(len(live()), 2)
                check_live()
                self.assertEqual(self.nginx.test(), "")
            self.assertIn(-signal.SIGKILL, ends, f"never killed at {call}")
        self.run_everseal("restore", "--yes", path)
        self.assert_repaired()


if __name__ == "__main__":
    main()
