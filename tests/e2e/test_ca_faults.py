#!/usr/bin/python3
"""`everseal ca` with faults on purpose, and what becomes of the client (faults.md, A1 to A30)."""

import datetime
import pathlib
import re
import shutil
import signal
import ssl
import time

from harness import ManyNamesCase, OwnCa, main, processes
from harness.everseal import STATE, check_live
from harness.many_names import MANY
from harness.sandbox import SCRATCH, wait_until
from harness.sites import fingerprint

# What a client POSTs to while it issues.
POSTS = ("new-account", "new-order", "order", "authz", "challenge", "finalize", "cert")

DAY = 86400


def problem(kind, status=400, detail="on purpose", **more):
    return {"type": kind, "status": status, "detail": detail, **more}


class CaFaults(ManyNamesCase):
    """Faults are mostly local to a name, so that one run meets many, and others must not care."""

    def make_authority(self):
        shutil.rmtree(SCRATCH / "ca", ignore_errors=True)
        return OwnCa()

    def setUp(self):
        super().setUp()
        self.ca = self.authority
        self.refused = 0  # certificates that the CA issued and that must not be taken

    def issue(self, count, more=(), **options):
        """A first certificate for each of some names; their files."""
        self.serve(count)
        self.run_everseal(*self.issue_arguments(), *more, **options)
        return self.certificate_files()

    def failures(self, *arguments, status=3):
        """What `renew --force` fails at: {name: (kind, message)}."""
        document = self.run_everseal("renew", "--force", "--json", *arguments, status=status).json()
        return {each["name"]: (each["kind"], each["message"]) for each in document["failed"]}

    def seconds_to_next_attempt(self, name):
        found = self.status()[name]
        wait = (datetime.datetime.fromisoformat(found["next_attempt"])
                - datetime.datetime.fromisoformat(found["last_attempt"]))
        return wait.total_seconds()

    def assert_waits(self, name, seconds):
        """Never shorter than it was told, but for the time until the answer is noted."""
        wait = self.seconds_to_next_attempt(name)
        self.assertTrue(seconds - 5 <= wait <= seconds + 60, wait)

    def posts(self):
        """How often each of POSTS was asked."""
        requests = self.ca.requests()
        return {resource: requests[resource] for resource in POSTS}

    def count_orders(self):
        return self.ca.ledger("SELECT count(*) FROM orders")[0]

    def assert_invariants(self, **budget):
        """I1, I3, I5, I6, I7 of faults.md. `budget`: the most requests that the CA may have had
        since it was started, by resource with "_" for "-"."""
        self.assert_tidy()
        check_live()
        self.nginx.cold_start()
        self.assert_keys_are_kept()
        self.assert_nothing_issued_is_lost()
        requests = self.ca.requests()
        for resource, most in budget.items():
            self.assertLessEqual(requests[resource.replace("_", "-")], most, resource)

    def assert_keys_are_kept(self):
        """No byte of a key is outside 0600 files below 0700 directories, nor was any printed."""
        secrets = set()
        for path in STATE.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                self.assertEqual(path.stat().st_mode & 0o777, 0o700, path)
            elif path.is_file():
                found = re.findall(rb"-----BEGIN PRIVATE KEY-----\n(\S+)\n(\S+)",
                                   path.read_bytes())
                secrets |= {line for lines in found for line in lines}
                if found:
                    self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)
        self.assertTrue(secrets)
        elsewhere = [each.out.encode() + each.err.encode() for each in self.everseal.results]
        elsewhere += [path.read_bytes() for layer in ("etc", "var")
                      for path in pathlib.Path(f"/run/layers/{layer}.upper").rglob("*")
                      if path.is_file()
                      and not path.is_relative_to("/run/layers/var.upper/lib/everseal")]
        for secret in secrets:
            self.assertFalse([text[:200] for text in elsewhere if secret in text])

    def assert_nothing_issued_is_lost(self):
        """Each certificate of the CA is a version on disk, or its order is in the catalog, or it is
        older than the two that are kept."""
        issued = self.ca.ledger("SELECT der FROM certificates WHERE order_id > 0")
        kept = {ssl.PEM_cert_to_DER_cert(path.read_text())
                for path in STATE.glob("certs/*/versions/*/cert.pem")}
        waiting = len(list(STATE.glob("certs/*/versions/*.new")))
        older = sum(max(0, int(link.readlink().name) - 2) for link in STATE.glob("live/*"))
        self.assertLessEqual(len(set(issued) - kept), waiting + self.refused + older)

    def assert_converges(self):
        """Without faults everything is renewed, by one order each, and then nothing is left to do."""
        self.ca.clear()
        self.assert_renews_all()
        posts = self.posts()
        self.run_everseal("renew")
        self.assertEqual(self.posts(), posts)


