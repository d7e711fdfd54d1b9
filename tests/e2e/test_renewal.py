#!/usr/bin/python3
"""When certificates are renewed: as the CA says (RFC 9773)."""

import datetime
import time
import unittest

from harness import sandbox
from harness.everseal import check_live
from harness.own_ca_case import KeptCase

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

    def test_is_not_by_a_clock_that_the_ca_contradicts(self):
        """As if this machine had been a year ahead: the CA's Date says otherwise."""
        self.change("renew_at = 1, not_after = 9999999999")
        self.ca.fault({"resource": "renewal-info",
                       "headers": {"Date": "Sat, 01 Jan 2022 00:00:00 GMT"}})
        result = self.run_everseal("renew")
        self.assertIn("should be 2022-01-01T00:00:00Z", result.err + result.out)
        self.assertEqual(self.certificate()["version"], 1)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
