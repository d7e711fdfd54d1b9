#!/usr/bin/python3
"""Root at work in directories of a user who changes them all the time.

Each test has bob swap what is his for symlinks, pipes and directories, thousands of times a second,
while root's everseal works there; every second run is slowed down at each of its calls by strace, so
that there is time between any two of them. Whatever the run says: nothing that is not bob's may change,
and nothing of his may run as root. EVERSEAL_ATTACK_SECONDS is the time for each test (3).
"""

import os
import pathlib
import pty
import pwd
import re
import shutil
import sqlite3
import stat
import subprocess
import threading
import time
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from harness import attacker, sandbox
from harness.attacker import Attacker
from harness.everseal import ROOT, STATE, Everseal, change_catalog
from harness.haproxy import settings as haproxy_settings
from harness.own_ca_case import OwnCaCase
from harness.sandbox import SCRATCH
from harness.strace import inject, kill_at

_SECONDS = float(os.environ.get("EVERSEAL_ATTACK_SECONDS", "3"))
_BOB = pathlib.Path(attacker.HOME)
_TREASURE = pathlib.Path("/etc/treasure")  # root's, closed to bob
_SETTINGS = pathlib.Path("/etc/everseal/everseal.toml")
_CALLS = ("openat,openat2,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,chmod,fchmod,"
          "fchmodat,chown,fchown,fchownat,fsync,newfstatat,lstat,readlink,readlinkat,execve")
_SLOWLY = inject(_CALLS, "delay_enter=400")


def snapshot(tree):
    """All that can be seen of a tree: whose, how open, how many names, what in it."""
    def look(path):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        return (status.st_uid, status.st_gid, oct(status.st_mode), status.st_nlink, content)
    return {str(path): look(path) for path in [tree, *sorted(tree.rglob("*"))]}


class AttackCase(OwnCaCase):
    """bob has an empty home; root has a treasure."""

    def setUp(self):
        super().setUp()
        attacker.add_user()
        for directory in (_BOB, _TREASURE, _SETTINGS.parent):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
        self.bob = pwd.getpwnam(attacker.NAME).pw_uid
        self.give(_BOB)
        _TREASURE.chmod(0o700)
        for name in ("key.pem", "fullchain.pem", "privkey.pem", "x.example.pem", "catalog.db", "lock"):
            (_TREASURE / name).write_text("treasure\n")
            (_TREASURE / name).chmod(0o600)
        for number in range(200):
            (_TREASURE / f"file-{number}").write_text("treasure\n")
        (_TREASURE / "acme-challenge").mkdir(0o700)
        self.treasure = snapshot(_TREASURE)
        self.everseal = Everseal(self.ca)
        self.mark = SCRATCH / "mark"
        shutil.rmtree(self.mark, ignore_errors=True)
        self.mark.mkdir()
        self.mark.chmod(0o1777)

    def give(self, path):
        os.chown(path, self.bob, self.bob, follow_symlinks=False)
        return path

    def give_directory(self, name):
        (_BOB / name).mkdir()
        return self.give(_BOB / name)

    def script_of_bob(self, name="evil"):
        """What leaves a file that belongs to whoever ran it."""
        path = _BOB / name
        path.write_text(f"#!/bin/sh\ntouch {self.mark}/bob.$$\n")
        path.chmod(0o755)
        return self.give(path)

    def assert_nothing_of_bobs_ran(self):
        self.assertEqual(len(list(self.mark.glob("bob.*"))), 0, "times bob's ran as root")

    def under_attack(self, pairs, act):
        """Calls act(wrapper) again and again, half of the times with everseal slowed down."""
        bob = Attacker(SCRATCH / "swaps", pairs).start()
        self.addCleanup(bob.stop)
        begin, runs = time.monotonic(), 0
        while runs < 2 or time.monotonic() < begin + _SECONDS:
            act(_SLOWLY if runs % 2 else ())
            runs += 1
        took = time.monotonic() - begin
        swaps = bob.swaps()
        bob.stop()
        print(f"{runs} runs, {swaps / took:.0f} swaps a second", flush=True)
        self.assertGreater(swaps, 1000)
        self.assert_treasure_is_untouched()

    def assert_treasure_is_untouched(self):
        now = snapshot(_TREASURE)
        changed = {path: (self.treasure.get(path), now.get(path))
                   for path in now.keys() | self.treasure.keys()
                   if self.treasure.get(path) != now.get(path)}
        self.assertEqual(dict(sorted(changed.items())[:3]), {}, f"{len(changed)} things changed")

    def issue(self, wrapper=(), webroot=_BOB / "www", names=("a.example", "b.example")):
        """By a webroot of bob's; from nothing, so that no earlier failure makes it wait."""
        shutil.rmtree(STATE, ignore_errors=True)
        return self.everseal.run("issue", "--yes", wrapper=wrapper,
                                 *[word for name in names for word in ("-d", f"{name}:{webroot}")])

    def serve(self, root):
        """The sites' webroot, as nginx has it."""
        nginx = self.serve_webroot()
        (pathlib.Path("/etc/nginx/sites-enabled") / "bob").write_text(
            f"server {{ listen 80; listen [::]:80; server_name *.example; root {root}; }}\n")
        nginx.replace_workers()

    def keep_one(self):
        """A certificate that is live, and nothing of bob's yet."""
        self.serve_webroot()
        self.ca.dns.resolve("x.example", ["127.0.0.1"], ["::1"])
        shutil.rmtree(STATE, ignore_errors=True)
        result = self.everseal.run("issue", "--yes", "-d", "x.example:/var/www/clients")
        self.assertEqual(result.status, 0, str(result))

    def hand_over(self, wrapper=()):
        """A new certificate, and all that follows."""
        return self.everseal.run("renew", "--force", wrapper=wrapper)


