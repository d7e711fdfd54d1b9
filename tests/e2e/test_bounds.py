#!/usr/bin/python3
"""What keeps a run from working is told, once; and nothing is waited for without bound."""

import contextlib
import fcntl
import os
import pathlib
import pwd
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
import time
import unittest

from harness import attacker, sandbox
from harness.everseal import STATE, binary, check_live, live
from harness.own_ca_case import WEBROOT, KeptCase
from harness.receivers import SETTINGS, MailServer, make_certificate, smtp, write_settings
from harness.sandbox import SCRATCH, wait_until

_DAY = 86400
_PATIENCE = 120  # against hanging only
_MEMORY = pathlib.Path("/run/everseal-renew")
_BY_ALARM = "did not end in time"  # what a run says that has not ended by itself (base/stop.cc)


class TellingCase(KeptCase):
    """Somebody is told by mail."""

    def setUp(self):
        shutil.rmtree(_MEMORY, ignore_errors=True)
        super().setUp()
        self.server = MailServer(2525, make_certificate(SCRATCH / "receiver.pem", "localhost")).start()
        self.addCleanup(self.server.stop)
        write_settings(smtp())
        self.addCleanup(SETTINGS.unlink)

    def subjects(self):
        return [mail["Subject"] for mail in self.server.mails]

    def make_due(self):
        """All that is kept; it may be tried again at once."""
        self.change_catalog(
            "UPDATE certificates SET renew_at = 1, window_start = 1, window_end = 2, "
            "next_attempt = 0, last_attempt = 1, next_look = 0, ask_at = unixepoch() + 86400")

    def orders(self):
        return self.ca.ledger("SELECT count(*) FROM orders")[0]

    def check(self):
        return self.everseal.run("status", "--check")

    def assert_told_once(self, words, runs=3, status=1):
        """However often it runs, somebody hears of it once; and the check is not OK."""
        before = len(self.subjects())
        for _ in range(runs):
            result = self.everseal.run("renew")
            self.assertEqual(result.status, status, str(result))
            self.assertNotIn("none of", result.out)
        told = self.subjects()[before:]
        self.assertEqual(len(told), 1, told)
        self.assertNotIn("is not in use", told[0])
        self.assertIn(words, self.server.mails[-1].get_content().replace("\r\n", "\n"))
        self.assertNotEqual(self.check().status, 0)
        self.assertEqual(self.everseal.run("renew").status, status)
        self.assertEqual(len(self.subjects()), before + 1)
        check_live()
        return told[0]

    def assert_over(self, versions=1):
        """Without anybody's doing, by the next run."""
        self.run_everseal("renew")
        self.assertTrue(self.subjects()[-1].startswith("Solved: "), self.subjects())
        count = len(self.subjects())
        self.run_everseal("renew")
        self.assertEqual(len(self.subjects()), count)
        self.assertEqual(os.readlink(STATE / "live" / self.name).split("/")[-1], str(versions))
        self.assertEqual(list(_MEMORY.iterdir()) if _MEMORY.exists() else [], [])
        self.assertFalse((STATE / "memory.json").exists())
        self.assertEqual(self.check().status, 0, str(self.check()))
        check_live()


