#!/usr/bin/python3
"""Services beside nginx: hooks, copies, and certificates by requests whose keys are elsewhere."""

import os
import pathlib
import pwd
import shutil
import stat
import unittest

from harness import sandbox
from harness.everseal import STATE
from harness.own_ca_case import WEBROOT, KeptCase
from harness.receivers import MailServer, make_certificate
from harness.sandbox import SCRATCH
from test_notify import smtp, write_settings

_SETTINGS = pathlib.Path("/etc/everseal/everseal.toml")
_HOOKS = pathlib.Path("/etc/everseal/deploy.d")


class HooksCase(KeptCase):
    def setUp(self):
        super().setUp()
        shutil.rmtree(_HOOKS, ignore_errors=True)
        _HOOKS.mkdir(parents=True)
        self.addCleanup(shutil.rmtree, _HOOKS)
        self.log = SCRATCH / "hook.log"
        self.log.unlink(missing_ok=True)
        self.live = STATE / "live" / self.name
        self.server = MailServer(2525, make_certificate(SCRATCH / "receiver.pem", "localhost")).start()
        self.addCleanup(self.server.stop)
        self.write_settings("")
        self.addCleanup(_SETTINGS.unlink)

    @staticmethod
    def write_settings(text):
        write_settings(smtp() + text)

    def write_hook(self, name="tell", text='echo "$EVERSEAL_NAME" >> {log}', mode=0o755):
        path = _HOOKS / name
        path.write_text("#!/bin/sh\n" + text.format(log=self.log) + "\n")
        path.chmod(mode)
        return path

    def hide_hooks(self):
        """Another thing can be put in the directory's place; gives where it is meanwhile."""
        aside = _HOOKS.with_name("aside")
        _HOOKS.rename(aside)

        def put_back():
            if aside.exists():
                _HOOKS.unlink(missing_ok=True)
                aside.rename(_HOOKS)

        self.addCleanup(put_back)
        return aside

    def lines(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def try_at_once(self):
        self.change_catalog("UPDATE chores SET next_attempt = 0")

    def subjects(self):
        return [mail["Subject"] for mail in self.server.mails]


class Hooks(HooksCase):
    def test_are_run_once_for_each_certificate_and_are_told_about_it(self):
        self.write_hook(text='env > {log}.env; echo "$EVERSEAL_NAME" >> {log}')
        os.environ["SECRET"] = "x"
        self.addCleanup(os.environ.pop, "SECRET")
        self.run_everseal("renew")
        self.run_everseal("renew")
        self.assertEqual(self.lines(), [self.name], "also for what was live before the hook was there")
        found = dict(line.split("=", 1)
                     for line in pathlib.Path(f"{self.log}.env").read_text().splitlines())
        [record] = self.run_everseal("status", "--json").json()["certificates"]
        self.assertEqual({name: value for name, value in found.items() if "EVERSEAL" in name}, {
            "EVERSEAL_NAME": self.name, "EVERSEAL_NAMES": self.name,
            "EVERSEAL_DIRECTORY": str(self.live),
            "EVERSEAL_FULLCHAIN": f"{self.live}/fullchain.pem",
            "EVERSEAL_KEY": f"{self.live}/privkey.pem",
            "EVERSEAL_BUNDLE": f"{self.live}/bundle.pem",
            "EVERSEAL_FINGERPRINT": record["fingerprint"], "EVERSEAL_EXPIRES": record["expires"]})
        self.assertLessEqual(set(found) - {name for name in found if "EVERSEAL" in name},
                             {"PATH", "LANG", "PWD", "OLDPWD", "SHLVL", "_"})
        self.run_everseal("renew", "--force")
        self.assertEqual(self.lines(), [self.name] * 2)
        self.issue("other.example")
        self.assertEqual(self.lines(), [self.name] * 2 + ["other.example"])

    def test_only_executables_with_plain_names_are_run_in_order(self):
        for name in ("20-b", "10-a", "30.sh", "40~", "x.dpkg-old"):
            self.write_hook(name, f"echo {name} >> {{log}}")
        self.write_hook("50-c", "echo c >> {log}", mode=0o644)
        elsewhere = SCRATCH / "hook-elsewhere"
        elsewhere.write_text(f"#!/bin/sh\necho named >> {self.log}\n")
        elsewhere.chmod(0o755)
        self.write_settings(f'[hooks]\ndeploy = ["{elsewhere}"]\n')
        self.run_everseal("renew")
        self.assertEqual(self.lines(), ["named", "10-a", "20-b"])

    def test_a_failing_one_is_shown_told_tried_again_and_changes_nothing(self):
        hook = self.write_hook(text='echo "no\x1b[2J disk" >&2; exit 3')
        self.write_hook("z-good")
        result = self.run_everseal("renew", "--force", "--json", status=3)
        [failed] = result.json()["left_undone"]
        self.assertEqual(failed["name"], f"hook {hook} for {self.name}")
        self.assertEqual(failed["message"], f"{hook} ended with status 3: no\\x1b[2J disk")
        self.assertEqual(result.json()["renewed"], [self.name])
        self.assertEqual(os.readlink(self.live), f"../certs/{self.name}/versions/2")
        self.assertEqual(self.lines(), [self.name], "the other one is run")
        self.assertEqual(self.subjects(), [f"the hook {hook} for {self.name} failed"])
        self.assertIn("no\\x1b[2J disk", self.server.mails[0].get_content())
        self.run_everseal("renew")
        self.assertEqual(len(self.subjects()), 1)
        self.try_at_once()
        self.run_everseal("renew", status=1)
        self.assertEqual(self.lines(), [self.name], "what has been done is not done again")
        self.write_hook()
        self.try_at_once()
        self.run_everseal("renew")
        self.assertEqual(self.lines(), [self.name] * 2)
        self.assertEqual(self.subjects()[1:], [f"Solved: the hook {hook} for {self.name} failed"])

    def test_a_new_certificate_is_given_at_once_whatever_was_before(self):
        self.write_hook(text="exit 1")
        self.run_everseal("renew", status=1)
        self.write_hook()
        self.run_everseal("renew")
        self.assertEqual(self.lines(), [], "it waits")
        self.run_everseal("renew", "--force")
        self.assertEqual(self.lines(), [self.name])

    def test_one_that_is_taken_away_is_forgotten(self):
        hook = self.write_hook(text="exit 1")
        self.run_everseal("renew", status=1)
        hook.unlink()
        self.run_everseal("renew")
        self.assertEqual(len(self.subjects()), 2)
        self.assertTrue(self.subjects()[1].startswith("Solved: "))

    def test_a_directory_that_cannot_be_read_is_told_and_forgets_nothing(self):
        hook = self.write_hook(text="exit 1")
        self.run_everseal("renew", status=1)
        failed = [f"the hook {hook} for {self.name} failed"]
        aside = self.hide_hooks()
        for hide in (_HOOKS.touch, lambda: _HOOKS.symlink_to("/not/mounted/deploy.d")):
            hide()
            result = self.run_everseal("renew", "--force", "--json", status=3)
            self.assertEqual([each["name"] for each in result.json()["left_undone"]], [f"hooks {_HOOKS}"])
            self.run_everseal("renew", status=1)
            self.assertEqual(self.subjects(), failed + [f"the hooks in {_HOOKS} could not be read"])
            found = self.run_everseal("status", "--check", status=1).out
            self.assertIn(f"the hook {hook} for {self.name} failed", found)
            _HOOKS.unlink()
        self.assertIn(str(_HOOKS), self.server.mails[1].get_content())
        aside.rename(_HOOKS)
        self.write_hook()
        self.run_everseal("renew")
        self.assertEqual(self.lines(), [self.name], "it has the certificate that came meanwhile")
        self.assertEqual(self.subjects()[2:], [f"Solved: {failed[0]} (and 1 more)"])
        self.assertIn(f"the hooks in {_HOOKS} could not be read", self.server.mails[2].get_content())

    def test_a_directory_that_fails_to_be_read_is_not_empty(self):
        self.write_hook()
        broken = ("strace", "-qq", "-f", "-o", "/dev/null", "-P", str(_HOOKS),
                  "-e", "trace=getdents64", "-e", "inject=getdents64:error=EIO")
        result = self.everseal.run("renew", wrapper=broken)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn(f"list {_HOOKS}: Input/output error", result.err)

    def test_issue_says_that_the_directory_cannot_be_read(self):
        self.hide_hooks()
        _HOOKS.touch()
        self.ca.dns.resolve("other.example", ["127.0.0.1"], ["::1"])
        result = self.run_everseal("issue", "--yes", "-d", f"other.example:{WEBROOT}", status=3)
        self.assertIn(f"hooks {_HOOKS}", result.err)

    def test_one_that_is_not_executable_any_more_is_told_once(self):
        hook = self.write_hook()
        self.run_everseal("renew")
        hook.chmod(0o644)
        for _ in range(2):
            self.run_everseal("renew", "--force")
        self.assertEqual(self.subjects(), [
            f"the hook {hook} is not executable any more and is not run; if it is to be: chmod +x {hook}"])
        self.assertEqual(self.lines(), [self.name])
        hook.chmod(0o755)
        self.run_everseal("renew")
        self.assertEqual(self.lines(), [self.name] * 2)

    def test_a_failing_one_is_not_solved_by_losing_its_mode(self):
        hook = self.write_hook(text="exit 1")
        self.run_everseal("renew", status=1)
        hook.chmod(0o644)
        result = self.run_everseal("renew", "--force", status=3)
        self.assertIn(f"{hook} is not executable: chmod +x {hook}", result.err)
        self.assertEqual(len(self.subjects()), 1)

    def test_one_behind_a_link_that_leads_nowhere_fails(self):
        (_HOOKS / "away").symlink_to("/not/mounted/hook")
        result = self.run_everseal("renew", status=1)
        self.assertIn(f"hook {_HOOKS}/away for {self.name}", result.err)

    def test_has_so_much_time(self):
        self.write_settings("[hooks]\ntimeout = 1\n")
        self.write_hook(text="sleep 20")
        result = self.run_everseal("renew", status=1)
        self.assertIn("did not end within 1 s and was killed", result.err)

    def test_what_others_can_change_is_not_run(self):
        hook = self.write_hook()
        cases = {"the file": (hook, 0o777, 0), "its group": (hook, 0o775, 0),
                 "its owner": (hook, 0o755, pwd.getpwnam("www-data").pw_uid),
                 "the directory": (_HOOKS, 0o777, 0)}
        for what, (path, mode, owner) in cases.items():
            with self.subTest(what):
                path.chmod(mode)
                os.chown(path, owner, 0)
                result = self.run_everseal("renew", "--force", status=3)
                self.assertIn(f"not run: {path} can be changed by other users than root", result.err)
                self.assertEqual(self.lines(), [])
                path.chmod(0o755)
                os.chown(path, 0, 0)
        self.run_everseal("renew", "--force")
        self.assertEqual(self.lines(), [self.name])


class Copies(HooksCase):
    def setUp(self):
        super().setUp()
        self.to = SCRATCH / "copies"
        shutil.rmtree(self.to, ignore_errors=True)
        self.to.mkdir()
        self.mark = SCRATCH / "reloaded"
        self.mark.unlink(missing_ok=True)

    def rule(self, **changes):
        rule = {"name": f'"{self.name}"', "to": f'"{self.to}"', "owner": '"www-data"',
                "group": '"daemon"', "mode": '"0640"', "files": '["fullchain", "privkey"]',
                "reload": f'["touch", "{self.mark}"]'} | changes
        self.write_settings("[[copy]]\n" + "".join(f"{k} = {v}\n" for k, v in rule.items() if v))

    def assert_copied(self):
        for name in ("fullchain.pem", "privkey.pem"):
            self.assertEqual((self.to / name).read_bytes(), (self.live / name).read_bytes())
        self.assertEqual(sorted(os.listdir(self.to)), ["fullchain.pem", "privkey.pem"])

    def test_have_their_owner_group_and_mode_and_the_service_is_told(self):
        self.rule()
        self.run_everseal("renew")
        self.assert_copied()
        status = (self.to / "privkey.pem").stat()
        self.assertEqual((status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)),
                         (pwd.getpwnam("www-data").pw_uid, pwd.getpwnam("daemon").pw_gid, 0o640))
        self.assertTrue(self.mark.exists())
        self.mark.unlink()
        self.run_everseal("renew")
        self.assertFalse(self.mark.exists(), "once for each certificate")
        self.run_everseal("renew", "--force")
        self.assert_copied()
        self.assertTrue(self.mark.exists())

    def test_that_cannot_be_made_leave_what_was_there(self):
        self.rule()
        self.run_everseal("renew")
        before = (self.to / "privkey.pem").read_bytes()
        self.rule(owner='"nobody-at-all"')
        result = self.run_everseal("renew", "--force", status=3)
        self.assertIn("there is no user nobody-at-all", result.err)
        self.assertEqual((self.to / "privkey.pem").read_bytes(), before)
        self.rule(files='["fullchain", "privkey", "bundle"]', to=f'"{SCRATCH}/none"')
        self.run_everseal("renew", "--force", status=3)
        self.rule(reload='["false"]')
        self.run_everseal("renew", "--force", status=3)
        self.assert_copied()
        self.assertIn(f"the copies in {self.to} for {self.name} could not be made",
                      " ".join(self.subjects()))

    def test_settings_that_cannot_be_are_refused(self):
        for changes, words in (({"mode": '"0644"'}, "without rights for all users"),
                               ({"files": '["../x"]'}, "is none of bundle"),
                               ({"to": '"tls"'}, "expected an absolute path"),
                               ({"name": ""}, "needs name and to"),
                               ({"colour": '"red"'}, "unknown setting 'colour'")):
            with self.subTest(changes):
                self.rule(**changes)
                self.assertIn(words, self.run_everseal("renew", status=2).err)