class Webroots(AttackCase):
    def setUp(self):
        super().setUp()
        for name in ("www", "www/.well-known"):
            self.give_directory(name)
        for name in ("a.example", "b.example"):
            self.ca.dns.resolve(name, ["127.0.0.1"], ["::1"])
        self.serve(_BOB / "www")

    def test_FaultS1_well_known_is_swapped_for_a_symlink(self):
        www = _BOB / "www"
        self.under_attack([(www / ".well-known", "d", www / "other", f"s:{_TREASURE}")], self.issue)

    def test_FaultS1_well_known_is_swapped_for_a_symlink_to_a_file(self):
        www = _BOB / "www"
        (www / ".well-known").rmdir()
        self.under_attack([(www / ".well-known", f"s:{_TREASURE}/key.pem", www / "other", "d")],
                          self.issue)

    def test_FaultS1_the_challenge_directory_is_swapped(self):
        known = _BOB / "www/.well-known"
        self.under_attack([(known / "acme-challenge", "d", known / "other", f"s:{_TREASURE}"),
                           (known / "acme-challenge", "d", known / "third", "p")], self.issue)

    def test_FaultS1_the_webroot_itself_is_swapped(self):
        shutil.rmtree(_BOB / "www")
        self.give_directory("release")
        self.under_attack([(_BOB / "www", "s:release", _BOB / "other", f"s:{_TREASURE}")], self.issue)

    def test_a_webroot_that_is_a_symlink_of_its_owner_works(self):
        shutil.rmtree(_BOB / "www")
        self.give_directory("release")
        (_BOB / "www").symlink_to("release")
        self.give(_BOB / "www")
        result = self.issue()
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(os.listdir(_BOB / "release"), [])


class Copies(AttackCase):
    def setUp(self):
        super().setUp()
        self.keep_one()
        self.to = self.give_directory("tls")
        _SETTINGS.write_text(f'[[copy]]\nname = "x.example"\nto = "{self.to}"\nowner = "bob"\n')

    def test_FaultS2_the_temporary_name_is_a_directory_then_a_symlink(self):
        waiting = self.to / ".fullchain.pem.everseal"
        waiting.mkdir()
        self.give(waiting)
        for number in range(2000):
            (waiting / str(number)).touch()
        self.under_attack([(waiting, "d", self.to / "other", f"s:{_TREASURE}")], self.hand_over)
        # Root may have given bob's own directory another name in there, instead of its file.
        kept = sum(len(list(path.iterdir())) for path in self.to.iterdir()
                   if path.is_dir() and not path.is_symlink())
        self.assertEqual(kept, 2000, "not ours to remove")

    def test_FaultS2_the_names_are_pipes_and_symlinks(self):
        self.under_attack([
            (self.to / ".fullchain.pem.everseal", "p", self.to / "a", f"s:{_TREASURE}/key.pem"),
            (self.to / ".privkey.pem.everseal", "f", self.to / "b", "p"),
            (self.to / "fullchain.pem", "p", self.to / "c", f"s:{_TREASURE}/fullchain.pem"),
        ], self.hand_over)

    def test_FaultS2_the_directory_is_swapped_for_a_symlink(self):
        self.under_attack([(self.to, "d", _BOB / "other", f"s:{_TREASURE}")], self.hand_over)

    def test_FaultS2_a_pipe_in_the_way_of_a_copy_holds_nobody(self):
        for name in (".fullchain.pem.everseal", "fullchain.pem", "privkey.pem"):
            os.mkfifo(self.to / name)
            self.give(self.to / name)
        result = self.hand_over()
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual((self.to / "privkey.pem").read_bytes(),
                         (STATE / "live/x.example/privkey.pem").read_bytes())


