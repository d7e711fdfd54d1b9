#!/usr/bin/python3
"""What a CA would run into is said before it is asked."""

import subprocess

from harness import MachineCase, OwnCaCase, main, visitor
from harness.everseal import Everseal, check_live, live
from harness.own_ca_case import WEBROOT
from harness.sandbox import wait_until
from harness.sites import fingerprint

_TABLE = "table inet test { chain input { type filter hook input priority 0; %s } }"


def drop(rule):
    """Packets of this machine, by a rule of nft(8)."""
    subprocess.run(["nft", "-f", "-"], input=_TABLE % rule, text=True, check=True)


def drop_nothing():
    subprocess.run(["nft", "flush", "ruleset"], check=True)


class Ways(OwnCaCase):
    """The names' files are in a webroot; somebody or nobody serves it."""

    def setUp(self):
        super().setUp()
        self.everseal = Everseal(self.ca)

    def issue(self, *names, status=0):
        words = [word for name in names for word in ("-d", f"{name}:{WEBROOT}")]
        result = self.everseal.run("issue", "--yes", "--separate", *words)
        self.assertEqual(result.status, status, f"{result}\n{self.ca.log()[-2000:]}")
        return result

    def assert_tidy(self):
        left = [path for path in WEBROOT.rglob("*") if ".well-known" in str(path)]
        self.assertEqual([], left)

    def test_N1_nobody_listens_and_the_ca_is_not_asked(self):
        WEBROOT.mkdir(parents=True, exist_ok=True)
        self.ca.resolve("plain.example")
        result = self.issue("plain.example", status=1)
        self.assertIn("plain.example: nothing listens on port 80, where the CA asks", result.err)
        self.assertIn("the CA was not asked", result.err)
        self.assertEqual(self.ca.requests()["new-order"], 0)
        self.assert_tidy()
        self.serve_webroot()
        self.issue("plain.example")
        self.assertEqual(self.ca.requests()["new-order"], 1)
        check_live()
        self.assert_tidy()

    def test_N1_packets_to_port_80_are_dropped(self):
        self.serve_webroot()
        self.ca.resolve("plain.example", ipv6=[])
        drop("tcp dport 80 drop;")
        self.addCleanup(drop_nothing)
        result = self.issue("plain.example", status=1)
        before, _, _ = result.out.partition("failed")
        self.assertIn("plain.example: a CA may ask at 127.0.0.1, where the A record leads", before)
        self.assertIn("timed out", before)
        drop_nothing()
        self.issue("plain.example")
        check_live()

    def test_N2_an_ipv6_address_without_a_server(self):
        nginx = self.serve_webroot()
        self.ca.resolve("plain.example", ipv6=["2001:db8::1"])
        result = self.everseal.run("issue", "--yes", "-d", f"plain.example:{WEBROOT}")
        self.assertIn("plain.example: a CA may ask at 2001:db8::1, where the AAAA record leads",
                      result.out)
        self.assertNotIn("at 127.0.0.1", result.out)
        self.assertTrue(nginx.pid())

    def test_N2_addresses_of_other_servers(self):
        """Ten names are one line; what is right is not mentioned."""
        self.serve_webroot()
        other = Elsewhere("127.0.0.9")
        self.addCleanup(other.stop)
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
        drop("ip daddr 127.0.0.4 tcp dport 80 drop;")
        self.addCleanup(drop_nothing)
        result = self.run_everseal("secure", "four.example", "static.example", "--yes", status=3)
        self.assertIn("four.example at 127.0.0.4:80", result.err)
        self.assertEqual(self.authority.order_count(), 1)
        self.assertEqual(live(), ["static.example"])
        self.assertEqual(fingerprint()["conf.d/four.conf"], before["conf.d/four.conf"])
        drop_nothing()
        self.run_everseal("secure", "four.example", "--yes")
        self.assert_https("four.example", "static.example")


def answers(address):
    try:
        return visitor.http_get("anybody", address=address).status
    except OSError:
        return False


class Elsewhere:
    """A web server that knows nothing, at an address of its own."""

    def __init__(self, address):
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["/usr/bin/python3", "-m", "http.server", "80", "--bind", address, "--directory", "/srv"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("it listens", lambda: answers(address))

    def stop(self):
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    main()
