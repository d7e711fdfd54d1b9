#!/usr/bin/python3
"""CAs as they are: slow, forgetful, refusing, with several chains."""

import re
import subprocess

from harness import MachineCase, main, visitor
from harness.everseal import check_live, live
from harness.nginx import CONFIGURATION
from harness.sites import NAMES, fingerprint

_KEY_ID = "kid-1"
_MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


class Authorities(MachineCase):
    def setUp(self):
        super().setUp()
        self.before = fingerprint()

    def assert_secures_all(self, *arguments):
        self.run_everseal("secure", "--all", "--yes", *arguments)
        self.assert_https(*NAMES)
        check_live()

    def test_half_of_the_nonces_are_rejected(self):
        self.new_authority(nonce_reject=50)
        self.assert_secures_all()

    def test_validation_takes_seconds(self):
        self.new_authority(sleep_seconds=3)
        self.assert_secures_all()

    def test_authorizations_are_always_reused(self):
        self.new_authority(authz_reuse=100)
        self.assert_secures_all()
        validations = self.authority.validations()
        self.run_everseal("renew", "--force")
        self.assertEqual(self.authority.validations(), validations)

    def test_authorizations_are_never_reused(self):
        self.new_authority(authz_reuse=0)
        self.assert_secures_all()
        before = self.authority.validations()
        self.run_everseal("renew", "--force")
        after = self.authority.validations()
        again = [name for name in before if after[name] == 2 * before[name]]
        self.assertGreaterEqual(len(again), len(before) - 2, "pebble reuses one in a hundred all the same")

    def test_a_long_chain_is_served_whole(self):
        self.new_authority(chain_length=3)
        self.assert_secures_all()
        [chain] = re.findall(r"Generated issuance chain: (.*)", self.authority.log())
        self.assertEqual(visitor.chain_length("static.example"), 1 + chain.count("->"))

    def test_the_preferred_chain_is_taken(self):
        self.new_authority(alternate_roots=2)
        roots = [self.authority.root_file(number) for number in range(3)]

        def trusted_by():
            return [visitor.serves_https("static.example", root) for root in roots]

        self.run_everseal("secure", "static.example", "--yes")
        self.assertEqual(trusted_by(), [True, False, False])
        subject = subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "multiline",
                                  "-in", str(roots[2])], capture_output=True, text=True,
                                 check=True).stdout
        [name] = re.findall(r"commonName\s*= (.*)", subject)
        self.run_everseal("renew", "--force", "--preferred-chain", name)
        self.assertEqual(trusted_by(), [False, False, True])

    def test_an_external_account_is_needed(self):
        self.new_authority(eab={_KEY_ID: _MAC_KEY})
        result = self.run_everseal("secure", "static.example", "--yes", status=1)
        self.assertIn("--eab-kid", result.err)
        self.assertEqual(fingerprint(), self.before)
        result = self.run_everseal("secure", "static.example", "--yes", "--eab-kid", _KEY_ID,
                                   "--eab-hmac-key", "AAAA" + _MAC_KEY[4:], status=1)
        self.assertNotIn(_MAC_KEY[4:], result.out + result.err)
        self.assert_secures_all("--eab-kid", _KEY_ID, "--eab-hmac-key", _MAC_KEY)

    def test_one_refused_name_does_not_stop_the_others(self):
        self.new_authority(blocklist=["blocked.example"])
        self.authority.resolve("blocked.example")
        file = CONFIGURATION / "conf.d/blocked.conf"
        file.write_text("server { listen 80; server_name blocked.example; return 204; }\n")
        self.nginx.reload()
        before = file.read_text()
        result = self.run_everseal("secure", "--all", "--yes", status=3)
        self.assertIn("blocked.example", result.err)
        self.assertIn("forbidden by policy", result.err)
        self.assertEqual(file.read_text(), before)
        self.assertNotIn("blocked.example", live())
        self.assert_https(*NAMES)

    def test_a_name_that_leads_elsewhere_fails_alone(self):
        nowhere = "198.51.100.7"  # RFC 5737; there is no route to it here
        self.authority.resolve("static.example", ipv4=[nowhere], ipv6=[])
        result = self.run_everseal("secure", "--all", "--yes", status=3)
        self.assertRegex(result.err, rf"static\.example.*{re.escape(nowhere)}")
        others = [name for name in NAMES if name != "static.example"]
        self.assert_https(*others)
        self.assert_no_https("static.example")
        self.assertEqual(fingerprint()["sites-available/static"],
                         self.before["sites-available/static"])

    def test_a_name_that_leads_to_another_server_fails(self):
        """four.example holds its address alone: what it answers is not ours to change."""
        self.authority.resolve("static.example", ipv4=["127.0.0.4"], ipv6=[])
        result = self.run_everseal("secure", "static.example", "--yes", status=1)
        self.assertRegex(result.err, r"static\.example.*404")
        self.assertEqual(fingerprint(), self.before)
        self.assertEqual(visitor.http_get("static.example").body, "the static page\n")

    def test_a_name_without_an_answer_in_the_dns(self):
        self.authority.servfail("app.example")
        result = self.run_everseal("secure", "--all", "--yes", status=3)
        self.assertRegex(result.err, r"app\.example.*could not resolve")

    def test_the_ca_has_forgotten_the_account(self):
        self.assert_secures_all()
        self.authority.stop_ca()
        self.authority.start_ca()
        result = self.run_everseal("renew", "--force")
        self.assertRegex(result.out + result.err, r"account")
        self.assert_https(*NAMES)


if __name__ == "__main__":
    main()