class Nonces(CaFaults):
    def test_A1_some_nonces_are_bad(self):
        self.issue(10)
        for orders, percent in ((22, 5), (33, 50)):
            with self.subTest(percent):
                self.ca.fault(*({"resource": resource, "percent": percent,
                                 "problem": problem("badNonce")} for resource in POSTS))
                before = self.ca.requests()
                self.run_everseal("renew", "--force")
                requests = self.ca.requests() - before
                self.assertEqual(self.count_orders(), orders)
                self.assertLess(requests["new-nonce"], 20, "refusals bring nonces")
                self.assertLess(requests.total(), 11 * 8 * 4)
                self.ca.clear()
        self.assert_invariants(new_account=1)
        self.assert_converges()

    def test_A2_all_nonces_are_bad(self):
        """Of one certificate; and, meanwhile, of all that somebody without an account asks."""
        names = self.issue(1)
        before = self.ca.requests()
        self.ca.fault({"resource": "new-order", "name": "n0.many.example",
                       "problem": problem("badNonce")},
                      {"resource": "new-account", "problem": problem("badNonce")})
        self.elsewhere.append(self.everseal.start(
            "issue", "--yes", "--state", SCRATCH / "elsewhere", "-d", f"good.many.example:{MANY}"))
        failed = self.failures()
        self.assertEqual(list(failed), ["n0.many.example"])
        self.assertEqual(failed["n0.many.example"][0], "transient")
        out, err = self.elsewhere[0].communicate(timeout=30)
        self.assertEqual(self.elsewhere.pop().returncode, 1, out + err)
        self.assertIn("badNonce", err)
        requests = self.ca.requests() - before
        self.assertEqual((requests["new-account"], requests["new-order"]), (18, 18 + 1))
        self.assertEqual(self.ca.ledger("SELECT count(*) FROM accounts"), [1])
        self.assertEqual(self.count_orders(), 3)
        self.assertEqual(self.certificate_files()["n0.many.example"], names["n0.many.example"])
        self.assertEqual(self.seconds_to_next_attempt("n0.many.example"), 60)
        self.assert_invariants()
        self.assert_converges()