class Requests(HooksCase):
    """`everseal issue --csr`."""

    name = "first.example"

    def make_request(self, *names, form="PEM", key="key"):
        self.key = SCRATCH / f"{key}.pem"
        if not self.key.exists():
            self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key)
        path = SCRATCH / f"request.{form.lower()}"
        alternative = ",".join(f"DNS:{name}" for name in names)
        self._openssl("req", "-new", "-key", self.key, "-subj", "/", "-outform", form,
                      "-addext", f"subjectAltName={alternative}", "-out", path)
        for name in names:
            self.ca.resolve(name)
        return path

    def assert_is_for_the_key(self, name):
        directory = STATE / "live" / name
        self.assertEqual(sorted(os.listdir(directory)),
                         ["cert.pem", "certificate.json", "chain.pem", "csr.pem",
                          "fullchain.pem"])
        self.assertEqual(self._openssl("x509", "-noout", "-pubkey", "-in", directory / "cert.pem"),
                         self._openssl("pkey", "-pubout", "-in", self.key))

    def record(self, name):
        return [each for each in self.run_everseal("status", "--json").json()["certificates"]
                if each["name"] == name][0]

    def test_give_certificates_for_keys_that_we_never_see(self):
        for form, name in (("PEM", "pem.example"), ("DER", "der.example")):
            with self.subTest(form):
                request = self.make_request(name, f"www.{name}", form=form)
                self.run_everseal("issue", "--yes", "--csr", request, "--webroot", WEBROOT)
                self.assert_good(STATE / f"live/{name}/fullchain.pem", name, f"www.{name}")
                self.assert_is_for_the_key(name)
                self.assertEqual(self.record(name)["key_type"], "external")

    def test_are_used_again_and_changed_by_another_one(self):
        request = self.make_request("a.example")
        self.run_everseal("issue", "--yes", "--csr", request, "-d", f"a.example:{WEBROOT}")
        request.unlink()
        self.run_everseal("renew", "--force", "a.example")
        self.assertEqual(self.record("a.example")["version"], 2)
        self.assert_is_for_the_key("a.example")
        self.assertIn("is not ours", self.run_everseal("rotate", "keys", "a.example", status=1).err)
        self.assertIn("it is not ours", self.run_everseal("rotate", "keys").out)
        self.assertEqual(self.record("a.example")["version"], 2)
        request = self.make_request("a.example", key="other")
        self.run_everseal("issue", "--yes", "--csr", request, "-d", f"a.example:{WEBROOT}")
        self.assert_is_for_the_key("a.example")
        self.run_everseal("issue", "--yes", "-d", f"a.example:{WEBROOT}")
        self.assertIn("privkey.pem", os.listdir(STATE / "live/a.example"))

    def test_survive_a_lost_answer(self):
        request = self.make_request("lost.example")
        self.ca.fault({"resource": "finalize", "drop": "after", "times": 8})
        self.everseal.run("issue", "--yes", "--csr", request, "--webroot", WEBROOT)
        self.ca.clear()
        self.change_catalog("UPDATE certificates SET next_attempt = 0")
        self.run_everseal("issue", "--yes", "--csr", request, "--webroot", WEBROOT)
        self.assert_is_for_the_key("lost.example")

    def test_that_cannot_be_are_refused(self):
        request = self.make_request("b.example")
        for arguments, words in (
                (("--csr", self.key), "not a certificate request in PEM"),
                (("--csr", "/nowhere"), "/nowhere"),
                (("--csr", request, "-d", "c.example"), "does not ask for c.example"),
                (("--csr", self.make_request("*.b.example")), "wildcard")):
            with self.subTest(words):
                result = self.run_everseal("issue", "--yes", *arguments, status=1)
                self.assertIn(words, result.err)
        torn = SCRATCH / "torn.pem"
        torn.write_bytes(self.make_request("b.example").read_bytes()[:200])
        self.run_everseal("issue", "--yes", "--csr", torn, status=1)
        self.assertEqual(self.ca.ledger("SELECT count(*) FROM orders"), [1])

    def test_a_refusal_says_what_to_do(self):
        request = self.make_request("d.example")
        self.ca.fault({"resource": "finalize", "problem": {
            "type": "badCSR", "status": 400, "detail": "a weak key"}})
        result = self.run_everseal("issue", "--yes", "--csr", request, "--webroot", WEBROOT, status=1)
        self.assertIn("a weak key", result.err)
        self.assertIn("make a new request", result.err)

    def test_hooks_are_told_that_there_is_no_key(self):
        self.write_hook(text='echo "$EVERSEAL_NAME [$EVERSEAL_KEY] [$EVERSEAL_BUNDLE]" >> {log}')
        request = self.make_request("e.example")
        self.run_everseal("issue", "--yes", "--csr", request, "--webroot", WEBROOT)
        self.assertIn("e.example [] []", self.lines())


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