class SmallDisk(TellingCase):
    """The state directory is a file system of its own, which a test fills."""

    def setUp(self):
        STATE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,nr_inodes=120,mode=0700", "tmpfs",
                        str(STATE)], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(STATE)], check=True)
        super().setUp()

    def fill_bytes(self):
        with open(STATE / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(bytes(4096)):
                pass

    def fill_inodes(self):
        (STATE / "filler").mkdir()
        with contextlib.suppress(OSError):
            for number in range(1000):
                (STATE / f"filler/{number}").touch()

    def free(self):
        path = STATE / "filler"
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def test_C4_a_full_disk(self):
        self.make_due()
        orders = self.orders()
        self.fill_bytes()
        self.assert_told_once("No space left on device")
        self.assertEqual(self.orders(), orders)
        self.free()
        self.assert_over(versions=2)

    def test_C4_a_full_disk_when_nothing_is_due(self):
        self.fill_bytes()
        self.assert_told_once("full")
        self.free()
        self.assert_over()

    def test_C7_no_inodes_are_left(self):
        self.make_due()
        orders = self.orders()
        self.fill_inodes()
        self.assert_told_once("catalog.db: unable to open database file")
        self.assertEqual(self.orders(), orders)
        self.free()
        self.change_catalog("UPDATE certificates SET next_attempt = 0, next_look = 0")
        self.assert_over(versions=2)

    def test_C6_read_only(self):
        self.make_due()
        orders = self.orders()
        subprocess.run(["mount", "-o", "remount,ro", str(STATE)], check=True)
        self.assert_told_once("Read-only file system")
        self.assertEqual(self.orders(), orders)
        subprocess.run(["mount", "-o", "remount,rw", str(STATE)], check=True)
        self.assert_over(versions=2)


class OfAUser(TellingCase):
    """Everseal is run by acme, whose state directory is on a disk that has become read-only."""

    STATE = pathlib.Path("/srv/acme-state")
    PLACES = (pathlib.Path("/dev/shm"), pathlib.Path("/var/tmp"))

    def setUp(self):
        super().setUp()
        attacker.add_user()
        subprocess.run(["useradd", "--system", "--no-create-home", "acme"], check=False)
        self.user = pwd.getpwnam("acme").pw_uid
        self.STATE.mkdir(exist_ok=True)
        for place, mode in (*((place, 1777) for place in self.PLACES), (self.STATE, 700)):
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", str(place)],
                           check=True)
            self.addCleanup(subprocess.run, ["umount", "-l", str(place)], check=True)
        subprocess.run(f"cp -a {STATE}/. {self.STATE} && chown -R acme: {self.STATE}", shell=True,
                       check=True)
        self.program = SCRATCH / "everseal"
        shutil.copy(binary(), self.program)
        SCRATCH.chmod(0o755)
        self.program.chmod(0o755)
        SETTINGS.write_text(f'state = "{self.STATE}"\n' + SETTINGS.read_text())
        for path in (SETTINGS, *SETTINGS.parent.iterdir()):
            path.chmod(0o644)
        self.remount("ro")

    def remount(self, how):
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.STATE)], check=True)

    def run_as_acme(self, *arguments):
        return subprocess.run(["setpriv", "--reuid", "acme", "--regid", "acme", "--clear-groups",
                               str(self.program), *arguments], capture_output=True, text=True,
                              timeout=_PATIENCE)

    def take(self, name):
        """By bob, in both places."""
        subprocess.run([*attacker.as_bob(), "mkdir", *(place / name for place in self.PLACES)],
                       check=True)

    def assert_told(self):
        done = self.run_as_acme("renew")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(len(self.subjects()), 1, done.stdout + done.stderr)
        self.assertIn("Read-only file system", self.server.mails[0].get_content())
        self.assertEqual(self.run_as_acme("status", "--check").returncode, 1)

    def test_S1_another_user_who_takes_the_places_silences_nobody(self):
        self.take(f"everseal-{self.user}")
        self.assert_told()
        self.run_as_acme("renew")
        self.assertEqual(len(self.subjects()), 1, "it is remembered under another name")
        self.remount("rw")
        self.assertEqual(self.run_as_acme("renew").returncode, 0)
        self.assertTrue(self.subjects()[-1].startswith("Solved: "), self.subjects())
        self.assertEqual([], [path for place in self.PLACES for path in place.rglob("*.json")])

    def test_S1_what_can_be_remembered_nowhere_is_told_each_time(self):
        for place in self.PLACES:
            place.chmod(0o755)
        self.assert_told()
        self.run_as_acme("renew")
        self.assertEqual(len(self.subjects()), 2)

    def test_S1_the_check_sees_what_no_run_has_met_yet(self):
        done = self.run_as_acme("status", "--check")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(f"{self.STATE} cannot be written: its file system is read-only", done.stdout)


