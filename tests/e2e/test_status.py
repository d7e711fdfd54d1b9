#!/usr/bin/python3
"""What `everseal status` says, and the daily proof of what is served."""

import os
import pty
import re
import shutil
import subprocess
import time
import unittest

from harness import sandbox
from harness.everseal import STATE, Everseal
from harness.nginx import CONFIGURATION
from harness.own_ca_case import WEBROOT, KeptCase, OwnCaCase
from harness.receivers import SETTINGS, MailServer, make_certificate, smtp, write_settings
from harness.sandbox import SCRATCH

_DAY = 86400
_SITES = CONFIGURATION / "sites-enabled"


class StatusCase(OwnCaCase):
    """Two sites of nginx, secured; a mail server."""

    names = ("one.example", "two.example")

    def setUp(self):
        super().setUp()
        self.nginx = self.serve_webroot()
        for name in self.names:
            self.add_site(name)
        self.nginx.replace_workers()
        self.everseal = Everseal(self.ca)
        self.run_everseal("secure", "--all", "--yes")
        self.server = MailServer(2525, make_certificate(SCRATCH / "receiver.pem", "localhost")).start()
        self.addCleanup(self.server.stop)
        write_settings(smtp())
        self.addCleanup(SETTINGS.unlink)

    def add_site(self, name):
        self.ca.dns.resolve(name, ["127.0.0.1"], ["::1"])
        (_SITES / name).write_text(f"server {{ listen 80; listen [::]:80; server_name {name}; "
                                   f"root {WEBROOT}; }}\n")

    def run_everseal(self, *arguments, status=0, **options):
        result = self.everseal.run(*arguments, **options)
        self.assertEqual(result.status, status, f"{result}\n{self.ca.log()[-2000:]}")
        return result

    def renew(self, status=0):
        """A daily run: a day has passed for the proof of what is served."""
        self.let_look()
        return self.run_everseal("renew", status=status)

    @staticmethod
    def let_look():
        KeptCase.change_catalog("UPDATE moments SET at = 1 WHERE name = 'served check'")

    def certificates(self, *arguments):
        document = self.run_everseal("status", "--json", *arguments).json()
        return {each["name"]: each for each in document["certificates"]}

    def subjects(self):
        return [mail["Subject"] for mail in self.server.mails]

    def text(self, index=-1):
        return self.server.mails[index].get_content().replace("\r\n", "\n")

    def kinds(self, name):
        return [each["kind"] for each in self.certificates(name)[name]["history"]]