class Limits(CaFaults):
    def test_A5_forms_of_retry_after(self):
        """Of one who is busy; what cannot be a wait is none, and none is longer than a day."""
        def date(seconds):
            at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
            return at.strftime("%a, %d %b %Y %H:%M:%S GMT")

        hour, own = 3600, 60
        forms = [("7200", 2 * hour), (date(2 * hour), 2 * hour), (date(-DAY), own), ("-5", own),
                 ("soon", own), ("", own), ("1e9", own), ("0x10", own), ("9" * 40, DAY),
                 (str(3650 * DAY), DAY), (date(3650 * DAY), DAY), ("Thu, 32 Foo 2099", own)]
        before = self.issue(len(forms))
        self.ca.fault(*({"resource": "new-order", "name": name,
                         "problem": problem("serverInternal", 503, "busy"),
                         "headers": {"Retry-After": form}}
                        for name, (form, _) in zip(self.names, forms)))
        asked = self.ca.requests()["new-order"]
        failures = self.failures()
        self.assertEqual(sorted(failures), sorted(self.names[:-1]))
        for name, (form, expected) in zip(self.names, forms):
            with self.subTest(form):
                self.assertEqual("and is asked again in a day" in failures[name][1], expected == DAY)
                self.assert_waits(name, expected)
                self.assertEqual(self.certificate_files()[name], before[name])
        self.assertLess(self.ca.requests()["new-order"] - asked, 8 * len(forms))
        self.assertIn("busy", self.run_everseal("status").out)
        self.assert_invariants(new_account=1)
        self.assert_converges()

    def test_A6_one_limited_name_of_a_thousand_waits_alone(self):
        self.serve(999)
        self.ca.fault({"resource": "new-order", "name": "n500.many.example",
                       "problem": problem("rateLimited", 429, "too many of them"),
                       "headers": {"Retry-After": "7200"}})
        result = self.run_everseal(*self.issue_arguments(), status=3)
        self.assertEqual(re.findall(r"(?m)^everseal: (n\S+): ", result.err) or [], [])
        self.assertEqual(len(self.status()), 1000)
        self.assert_waits("n500.many.example", 7200)
        self.assertEqual(len([each for each in self.status().values() if each["failures"]]), 1)
        self.assertEqual(self.ca.requests()["new-order"], 1000)
        self.assertEqual(self.count_orders(), 999)
        self.assert_invariants(new_account=1)
        self.ca.clear()
        self.run_everseal("renew", "--force", "n500.many.example")
        self.assertEqual(self.count_orders(), 1000)

    def test_A7_a_pause_needs_a_person(self):
        before = self.issue(1)
        url = "https://ca.example/unpause?jwt=" + "x" * 600
        detail = "Your account is temporarily prevented from requesting certificates. Please visit: "
        self.ca.fault({"resource": "new-order", "name": "n0.many.example",
                       "problem": problem("rateLimited", 429, detail + url)})
        asked = self.ca.requests()["new-order"]
        [(name, (kind, message))] = self.failures().items()
        self.assertEqual((name, kind), ("n0.many.example", "rejected"))
        self.assertTrue(message.endswith(url), message)
        self.assertIn(url, self.run_everseal("status").out)
        self.assert_waits(name, DAY)
        self.assertEqual(self.ca.requests()["new-order"], asked + 2)
        self.assertEqual(self.certificate_files()[name], before[name])
        self.assert_invariants(new_order=asked + 2)
        self.assert_converges()


class Bodies(CaFaults):
    def test_A9_bodies_without_an_end_are_cut(self):
        """Megabytes where a few KiB are due; hostile_ca has those that never end."""
        resources = ("new-order", "authz", "challenge", "finalize", "cert")
        self.serve(len(resources))
        self.ca.fault(*({"resource": resource, "name": name, "status": 200,
                         "body": {"text": "x", "repeat": 8 << 20}}
                        for name, resource in zip(self.names, resources)))
        result = self.run_everseal(*self.issue_arguments(), status=3)
        for name in self.names[:-1]:
            with self.subTest(name):
                self.assertRegex(result.err,
                                 f"failed {name}: .*: the answer is larger than 1048576 bytes")
                self.assertGreater(self.seconds_to_next_attempt(name), 0)
        self.assert_invariants(new_account=1)
        self.ca.clear()
        self.run_everseal("renew", "--force", *self.names[:-1])
        self.assert_converges()


class Profiles(CaFaults):
    def profiles(self, *names):
        self.ca.manage("/policy", {"profiles": {name: {"validity": "30d"} for name in names}})

    def test_A25_a_profile_vanishes(self):
        """What was wanted is ordered without it, and it is said."""
        self.profiles("special", "other")
        self.issue(1, more=("--certificate-profile", "special"))
        self.assertEqual(set(self.ca.ledger("SELECT profile FROM orders")), {"special"})
        self.profiles("other")
        orders = self.count_orders()
        result = self.run_everseal("renew", "--force", "--certificate-profile", "special")
        self.assertRegex(result.out + result.err,
                         "ordered without the profile special: .*no profile 'special'")
        self.assertEqual(self.ca.ledger(f"SELECT DISTINCT profile FROM orders WHERE id > {orders}"),
                         ["other"])
        self.assertEqual(self.count_orders(), orders + 2)
        self.assert_invariants(new_account=1)
        self.assert_converges()

    def test_A25_a_profile_vanishes_before_the_certificate_is_made(self):
        before = self.issue(1)
        self.ca.fault({"resource": "finalize", "name": "n0.many.example",
                       "problem": problem("invalidProfile", 400, "the profile is no more")})
        [(name, (_, message))] = self.failures().items()
        self.assertIn("the profile is no more", message)
        self.assertEqual(self.certificate_files()[name], before[name])
        self.assert_invariants(new_account=1)
        self.assert_converges()