class NoState(TellingCase):
    """What fails before the state is open."""

    def test_D3_a_damaged_catalog(self):
        saved = SCRATCH / "saved"
        shutil.rmtree(saved, ignore_errors=True)
        shutil.copytree(STATE, saved, symlinks=True)
        for path in STATE.glob("catalog.db*"):
            path.write_bytes(b"nonsense" * 1000)
        self.assert_told_once("catalog.db")
        for path in saved.glob("catalog.db*"):
            shutil.copy(path, STATE)
        self.assert_over()

    def test_D3_a_newer_catalog(self):
        [(version,)] = self.change_catalog("PRAGMA user_version")
        self.change_catalog("PRAGMA user_version = 9999")
        self.assert_told_once("9999")
        self.change_catalog(f"PRAGMA user_version = {version}")
        self.assert_over()

    def test_D3_another_users_directory(self):
        os.chown(STATE, 33, 33)
        self.assert_told_once("belongs to user www-data")
        os.chown(STATE, 0, 0)
        self.assert_over()

    def test_D3_a_reminder_comes_a_day_later(self):
        os.chown(STATE, 33, 33)
        subject = self.assert_told_once("belongs to user www-data")
        [memory] = _MEMORY.iterdir()
        text = memory.read_text()
        moment = int(text.split('"told_at": ')[1].split("\n")[0].strip(" ,}"))
        memory.write_text(text.replace(f'"told_at": {moment}', f'"told_at": {moment - _DAY}'))
        for _ in range(2):
            self.run_everseal("renew", status=1)
        self.assertEqual(self.subjects(), [subject, f"Still: {subject}"])

    def test_D3_wrong_settings(self):
        for text in ("colour = 'red'\n", "[nginx\n"):
            with self.subTest(text):
                write_settings(text + smtp())
                self.assert_told_once(str(SETTINGS), status=2)
                write_settings(smtp())
                self.assert_over()

    def test_C7_a_limit_on_the_size_of_files(self):
        self.make_due()
        for _ in range(3):
            result = self.everseal.run("renew", wrapper=("prlimit", "--fsize=8192"))
            self.assertEqual(result.status, 1, str(result))
        self.assertEqual(len(self.subjects()), 1)
        self.assertNotIn("is not in use", self.subjects()[0])
        self.assertNotEqual(self.check().status, 0)
        check_live()
        self.change_catalog("UPDATE certificates SET next_attempt = 0, next_look = 0")
        self.assert_over(versions=2)


class Lock(TellingCase):
    """Another process has the state."""

    @contextlib.contextmanager
    def held(self, seconds):
        """For so long already."""
        began = pathlib.Path("/proc/self/stat").read_text().rsplit(") ", 1)[1].split()[19]
        with open(STATE / "lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.truncate(0)
            lock.write(f"{os.getpid()} {int(time.monotonic()) - seconds} {began}\n")
            lock.flush()
            yield

    def test_S6_held_for_hours_is_told(self):
        with self.held(3 * 3600):
            self.assert_told_once(f"another everseal (process {os.getpid()}) has been at work in "
                                  f"{STATE} for 3 hours")
            self.assertIn("has been at work", self.check().out)
        self.assert_over()

    def test_held_for_a_moment_is_no_news(self):
        with self.held(60):
            result = self.run_everseal("renew")
        self.assertIn("Another everseal (process", result.out)
        self.assertNotIn("none of", result.out)
        with self.held(60):
            self.assertIsNone(self.run_everseal("renew", "--json").json()["certificates"])
        self.assertEqual(self.subjects(), [])

    def test_who_asks_for_more_beside_it_is_told_and_nobody_else(self):
        with self.held(60):
            result = self.run_everseal("renew", "--force", status=1)
            self.assertIn(f"another everseal (process {os.getpid()}) is at work", result.err)
            self.assertEqual(self.check().status, 0, "it is no trouble")
        self.run_everseal("renew")
        self.assertEqual(self.subjects(), [])

    def test_one_that_puts_another_catalog_in_place_is_waited_for(self):
        catalog, aside = STATE / "catalog.db", STATE / "aside"
        for arguments in (("status", "--check"), ("status",), ("renew",)):
            with self.subTest(arguments), self.held(60):
                catalog.rename(aside)
                again = threading.Timer(0.5, aside.rename, (catalog,))
                again.start()
                self.run_everseal(*arguments)
                again.join()
        self.assertEqual(self.subjects(), [])

    def test_S6_a_holder_that_is_stopped(self):
        self.make_due()
        self.ca.fault({"resource": "finalize", "delay": "2s"})
        before = self.ca.requests()["finalize"]
        process = self.everseal.start("renew")
        wait_until("it is at it", lambda: self.ca.requests()["finalize"] > before)
        process.send_signal(signal.SIGSTOP)
        words = (STATE / "lock").read_text().split()
        self.assertEqual(words[0], str(process.pid))
        words[1] = str(int(words[1]) - 3 * 3600)
        (STATE / "lock").write_text(" ".join(words))
        self.assert_told_once(f"(process {process.pid})")
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=_PATIENCE)
        self.assertEqual(process.returncode, 0)
        self.assert_over(versions=2)


