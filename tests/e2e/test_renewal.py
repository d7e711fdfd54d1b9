#!/usr/bin/python3
"""When certificates are renewed: as the CA says (RFC 9773)."""

import datetime
import time
import unittest

from cryptography import x509
from harness import sandbox
from harness.everseal import STATE, check_live
from harness.own_ca_case import WEBROOT, KeptCase
from harness.receivers import SETTINGS, MailServer, make_certificate, smtp, write_settings
from harness.sandbox import SCRATCH

_DAY = datetime.timedelta(days=1)


def _at(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Renewal(KeptCase):
    def setUp(self):
        super().setUp()
        self.now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(self):
        [found] = self.run_everseal("status", "--json").json()["certificates"]
        return found

    def forget_the_last_question(self):
        self.change("ask_at = 0")

    def change(self, what):
        self.change_catalog(f"UPDATE certificates SET {what}, next_look = 0")

    def orders(self):
        """Of each: whether it replaces a certificate."""
        return self.ca.ledger("SELECT replaces <> '' FROM orders")

    def start_incident(self):
        """All certificates that were issued until now are to be replaced at once."""
        self.ca.manage("/renewal-windows", {"start": _at(self.now - 2 * _DAY),
                                            "end": _at(self.now - _DAY),
                                            "explanation_url": "https://localhost:8555/incident",
                                            "issued_until": _at(self.now)})
        time.sleep(1.1)  # the next certificate is issued later than that

    def test_is_inside_the_window_that_the_ca_suggests(self):
        result = self.run_everseal("renew")
        self.assertIn("Nothing to do", result.out)
        moment = datetime.datetime.fromisoformat(self.certificate()["next_renewal"])
        self.assertLess(self.now + 59 * _DAY, moment)
        self.assertLess(moment, self.now + 61 * _DAY)
        self.assertEqual(self.orders(), [0])
        self.run_everseal("renew")
        self.forget_the_last_question()
        self.run_everseal("renew")
        again = datetime.datetime.fromisoformat(self.certificate()["next_renewal"])
        self.assertEqual(again, moment, "the same window, the same moment")

    def test_is_at_once_in_an_incident_and_says_what_it_replaces(self):
        self.start_incident()
        self.run_everseal("renew")
        self.assertEqual(self.certificate()["version"], 2)
        self.assertEqual(self.orders(), [0, 1])
        check_live()
        self.assertIn("Nothing to do", self.run_everseal("renew").out)

    def test_A24_windows_without_sense_are_none(self):
        self.run_everseal("renew")
        begin = datetime.datetime.fromisoformat(self.certificate()["not_before"])
        end = datetime.datetime.fromisoformat(self.certificate()["expires"])
        for fault in ({"status": 404}, {"status": 500}, {"body": "{"}, {"body": {"text": "[", "repeat": 100_000}},
                      {"remove": ["/suggestedWindow/end"]},
                      {"set": {"/suggestedWindow/start": "tomorrow"}},
                      {"set": {"/suggestedWindow/start": _at(self.now + 9 * _DAY),
                               "/suggestedWindow/end": _at(self.now + 8 * _DAY)}}):
            with self.subTest(fault):
                self.ca.fault({"resource": "renewal-info", **fault})
                self.change("ask_at = 0, window_start = 0, window_end = 0")
                before = self.ca.requests()["renewal-info"]
                self.assertIn("Nothing to do", self.run_everseal("renew").out)
                self.assertLessEqual(self.ca.requests()["renewal-info"], before + 3)
                moment = datetime.datetime.fromisoformat(self.certificate()["next_renewal"])
                self.assertLess(abs(moment - (end - (end - begin) / 3)), _DAY / 24)
                self.ca.clear()

    def test_A24_a_replacement_that_is_refused_is_ordered_anew(self):
        self.start_incident()
        self.ca.fault({"resource": "new-order", "times": 1, "problem": {
            "type": "alreadyReplaced", "status": 409, "detail": "by another order"}})
        result = self.run_everseal("renew")
        self.assertIn("by another order", result.out + result.err)
        self.assertEqual(self.certificate()["version"], 2)
        self.assertEqual(self.orders(), [0, 0])
        check_live()
        self.assertIn("Nothing to do", self.run_everseal("renew").out)

    def test_asks_nothing_of_a_ca_that_is_away_before_anything_is_due(self):
        self.ca.stop_ca()
        self.assertIn("Nothing to do", self.run_everseal("renew").out)
        self.assertIn("Nothing to do", self.run_everseal("renew").out)
        self.ca.start_ca()
        self.forget_the_last_question()
        self.assertIn("Nothing to do", self.run_everseal("renew").out)

    def make_old(self, days):
        """As if it had been issued so many days before, of its ninety."""
        begin = int(self.now.timestamp()) - days * 86400
        self.change(f"not_before = {begin}, not_after = {begin + 90 * 86400}, renew_at = 1, "
                    "ask_at = unixepoch() + 86400, window_end = 0")

    def test_waits_after_a_ca_that_cannot_be_reached(self):
        self.make_old(70)
        self.ca.stop_ca()
        result = self.run_everseal("renew", status=1)
        self.assertIn("onnect to localhost port 8555", result.err)
        self.assertEqual(self.certificate()["failures"], 1)
        self.ca.start_ca()
        self.assertIn("waits until", self.run_everseal("renew").out)
        self.assertEqual(self.certificate()["version"], 1)
        self.change("next_attempt = 0, last_attempt = 1")
        self.run_everseal("renew")
        self.assertEqual((self.certificate()["version"], self.certificate()["failures"]), (2, 0))

    def test_of_another_profile(self):
        self.run_everseal("renew", "--force", "--certificate-profile", "shortlived")
        certificate = self.certificate()
        life = (datetime.datetime.fromisoformat(certificate["expires"])
                - datetime.datetime.fromisoformat(certificate["not_before"]))
        self.assertEqual(life.total_seconds(), 160 * 3600 - 1)
        result = self.run_everseal("renew", "--force", "--certificate-profile", "eternal")
        self.assertIn("ordered without the profile eternal", result.out)
        self.assertEqual(self.certificate()["version"], 3)

    def test_stays_inside_limits_that_are_set(self):
        SETTINGS.parent.mkdir(exist_ok=True)
        SETTINGS.write_text(f'server = "{self.ca.url}"\n[limits]\ncertificates_per_names = "1/7d"\n')
        self.addCleanup(SETTINGS.unlink)
        self.run_everseal("renew", "--force")
        self.make_old(70)
        result = self.run_everseal("renew")
        self.assertIn("1 of 1 certificates for exactly these names", result.out)
        self.assertEqual(self.certificate()["version"], 2)

    def test_every_renews_what_is_due_before_the_next_run(self):
        moment = int(self.now.timestamp()) + 7200
        self.change(f"window_start = {moment}, window_end = {moment + 60}, ask_at = unixepoch() + 86400")
        self.change_catalog(f"UPDATE certificates SET renew_at = {moment}, next_look = {moment}")
        self.assertIn("Nothing to do", self.run_everseal("renew").out)
        self.assertIn("Nothing to do", self.run_everseal("renew", "--every", "1h").out)
        self.run_everseal("renew", "--every", "3h")
        self.assertEqual(self.certificate()["version"], 2)

    def test_is_not_by_a_clock_that_the_ca_contradicts(self):
        """As if this machine had been a year ahead: the CA's Date says otherwise."""
        self.change("renew_at = 1, not_after = 9999999999")
        self.ca.fault({"resource": "renewal-info",
                       "headers": {"Date": "Sat, 01 Jan 2022 00:00:00 GMT"}})
        result = self.run_everseal("renew")
        self.assertIn("should be 2022-01-01T00:00:00Z", result.err + result.out)
        self.assertEqual(self.certificate()["version"], 1)


class DeadNames(KeptCase):
    """One of the names of a certificate can no longer be validated."""

    names = ("plain.example", "dead.example", "other.example")

    def issue(self, name):
        for each in self.names:
            self.ca.dns.resolve(each, ["127.0.0.1"], ["::1"])
        self.run_everseal("issue", "--yes", *(f"-d{each}:{WEBROOT}" for each in self.names))

    def setUp(self):
        super().setUp()
        self.server = MailServer(2525, make_certificate(SCRATCH / "receiver.pem", "localhost")).start()
        self.addCleanup(self.server.stop)
        write_settings(smtp())
        self.addCleanup(SETTINGS.unlink)

    def covered(self):
        chain = (STATE / "live/plain.example/cert.pem").read_bytes()
        names = x509.load_pem_x509_certificate(chain).extensions.get_extension_for_class(
            x509.SubjectAlternativeName).value
        return sorted(names.get_values_for_type(x509.DNSName))

    def renew(self, age, status=0):
        """With so many days of its ninety gone, the back-off over, and no name proven any longer."""
        self.ca.ledger("UPDATE authorizations SET expires = 1")
        begin = int(time.time()) - age * 86400
        self.change_catalog(f"UPDATE certificates SET not_before = {begin}, "
                            f"not_after = {begin + 90 * 86400}, renew_at = 1, next_attempt = 0, "
                            "last_attempt = 1, ask_at = unixepoch() + 86400, window_end = 0, next_look = 0")
        return self.run_everseal("renew", status=status)

    def test_are_left_out_near_the_end_and_wanted_ever_after(self):
        self.ca.dns.resolve("dead.example", (), ())
        for _ in range(4):
            result = self.renew(62, status=1)
            self.assertIn("dead.example", result.err)
        self.assertEqual(len(self.covered()), 3)
        result = self.renew(85)
        self.assertIn("without dead.example, which is tried again", result.out)
        self.assertEqual(self.covered(), ["other.example", "plain.example"])
        [one] = self.run_everseal("status", "plain.example", "--json").json()["certificates"]
        self.assertEqual(sorted(one["covered"]), ["other.example", "plain.example"])
        self.assertEqual([each["name"] for each in one["failing_names"]], ["dead.example"])
        self.assertEqual([each["kind"] for each in one["history"]][-3:],
                         ["issued", "installed", "left out"])
        self.assertEqual((one["level"], one["concern"]),
                         ("warning", "was renewed without dead.example"))
        [first, second] = [mail["Subject"] for mail in self.server.mails]
        self.assertIn("plain.example could not be renewed", first)
        self.assertIn("plain.example was renewed without dead.example", second)

        self.change_catalog("UPDATE certificates SET next_look = 0, ask_at = unixepoch() + 86400")
        self.run_everseal("renew")
        self.assertEqual(len(self.covered()), 2, "not before its own back-off is over")

        self.ca.dns.resolve("dead.example", ["127.0.0.1"], ["::1"])
        self.change_catalog("""UPDATE certificates SET next_look = 0,
                               failing = json_set(failing, '$[0].last', 1, '$[0].first', 1)""")
        self.run_everseal("renew")
        self.assertEqual(len(self.covered()), 3)
        self.assertEqual(self.server.mails[-1]["Subject"],
                         "Solved: plain.example was renewed without dead.example")
        self.assertEqual(len(self.server.mails), 3)

    def test_that_fail_again_hold_up_no_other(self):
        self.ca.dns.resolve("dead.example", (), ())
        for _ in range(4):
            self.renew(62, status=1)
        self.renew(85)
        self.change_catalog("""UPDATE certificates SET next_look = 0, ask_at = unixepoch() + 86400,
                               failing = json_set(failing, '$[0].last', 1, '$[0].first', 1)""")
        self.run_everseal("renew", status=1)
        self.assertEqual(self.covered(), ["other.example", "plain.example"])
        [certificate] = self.run_everseal("status", "--json").json()["certificates"]
        self.assertEqual(certificate["failures"], 0)
        check_live()


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