class Clocks(CaFaults):
    def set_date(self, hours):
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
        self.ca.fault({"headers": {"Date": at.strftime("%a, %d %b %Y %H:%M:%S GMT")}})

    def test_A28_the_cas_clock_is_off(self):
        """By less than a day nobody minds. More is said, and a person can go on all the same."""
        self.issue(1)
        for hours, doubted in ((-23, False), (23, False), (-25, True), (25, True)):
            with self.subTest(hours):
                self.set_date(hours)
                before = self.certificate_files()
                self.run_everseal("renew", "--force")
                after = self.certificate_files()
                self.assertFalse([name for name in self.names if after[name] == before[name]])
                result = self.run_everseal("renew")
                words = "but it should be .*: nothing is renewed by such a clock"
                (self.assertRegex if doubted else self.assertNotRegex)(result.out + result.err,
                                                                       words)
                self.ca.clear()
        self.assert_invariants(new_account=1)
        self.assert_converges()


class Certificates(CaFaults):
    def renew_with(self, faults):
        """Renews a certificate for each of `faults` at finalize: (names, what failed)."""
        before = self.issue(len(faults))
        self.ca.fault(*({"resource": "finalize", "name": name, "issuance": fault}
                        for name, fault in zip(self.names, faults)))
        failed = self.failures()
        after = self.certificate_files()
        for name in self.names:
            self.assertEqual(after[name] == before[name], name in failed, name)
        return failed

    def test_A12_A13_for_another_key_or_other_names(self):
        name = "n{}.many.example"
        faults = [{"other_key": True},
                  {"names": [name.format(1), "www.bank.example"]},
                  {"names": ["www.bank.example"]},
                  {"names": ["*.many.example"]},
                  {"names": [name.format(4), "*.many.example"]},
                  {"names": [name.format(5), "127.0.0.1"]},
                  {"names": ["::1"]}]
        failed = self.renew_with(faults)
        words = ["another key", "is for n1.many.example, www.bank.example, not",
                 "is for www.bank.example, not", r"is for \*.many.example, not",
                 r"is for \*.many.example, n4.many.example, not", "not a domain", "not a domain"]
        self.assertEqual(sorted(failed), [name.format(number) for number in range(len(faults))])
        for number, expected in enumerate(words):
            kind, message = failed[name.format(number)]
            self.assertEqual(kind, "rejected")
            self.assertRegex(message, expected)
        self.refused = len(faults)
        self.assert_invariants(new_account=1, new_order=2 * len(self.names))
        self.assert_converges()

    def test_A13_a_site_serves_on_what_it_served(self):
        self.run_everseal("secure", "pair.example", "--yes")
        configuration, serial = fingerprint(), self.serial("pair.example")
        self.ca.fault({"resource": "finalize", "issuance": {"names": ["pair.example"]}})
        [(_, message)] = self.failures(status=1).values()
        self.assertIn("is for pair.example, not for pair.example, www.pair.example", message)
        self.assertEqual(self.serial("pair.example"), serial)
        self.refused = 1
        self.assert_invariants()
        self.assert_https("pair.example", "www.pair.example")
        self.assertEqual(fingerprint(), configuration)
        self.ca.clear()
        self.run_everseal("renew", "--force")
        self.assertNotEqual(self.serial("pair.example"), serial)
        self.assertEqual(self.serial("pair.example"), self.serial("www.pair.example"))

    def test_A14_for_another_time(self):
        failed = self.renew_with([
            {"begins": "-60d", "ends": "-1h"},
            {"begins": "30d", "ends": "60d"},
            {"begins": "6s"},
            {"begins": "-1m", "ends": "10m"},
            {"begins": "-1d", "ends": "1800d"}])
        name = "n{}.many.example"
        for number, kind, expected in (
                (0, "rejected", "expired"), (1, "rejected", "not valid before"),
                (2, "transient", "not valid before")):
            self.assertEqual(failed[name.format(number)][0], kind)
            self.assertIn(expected, failed[name.format(number)][1])
        self.assertEqual(len(failed), 3)
        self.refused = 2
        self.assert_invariants()
        # Soon it is good: it is fetched, and no other is ordered.
        before, orders = self.certificate_files(), self.count_orders()
        time.sleep(6)
        self.ca.clear()
        self.run_everseal("renew", "--force", name.format(2))
        self.assertEqual(self.count_orders(), orders)
        self.assertNotEqual(self.certificate_files()[name.format(2)], before[name.format(2)])
        # Half of so short a life is left when it is renewed.
        found = self.status()[name.format(3)]
        left = (datetime.datetime.fromisoformat(found["expires"])
                - datetime.datetime.fromisoformat(found["next_renewal"])).total_seconds()
        self.assertAlmostEqual(left, 330, delta=10)
        self.assert_converges()