class HaproxysDirectory(AttackCase):
    def test_FaultS2_bundles_are_written_and_taken_back(self):
        self.keep_one()
        certificates = self.give_directory("haproxy")
        # Nobody answers there: each bundle is written, not proven and taken back.
        haproxy_settings(socket=None, reload=["true"], listen=("127.0.0.1:4430",),
                         certificates=str(certificates))
        name = "x.example.pem"
        self.under_attack([
            (certificates / f".{name}.everseal", "p", certificates / "a", f"s:{_TREASURE}"),
            (certificates / name, "f", certificates / "b", f"s:{_TREASURE}/{name}"),
            (certificates, "d", _BOB / "other", f"s:{_TREASURE}"),
        ], self.hand_over)


class WhatRootRuns(AttackCase):
    """bob's script in the place of root's, by a symlink and by the directory."""

    def setUp(self):
        super().setUp()
        self.keep_one()
        good = SCRATCH / "good"
        good.write_text("#!/bin/sh\nexit 0\n")
        good.chmod(0o755)
        self.good = good
        self.script_of_bob()

    def attack_program(self, settings):
        _SETTINGS.write_text(settings.format(program=_BOB / "program"))
        self.attack(self.good, self.hand_over)

    def attack(self, good, run):
        """Each run says what it refuses: the program or its directory, whatever it leads to just then."""
        results = []
        self.under_attack([(_BOB / "program", f"s:{good}", _BOB / "other", f"s:{_BOB}/evil")],
                          lambda wrapper: results.append(run(wrapper)))
        self.assert_nothing_of_bobs_ran()
        for result in results:
            self.assertRegex(result.err, rf": not run: {_BOB}(/program is a symlink that other users can "
                             "change, and leads to | can be changed by other users than root: )", str(result))

    def test_FaultS3_a_hook(self):
        self.attack_program('[hooks]\ndeploy = ["{program}"]\n')

    def test_FaultS5_the_reload_of_a_copy(self):
        to = SCRATCH / "to"
        to.mkdir(exist_ok=True)
        self.attack_program(f'[[copy]]\nname = "x.example"\nto = "{to}"\nreload = ["{{program}}"]\n')

    def test_FaultS5_who_is_told(self):
        for words in ('to = "root"\nsendmail = "{program}"\n', 'command = ["{program}"]\n'):
            with self.subTest(words):
                self.attack_program("[notify]\nsuccess = true\n" + words)

    def test_FaultS5_the_reload_of_haproxy(self):
        directory = SCRATCH / "certs"
        directory.mkdir(exist_ok=True)
        self.attack_program('[haproxy]\nreload = ["{program}"]\nlisten = ["127.0.0.1:4430"]\n'
                            f'certificates = "{directory}"\n')

    def test_FaultS5_nginx(self):
        shutil.copy("/usr/sbin/nginx", SCRATCH / "nginx")
        self.attack(SCRATCH / "nginx", lambda wrapper: self.everseal.run(
            "secure", "--all", "--dry-run", "--nginx-binary", _BOB / "program", wrapper=wrapper))