class NotMounted(TellingCase):
    """A link leads to a disk that is not there for now."""

    @contextlib.contextmanager
    def away(self, path):
        aside = path.with_name("aside")
        path.rename(aside)
        path.symlink_to("/not/mounted")
        yield
        path.unlink()
        aside.rename(path)

    def test_the_state_is_not_taken_for_an_empty_one(self):
        with self.away(STATE):
            for command in (("renew",), ("status",), ("changes",)):
                self.assertIn("a disk that is not mounted", self.run_everseal(*command, status=1).err)
            self.assertEqual(self.check().status, 3)
        self.run_everseal("renew")

    def test_a_repair_forgets_no_certificates(self):
        catalog = (STATE / "catalog.db").read_bytes()
        for name in ("certs", "live", "accounts"):
            with self.subTest(name), self.away(STATE / name):
                self.assertIn(str(STATE / name), self.run_everseal("repair", status=1).err)
                self.assertEqual((STATE / "catalog.db").read_bytes(), catalog)
        self.run_everseal("renew")


class _SilentMail(socketserver.StreamRequestHandler):
    """Takes mail as far as `silent_after` says."""

    def handle(self):
        self.say("220 silent")
        for line in self.rfile:
            word = line.strip().upper()[:4]
            if word == b"DATA":
                self.say("354 go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.server.dots += 1
                if self.server.silent_after == "dot":
                    return self.server.over.wait()
                self.say("250 taken")
            elif word == b"QUIT":
                return self.server.over.wait()
            else:
                self.say("250 silent")

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")


class _SilentServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, silent_after):
        super().__init__(("127.0.0.1", 2626), _SilentMail)
        self.silent_after, self.dots, self.over = silent_after, 0, threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.over.set()
        self.shutdown()
        self.server_close()


class SilentMail(TellingCase):
    """A mail server that stops to answer."""

    def setUp(self):
        super().setUp()
        self.make_due()
        self.ca.fault({"resource": "new-order", "problem": {
            "type": "rejectedIdentifier", "status": 400, "detail": "no"}})

    def serve(self, silent_after):
        server = _SilentServer(silent_after)
        self.addCleanup(server.stop)
        write_settings(smtp(port=2626, security="none"))
        return server

    def test_X2_others_work_meanwhile(self):
        server = self.serve("dot")
        process = self.everseal.start("renew")
        wait_until("it has the mail", lambda: server.dots == 1)
        with open(STATE / "lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process.communicate(timeout=_PATIENCE)
        self.assertEqual(process.returncode, 1)

    def test_X2_a_signal_ends_it(self):
        server = self.serve("dot")
        process = self.everseal.start("renew")
        wait_until("it has the mail", lambda: server.dots == 1)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=_PATIENCE)
        self.assertEqual(process.returncode, 1)
        self.assertNotIn(_BY_ALARM, err)
        write_settings(smtp())
        self.run_everseal("renew")
        self.assertEqual(len(self.subjects()), 1, "nobody had heard of it")

    def test_X2_what_was_taken_is_told_whatever_comes_of_the_good_bye(self):
        server = self.serve("quit")
        result = self.run_everseal("renew", status=1)
        self.assertIn("Told by mail", result.out)
        self.run_everseal("renew")
        self.assertEqual(server.dots, 1)

    def test_X2_a_kill_after_one_way_repeats_none(self):
        server = self.serve("quit")
        page = SCRATCH / "page"
        page.write_text(f"#!/bin/sh\ntouch {SCRATCH}/paged\nsleep 1000\n")
        page.chmod(0o755)
        (SCRATCH / "paged").unlink(missing_ok=True)
        text = smtp(port=2626, security="none")
        write_settings(text.replace("[notify]", f"[notify]\ncommand = ['{page}']"))
        process = self.everseal.start("renew")
        wait_until("it tells by the second way", (SCRATCH / "paged").exists)
        process.kill()
        process.communicate(timeout=_PATIENCE)
        subprocess.run(["pkill", "-x", "-f", "sleep 1000"], check=False)
        self.run_everseal("renew")
        self.assertEqual(server.dots, 1)


