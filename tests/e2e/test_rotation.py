#!/usr/bin/python3
"""New keys for old ones: of the account, of certificates, of Diffie-Hellman; and back if it fails."""

import os
import pathlib
import pwd
import shutil
import signal
import stat
import subprocess
import time
import unittest

from harness import MachineCase, processes, sandbox, visitor
from harness.everseal import STATE, Everseal, binary, change_catalog, check_live
from harness.nginx import CONFIGURATION
from harness.own_ca_case import WEBROOT, OwnCaCase
from harness.receivers import MailServer, make_certificate
from harness.sandbox import SCRATCH, wait_until
from harness.strace import kill_at
from test_unprivileged import USER, as_user

_SETTINGS = pathlib.Path("/etc/everseal/everseal.toml")
_ACCOUNT = STATE / "accounts/localhost_8555_directory"
_NAME = "site.example"
_DAY = 86400
_MAIL = f"""
[notify]
to = "admin@example.org"
[notify.smtp]
host = "localhost"
port = 2525
ca_bundle = "{SCRATCH}/receiver.pem"
"""


class RotationCase(OwnCaCase):
    """Begins with a site of nginx that is on HTTPS, and an administrator who gets mail."""

    def setUp(self):
        super().setUp()
        self.nginx = self.serve_webroot()
        for directory in (STATE, CONFIGURATION):  # the next class has another CA
            self.addCleanup(shutil.rmtree, directory)
        self.write_site(_NAME)
        self.everseal = Everseal(self.ca)
        self.write_settings()
        self.run_everseal("secure", "--yes", "--all")
        self.server = MailServer(2525, make_certificate(SCRATCH / "receiver.pem", "localhost")).start()
        self.addCleanup(self.server.stop)
        self.addCleanup(_SETTINGS.unlink)

    def write_settings(self, text=""):
        _SETTINGS.parent.mkdir(exist_ok=True)
        _SETTINGS.write_text(text + _MAIL)

    def write_site(self, name):
        self.ca.resolve(name)
        (CONFIGURATION / f"sites-enabled/{name}").write_text(
            f"server {{ listen 80; listen [::]:80; server_name {name}; root {WEBROOT}; }}\n")
        self.nginx.reload()

    def run_everseal(self, *arguments, status=0, **options):
        result = self.everseal.run(*arguments, **options)
        self.assertEqual(result.status, status, f"{result}\n{self.ca.log()[-2000:]}")
        return result

    def kill_at_each(self, calls, moments, command, check, before=lambda: None):
        """Kills the command before the n-th call of each kind, until it gets through. After each kill
        one renewal puts all right."""
        for call in calls:
            for when in moments:
                before()
                result = self.everseal.run(*command, wrapper=kill_at(call, when))
                if result.status == 0:
                    break
                with self.subTest(call=call, when=when):
                    self.assertIn(result.status, (-signal.SIGKILL, 128 + signal.SIGKILL), str(result))
                    time.sleep(0.05)  # the roles end, too
                    self.run_everseal("renew", "--force")
                    check()
            print(f"{call}: not reached {when} times")

    change_catalog = staticmethod(change_catalog)

    def subjects(self):
        return [mail["Subject"] for mail in self.server.mails]

    def thumbprints(self):
        """Of the accounts that the CA has."""
        return self.ca.ledger("SELECT thumbprint FROM accounts")

    def snippet(self):
        return (CONFIGURATION / "everseal/acme.conf").read_text()

    def files(self):
        return sorted(path.name for path in _ACCOUNT.iterdir())

    def served(self, name=_NAME):
        return visitor.certificate(name, self.ca.bundle)

    def assert_all_fits(self):
        """The CA, the catalog and nginx know one key, by which certificates can be had."""
        [thumbprint] = self.thumbprints()
        self.assertIn(thumbprint, self.snippet())
        self.assertEqual(self.change_catalog("SELECT thumbprint FROM accounts"), [(thumbprint,)])
        self.assertNotIn("key.next.pem", self.files())
        self.run_everseal("renew", "--force")
        check_live()


