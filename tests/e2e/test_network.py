#!/usr/bin/python3
"""A network that loses packets."""

import unittest

from harness import sandbox
from harness.everseal import check_live, live
from harness.own_ca_case import KeptCase
from harness.packets import drop, drop_nothing

_RUNS = 4


class Lossy(KeptCase):
    def test_N6_a_third_of_all_segments_is_lost(self):
        """Between us and the CA, and between the CA and nginx: what fails is resumed, not ordered anew,
        but where the CA did not get through to nginx, and has refused the order for good."""
        self.ca.resolve("other.example")
        issued, orders = self.count("certificates"), self.count_orders()
        drop("meta l4proto tcp numgen random mod 10 < 3 drop")
        self.addCleanup(drop_nothing)
        for _ in range(_RUNS):
            result = self.everseal.run("issue", "--yes", "-d", "other.example:/var/www/clients")
            if result.status == 0:
                break
        self.assertEqual(result.status, 0, result)
        self.assertEqual(live(), ["other.example", self.name])
        drop_nothing()
        self.assertEqual((self.count("certificates"), self.count_orders()), (issued + 1, orders + 1))
        check_live()
        self.run_everseal("renew")

    def count_orders(self):
        """Each is for one name."""
        return self.count("""orders JOIN authorizations AS proof
                             ON proof.id = trim(orders.authorizations, '[]') + 0
                             WHERE proof.status <> 'invalid'""")

    def count(self, rows):
        [count] = self.ca.ledger(f"SELECT count(*) FROM {rows}")
        return count


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