class Stuck(CaFaults):
    def start_renewal(self, resource, count):
        """Runs until the CA was asked for that so often."""
        before = self.ca.requests()[resource]
        running = self.everseal.start("renew", "--force")
        wait_until("the CA is asked", lambda: self.ca.requests()[resource] >= before + count)
        return running

    def test_A15_an_order_stays_processing(self):
        before, orders = self.issue(0), 2
        self.ca.fault(*({"resource": resource, "headers": {"Retry-After": "1"},
                         "set": {"/status": "processing"}, "remove": ["/certificate"]}
                        for resource in ("finalize", "order")))
        started = time.monotonic()
        running = self.start_renewal("order", 3)
        self.assertGreater(time.monotonic() - started, 2, "it waits as long as it is told")
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=10)
        self.assertEqual(running.returncode, 1)
        self.assertEqual(self.certificate_files(), before)
        self.assert_invariants(order=8)
        # Stopped again while it looks at that order, it keeps it all the same.
        self.ca.clear()
        self.ca.fault({"resource": "order", "delay": "3s"})
        running = self.start_renewal("order", 1)
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=10)
        self.assert_invariants()
        self.ca.clear()
        self.run_everseal("renew", "--force")
        self.assertEqual(self.count_orders(), orders)
        self.assertNotEqual(self.certificate_files(), before)
        self.assert_invariants()
        self.assert_converges()

    def test_A15_an_authorization_stays_pending(self):
        self.serve(0)
        self.ca.fault({"resource": "challenge", "hold": True})
        running = self.everseal.start(*self.issue_arguments())
        wait_until("it polls", lambda: self.ca.requests()["authz"] > 8)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        wait_until("its processes are gone", lambda: not processes.roles())
        self.ca.kill_ca()
        self.ca.start_ca()
        self.run_everseal(*self.issue_arguments())
        self.assertEqual(self.count_orders(), 1)
        self.assertEqual([path.name for path in MANY.rglob("*") if path.is_file()], ["hello"])
        shutil.rmtree(MANY / ".well-known")  # empty; its maker was killed
        self.assert_invariants(new_account=0, new_order=0)
        self.assert_converges()