class StopCase(TellingCase):
    def setUp(self):
        super().setUp()
        self.hooks = pathlib.Path("/etc/everseal/deploy.d")
        shutil.rmtree(self.hooks, ignore_errors=True)
        self.hooks.mkdir(parents=True)
        self.addCleanup(shutil.rmtree, self.hooks)
        for path in SCRATCH.glob("ran-*"):
            path.unlink()

    def write_hook(self, name, text):
        path = self.hooks / name
        path.write_text(f"#!/bin/sh\ntouch {SCRATCH}/ran-{name}\n{text}\n")
        path.chmod(0o755)

    def ran(self):
        return sorted(path.name.removeprefix("ran-") for path in SCRATCH.glob("ran-*"))

    def stop(self, process, number=signal.SIGTERM):
        process.send_signal(number)
        out, err = process.communicate(timeout=_PATIENCE)
        self.assertGreaterEqual(process.returncode, 0, out + err)
        self.assertNotIn(_BY_ALARM, out + err)
        with open(STATE / "lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.assertEqual(subprocess.run(["pgrep", "-f", "everseal role (keeper|net|verify)|sleep 4321"],
                                        capture_output=True, text=True).stdout, "")
        return out + err


class Stops(StopCase):
    """A signal ends a run, whatever it waits for."""

    def test_X7_no_other_hook_is_started_and_the_running_one_is_ended(self):
        self.write_hook("1-sleeps", "sleep 4321")
        self.write_hook("2-next", "")
        process = self.everseal.start("renew")
        wait_until("the first runs", lambda: self.ran() == ["1-sleeps"])
        self.stop(process)
        self.assertEqual(self.ran(), ["1-sleeps"])
        self.write_hook("1-sleeps", "")
        self.run_everseal("renew")
        self.assertEqual(self.ran(), ["1-sleeps", "2-next"])
        self.assertEqual(self.subjects(), [])

    def test_X7_a_hook_that_does_not_want_to_end(self):
        self.write_hook("1-waits", f"trap '' TERM\nmkfifo {SCRATCH}/ran-fifo\nread x < {SCRATCH}/ran-fifo")
        process = self.everseal.start("renew")
        wait_until("it waits", lambda: self.ran() == ["1-waits", "fifo"])
        self.stop(process)
        self.assertEqual(subprocess.run(["pgrep", "-f", "1-waits"], capture_output=True).stdout, b"")

    def test_C11_amid_an_order_by_any_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(number.name):
                self.make_due()
                version = int(os.readlink(STATE / "live" / self.name).split("/")[-1])
                self.ca.fault({"resource": "finalize", "delay": "5s"})
                orders, finalized = self.orders(), self.ca.requests()["finalize"]
                process = self.everseal.start("renew")
                wait_until("it is at it",
                           lambda: self.ca.requests()["finalize"] > finalized)
                self.stop(process, number)
                self.ca.clear()
                self.assertEqual(list(WEBROOT.glob(".well-known/acme-challenge/*")), [])
                self.change_catalog("UPDATE certificates SET next_attempt = 0, next_look = 0")
                self.run_everseal("renew")
                self.assertEqual(self.orders(), orders + 1)
                self.assertEqual(int(os.readlink(STATE / "live" / self.name).split("/")[-1]),
                                 version + 1)

    def test_C11_stopped_and_continued_amid_an_order_it_goes_on(self):
        self.make_due()
        self.ca.fault({"resource": "finalize", "delay": "1s"})
        orders, finalized = self.orders(), self.ca.requests()["finalize"]
        process = self.everseal.start("renew")
        wait_until("it is at it", lambda: self.ca.requests()["finalize"] > finalized)
        process.send_signal(signal.SIGSTOP)
        wait_until("it stands", lambda: "T" in pathlib.Path(
            f"/proc/{process.pid}/stat").read_text().rsplit(") ")[1][:1])
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=_PATIENCE)
        self.assertEqual((process.returncode, self.orders()), (0, orders + 1))