class WhatRootObeys(AttackCase):
    def setUp(self):
        super().setUp()
        self.keep_one()

    def test_FaultS5_settings_of_bob(self):
        hook = SCRATCH / "hook"
        hook.write_text(f"#!/bin/sh\ntouch {self.mark}/bob.$$\n")  # root's, but bob says when
        hook.chmod(0o755)
        (SCRATCH / "good.toml").write_text("")
        (_BOB / "evil.toml").write_text(f'[hooks]\ndeploy = ["{hook}"]\n')
        self.give(_BOB / "evil.toml")
        self.under_attack(
            [(_BOB / "e.toml", f"s:{SCRATCH}/good.toml", _BOB / "other", f"s:{_BOB}/evil.toml")],
            lambda wrapper: self.everseal.run("renew", "--force", "--config", _BOB / "e.toml",
                                              wrapper=wrapper))
        self.assert_nothing_of_bobs_ran()

    def assert_refused(self, path, *words, command="renew", status=2):
        result = self.everseal.run(command)
        self.assertEqual(result.status, status, str(result))
        for word in (str(path), *words):
            self.assertIn(word, result.err)

    def test_FaultS5_what_others_can_change_is_refused_with_what_mends_it(self):
        _SETTINGS.write_text("")
        _SETTINGS.chmod(0o666)
        self.assert_refused(_SETTINGS, f"mend it with: chmod go-w {_SETTINGS}")
        _SETTINGS.chmod(0o644)
        self.give(_SETTINGS)
        self.assert_refused(_SETTINGS, f"it belongs to bob; mend it with: chown root {_SETTINGS}")
        os.chown(_SETTINGS, 0, 0)
        _SETTINGS.parent.chmod(0o777)
        self.assert_refused(_SETTINGS.parent, f"chmod go-w {_SETTINGS.parent}")
        _SETTINGS.parent.chmod(0o755)
        self.assertEqual(self.everseal.run("renew").status, 0)

    def test_FaultS5_a_secret_that_others_read_is_refused(self):
        _SETTINGS.write_text('external_account.kid = "k"\nexternal_account.hmac_key = "c2VjcmV0"\n')
        _SETTINGS.chmod(0o644)
        self.assert_refused(_SETTINGS, "external_account.hmac_key", f"chmod o-rwx {_SETTINGS}")
        _SETTINGS.chmod(0o640)
        self.assertEqual(self.everseal.run("renew").status, 0)

    def test_FaultS8_an_open_state_is_refused_with_what_mends_it(self):
        key = next(STATE.glob("accounts/*/key.pem"))
        for path in (STATE, STATE / "accounts", key.parent):
            path.chmod(0o755)
        key.chmod(0o666)
        self.assert_refused(key, f"chmod go= {key}", status=1)
        key.chmod(0o600)
        self.assertEqual(self.everseal.run("renew").status, 0)
        STATE.chmod(0o777)
        self.assert_refused(STATE, f"mend it with: chmod go-w {STATE}", status=1)
        STATE.chmod(0o700)
        self.assertEqual(self.everseal.run("renew").status, 0)

    def test_FaultS9_the_environment_chooses_nothing(self):
        path = SCRATCH / "path"
        path.mkdir(exist_ok=True)
        for program in ("nginx", "touch", "sh"):
            (path / program).write_text(f"#!/bin/sh\n/bin/touch {self.mark}/bob.path\n")
            (path / program).chmod(0o755)
        (SCRATCH / "openssl.cnf").write_text("openssl_conf = nonsense\n[nonsense]\nengines = e\n"
                                             "[e]\nx = y\n[y]\ndynamic_path = /nonexistent.so\n")
        hook = pathlib.Path("/etc/everseal/deploy.d/hook")
        hook.parent.mkdir(exist_ok=True)
        # As the kernel gave it to the hook: a shell would add to it.
        hook.write_text(f"#!/bin/sh\ncat /proc/$$/environ > {self.mark}/environment\n"
                        f"umask > {self.mark}/umask\n")
        hook.chmod(0o755)
        hostile = {"PATH": f"{path}:/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR": str(_BOB),
                   "LANG": "C", "LC_ALL": "tr_TR.UTF-8", "OPENSSL_CONF": str(SCRATCH / "openssl.cnf"),
                   "SSLKEYLOGFILE": str(self.mark / "keylog"), "BASH_ENV": str(_BOB / "evil"),
                   "HTTPS_PROXY": "http://127.0.0.1:9", "GCONV_PATH": str(SCRATCH)}
        result = self.everseal.run("renew", "--force", env={**os.environ, **hostile}, umask=0)
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(sorted(p.name for p in self.mark.iterdir()), ["environment", "umask"])
        self.assert_is_a_hooks_environment((self.mark / "environment").read_text())
        self.assertEqual((self.mark / "umask").read_text().strip(), "0077")
        for path in STATE.rglob("*"):
            if not path.is_symlink():
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)


    def assert_is_a_hooks_environment(self, text):
        """What docs/hooks.md says that there is, and nothing else."""
        document = (ROOT / "docs/hooks.md").read_text()
        table = document.split("| variable | value |")[1].split("\n\n")[0]
        live = STATE / "live/x.example"
        leaf = x509.load_pem_x509_certificate((live / "cert.pem").read_bytes())
        expected = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
            "EVERSEAL_NAME": "x.example", "EVERSEAL_NAMES": "x.example", "EVERSEAL_DIRECTORY": str(live),
            "EVERSEAL_FULLCHAIN": f"{live}/fullchain.pem", "EVERSEAL_KEY": f"{live}/privkey.pem",
            "EVERSEAL_BUNDLE": f"{live}/bundle.pem",
            "EVERSEAL_FINGERPRINT": leaf.fingerprint(hashes.SHA256()).hex(),
            "EVERSEAL_EXPIRES": leaf.not_valid_after.strftime("%Y-%m-%dT%H:%M:%SZ")}
        self.assertEqual({"PATH", "LANG", *re.findall(r"`(EVERSEAL_\w+)`", table)}, expected.keys())
        self.assertEqual(dict(line.split("=", 1) for line in text.rstrip("\0").split("\0")), expected)