class Refusals(CaFaults):
    def test_A16_each_name_is_explained(self):
        before = fingerprint()
        self.ca.fault(
            {"resource": "challenge", "name": "www.pair.example",
             "validation": problem("unauthorized", 403, "the wrong page")},
            {"resource": "new-order", "name": "static.example",
             "problem": problem("rejectedIdentifier", 403, "not for us", subproblems=[
                 {"type": "rejectedIdentifier", "detail": "on a list", "name": "static.example"}])},
            {"resource": "finalize", "name": "app.example",
             "set": {"/status": "invalid", "/error": {
                 "type": "urn:ietf:params:acme:error:unauthorized", "detail": "since a minute",
                 "subproblems": [{"type": "urn:ietf:params:acme:error:caa", "detail": "forbidden",
                                  "identifier": {"type": "dns", "value": "app.example"}}]}},
             "remove": ["/certificate"]})
        self.refused = 1
        self.run_everseal("secure", "four.example", "--yes")
        result = self.run_everseal("secure", "pair.example", "static.example", "app.example",
                                   "--yes", status=1)
        for words in ("www.pair.example: unauthorized: the wrong page",
                      "static.example: rejectedIdentifier: on a list",
                      "app.example: unauthorized: since a minute; app.example: caa: forbidden"):
            self.assertIn(words, result.err)
        found = self.status()
        for name in ("pair.example", "static.example"):
            self.assertEqual(found[name]["failures"], 1)
            self.assertEqual(self.seconds_to_next_attempt(name), 60)
        # Not more than five failures of a name an hour: after 1, 10 and 100 minutes, then a day,
        # more or less.
        for wait, more_or_less in ((600, 0), (6000, 0), (DAY, DAY / 10)):
            self.run_everseal("secure", "pair.example", "--yes", status=1)
            self.assertAlmostEqual(self.seconds_to_next_attempt("pair.example"), wait,
                                   delta=more_or_less)
        for file in ("sites-available/pair", "sites-available/static", "sites-enabled/app"):
            self.assertEqual(fingerprint()[file], before[file])
        self.assert_https("four.example")
        self.assert_invariants()

    def test_A27_problem_types_and_what_becomes_of_them(self):
        at_once = [("new-order", "problem", each, "rejected") for each in
                   ("rejectedIdentifier", "unsupportedIdentifier", "caa", "malformed")]
        at_once += [("finalize", "problem", each, "rejected") for each in ("badCSR", "badPublicKey")]
        at_once += [("challenge", "validation", each, kind) for each, kind in (
            ("unauthorized", "rejected"), ("caa", "rejected"), ("tls", "rejected"),
            ("incorrectResponse", "rejected"), ("dns", "transient"), ("connection", "transient"))]
        before = self.issue(len(at_once))
        self.forget_authorizations()
        self.ca.fault(*({"resource": resource, "name": name, member: problem(kind, 403)}
                        for name, (resource, member, kind, _) in zip(self.names, at_once)))
        failed = self.failures()
        for name, (_, _, kind, reaction) in zip(self.names, at_once):
            self.assertEqual(failed[name][0], reaction, name)
            self.assertIn(f"{kind}: on purpose", failed[name][1])
        after = self.certificate_files()
        self.assertEqual([name for name in self.names if after[name] != before[name]],
                         ["good.many.example"])
        # What is malformed or unauthorized may be the replacement: these two are ordered as new.
        self.assert_invariants(new_order=2 * len(self.names) + 2, finalize=2 * len(self.names))
        self.assert_converges()

    def test_A27_real_reasons(self):
        policy = SCRATCH / "policy.toml"
        policy.write_text('caa_identities = ["ca.example"]\n')
        self.ca.stop_ca()
        self.ca.start_ca("--policy", str(policy))
        names = self.serve(3)
        self.ca.dns.set_caa(names[0], "issue", "another-ca.example")
        self.ca.dns.servfail(names[1])
        self.ca.resolve(names[2], ipv4=("198.51.100.7",), ipv6=())  # no route leads there
        self.run_everseal(*self.issue_arguments(), status=3)
        for name, kind in zip(names, ("caa", "dns", "connection")):
            self.assertIn(f"{kind}: ", self.status()[name]["last_error"])
        self.assertEqual(self.ca.ledger("SELECT count(*) FROM certificates WHERE order_id > 0"), [1])

    def forget_authorizations(self):
        self.ca.ledger("UPDATE authorizations SET status = 'expired'")


