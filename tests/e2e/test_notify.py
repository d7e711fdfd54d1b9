#!/usr/bin/python3
"""Who is told of what went wrong, and how: by mail, webhook and command, once and then daily."""

import hashlib
import hmac
import json
import os
import pathlib
import socket
import time
import unittest

from harness import sandbox
from harness.everseal import Everseal
from harness.nginx import CONFIGURATION
from harness.own_ca_case import WEBROOT, KeptCase, OwnCaCase
from harness.receivers import (PASSWORD, PASSWORD_FILE, SETTINGS, USER, MailServer, Webhook,
                               make_certificate, smtp, write_settings)
from harness.sandbox import SCRATCH

_SENDMAIL = pathlib.Path("/usr/local/sbin/everseal-test-sendmail")
_DAY = 86400


class _NoAuthority:
    url, bundle = "https://localhost:1/", "/nowhere"


def login():
    return {"user": USER, "password_file": str(PASSWORD_FILE)}


class Ways(unittest.TestCase):
    """`everseal notify test`, by every way."""

    maxDiff = None

    def setUp(self):
        self.certificate = make_certificate(SCRATCH / "receiver.pem", "localhost")
        self.everseal = Everseal(_NoAuthority)

    def receive(self, receiver):
        self.addCleanup(receiver.stop)
        return receiver.start()

    def mail_server(self, **options):
        return self.receive(MailServer(2525, self.certificate, **options))

    def send(self, status=0, **options):
        result = self.everseal.run("notify", "test", **options)
        self.assertEqual(result.status, status, str(result))
        self.assertNotIn(PASSWORD, result.out + result.err)
        return result

    def assert_is_the_test_mail(self, server):
        [mail] = server.mails
        self.assertEqual(server.envelopes,
                         [("admin@example.org", ["admin@example.org", "second@example.org"])])
        self.assertEqual(mail["Subject"],
                         "Test: example.org could not be renewed, 12 days left")
        self.assertEqual(mail["To"], "admin@example.org, second@example.org")
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")
        self.assertTrue(mail["From"].startswith(f'"Everseal on {socket.gethostname()}"')
                        or mail["From"].startswith(f"Everseal on {socket.gethostname()}"),
                        mail["From"])
        text = mail.get_content().replace("\r\n", "\n")
        self.assertTrue(text.startswith("example.org could not be renewed.\n"), text)
        self.assertIn("This is a test: nothing is wrong.\n", text)
        self.assertIn("Everseal on ", text)
        for line in server.raw[0].split(b"\r\n"):
            self.assertLessEqual(len(line), 78, line)

    def test_mail_by_starttls_and_a_password(self):
        server = self.mail_server(authenticates=True)
        write_settings(smtp(**login()))
        result = self.send()
        self.assertEqual(result.out, "Sent: mail to admin@example.org, second@example.org "
                                     "by localhost:2525\n")
        self.assert_is_the_test_mail(server)
        [(_, user, password)] = server.logins
        self.assertEqual((user, password), (USER, PASSWORD))

    def test_mail_by_implicit_tls(self):
        server = self.mail_server(security="tls", authenticates=True)
        write_settings(smtp(security="tls", **login()))
        self.send()
        self.assert_is_the_test_mail(server)

    def test_mail_without_tls_where_it_is_said(self):
        server = self.mail_server(security="none")
        write_settings(smtp(security="none"))
        self.send()
        self.assert_is_the_test_mail(server)

    def test_a_server_that_offers_no_tls_gets_nothing(self):
        server = self.mail_server(security="none")
        write_settings(smtp(**login()))
        self.assertIn("offers no TLS", self.send(status=1).err)
        self.assertEqual((server.mails, server.logins), ([], []))

    def test_a_wrong_certificate_gets_nothing(self):
        for why, hosts, days in (("another name", ["mail.example"], 2), ("expired", ["localhost"], -1),
                                 ("of nobody known", ["localhost"], 2)):
            with self.subTest(why):
                shown = make_certificate(SCRATCH / "shown.pem", *hosts, days=days)
                if why != "of nobody known":
                    (SCRATCH / "receiver.pem").write_bytes(shown.read_bytes())
                server = MailServer(2525, shown, authenticates=True).start()
                try:
                    write_settings(smtp(**login()))
                    self.assertIn("its certificate is not to be trusted", self.send(status=1).err)
                finally:
                    server.stop()
                self.assertEqual((server.mails, server.logins), ([], []))

    def test_a_wrong_password_is_said(self):
        server = self.mail_server(authenticates=True)
        write_settings(smtp(**login()), password="wrong")
        self.assertIn("it refuses the user or the password: 535", self.send(status=1).err)
        self.assertEqual(server.mails, [])

    def test_a_server_that_is_away_is_said(self):
        write_settings(smtp(**login()))
        result = self.send(status=1)
        self.assertIn("localhost:2525: ", result.err)
        self.assertIn("onnect", result.err)

    def test_a_server_that_says_nothing_is_given_up(self):
        with socket.create_server(("127.0.0.1", 2525)):
            write_settings(smtp())
            self.send(status=1)

    def test_who_is_refused_keeps_nobody_else_from_the_mail(self):
        server = self.mail_server(refusals={"second@example.org": "550 no such user"})
        write_settings(smtp())
        self.send()
        self.assertEqual(server.envelopes, [("admin@example.org", ["admin@example.org"])])

    def test_refusals_are_said_in_the_servers_words(self):
        self.mail_server(refusals={name: "550 no \x1b[2J such user"
                                   for name in ("admin@example.org", "second@example.org")})
        write_settings(smtp())
        result = self.send(status=1)
        self.assertIn("550 no \\x1b[2J such user", result.err)

    def test_mail_by_the_local_sendmail(self):
        _SENDMAIL.write_text(f"#!/bin/sh\nenv > {SCRATCH}/env\necho \"$@\" > {SCRATCH}/words\n"
                             f"cat > {SCRATCH}/mail\n")
        _SENDMAIL.chmod(0o755)
        self.addCleanup(_SENDMAIL.unlink)
        write_settings(f'[notify]\nto = "root"\nsendmail = "{_SENDMAIL}"\n')
        self.send()
        self.assertEqual((SCRATCH / "words").read_text(), "-i -t\n")
        mail = (SCRATCH / "mail").read_bytes()
        self.assertNotIn(b"\r", mail)
        self.assertIn(b"\nTo: root\nSubject: Test: example.org could not be renewed", mail)
        names = {line.split("=")[0] for line in (SCRATCH / "env").read_text().splitlines()}
        self.assertLessEqual(names, {"PATH", "LANG", "PWD", "OLDPWD", "SHLVL", "_"})
        _SENDMAIL.write_text("#!/bin/sh\necho the queue is full; exit 75\n")
        self.assertIn("ended with status 75: the queue is full", self.send(status=1).err)

    def test_webhook_with_a_signature(self):
        webhook = self.receive(Webhook(8443, self.certificate))
        secret = pathlib.Path("/etc/everseal/webhook-secret")
        write_settings('[notify.webhook]\nurl = "https://localhost:8443/hook/T0KEN"\n'
                       f'secret_file = "{secret}"\nca_bundle = "{self.certificate}"\n')
        secret.write_text("k3y\n")
        secret.chmod(0o600)
        result = self.send()
        self.assertEqual(result.out, "Sent: webhook https://localhost:8443\n")
        [(path, headers, body)] = webhook.posts
        self.assertEqual(path, "/hook/T0KEN")
        moment, _, signature = headers["Everseal-Signature"].partition(",")
        self.assertLess(abs(int(moment.removeprefix("t=")) - time.time()), 60)
        expected = hmac.new(b"k3y", moment.removeprefix("t=").encode() + b"." + body,
                            hashlib.sha256).hexdigest()
        self.assertEqual(signature, f"v1={expected}")
        document = json.loads(body)
        self.assertEqual((document["version"], document["event"]), (1, "test"))
        self.assertEqual(document["incidents"][0]["facts"]["certificate"], "example.org")

    def test_webhook_that_refuses_or_leads_elsewhere(self):
        webhook = self.receive(Webhook(8443, self.certificate))
        write_settings('[notify.webhook]\nurl = "https://localhost:8443/hook/T0KEN"\n'
                       f'ca_bundle = "{self.certificate}"\n')
        for status in (302, 403, 500):
            webhook.status = status
            webhook.headers = {"Location": "https://localhost:8443/elsewhere"}
            result = self.send(status=1)
            self.assertIn(f"it answers with status {status}", result.err)
            self.assertNotIn("T0KEN", result.err)
        self.assertEqual(len(webhook.posts), 3, "a redirect is not followed")
        webhook.stop()
        result = self.send(status=1)
        self.assertNotIn("T0KEN", result.err)

    def test_S5_webhooks_lead_to_no_file_and_no_link_local_address(self):
        for url in ("file:///etc/shadow", "http://localhost:8443/", "ftp://localhost/"):
            write_settings(f'[notify.webhook]\nurl = "{url}"\n')
            self.send(status=2)
        hosts = pathlib.Path("/etc/hosts")
        before = hosts.read_text()
        self.addCleanup(hosts.write_text, before)
        hosts.write_text(before + "169.254.169.254 metadata.example\n")
        write_settings('[notify.webhook]\nurl = "https://metadata.example/"\n'
                       f'ca_bundle = "{self.certificate}"\n')
        self.assertIn("of the link alone", self.send(status=1).err)

    def test_S5_settings_cannot_hold_another_header(self):
        for settings in (r'to = "a@b\r\nBcc: victim@example.org"',
                         'to = "a@b.example, victim@example.org"', 'to = "-oQ/tmp"'):
            write_settings(f"[notify]\n{settings}\n")
            self.assertIn("is not a mail address", self.send(status=2).err)

    def test_command_without_a_shell(self):
        program = SCRATCH / "page"
        program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {SCRATCH}/words\n"
                           f"env > {SCRATCH}/env\ncat > {SCRATCH}/input\n")
        program.chmod(0o755)
        write_settings(f"[notify]\ncommand = ['{program}', '$(reboot)', 'two words']\n")
        self.everseal.run("notify", "test", env={**os.environ, "SECRET": "x"})
        self.assertEqual((SCRATCH / "words").read_text(), "$(reboot)\ntwo words\n")
        environment = (SCRATCH / "env").read_text()
        self.assertIn("EVERSEAL_EVENT=test\n", environment)
        self.assertNotIn("SECRET", environment)
        self.assertEqual(json.loads((SCRATCH / "input").read_text())["event"], "test")

    def test_secrets_that_everybody_may_read_are_refused(self):
        server = self.mail_server(authenticates=True)
        write_settings(smtp(**login()))
        PASSWORD_FILE.chmod(0o644)
        self.assertIn("every user may read", self.send(status=1).err)
        self.assertEqual(server.logins, [])

    def test_secrets_of_systemd(self):
        server = self.mail_server(authenticates=True)
        write_settings(smtp(user=USER, password_file="smtp"))
        directory = SCRATCH / "credentials"
        directory.mkdir(exist_ok=True)
        (directory / "smtp").write_text(PASSWORD)
        (directory / "smtp").chmod(0o400)
        self.send(env={**os.environ, "CREDENTIALS_DIRECTORY": str(directory)})
        self.assert_is_the_test_mail(server)

    def test_no_secret_is_on_a_command_line(self):
        silent = socket.create_server(("127.0.0.1", 2525))
        self.addCleanup(silent.close)
        write_settings(smtp(**login()))
        process = self.everseal.start("notify", "test")
        connection, _ = silent.accept()
        self.addCleanup(connection.close)
        lines = b"".join(path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"))
        process.kill()
        process.communicate()
        self.assertIn(b"role\0net", lines)
        self.assertNotIn(PASSWORD.encode(), lines)

    def test_one_way_that_works_is_partly_done(self):
        self.mail_server()
        write_settings(smtp() + '[notify.webhook]\nurl = "https://localhost:9/"\n'
                                f'ca_bundle = "{self.certificate}"\n')
        result = self.everseal.run("notify", "test", "--json")
        self.assertEqual(result.status, 3, str(result))
        self.assertEqual([way["sent"] for way in result.json()["ways"]], [True, False])

    def test_nobody_to_tell_is_said(self):
        write_settings("")
        self.assertIn("nobody is to be told", self.send(status=1).err)


class Renewal(KeptCase):
    """What `everseal renew` tells: once, then daily, then that it is over; nothing else."""

    def setUp(self):
        super().setUp()
        certificate = make_certificate(SCRATCH / "receiver.pem", "localhost")
        self.server = MailServer(2525, certificate).start()
        self.addCleanup(self.server.stop)
        write_settings(smtp())
        self.addCleanup(SETTINGS.unlink)

    def make_due(self):
        """As if it had been issued eighty days before; may be tried again at once."""
        begin = int(time.time()) - 80 * _DAY
        self.change_catalog(f"UPDATE certificates SET not_before = {begin}, "
                            f"not_after = {begin + 90 * _DAY}, renew_at = 1, next_attempt = 0, last_attempt = 1, "
                            "ask_at = unixepoch() + 86400, next_look = 0")

    def pass_a_day(self):
        self.change_catalog(f"UPDATE incidents SET told_at = told_at - {_DAY}")

    def subjects(self):
        return [mail["Subject"] for mail in self.server.mails]

    def refuse(self):
        self.ca.fault({"resource": "new-order", "problem": {
            "type": "rejectedIdentifier", "status": 400,
            "detail": "not\u001b[2J\r\n.\r\nBcc: victim@example.org $(reboot) ü"}})

    def test_nothing_due_is_silent(self):
        self.run_everseal("renew")
        self.run_everseal("renew")
        self.assertEqual(self.subjects(), [])

    def test_a_success_is_silent_unless_it_is_wanted(self):
        self.make_due()
        self.run_everseal("renew")
        self.assertEqual(self.subjects(), [])
        write_settings(smtp().replace("[notify]", "[notify]\nsuccess = true"))
        self.make_due()
        self.run_everseal("renew")
        self.assertEqual(self.subjects(), [f"Renewed: {self.name}"])

    def test_a_failure_is_told_once_then_daily_then_that_it_is_over(self):
        self.refuse()
        for _ in range(3):
            self.make_due()
            self.run_everseal("renew", status=1)
        [subject] = self.subjects()
        self.assertRegex(subject, rf"^{self.name} could not be renewed, \d+ days left$")
        text = self.server.mails[0].get_content().replace("\r\n", "\n")
        self.assertIn("rejectedIdentifier", text)
        self.assertIn("Bcc: victim@example.org $(reboot) ü", text)
        self.assertNotIn("\x1b", text)
        self.assertIn("It is tried again after ", text)
        self.assertNotIn("Bcc", self.server.mails[0])
        self.assertEqual(self.server.envelopes[0][1], ["admin@example.org", "second@example.org"])

        self.pass_a_day()
        self.run_everseal("renew")  # waits for its next attempt
        self.run_everseal("renew")
        self.assertEqual(len(self.subjects()), 2)
        self.assertTrue(self.subjects()[1].startswith(f"Still: {self.name} could not be renewed, "))

        self.ca.clear()
        self.make_due()
        self.run_everseal("renew")
        self.run_everseal("renew")
        self.assertEqual(self.subjects()[2:], [f"Solved: {self.name} could not be renewed"])

    def test_what_nobody_heard_is_told_again(self):
        self.server.stop()
        self.refuse()
        self.make_due()
        result = self.run_everseal("renew", status=1)
        self.assertIn("localhost:2525", result.out + result.err)
        self.server = MailServer(2525, SCRATCH / "receiver.pem").start()
        self.addCleanup(self.server.stop)
        self.run_everseal("renew")
        self.run_everseal("renew")
        self.assertEqual(len(self.subjects()), 1)

    def test_a_ca_that_is_away_is_one_mail_for_all_certificates(self):
        self.issue("other.example")
        self.ca.stop_ca()
        self.make_due()
        self.run_everseal("renew", status=1)
        [subject] = self.subjects()
        self.assertRegex(subject, r" could not be renewed, \d+ days left \(and 1 more\)$")
        self.ca.start_ca()


class BrokenNginx(OwnCaCase):
    """An administrator has left nginx's configuration broken when a renewal is due."""

    def test_it_is_not_reloaded_and_its_words_are_told(self):
        nginx = self.serve_webroot()
        site = CONFIGURATION / "sites-enabled/site"
        site.write_text(f"server {{ listen 80; listen [::]:80; server_name {KeptCase.name}; "
                        f"root {WEBROOT}; }}\n")
        nginx.reload()
        self.ca.dns.resolve(KeptCase.name, ["127.0.0.1"], ["::1"])
        everseal = Everseal(self.ca)
        result = everseal.run("secure", "--yes", "--all")
        self.assertEqual(result.status, 0, str(result))
        server = MailServer(2525, make_certificate(SCRATCH / "receiver.pem", "localhost")).start()
        self.addCleanup(server.stop)
        write_settings(smtp())
        self.addCleanup(SETTINGS.unlink)
        good = site.read_text()
        site.write_text("\n\nnonsense;\n" + good)
        for _ in range(2):
            self.assertEqual(everseal.run("renew", "--force").status, 1)
        [mail] = server.mails
        self.assertRegex(mail["Subject"], rf"^the new certificate of {KeptCase.name} is not in use, ")
        text = mail.get_content()
        self.assertIn('unknown directive "nonsense" in /etc/nginx/sites-enabled/site:3', text)
        site.write_text(good)
        result = everseal.run("renew")
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(server.mails[-1]["Subject"],
                         f"Solved: the new certificate of {KeptCase.name} is not in use")
        self.assertEqual(len(server.mails), 2)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