class Served(StatusCase):
    """A difference between what is live and what visitors get is told once, then daily, then as over."""

    def test_nothing_is_told_where_all_is_right(self):
        self.run_everseal("renew")
        self.renew()
        self.assertEqual(self.subjects(), [])
        for each in self.certificates().values():
            self.assertEqual((each["served"]["sight"], each["served"]["fingerprint"]),
                             ("right", each["fingerprint"]))
            self.assertEqual(each["served"]["places"], ["127.0.0.1:443", "[::1]:443"])
            self.assertEqual((each["level"], each["served_by"]), ("ok", "nginx"))

    def test_it_is_looked_at_once_a_day(self):
        self.run_everseal("renew")
        first = self.certificates()["one.example"]["served"]["checked_at"]
        time.sleep(1.1)
        self.run_everseal("renew")
        self.assertEqual(self.certificates()["one.example"]["served"]["checked_at"], first)
        self.renew()
        self.assertNotEqual(self.certificates()["one.example"]["served"]["checked_at"], first)

    def test_disk_and_wire_differ(self):
        """Somebody has put an old version back and has reloaded nginx."""
        self.run_everseal("renew", "--force", "one.example")
        link = STATE / "live/one.example"
        new = os.readlink(link)
        self.switch(link, "../certs/one.example/versions/1")
        self.nginx.replace_workers()
        self.renew()
        self.renew()
        [subject] = self.subjects()
        self.assertRegex(subject, "^nginx serves something else than the certificate of one.example, "
                                  r"\d+ days left$")
        for place in (r"127\.0\.0\.1:443", r"\[::1\]:443"):
            self.assertRegex(self.text(), rf"one\.example at {place}: shows version 1 of the same certificate "
                                          r"\(SHA-256 [0-9a-f]{16}, until \S+Z\), "
                                          r"not version 2 \(SHA-256 [0-9a-f]{16}, until \S+Z\)")
        one = self.certificates()["one.example"]
        self.assertEqual((one["level"], one["served"]["sight"]), ("warning", "wrong"))
        self.assertEqual(self.certificates()["two.example"]["level"], "ok")
        text = self.run_everseal("status").out
        self.assertIn("nginx serves something else than the certificate of one.example", text)
        self.assertIn("another served", text)
        self.assertIn("shows version 1", self.run_everseal("status", "one.example").out)
        self.assertIn("one.example: something else is served",
                      self.run_everseal("status", "--check", status=1).out)

        KeptCase.change_catalog(f"UPDATE incidents SET told_at = told_at - {_DAY}")
        self.renew()
        self.assertTrue(self.subjects()[-1].startswith("Still: nginx serves something else"))

        self.switch(link, new)
        self.nginx.replace_workers()
        self.renew()
        self.renew()
        self.assertEqual(self.subjects()[2:], ["Solved: nginx serves something else than the "
                                               "certificate of one.example"])
        self.assertEqual(self.kinds("one.example"),
                         ["issued", "installed", "issued", "installed", "differs", "agrees"])
        self.run_everseal("status", "--check")

    @staticmethod
    def switch(link, target):
        link.unlink()
        link.symlink_to(target)

    def test_an_old_copy_on_one_listener(self):
        site = _SITES / "one.example"
        shutil.copy(STATE / "live/one.example/bundle.pem", "/etc/nginx/copy.pem")
        self.run_everseal("renew", "--force", "one.example")
        site.write_text("".join(
            f"server {{ listen {address}443 ssl; server_name one.example; root {WEBROOT}; "
            f"ssl_certificate {file}; ssl_certificate_key {file}; }}\n"
            for address, file in (("", STATE / "live/one.example/bundle.pem"),
                                  ("[::]:", "/etc/nginx/copy.pem"))))
        self.nginx.replace_workers()
        self.renew()
        self.assertEqual(len(self.subjects()), 1)
        self.assertIn("one.example at [::1]:443: shows version 1 of the same certificate", self.text())
        self.assertNotIn("127.0.0.1:443", self.text())

    def test_a_copy_that_no_renewal_reaches(self):
        site = _SITES / "one.example"
        shutil.copy(STATE / "live/one.example/bundle.pem", "/etc/nginx/copy.pem")
        text = site.read_text().replace(str(STATE / "live/one.example/bundle.pem"), "/etc/nginx/copy.pem")
        site.write_text(text)
        self.nginx.replace_workers()
        self.renew()
        self.assertEqual(len(self.subjects()), 1)
        self.assertIn("names a copy of it, which no renewal reaches", self.text())

    def test_a_foreign_certificate_and_a_site_that_is_gone_are_told_once(self):
        make_certificate("/etc/nginx/foreign.pem", "one.example")
        site = _SITES / "one.example"
        site.write_text(site.read_text().replace(str(STATE / "live/one.example/bundle.pem"),
                                                 "/etc/nginx/foreign.pem"))
        (_SITES / "two.example").unlink()
        self.nginx.replace_workers()
        self.renew()
        KeptCase.change_catalog(f"UPDATE incidents SET told_at = told_at - {_DAY}")
        self.renew()
        [subject] = self.subjects()
        self.assertRegex(subject, r"^nginx no longer uses the certificate of one.example, .* \(and 1 more\)$")
        self.assertIn("nginx no longer uses the certificate of two.example", self.text())
        self.assertNotIn("then daily", self.text())
        self.assertIn("shows a certificate that is not ours, by CN=receiver",
                      self.run_everseal("status", "one.example").out)
        self.assertIn("nothing refers to it", self.run_everseal("status", "two.example").out)
        self.run_everseal("status", "--check")

    def test_nginx_does_not_answer(self):
        self.nginx.stop()
        self.renew()
        self.renew()
        self.assertEqual(self.subjects(), ["nobody answers where 2 certificates should be served"])
        self.assertIn("one.example at 127.0.0.1:443: ", self.text())
        self.assertIn("no answer", self.run_everseal("status").out)
        self.nginx.cold_start()
        self.renew()
        self.assertEqual(self.subjects()[1:], ["Solved: nobody answers where 2 certificates should be served"])

    def test_configuration_that_cannot_be_read(self):
        site = _SITES / "one.example"
        good = site.read_text()
        site.write_text("{")
        self.renew(status=1)
        self.assertEqual(self.subjects(), ["what nginx serves could not be looked at"])
        site.write_text(good)
        self.renew()
        self.assertEqual(self.subjects()[1:], ["Solved: what nginx serves could not be looked at"])

    def test_alarms_look_at_what_is_served(self):
        self.run_everseal("renew")
        KeptCase.change_catalog(f"UPDATE served SET sight = 'wrong', not_after = {int(time.time()) - 7200}")
        line = self.run_everseal("status", "--check", status=2).out
        self.assertRegex(line, r"^EVERSEAL CRITICAL - one\.example: expired 2 hours ago; two\.example: ")