class Accounts(CaFaults):
    def test_A17_authorizations_are_reused(self):
        self.issue(1)
        self.run_everseal("renew", "--force")
        self.assert_invariants(challenge=2, new_account=1)

    def test_A18_the_account_was_deactivated(self):
        self.run_everseal("secure", "static.example", "--yes")
        serial = self.serial("static.example")
        self.ca.ledger("UPDATE accounts SET status = 'deactivated'")
        result = self.run_everseal("renew", "--force")
        self.assertIn("has ended the account", result.out + result.err)
        self.assertEqual(self.ca.ledger("SELECT count(*) FROM accounts"), [2])
        self.assertNotEqual(self.serial("static.example"), serial)
        self.assert_converges()

    def test_A18_the_account_is_unknown(self):
        self.issue(1)
        self.ca.fault(*({"resource": resource, "times": count,
                         "problem": problem("accountDoesNotExist")}
                        for resource, count in (("new-order", 2), ("new-account", 1))))
        result = self.run_everseal("renew", "--force")
        self.assertEqual((result.out + result.err).count("no longer knows this account"), 1)
        self.assertEqual(self.ca.ledger("SELECT count(*) FROM accounts"), [1])
        self.assert_invariants(new_order=6)
        self.assert_converges()

    def test_A19_the_terms_of_service_change(self):
        old, new = "https://ca.example/terms/1", "https://ca.example/terms/2"
        self.ca.manage("/policy", {"terms_of_service": old})
        before = self.issue(1)
        self.ca.manage("/policy", {"terms_of_service": new, "agree_anew": True})
        for _ in range(2):
            requests = self.ca.requests()
            failed = self.failures(status=1)
            self.assertEqual(len(failed), 2)
            for kind, message in failed.values():
                self.assertEqual(kind, "rejected")
                self.assertIn(f"the CA's terms of service are not agreed to: {new}", message)
            self.assertEqual((self.ca.requests() - requests)["new-order"], 2)
            self.assertEqual(self.ca.ledger("SELECT agreed_terms FROM accounts"), [old])
        self.assertIn(new, self.run_everseal("status").out)
        self.assertEqual(self.certificate_files(), before)
        self.assertEqual(self.count_orders(), 2)
        posts = self.posts()
        self.run_everseal("renew")
        self.assertEqual(self.posts(), posts, "not before its time")
        self.run_everseal("renew", "--force", "--yes")
        self.assertEqual(self.ca.ledger("SELECT agreed_terms FROM accounts"), [new])
        self.assertNotEqual(self.certificate_files(), before)
        self.assert_invariants(new_account=2)
        self.assert_converges()

    def test_A20_an_account_of_customers(self):
        key, wrong = "a1b2c3d4" * 5, "e5f6a7b8" * 5
        self.ca.manage("/policy", {"external_account_required": True,
                                   "external_accounts": {"kid-1": key}})
        self.serve(0)

        def issue(*arguments, status=1):
            return self.run_everseal(*self.issue_arguments(), *arguments, status=status).err
        self.assertIn("--eab-kid", issue())
        self.assertIn("the external account is unknown",
                      issue("--eab-kid", "kid-2", "--eab-hmac-key", key))
        self.assertRegex(issue("--eab-kid", "kid-1", "--eab-hmac-key", wrong), "unauthorized: .*")
        self.assertEqual(self.ca.ledger("SELECT count(*) FROM accounts"), [0])
        issue("--eab-kid", "kid-1", "--eab-hmac-key", key, status=0)
        for secret in (key, wrong):
            for result in self.everseal.results:
                self.assertNotIn(secret, result.out + result.err)
            self.assertFalse([path for path in STATE.rglob("*")
                              if path.is_file() and secret.encode() in path.read_bytes()])
        self.assert_invariants()
        self.assert_converges()

    def test_A23_the_directory_changes(self):
        self.issue(1)
        base = "https://localhost:8555"
        self.ca.fault({"resource": "directory", "set": {"/newOrder": base + "/moved"}})
        result = self.run_everseal("renew", "--force", status=1)
        self.assertIn("there is no such resource", result.err)
        self.ca.clear()
        self.ca.fault({"resource": "directory", "set": {
            f"/{name}": f"{base}/{path}?2" for name, path in (
                ("newOrder", "new-order"), ("newNonce", "new-nonce"),
                ("newAccount", "new-account"))},
            "remove": ["/keyChange", "/renewalInfo", "/revokeCert", "/meta"]})
        before = self.certificate_files()
        self.run_everseal("renew", "--force")
        self.assertNotEqual(self.certificate_files(), before)
        self.assert_invariants(new_account=2)  # a "malformed" may be about the account, which is asked
        self.assert_converges()


if __name__ == "__main__":
    main()