class SilentHaproxy(StopCase):
    """A socket of HAProxy that takes connections and says nothing."""

    def setUp(self):
        super().setUp()
        for name in ("b.example", "c.example", "d.example"):
            self.issue(name)
        self.connections = 0
        directory = pathlib.Path("/etc/haproxy/certs")
        directory.mkdir(parents=True, exist_ok=True)
        self.addCleanup(shutil.rmtree, directory)
        path = SCRATCH / "haproxy.sock"
        path.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(100)
        threading.Thread(target=self._accept, daemon=True).start()
        self.addCleanup(self.socket.close)
        write_settings(smtp() + f'[haproxy]\ncertificates = "{directory}"\nsocket = "{path}"\n')

    def _accept(self):
        held = []
        with contextlib.suppress(OSError):
            while True:
                held.append(self.socket.accept())
                self.connections += 1

    def test_X3_is_asked_once_in_a_run_and_told_as_one(self):
        self.run_everseal("renew", status=1)
        self.assertEqual(self.connections, 1)
        self.assertEqual(self.subjects(), ["HAProxy's socket gives no answer"])
        self.run_everseal("renew", status=1)
        self.assertEqual((self.connections, len(self.subjects())), (2, 1))
        self.assertEqual(os.listdir("/etc/haproxy/certs"), [])

    def test_X3_a_signal_ends_it(self):
        process = self.everseal.start("renew")
        wait_until("it asks", lambda: self.connections == 1)
        self.stop(process)
        self.assertEqual(self.connections, 1)
        self.assertEqual(self.subjects(), [])


class Away(TellingCase):
    """The CA cannot be reached for days."""

    def make_due(self, left):
        """Days that are left of ninety; may be tried again at once."""
        begin = int(time.time()) + (left - 90) * _DAY + 60
        self.change_catalog(
            f"UPDATE certificates SET not_before = {begin}, not_after = {begin + 90 * _DAY}, "
            "renew_at = 1, next_attempt = 0, last_attempt = 1, next_look = 0, "
            "ask_at = unixepoch() + 864000")
        self.change_catalog(f"UPDATE served SET not_after = {begin + 90 * _DAY}")
        self.change_catalog(f"UPDATE incidents SET told_at = told_at - {_DAY}")

    def test_N5_alerts_go_by_the_share_of_life_and_the_return_is_no_storm(self):
        names = [self.name] + [f"site{number}.example" for number in range(5)]
        for name in names[1:]:
            self.issue(name)
        self.ca.stop_ca()
        for number, (left, status) in enumerate(((20, 1), (10, 1), (3, 2))):
            self.make_due(left)
            self.change_catalog("UPDATE certificates SET failures = 8")
            self.run_everseal("renew", status=1)
            self.run_everseal("renew")  # each waits for its next attempt
            self.assertEqual(len(self.subjects()), number + 1)
            self.assertIn(f"{left} days left", self.subjects()[-1])
            self.assertEqual(self.check().status, status, str(self.check()))
            if left == 20:
                moments = self.change_catalog("SELECT DISTINCT next_attempt FROM certificates")
                self.assertGreater(len(moments), 3, "not all of them at once")
        self.ca.start_ca()
        orders = self.orders()
        self.make_due(2)
        self.run_everseal("renew")
        self.assertEqual(self.orders(), orders + len(names))
        self.run_everseal("renew")
        self.assertEqual(self.orders(), orders + len(names))
        self.assertTrue(self.subjects()[-1].startswith("Solved: "))


class SilentResolver(TellingCase):
    """A name server that gets questions and does not answer."""

    def setUp(self):
        super().setUp()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.77", 53))
        self.addCleanup(self.socket.close)
        settings = pathlib.Path("/etc/resolv.conf")
        before = settings.read_bytes()
        self.addCleanup(settings.write_bytes, before)
        settings.write_text("nameserver 127.0.0.77\noptions timeout:30 attempts:5\n")

    def test_N7_is_given_up_and_others_go_on(self):
        self.issue("elsewhere.example")
        self.make_due()
        self.change_catalog("UPDATE certificates SET server = 'https://ca.hang.example/directory' "
                            "WHERE name = 'elsewhere.example'")
        result = self.run_everseal("renew", status=3)
        self.assertIn("look up ca.hang.example: the resolver gives no answer within 10 s", result.err)
        self.assertEqual(os.readlink(STATE / "live" / self.name).split("/")[-1], "2")
        self.assertEqual(live(), ["elsewhere.example", self.name])


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