class Setup(AttackCase):
    """`setup --state` in a directory of bob's."""

    def setUp(self):
        super().setUp()
        self.serve_webroot()
        subprocess.run(["useradd", "--system", "--no-create-home", "acme"], capture_output=True)
        for name in ("key.pem", "fullchain.pem"):
            (_TREASURE / name).chmod(0o600)

    def set_up(self, wrapper=()):
        return self.everseal.run("setup", "--user", "acme", "--yes", "--state", _BOB / "state",
                                 wrapper=wrapper)

    def test_FaultS4_the_state_is_swapped(self):
        self.under_attack([(_BOB / "state", "d", _BOB / "other", f"s:{_TREASURE}")], self.set_up)

    def test_FaultS4_the_state_is_swapped_at_the_question(self):
        state = _BOB / "state"
        state.mkdir()  # root's, in a directory of bob's
        ours, theirs = pty.openpty()
        process = subprocess.Popen([*self.everseal.command("setup", "--user", "acme", "--state", state)],
                                   stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        text = b""
        while b"[y/N]" not in text:
            text += os.read(ours, 4096)
        state.rename(_BOB / "moved")
        state.symlink_to(_TREASURE)
        os.write(ours, b"y\n")
        threading.Thread(target=self.drain, args=(ours,), daemon=True).start()
        process.wait(60)
        self.assert_treasure_is_untouched()
        self.assertEqual((_BOB / "moved").owner(), "acme", "what was looked at is what is given")

    @staticmethod
    def drain(terminal):
        try:
            while os.read(terminal, 4096):
                pass
        except OSError:
            pass

    def test_FaultX8_killed_half_way_root_renews_and_another_run_ends_it(self):
        """Rights first, the state last; nothing is left in sudoers.d."""
        state = STATE
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(0o700)
        (state / "lock").touch()
        calls = "clone3,clone,vfork,renameat,renameat2,rename,fchownat,fchown,fchmod"
        for k in range(1, 200):
            done = self.everseal.run(
                "setup", "--user", "acme", "--yes",
                wrapper=kill_at(calls, k))
            sudoers = pathlib.Path("/etc/sudoers.d")
            left = [path.name for path in sudoers.glob("*acme*") if path.name != "everseal-acme"]
            self.assertIn(left, ([], [".everseal-acme.everseal"]))
            if state.owner() == "acme" or any(p.owner() == "acme" for p in state.iterdir()):
                self.assertTrue((sudoers / "everseal-acme").exists(), f"call {k}")
            if done.status == 0:
                break
        again = self.everseal.run("setup", "--user", "acme", "--yes")
        self.assertEqual(again.status, 0, str(again))
        self.assertEqual([path.name for path in sudoers.glob("*acme*")], ["everseal-acme"])
        self.assertEqual(state.owner(), "acme")


class WhatRootReads(AttackCase):
    def test_tables_that_never_come_to_an_end_are_refused(self):
        self.keep_one()
        subprocess.run(["chown", "-hR", "bob:", str(STATE)], check=True)
        catalog = sqlite3.connect(STATE / "catalog.db")
        catalog.executescript(
            "ALTER TABLE certificates RENAME TO kept; CREATE VIEW certificates AS SELECT k.* FROM kept AS "
            "k, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)")
        catalog.close()
        for command in (("status",), ("status", "--check"), ("changes",)):
            result = self.everseal.run(*command, timeout=20)
            self.assertIn("no everseal has written schema", result.out + result.err)


class Terminals(AttackCase):
    def test_FaultS6_nothing_of_a_state_is_a_command_for_the_terminal(self):
        self.keep_one()
        evil = "x\x1b]0;owned\x07\x1b[2J\u009b2J\u202e"
        shown = r"x\x1b]0;owned\x07\x1b[2J\xc2\x9b2J\xe2\x80\xae"
        change_catalog("UPDATE certificates SET name = ?, last_error = ?", evil, evil)
        for command in (("status",), ("status", evil), ("changes",), ("renew",)):
            result = self.everseal.run(*command)
            for text in (result.out, result.err):
                for bad in ("\x1b]", "\x1b[2J", "\x07", "\u009b", "\u202e"):
                    self.assertNotIn(bad, text, command)
            if command != ("changes",):  # which has nothing of it to show
                self.assertIn(shown, result.out + result.err, command)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
