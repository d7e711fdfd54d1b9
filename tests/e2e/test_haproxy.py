#!/usr/bin/python3
"""HAProxy in front of nginx: certificates without a reload, and everything back where that fails."""

import contextlib
import socket
import ssl
import subprocess
import sys
import threading

from harness import MachineCase, attacker, main, processes, visitor
from harness.everseal import STATE, change_catalog
from harness.haproxy import CERTIFICATES, SETTINGS, SOCKET, Haproxy, make_self_signed, settings
from harness.load import Load, Wrk
from harness.sandbox import SCRATCH, wait_until
from harness.sites import WEBROOT
from harness.strace import inject, kill_at

NAME = "static.example"
FILE = CERTIFICATES / f"{NAME}.pem"
ISSUE = ("issue", "--yes", "-d", f"{NAME}:{WEBROOT}/static")
RENEWALS = 10


class HaproxyTest(MachineCase):
    def setUp(self):
        super().setUp()
        self.haproxy = Haproxy().write()
        self.addCleanup(self.haproxy.remove)
        self.haproxy.start()
        self.root = self.authority.root_file()
        settings()

    # --- the ways there

    def test_a_new_certificate_needs_no_reload(self):
        worker = self.haproxy.worker()
        self.run_everseal(*ISSUE)
        self.assert_shown()
        self.assertEqual(self.haproxy.worker(), worker)
        self.assertEqual(FILE.stat().st_mode & 0o777, 0o600)
        self.assert_survives_a_restart()

    def test_no_request_fails_while_certificates_are_renewed(self):
        self.run_everseal(*ISSUE)
        worker, serials = self.haproxy.worker(), {self.shown()}
        loads = [Load(lambda: visitor.https_get(NAME, self.root)),
                 Load(lambda: visitor.https_get(NAME, self.root, address="::1"))]
        for load in loads:
            load.start()
        wrk = Wrk("https://127.0.0.1/", NAME)
        for _ in range(RENEWALS):
            self.run_everseal("renew", "--force")
            serials.add(self.shown())
        for load in loads:
            load.stop()
            self.assertEqual(load.failures, [])
            self.assertGreater(load.requests, RENEWALS)
        report = wrk.stop()
        print(f"{report.requests + sum(load.requests for load in loads)} requests, "
              f"{RENEWALS} renewals")
        self.assertEqual(report.failed, 0)
        self.assertGreater(report.requests, RENEWALS)
        self.assertEqual(len(serials), RENEWALS + 1)
        self.assertEqual(self.haproxy.worker(), worker)
        self.assert_shown()

    def test_by_reload_where_there_is_no_socket(self):
        settings(socket=None, reload=self.haproxy.reload_command())
        self.run_everseal(*ISSUE)
        self.assert_shown()

    def test_by_reload_where_the_socket_fails(self):
        settings(socket="/run/haproxy/nothing.sock", reload=self.haproxy.reload_command())
        self.run_everseal(*ISSUE)
        self.assert_shown()

    def test_what_is_live_already_and_what_is_not_wanted(self):
        settings(names=["four.example"])
        self.run_everseal(*ISSUE)
        self.assertFalse(FILE.exists())
        settings()
        document = self.run_everseal("renew", "--json").json()
        self.assertEqual((document["in_haproxy"], document["renewed"]), ([NAME], []))
        self.assert_shown()
        self.haproxy.stop()
        self.run_everseal("renew")  # nothing is due: nobody is asked

    def test_what_it_shows_is_looked_at_daily(self):
        self.run_everseal(*ISSUE)
        [shown] = self.look()
        self.assertEqual((shown["served"]["sight"], shown["served_by"]), ("right", "haproxy"))
        self.assertEqual(shown["served"]["places"], ["127.0.0.1:443", "[::1]:443"])
        good = FILE.read_bytes()
        self.haproxy.stop()
        make_self_signed(FILE, NAME)
        self.haproxy.start()
        [shown] = self.look()
        self.assertEqual((shown["served"]["sight"], shown["level"]), ("wrong", "warning"))
        self.assertIn("127.0.0.1:443: shows a certificate that is not ours", shown["served"]["problem"])
        self.assertIn(f"HAProxy serves something else than the certificate of {NAME}",
                      self.run_everseal("status").out)
        self.haproxy.stop()
        [shown] = self.look()
        self.assertEqual(shown["served"]["sight"], "unreachable")
        FILE.write_bytes(good)
        self.haproxy.start()
        [shown] = self.look()
        self.assertEqual((shown["served"]["sight"], shown["level"]), ("right", "ok"))
        self.haproxy.stop()
        SETTINGS.unlink()
        [shown] = self.look()
        self.assertEqual((shown["served"], shown["level"]), (None, "ok"), "nobody is to show it")

    def look(self):
        """What the daily look finds."""
        change_catalog("UPDATE moments SET at = 1 WHERE name = 'served check'")
        self.run_everseal("renew")
        return self.run_everseal("status", "--json").json()["certificates"]

    # --- what fails, and comes back

    def test_a_socket_that_is_not_there(self):
        self.assert_fails_and_recovers("No such file", socket="/run/haproxy/nothing.sock")

    def test_haproxy_does_not_run(self):
        self.run_everseal(*ISSUE)
        before = FILE.read_bytes()
        self.haproxy.stop()
        result = self.run_everseal("renew", "--force", status=3)
        self.assertIn("does HAProxy run", result.err + result.out)
        self.assertEqual(FILE.read_bytes(), before)
        self.haproxy.start()
        self.run_everseal("renew")
        self.assert_shown()

    def test_a_socket_without_the_right_level(self):
        self.haproxy.stop()
        self.haproxy.write(level="user").start()
        result = self.run_everseal(*ISSUE, status=3)
        self.assertIn("level admin", result.err + result.out)
        self.assert_nothing_left()
        self.haproxy.stop()
        self.haproxy.write().start()
        self.run_everseal("renew")
        self.assert_shown()

    def test_nobody_sees_it(self):
        """Wrong addresses in the settings: HAProxy took it, the proof fails, all goes back."""
        self.assert_fails_and_recovers("127.0.0.1:444", listen=["127.0.0.1:444"])
        self.assertNotIn(NAME, self.haproxy.ask(f"show ssl cert {FILE}") if not FILE.exists() else "")

    def test_the_administrators_own_certificate_comes_back(self):
        make_self_signed(FILE, NAME)
        FILE.chmod(0o640)
        self.haproxy.stop()
        self.haproxy.start()
        theirs, leaf = FILE.read_bytes(), self.leaf()
        settings(listen=["127.0.0.1:444"])
        self.run_everseal(*ISSUE, status=3)
        self.assertEqual(FILE.read_bytes(), theirs)
        self.assertEqual(FILE.stat().st_mode & 0o777, 0o640)
        self.assertEqual(self.leaf(), leaf)

    def test_a_reload_that_fails(self):
        settings(socket=None, reload=["false"])
        result = self.run_everseal(*ISSUE, status=3)
        self.assertIn("`false`: exit status 1", result.err + result.out)
        self.assert_nothing_left()

    def test_answers_that_are_none(self):
        for answer in (b"", b"rubbish\n", b"Unknown command\n" * 10000, b"\x1b[31m\0"):
            with self.subTest(answer=answer[:20]):
                with Liar(answer) as liar:
                    settings(socket=liar.path)
                    result = self.run_everseal(*ISSUE, "--force", status=3)
                self.assertIn("HAProxy answered", result.err + result.out)
                self.assertNotIn("\x1b[31m", result.err + result.out)
                self.assert_nothing_left()

    def test_S1_no_key_for_another_user_who_listens_at_the_socket(self):
        """HAProxy does not run; its socket is in a directory where anybody may make it."""
        attacker.add_user()
        directory, got = SCRATCH / "shared", SCRATCH / "shared/got"
        SCRATCH.chmod(0o755)
        directory.mkdir()
        directory.chmod(0o1777)
        path = directory / "haproxy.sock"
        bob = subprocess.Popen([*attacker.as_bob(), sys.executable, "-c", _THIEF, str(path), str(got)])
        self.addCleanup(bob.wait)
        self.addCleanup(bob.kill)
        wait_until("bob listens", got.exists)
        settings(socket=path)
        result = self.run_everseal(*ISSUE, status=3)
        self.assertIn(f"{path} is listened at by user bob, to whom root has not given it",
                      result.err + result.out)
        self.assertEqual(got.read_bytes(), b"")
        settings(socket=path, reload=self.haproxy.reload_command())
        self.run_everseal("renew")
        self.assert_shown()
        self.assertEqual(got.read_bytes(), b"")

    def test_somebody_elses_transaction_is_theirs(self):
        other = SCRATCH / "other.pem"
        make_self_signed(other, "other.example")
        self.haproxy.ask(f"new ssl cert {other}")
        self.haproxy.ask(f"set ssl cert {other} <<\n{other.read_text().replace(chr(10) * 2, chr(10))}")
        result = self.run_everseal(*ISSUE, status=3)
        self.assertIn(f"transaction of somebody else, about {other}", result.err + result.out)
        self.assertIn(f"*{other}", self.haproxy.ask("show ssl cert"))
        self.haproxy.ask(f"abort ssl cert {other}")
        self.run_everseal("renew")
        self.assert_shown()

    # --- what is in memory

    def test_S11_no_key_is_in_the_monitors_memory(self):
        """It stands still before each thing that it sends, and is looked at."""
        delay = inject("sendto,sendfile", "delay_enter=200000")
        running = self.everseal.start(*ISSUE, wrapper=delay)
        key, material, looks = STATE / "live" / NAME / "privkey.pem", None, 0
        while running.poll() is None:
            if material is None and key.exists():
                material = processes.key_material(key)
            for pid in processes.children(running.pid) if material else ():
                with contextlib.suppress(OSError):
                    memory = processes.memory(pid)
                    looks += 1
                    self.assertFalse(any(part in memory for part in material), "key bytes")
        out, err = running.communicate(timeout=60)
        self.assertEqual(running.returncode, 0, out + err)
        print(f"{looks} looks")
        self.assertGreater(looks, 10)
        self.assert_shown()

    # --- killed

    def test_killed_at_every_send(self):
        """Before each thing said to HAProxy: the next run brings file and memory into step."""
        self.run_everseal(*ISSUE)
        for when in range(1, 100):
            killed = self.everseal.run("renew", "--force", wrapper=kill_at("sendto", when))
            if killed.status == 0:
                break
            self.haproxy.ask("show info")
            self.assertTrue(self.shown(), "HAProxy shows nothing")
            self.run_everseal("renew")
            self.assert_shown()
        print(f"killed at {when - 1} sends")
        self.assertGreater(when, 5)
        self.assert_no_temporary_files()

    # --- what is seen

    def assert_fails_and_recovers(self, words, **wrong):
        settings(**wrong)
        result = self.run_everseal(*ISSUE, status=3)
        self.assertIn(words, result.err + result.out)
        self.assert_nothing_left()
        settings()
        self.run_everseal("renew")
        before, serial = FILE.read_bytes(), self.shown()
        settings(**wrong)
        self.run_everseal("renew", "--force", status=3)
        self.assertEqual(FILE.read_bytes(), before)
        self.assertEqual(self.shown(), serial)
        settings()
        self.run_everseal("renew")
        self.assertNotEqual(self.shown(), serial)
        self.assert_shown()

    def assert_nothing_left(self):
        self.assertEqual([path.name for path in CERTIFICATES.iterdir()], ["000-default.pem"])
        self.assertNotIn(NAME, self.haproxy.ask("show ssl cert"))
        self.assertNotIn("transaction", self.haproxy.ask("show ssl cert"))

    def assert_no_temporary_files(self):
        self.assertEqual(sorted(path.name for path in CERTIFICATES.iterdir()),
                         ["000-default.pem", FILE.name])

    def assert_shown(self):
        live = (STATE / "live" / NAME / "bundle.pem").read_text()
        self.assertEqual(FILE.read_text(), live)
        self.assertIn(self.leaf(), live)
        self.assert_https(NAME)
        self.assertNotIn("transaction", self.haproxy.ask("show ssl cert"))
        self.assert_no_temporary_files()

    def assert_survives_a_restart(self):
        self.haproxy.stop()
        self.haproxy.start()
        self.assert_shown()

    def shown(self):
        """The serial number of the certificate that a visitor gets, verified."""
        return visitor.certificate(NAME, self.root)["serialNumber"]

    def leaf(self):
        """What a visitor gets, verified or not, in PEM."""
        context = ssl._create_unverified_context()
        with socket.create_connection(("127.0.0.1", 443), timeout=10) as opened:
            with context.wrap_socket(opened, server_hostname=NAME) as session:
                return ssl.DER_cert_to_PEM_cert(session.getpeercert(binary_form=True))