class AccountKey(RotationCase):
    def setUp(self):
        super().setUp()
        self.old = (_ACCOUNT / "key.pem").read_bytes()
        [self.thumbprint] = self.thumbprints()

    def key(self):
        return (_ACCOUNT / "key.pem").read_bytes()

    def backups(self):
        return [path for path in _ACCOUNT.iterdir() if path.name.startswith("key.until-")]

    def assert_changed(self):
        self.assertNotEqual(self.key(), self.old)
        self.assertEqual(self.thumbprint in self.thumbprints(), False)
        [backup] = self.backups()
        self.assertEqual(backup.read_bytes(), self.old)
        self.assertEqual(stat.S_IMODE(backup.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE((_ACCOUNT / "key.pem").stat().st_mode), 0o600)
        self.assert_all_fits()

    def assert_unchanged(self):
        self.assertEqual(self.key(), self.old)
        self.assertEqual(self.thumbprints(), [self.thumbprint])
        self.assertEqual(self.backups(), [])
        self.assert_all_fits()

    def test_is_changed_and_the_old_one_kept(self):
        result = self.run_everseal("rotate", "account", "--json")
        self.assertEqual(result.json()["rotated"], [f"account key at {self.ca.url}"])
        self.assert_changed()
        self.assertEqual(self.subjects(), [])

    def test_is_changed_again_and_again(self):
        for _ in range(3):
            self.run_everseal("rotate", "account")
            self.assert_all_fits()

    def test_a_refusal_leaves_the_old_one_and_is_told(self):
        self.ca.fault({"resource": "key-change", "problem": {
            "type": "unauthorized", "status": 403, "detail": "not on a Saturday"}})
        result = self.run_everseal("rotate", "account", status=1)
        self.assertIn("not on a Saturday", result.err)
        self.assert_unchanged()
        [subject] = self.subjects()
        self.assertEqual(subject, f"the account key at {self.ca.url} could not be changed")
        self.assertIn("not on a Saturday", self.server.mails[0].get_content())
        self.assertIn("key.spare.pem", self.files())
        spare = (_ACCOUNT / "key.spare.pem").read_bytes()

        self.ca.clear()
        self.run_everseal("renew")  # not yet
        self.assertEqual(self.key(), self.old)
        self.change_catalog("UPDATE chores SET next_attempt = 0")
        self.run_everseal("renew")
        self.assertEqual(self.key(), spare)
        self.assert_changed()
        self.assertEqual(self.subjects()[1:], [f"Solved: {subject}"])

    def test_A26_a_lost_answer_is_no_lost_account(self):
        self.ca.fault({"resource": "key-change", "drop": "after"})
        self.run_everseal("rotate", "account")
        self.assert_changed()

    def test_A26_a_lost_request_leaves_the_old_key(self):
        self.ca.fault({"resource": "key-change", "drop": "before"})
        self.run_everseal("rotate", "account", status=1)
        self.assert_unchanged()

    def test_a_yes_without_effect_is_none(self):
        self.ca.fault({"resource": "key-change", "status": 200, "has_effect": False})
        result = self.run_everseal("rotate", "account", status=1)
        self.assertIn("knows only the old key", result.err)
        self.assert_unchanged()

    def test_a_no_with_effect_is_none(self):
        self.ca.fault({"resource": "key-change", "status": 500, "has_effect": True})
        self.run_everseal("rotate", "account")
        self.assert_changed()

    def test_A26_a_ca_that_is_away_after_it_is_asked_later(self):
        for has_effect in (True, False):
            with self.subTest(has_effect=has_effect):
                self.ca.fault({"resource": "key-change", "drop": "after" if has_effect else "before"},
                              {"resource": "new-account", "problem": {
                                  "type": "serverInternal", "status": 403, "detail": "away"}})
                result = self.run_everseal("rotate", "account", status=1)
                self.assertIn("it is not known yet which account key the CA knows", result.err)
                self.assertIn("key.next.pem", self.files())
                self.assertEqual(self.key(), self.old)
                self.ca.clear()
                self.run_everseal("renew", "--force")
                self.assertEqual(self.key() != self.old, has_effect)
                self.assert_all_fits()
                self.old = self.key()

    def test_a_ca_that_is_away(self):
        self.ca.stop_ca()
        self.run_everseal("rotate", "account", status=1)
        self.assertEqual(len(self.subjects()), 1)
        self.assertIn("key.next.pem", self.files(), "nobody can say what the CA knows")
        self.ca.start_ca()
        self.run_everseal("renew", "--force")
        self.assert_unchanged()

    def test_A23_a_ca_that_changes_no_keys(self):
        self.ca.fault({"resource": "directory", "remove": ["/keyChange"]})
        self.assertIn("has no keyChange", self.run_everseal("rotate", "account", status=1).err)
        self.assert_unchanged()

    def test_a_broken_nginx_is_found_before_the_ca_is_asked(self):
        site = CONFIGURATION / f"sites-enabled/{_NAME}"
        good = site.read_text()
        site.write_text("nonsense;\n" + good)
        self.run_everseal("rotate", "account", status=1)
        self.assertEqual(self.ca.requests()["key-change"], 0)
        self.assertEqual(len(self.subjects()), 1)
        site.write_text(good)
        self.assert_unchanged()

    def test_an_answer_that_was_changed_by_hand_is_found_before_the_ca_is_asked(self):
        snippet = CONFIGURATION / "everseal/acme.conf"
        good = snippet.read_text()
        snippet.write_text(good.replace("return 200", "return  200"))
        self.assertIn("changed by hand", self.run_everseal("rotate", "account", status=1).err)
        self.assertEqual(self.ca.requests()["key-change"], 0)
        snippet.write_text(good)
        self.assert_unchanged()

    def test_an_answer_that_no_ca_would_get_is_told(self):
        site = CONFIGURATION / f"sites-enabled/{_NAME}"
        good = site.read_text()
        site.write_text(good.replace("listen 80;", "listen 80; return 410;", 1))
        self.assertNotEqual(site.read_text(), good)
        self.nginx.replace_workers()
        result = self.run_everseal("rotate", "account", status=1)
        self.assertIn("the CA has taken the new key, and nginx is to answer for it, but does not", result.err)
        self.assertIn("410", result.err)
        self.assertEqual(len(self.subjects()), 1)
        site.write_text(good)
        self.nginx.replace_workers()
        self.run_everseal("rotate", "account")
        self.run_everseal("renew")
        self.assertEqual(len(self.subjects()), 2, self.subjects())
        self.assertTrue(self.subjects()[1].startswith("Solved: "), self.subjects())
        self.assert_all_fits()

    def test_C2_a_kill_at_any_moment(self):
        """Before the n-th call of each kind that makes something durable or speaks to a process."""
        self.kill_at_each(("fsync", "rename", "sendmsg", "unlink,unlinkat"), range(1, 200),
                          ("rotate", "account"), self.assert_all_fits)

    def test_C11_a_role_that_is_needed_is_killed_while_the_ca_thinks(self):
        """Over the change, which it makes or not, or over which key it knows."""
        change, refused = {"resource": "key-change"}, {"resource": "key-change", "status": 500}
        for role, fault in (("keeper", change), ("keeper", refused), ("net", change), ("net", refused),
                            ("net", {"resource": "new-account"})):
            for again in (("rotate", "account"), ("renew", "--force")):
                with self.subTest(role=role, fault=fault, again=again):
                    status, err = self.kill_while_the_ca_thinks(role, fault)
                    self.assertEqual(status, 1, err)
                    self.assertIn(f"the {role} process was ended by signal 9", err)
                    self.assertIn("it is not known yet which account key the CA knows, both are kept", err)
                    self.assertEqual(self.key(), self.old)
                    self.assertIn("key.next.pem", self.files())
                    self.run_everseal(*again)
                    self.assertEqual(self.key() == self.old, fault == refused and "renew" in again)
                    self.assert_all_fits()
                    self.old = self.key()

    def test_C11_a_role_that_is_not_needed_any_more_is_killed_while_the_ca_thinks(self):
        """The keeper, once it has signed; verify is not even started for this."""
        status, err = self.kill_while_the_ca_thinks("keeper", {"resource": "new-account"},
                                                    roles={"keeper", "net"})
        self.assertEqual((status, err), (0, ""))
        self.assertNotEqual(self.key(), self.old)
        self.assert_all_fits()

    def kill_while_the_ca_thinks(self, role, fault, roles=None):
        """Exit status of `everseal rotate account`, and what it said of errors."""
        self.ca.fault(fault | {"delay": "1s"})
        before = self.ca.requests()[fault["resource"]]
        with self.everseal.start("rotate", "account") as command:
            wait_until("the CA is asked", lambda: self.ca.requests()[fault["resource"]] > before)
            running = processes.roles(of=command.pid)
            if roles:
                self.assertEqual({name for _, name in running}, roles)
            [process] = [pid for pid, name in running if name == role]
            os.kill(process, signal.SIGKILL)
            _, err = command.communicate(timeout=20)
        wait_until("the roles have ended", lambda: not processes.roles(not_of=(self.ca.pid,)), 2)
        self.ca.clear()
        return command.returncode, err

    def test_is_due_by_the_schedule(self):
        self.change_catalog(f"UPDATE chores SET done_at = {int(time.time()) - 181 * _DAY}")
        self.run_everseal("renew")
        self.assertEqual(self.key(), self.old)
        self.change_catalog(f"UPDATE chores SET done_at = {int(time.time()) - 183 * _DAY}")
        self.write_settings('[rotate]\naccount = "never"\n')
        self.run_everseal("renew")
        self.assertEqual(self.key(), self.old)
        self.write_settings('[rotate]\naccount = "6 months"\n')
        result = self.run_everseal("renew", "--json")
        self.assertEqual(result.json()["rotated"], [f"account key at {self.ca.url}"])
        self.assert_changed()
        self.assertEqual(self.subjects(), [])
        self.assertIn("Nothing to do", self.run_everseal("renew").out)


class CertificateKeys(RotationCase):
    def setUp(self):
        super().setUp()
        self.old = self.key()
        self.serial = self.served()["serialNumber"]

    @staticmethod
    def key(name=_NAME):
        return (STATE / "live" / name / "privkey.pem").read_bytes()

    def assert_is_as_before(self):
        self.assertEqual(self.key(), self.old)
        self.assertEqual(self.served()["serialNumber"], self.serial)

    def refuse_orders(self):
        self.ca.fault({"resource": "new-order", "problem": {
            "type": "rateLimited", "status": 429, "detail": "not now"}})

    def test_are_new_and_served(self):
        result = self.run_everseal("rotate", "keys", "--json")
        self.assertEqual(result.json()["rotated"], [f"key of {_NAME}"])
        self.assertNotEqual(self.key(), self.old)
        self.assertNotEqual(self.served()["serialNumber"], self.serial)
        check_live()

    def test_a_refusal_leaves_the_old_ones_and_is_told(self):
        self.refuse_orders()
        result = self.run_everseal("rotate", "keys", status=1)
        self.assertIn("not now", result.err)
        self.assert_is_as_before()
        [subject] = self.subjects()
        self.assertRegex(subject, rf"^{_NAME} could not be renewed, \d+ days left$")

    def test_a_broken_nginx_leaves_the_old_ones_and_is_told(self):
        site = CONFIGURATION / f"sites-enabled/{_NAME}"
        good = site.read_text()
        site.write_text("nonsense;\n" + good)
        self.run_everseal("rotate", "keys", status=1)
        self.assert_is_as_before()
        self.assertRegex(self.subjects()[0], rf"^the new certificate of {_NAME} is not in use, ")
        site.write_text(good)
        self.run_everseal("renew")
        self.assertNotEqual(self.key(), self.old)
        self.assertEqual(len(self.subjects()), 2)

    def test_pinned_ones_stay_unless_they_are_named(self):
        self.write_settings(f'[keys]\npin = ["{_NAME}"]\n')
        then = self.run_everseal("status", _NAME, "--json").json()["certificates"][0]["key_since"]
        time.sleep(1.1)
        self.run_everseal("renew", "--force")
        now = self.run_everseal("status", _NAME, "--json").json()["certificates"][0]["key_since"]
        self.assertEqual(now, then, "it is as old as it is")
        self.assertEqual(self.key(), self.old)
        self.assertNotEqual(self.served()["serialNumber"], self.serial, "renewed all the same")
        check_live()
        result = self.run_everseal("rotate", "keys")
        self.assertIn(f"Unchanged: key of {_NAME}: pinned", result.out)
        self.assertEqual(self.key(), self.old)
        self.run_everseal("rotate", "keys", _NAME)
        self.assertNotEqual(self.key(), self.old)
        now = self.run_everseal("status", _NAME, "--json").json()["certificates"][0]["key_since"]
        self.assertGreater(now, then)
        check_live()


class Parameters(RotationCase):
    """Diffie-Hellman, and all together."""

    path = CONFIGURATION / "dh.pem"

    @classmethod
    def setUpClass(cls):
        cls.own = SCRATCH / "own-dh.pem"
        Everseal(None).run("dhparam", "--bits", "2048", "-o", cls.own)

    def setUp(self):
        super().setUp()
        self.use(self.own.read_bytes())
        self.account_key = (_ACCOUNT / "key.pem").read_bytes()
        self.key = (STATE / "live" / _NAME / "privkey.pem").read_bytes()

    def use(self, text, settings=""):
        self.old = text
        self.path.write_bytes(text)
        site = CONFIGURATION / f"sites-enabled/{_NAME}"
        if "ssl_dhparam" not in site.read_text():
            site.write_text(site.read_text().replace("server_name", f"ssl_dhparam {self.path}; server_name", 1))
        self.nginx.reload()
        self.write_settings(settings or f'[dhparam]\nfiles = ["{self.path}"]\n')

    def assert_new(self):
        self.assertNotEqual(self.path.read_bytes(), self.old)
        self.nginx.test()
        self.served()

    def assert_old(self):
        self.assertEqual(self.path.read_bytes(), self.old)
        self.nginx.test()
        self.served()

    def test_are_replaced(self):
        result = self.run_everseal("rotate", "dhparam", "--json")
        self.assertEqual(result.json()["rotated"], [f"parameters of {self.path}"])
        self.assert_new()
        self.run_everseal("undo", "--yes")
        self.assert_old()

    def test_a_group_of_rfc_7919_needs_none(self):
        self.run_everseal("dhparam", "-o", self.path)
        self.use(self.path.read_bytes())
        result = self.run_everseal("rotate", "dhparam")
        self.assertIn("the group ffdhe2048 of RFC 7919 needs no rotation", result.out)
        self.assert_old()

    def test_of_nobody_we_know_are_left_alone(self):
        self.write_settings()
        self.assertIn("names none", self.run_everseal("rotate", "dhparam").out)
        self.assert_old()

    def test_a_broken_nginx_leaves_the_old_ones_and_is_told(self):
        site = CONFIGURATION / f"sites-enabled/{_NAME}"
        good = site.read_text()
        site.write_text("nonsense;\n" + good)
        self.run_everseal("rotate", "dhparam", status=1)
        self.assertEqual(self.path.read_bytes(), self.old)
        self.assertEqual(self.subjects(), [f"the parameters in {self.path} could not be replaced"])
        site.write_text(good)
        self.assert_old()

    def test_are_due_by_the_schedule(self):
        self.write_settings(f'[dhparam]\nfiles = ["{self.path}"]\n[rotate]\ndhparam = "1 year"\n')
        self.run_everseal("renew")
        self.assert_old()
        self.change_catalog("UPDATE chores SET done_at = 1 WHERE kind = 'dhparam'")
        self.run_everseal("renew")
        self.assert_new()
        self.assertIn("Nothing to do", self.run_everseal("renew").out)

    def test_all_are_new(self):
        result = self.run_everseal("rotate", "all", "--json")
        self.assertEqual(result.json()["rotated"],
                         [f"account key at {self.ca.url}", f"parameters of {self.path}", f"key of {_NAME}"])
        self.assert_new()
        self.assertNotEqual((_ACCOUNT / "key.pem").read_bytes(), self.account_key)
        self.assertNotEqual((STATE / "live" / _NAME / "privkey.pem").read_bytes(), self.key)
        self.assert_all_fits()
        self.assertEqual(self.subjects(), [])

    def test_of_all_every_step_may_fail(self):
        """The CA at each of its resources, one after the other."""
        for resource in ("key-change", "new-order", "finalize", "cert"):
            with self.subTest(resource):
                mails = len(self.subjects())
                serial = self.served()["serialNumber"]
                self.ca.fault({"resource": resource, "problem": {
                    "type": "unauthorized", "status": 403, "detail": "not now"}})
                self.run_everseal("rotate", "all", status=3 if resource != "key-change" else 1)
                self.assert_old()
                self.assertEqual(self.served()["serialNumber"], serial)
                self.assertEqual(len(self.subjects()), mails + 1)
                self.ca.clear()
                self.change_catalog("UPDATE chores SET next_attempt = 0")
                self.run_everseal("renew", "--force")
                self.assert_all_fits()

    def test_a_kill_brings_the_old_ones_back(self):
        for when in (6, 8, 10, 12, 14):
            result = self.everseal.run("rotate", "all", wrapper=kill_at("rename", when))
            if result.status == 0:
                break
            self.run_everseal("renew", "--force")
            stands = self.change_catalog("SELECT count(*) FROM changes WHERE state = 'applied' "
                                         "AND summary = 'new Diffie-Hellman parameters'")
            self.assertEqual(self.path.read_bytes() != self.old, stands == [(1,)])
            self.assert_all_fits()
            self.served()


class SetUpE(OwnCaCase):
    """As its administrator had it with acme-tiny and scripts: a user of its own, a weekly renewal with
    mail on failure, and every six months all keys anew, the old ones back if anything fails."""

    path = CONFIGURATION / "dh.pem"

    @classmethod
    def setUpClass(cls):
        subprocess.run(["useradd", "--system", "--create-home", "--home-dir", "/var/lib/acme",
                        "--shell", "/usr/sbin/nologin", USER], check=False)
        # Where another user may look.
        os.environ["EVERSEAL"] = str(shutil.copy(binary(), SCRATCH / "everseal"))

    def setUp(self):
        super().setUp()
        self.nginx = self.serve_webroot()
        self.url, self.bundle = self.ca.url, shutil.copy(self.ca.bundle, SCRATCH / "root-for-all.pem")
        self.everseal = Everseal(self)
        self.path.write_bytes(Everseal(None).run("dhparam", "--bits", "2048").out.encode())
        self.names = [f"{word}.example" for word in ("one", "two", "three", "four", "five")]
        for name in self.names:
            self.ca.resolve(name)
        (CONFIGURATION / "sites-enabled/five").write_text(
            f"server {{ listen 80; listen [::]:80; ssl_dhparam {self.path}; "
            f"server_name {' '.join(self.names)}; root {WEBROOT}; }}\n")
        self.nginx.reload()
        self.server = MailServer(2525, make_certificate(SCRATCH / "receiver.pem", "localhost")).start()
        self.addCleanup(self.server.stop)
        _SETTINGS.parent.mkdir(exist_ok=True)
        _SETTINGS.write_text(f'[dhparam]\nfiles = ["{self.path}"]\n[rotate]\naccount = "6 months"\n'
                             + _MAIL)
        self.addCleanup(_SETTINGS.unlink)
        for directory in (STATE, CONFIGURATION):  # they are another user's
            self.addCleanup(shutil.rmtree, directory)
        self.run_everseal("setup", "--user", USER, "--yes")
        self.run_as_user("secure", "--yes", "--all")
        self.before = self.everything()

    def run_everseal(self, *arguments, status=0, **options):
        result = self.everseal.run(*arguments, **options)
        self.assertEqual(result.status, status, f"{result}\n{self.ca.log()[-2000:]}")
        return result

    def run_as_user(self, *arguments, **options):
        return self.run_everseal(*arguments, wrapper=as_user(), cwd="/", **options)

    def everything(self):
        """All that a rotation replaces: the certificate's key and what is served, parameters, the
        account's key."""
        return ((STATE / "live/one.example/privkey.pem").read_bytes(),
                self.served(), self.path.read_bytes(), (_ACCOUNT / "key.pem").read_bytes())

    def served(self):
        return {name: visitor.certificate(name, self.ca.bundle)["serialNumber"]
                for name in self.names}

    def make_due(self):
        now = int(time.time())
        RotationCase.change_catalog(
            f"UPDATE certificates SET not_before = {now - 80 * _DAY}, not_after = {now + 10 * _DAY}, "
            "renew_at = 1, next_look = 0, next_attempt = 0, last_attempt = 1, "
            "ask_at = unixepoch() + 86400")

    def test_a_weekly_renewal_that_fails_is_told_with_the_days_that_are_left(self):
        self.make_due()
        self.ca.fault({"resource": "new-order", "problem": {
            "type": "serverInternal", "status": 403, "detail": "the CA is closed"}})
        self.run_as_user("renew", status=1)
        [mail] = self.server.mails
        self.assertRegex(mail["Subject"], r"^one\.example could not be renewed, (9|10) days left$")
        self.assertIn("the CA is closed", mail.get_content())
        self.assertEqual(self.everything(), self.before)
        self.ca.clear()
        self.make_due()
        self.run_as_user("renew")
        self.assertEqual(self.server.mails[1]["Subject"], "Solved: one.example could not be renewed")
        self.assertEqual(len(set(self.served().values())), 1)
        self.assertNotEqual(self.everything()[:2], self.before[:2])

    def test_all_keys_are_new_after_six_months(self):
        """A failing step leaves the old ones, and says so by mail; then it goes well."""
        self.ca.fault({"resource": "key-change", "problem": {
            "type": "unauthorized", "status": 403, "detail": "not today"}})
        self.run_as_user("rotate", "all", status=1)
        self.assertEqual(self.everything(), self.before)
        self.assertIn("not today", self.server.mails[-1].get_content())
        self.ca.clear()

        self.ca.fault({"resource": "finalize", "problem": {
            "type": "unauthorized", "status": 403, "detail": "not this one"}})
        result = self.run_as_user("rotate", "all", status=3)
        self.assertIn("back as they were", result.out)
        self.assertEqual(self.everything()[:3], self.before[:3])
        self.assertIn("not this one", self.server.mails[-1].get_content())
        self.assertEqual(len(self.server.mails), 2)
        self.ca.clear()

        account = self.everything()[3]
        self.run_as_user("rotate", "all")
        after = self.everything()
        for one, other in zip(after[:3], self.before[:3]):
            self.assertNotEqual(one, other)
        self.assertNotEqual(after[3], account)
        self.assertEqual(len([name for name in os.listdir(_ACCOUNT) if "until" in name]), 2)
        self.nginx.cold_start()
        self.run_as_user("renew", "--force")
        check_live()
        self.assertEqual({path.lstat().st_uid for path in STATE.rglob("*")},
                         {pwd.getpwnam(USER).pw_uid})

    def test_the_schedule_does_it_by_itself(self):
        RotationCase.change_catalog("UPDATE chores SET done_at = 1")
        self.run_as_user("renew")
        self.assertNotEqual(self.everything()[3], self.before[3])
        self.assertEqual(self.server.mails, [])
        self.run_as_user("renew", "--force")


class Pebble(MachineCase):
    """Another CA than ours."""

    def test_changes_keys_too(self):
        self.run_everseal("secure", "--yes", "static.example")
        for _ in range(2):
            result = self.run_everseal("rotate", "account", "--json")
            self.assertEqual(len(result.json()["rotated"]), 1)
            self.run_everseal("renew", "--force")
            self.assert_https("static.example")
        serial = self.serial("static.example")
        self.run_everseal("rotate", "keys")
        self.assertNotEqual(self.serial("static.example"), serial)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