class Names(StatusCase):
    def test_new_names_are_told_once(self):
        self.add_site("before.example")
        self.nginx.replace_workers()
        self.renew()
        self.assertEqual(self.subjects(), [], "what was there at the first look is no news")
        self.add_site("new.example")
        site = _SITES / "one.example"
        site.write_text(site.read_text().replace("server_name one.example;",
                                                 "server_name one.example alias.example;"))
        self.nginx.replace_workers()
        self.renew()
        self.renew()
        [subject] = self.subjects()
        self.assertRegex(subject, r"^\w+\.example is new in nginx and not secured \(and 1 more\)$")
        for name in ("new.example", "alias.example"):
            self.assertIn(f"{name} is new in nginx and not secured.\n", self.text())
        self.assertNotIn("before.example", self.text())
        self.assertIn("sites-enabled/new.example:1", self.text())
        self.assertEqual(self.run_everseal("status", "--json").json()["incidents"], [])
        KeptCase.change_catalog(f"UPDATE incidents SET told_at = told_at - {_DAY}")
        self.renew()
        self.run_everseal("secure", "new.example", "--yes")
        self.renew()
        self.assertEqual(len(self.subjects()), 1)


class Silence(StatusCase):
    def test_no_run_for_longer_than_planned(self):
        self.run_everseal("renew")
        self.run_everseal("status", "--check")
        KeptCase.change_catalog(f"UPDATE moments SET at = {int(time.time()) - 5 * _DAY} "
                                "WHERE name = 'renewal run'")
        line = self.run_everseal("status", "--check", status=1).out
        self.assertIn("EVERSEAL WARNING - everseal renew last ran 5 days ago", line)
        self.assertTrue(self.run_everseal("status").out.startswith(
            "everseal renew last ran 5 days ago: is its timer on?\n"))
        self.run_everseal("renew")
        self.run_everseal("renew")
        self.assertEqual(self.subjects(), ["everseal renew had not run for 5 days"])
        self.run_everseal("status", "--check")