# Answers as HAProxy would, and keeps what it is told.
_THIEF = r"""
import socket, sys
answers = {"show ssl cert": "# filename\n", "show": "Filename: {}\nStatus: Used\n",
           "set": "Transaction created for certificate {}!\n", "commit": "Committing {}\nSuccess!\n"}
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen(50)
got = open(sys.argv[2], "wb", 0)
while True:
    connection = listening.accept()[0]
    connection.settimeout(0.3)
    told = b""
    try:
        while part := connection.recv(65536):
            told += part
    except OSError:
        pass
    got.write(told)
    line = told.partition(b"\n")[0].decode().removesuffix(" <<")
    answer = answers.get(line) or answers.get(line.partition(" ")[0], "")
    try:
        connection.sendall(answer.format(line.rpartition(" ")[2]).encode())
    except OSError:
        pass
    connection.close()
"""


class Liar:
    """A socket on which everything is answered the same."""

    path = SOCKET.parent / "liar.sock"

    def __init__(self, answer):
        self._answer = answer

    def __enter__(self):
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self):
        while True:
            try:
                opened, _ = self._listener.accept()
                with opened:
                    opened.recv(65536)
                    opened.sendall(self._answer)
            except OSError:
                if self._listener.fileno() < 0:
                    return


if __name__ == "__main__":
    main()
