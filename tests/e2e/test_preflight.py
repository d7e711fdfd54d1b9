#!/usr/bin/python3
"""What a CA would run into is said before it is asked."""

from harness import MachineCase, OwnCaCase, main
from harness.everseal import Everseal, check_live, live
from harness.nginx import CONFIGURATION
from harness.own_ca_case import WEBROOT
from harness.packets import drop, drop_nothing
from harness.sandbox import wait_until
from harness.sites import fingerprint

_TOGETHER = ("sh", "-c", '"$0" "$@" 2>&1')  # what is said first comes first, wherever it is said


class Ways(OwnCaCase):
    """The names' files are in a webroot; somebody or nobody serves it."""

    def setUp(self):
        super().setUp()
        self.everseal = Everseal(self.ca)

    def issue(self, *names, status=0, **options):
        words = [word for name in names for word in ("-d", f"{name}:{WEBROOT}")]
        result = self.everseal.run("issue", "--yes", "--separate", *words, **options)
        self.assertEqual(result.status, status, f"{result}\n{self.ca.log()[-2000:]}")
        return result

    def assert_tidy(self):
        left = [path for path in WEBROOT.rglob("*") if path.is_file()]
        self.assertEqual([], left)

    def test_N1_nobody_listens_and_the_ca_is_not_asked(self):
        WEBROOT.mkdir(parents=True, exist_ok=True)
        self.ca.resolve("plain.example")
        result = self.issue("plain.example", status=1)
        self.assertIn("plain.example: nothing listens on port 80, where the CA asks", result.err)
        self.assertIn("the CA was not asked", result.err)
        self.assertEqual(self.ca.requests()["new-order"], 0)
        self.assert_tidy()
        [certificate] = self.everseal.run("status", "--json").json()["certificates"]
        self.assertIn("nothing listens on port 80", certificate["last_error"])
        self.serve_webroot()
        self.issue("plain.example")
        self.assertEqual(self.ca.requests()["new-order"], 1)
        check_live()
        self.assert_tidy()

    def test_N1_an_order_that_was_begun_needs_nobody_to_listen(self):
        nginx = self.serve_webroot()
        self.ca.resolve("plain.example")
        self.ca.fault({"resource": "finalize", "delay": "3s"})
        begun = self.everseal.start("issue", "--yes", "-d", f"plain.example:{WEBROOT}")
        wait_until("the CA is asked for it", lambda: self.ca.requests()["finalize"])
        begun.kill()
        begun.communicate(timeout=20)
        self.ca.clear()
        nginx.stop()
        self.issue("plain.example")
        self.assertEqual(self.ca.requests()["new-order"], 1)
        self.assertEqual(live(), ["plain.example"])

    def test_N1_packets_to_port_80_are_dropped(self):
        self.serve_webroot()
        self.ca.resolve("plain.example", ipv6=[])
        drop("tcp dport 80 drop")
        self.addCleanup(drop_nothing)
        result = self.issue("plain.example", status=1, wrapper=_TOGETHER)
        before, failed, _ = result.out.partition("\nfailed ")
        self.assertTrue(failed, result)
        self.assertIn("plain.example: a CA may ask at 127.0.0.1, where the A record leads", before)
        self.assertIn("no answer in time", before)
        drop_nothing()
        self.issue("plain.example")
        check_live()

    def test_N2_an_ipv6_address_without_a_server(self):
        nginx = self.serve_webroot()
        self.ca.resolve("plain.example", ipv6=["2001:db8::1"])
        result = self.issue("plain.example")
        self.assertIn("plain.example: a CA may ask at 2001:db8::1, where the AAAA record leads",
                      result.out)
        self.assertNotIn("at 127.0.0.1", result.out)
        self.assertTrue(nginx.pid())

    def test_N2_addresses_of_other_servers(self):
        """Ten names are one line; what is right is not mentioned."""
        nginx = self.serve_webroot()
        (CONFIGURATION / "sites-enabled/other").write_text(
            "server { listen 127.0.0.9:80; location / { return 404; } }\n")
        nginx.replace_workers()
        names = [f"n{number}.example" for number in range(10)]
        for name in names:
            self.ca.resolve(name, ipv4=["127.0.0.9"], ipv6=[])
        self.ca.resolve("good.example")
        result = self.issue("good.example", *names, status=3)
        self.assertIn("n0.example and 9 more: a CA may ask at 127.0.0.9, where the A record leads; seen "
                      "from here that fails (something else answers /.well-known/acme-challenge/, with "
                      "status 404)", result.out)
        self.assertNotIn("good.example: a CA may", result.out)
        self.assertEqual(live(), ["good.example"])

    def test_N3_names_that_lead_nowhere(self):
        self.serve_webroot()
        self.ca.dns.servfail("servfail.example")
        self.ca.dns.alias("loop.example", "pool.example")
        self.ca.dns.alias("pool.example", "loop.example")
        self.ca.resolve("many.example", ipv4=[f"127.0.1.{number}" for number in range(100)], ipv6=[])
        self.ca.resolve("stale.example", ipv4=["192.0.2.1"], ipv6=[])
        self.ca.resolve("good.example")
        bad = ("servfail", "loop", "nowhere", "stale")
        names = [f"{name}.example" for name in (*bad, "many", "good")]
        result = self.issue(*names, status=3)
        for name in bad:
            self.assertRegex(result.out, rf"(?m)^{name}\.example: a CA (will|may)")
            self.assertRegex(result.err, rf"(?m)^failed +{name}\.example")
        self.assertNotIn("many.example: a CA", result.out)
        self.assertEqual(live(), ["good.example", "many.example"])
        check_live()
        self.assert_tidy()


class Sites(MachineCase):
    def test_N1_a_site_that_is_blocked_costs_no_attempt(self):
        before = fingerprint()
        drop("ip daddr 127.0.0.4 tcp dport 80 drop")
        self.addCleanup(drop_nothing)
        result = self.run_everseal("secure", "four.example", "static.example", "--yes", status=3)
        self.assertIn("four.example: connect to 127.0.0.4:80", result.err)
        self.assertEqual(self.authority.order_count(), 1)
        self.assertEqual(live(), ["static.example"])
        self.assertEqual(fingerprint()["conf.d/four.conf"], before["conf.d/four.conf"])
        drop_nothing()
        self.run_everseal("secure", "four.example", "--yes")
        self.assert_https("four.example", "static.example")


if __name__ == "__main__":
    main()