class Words(StatusCase):
    names = ("one.example",)

    def age(self, days, life=90):
        begin = int(time.time()) - days * _DAY
        KeptCase.change_catalog(f"UPDATE certificates SET not_before = {begin}, "
                                f"not_after = {begin + life * _DAY}, ask_at = 9999999999, "
                                f"renew_at = {begin + life * 2 // 3 * _DAY}, last_attempt = {begin}")
        KeptCase.change_catalog("DELETE FROM served")

    def test_status_of_one_says_what_is_next_and_why(self):
        self.ca.fault({"resource": "new-order", "problem": {
            "type": "rejectedIdentifier", "status": 400, "detail": "not for you"}})
        self.run_everseal("renew", "--force", status=1)
        text = self.run_everseal("status", "one.example").out
        self.assertRegex(text, r"  next        it is renewed \S+Z \(in \d+ days\): .* is left from then on")
        self.assertRegex(text, r"  failed      once since \S+Z, last \S+Z\n              ?.*not for you")
        self.assertRegex(text, r"  history     \S+Z  issued: version 1, valid until \S+Z\n"
                               r" +\S+Z  installed: version 1, proven to be served by nginx\n"
                               r" +\S+Z  failed: .*rejectedIdentifier.*not for you")
        self.assertIn("one.example failed; the next try is after", self.run_everseal("status").out)
        one = self.certificates("one.example")["one.example"]
        self.assertEqual(one["next_action"]["what"], "order")
        self.assertIn("is left from then on", one["next_action"]["why"])
        self.assertNotIn("history", self.certificates()["one.example"])

    def test_check_is_relative_to_the_lifetime(self):
        self.run_everseal("renew")
        everywhere = ("--warning", "30", "--critical", "20")
        for days, life, thresholds, status in (
                (0, 90, (), 0), (78, 90, (), 0), (80, 90, (), 1), (85, 90, (), 2), (91, 90, (), 2),
                (0, 6, (), 0), (0, 6, everywhere, 0), (3, 6, everywhere, 0), (5, 6, everywhere, 1),
                (61, 90, everywhere, 1), (71, 90, everywhere, 1), (76, 90, everywhere, 2)):
            with self.subTest(days=days, life=life, thresholds=thresholds):
                self.age(days, life)
                line = self.run_everseal("status", "--check", *thresholds, status=status).out
                word = ("OK", "WARNING", "CRITICAL")[status]
                self.assertRegex(line, rf"^EVERSEAL {word} - .* \| certificates=1;;;0 .*first_expiry=-?\d+s")
                self.assertEqual(line.count("\n"), 1)

    def test_check_of_nothing_is_unknown(self):
        line = self.run_everseal("status", "--check", "--state", SCRATCH / "nowhere", status=3).out
        self.assertEqual(line, "EVERSEAL UNKNOWN - there are no certificates yet\n")
        line = self.run_everseal("status", "--check", "other.example", status=3).out
        self.assertEqual(line, "EVERSEAL UNKNOWN - no certificate has the name other.example\n")

    def test_metrics_pass_promtool(self):
        self.run_everseal("renew")
        KeptCase.change_catalog(r"""UPDATE certificates SET name = 'a\b"c' """)
        page = self.run_everseal("status", "--prometheus").out
        done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""), page)
        self.assertIn(r'everseal_certificate_failures{name="a\\b\"c"} 0', page)
        found = dict(re.findall(r"^(everseal_\w+)(?:\{.*\})? (\S+)$", page, re.MULTILINE))
        self.assertLess(abs(int(found["everseal_last_run_timestamp_seconds"]) - time.time()), 60)
        self.assertEqual(found["everseal_certificate_served_ok"], "1")
        self.assertGreater(int(found["everseal_certificate_not_after_seconds"]), time.time())
        self.assertGreater(int(found["everseal_certificate_renew_at_seconds"]), time.time())
        self.assertEqual(found["everseal_incidents"], "0")

    def on_a_terminal(self, **variables):
        master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", **variables}
        environment.pop("COLUMNS", None)
        subprocess.run(self.everseal.command("status"), stdout=slave, env=environment, check=True)
        os.close(slave)
        try:
            return os.read(master, 100_000).decode()
        finally:
            os.close(master)

    def test_colours_are_for_terminals(self):
        self.age(89)
        self.assertIn("\x1b[31;1mone.example", self.on_a_terminal())
        self.assertNotIn("\x1b", self.on_a_terminal(NO_COLOR="1"))
        self.assertNotIn("\x1b", self.run_everseal("status").out)

    def test_the_table_fits(self):
        for width in (40, 60, 80, 132):
            out = self.run_everseal("status", env={**os.environ, "COLUMNS": str(width)}).out
            table = out[:out.index("\n\n")].splitlines()
            self.assertLessEqual(max(map(len, table)), width, out)
            self.assertIn("one.example", table[1])
        self.assertIn("SERVED BY", out)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
