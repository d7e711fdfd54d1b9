#!/usr/bin/python3
"""CAs as they should not be: broken, lying, slow, hostile (faults.md, A3 to A30).

Most faults are local to one certificate, so that one run meets many of them at once; with each
goes a certificate whose CA behaves, and which must get what it wants.
"""

import contextlib
import datetime
import json
import pathlib
import signal
import subprocess
import tempfile
import time

from harness import Everseal, ManyNamesCase, Proxy, main, processes, proxy
from harness.everseal import STATE, check_live
from harness.many_names import MANY
from harness.proxy import Trap
from harness.sandbox import SCRATCH, wait_until
from harness.sites import fingerprint

ACCOUNT, NEW_ORDER, ORDER, FINALIZE = "/sign-me-up", "/order-plz", "/my-order/", "/finalize-order/"
AUTHORIZATION, CERTIFICATE, NONCE = "/authZ/", "/certZ/", "/nonce-plz"


def documents(pending):
    """Broken forms of a JSON document; `pending` is a good one."""
    return {
        "nothing": b"",
        "cut short": pending[:len(pending) // 2],
        "not an object": b"[1, 2]",
        "NUL": pending[:20] + b"\0" + pending[20:],
        "NUL after it": pending + b"\0",
        "deep": b"[" * 100_000,
        "deep and closed": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "deep behind a string": b'{"\\\\":"\\"[","b":' + b"[" * 100_000,
        "not UTF-8": pending.replace(b'"pending"', b'"pending\xff\xc0\x80"'),
        "wrong types": b'{"status":7,"identifiers":{},"authorizations":"x","challenges":1,'
                       b'"identifier":[],"finalize":null,"newNonce":1,"newOrder":[]}',
        "a huge number": b'{"status":' + b"9" * 100_000 + b"}",
    }


def openssl(*arguments, text=""):
    return subprocess.run(["openssl", *map(str, arguments)], input=text, check=True, text=True,
                          capture_output=True).stdout


def certificates(pem):
    """The single certificates of a chain."""
    end = "-----END CERTIFICATE-----\n"
    return [part + end for part in pem.replace("\n\n", "\n").split(end) if part.strip()]


class HostileCa(ManyNamesCase):
    authority_options = {"chain_length": 2}

    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.authority).start()
        self.addCleanup(self.proxy.stop)
        self.everseal = Everseal(self.proxy)

    def assert_faults(self, faults, again=True):
        """`faults`: [(path, action, words, options of Proxy.on)…], each for a certificate of its
        own that is renewed. It fails with `words` (a regular expression), or succeeds for None."""
        names = self.serve(len(faults))
        self.run_everseal(*self.issue_arguments())
        before = self.certificate_files()
        for name, (path, action, _, *options) in zip(names, faults):
            self.proxy.on(action, path=path, name=name, **(options[0] if options else {}))
        expected = {name: words for name, (_, _, words, *_) in zip(names, faults) if words}
        self.proxy.requests.clear()
        document = self.run_everseal("renew", "--force", "--json",
                                     status=3 if expected else 0).json()
        # Told never to reuse an authorization pebble does so for one in a hundred.
        spared = [name for name, (path, *_) in zip(names, faults)
                  if path == AUTHORIZATION and not self.proxy.count("POST", path, name)]
        self.assertLess(len(spared), 4)
        expected = {name: words for name, words in expected.items() if name not in spared}
        failed = {each["name"]: each["message"] for each in document["failed"]}
        self.assertEqual(sorted(failed), sorted(expected))
        for name, words in expected.items():
            with self.subTest(name=name):
                self.assertRegex(failed[name], words)
                self.assertLess(len(failed[name]), 2500)
        after = self.certificate_files()
        for name in names:
            with self.subTest(changes=name):
                self.assertEqual(after[name] == before[name], name in expected)
        self.assert_tidy()
        check_live()
        if again:
            self.assert_undisturbed()

    def assert_undisturbed(self):
        """Without faults everything is renewed."""
        self.proxy.clear()
        self.assert_renews_all()


class Documents(HostileCa):
    def test_A8_broken_documents(self):
        order = json.dumps({
            "status": "pending", "identifiers": [{"type": "dns", "value": "n.many.example"}],
            "authorizations": [self.proxy.origin + "/authZ/1"],
            "finalize": self.proxy.origin + "/finalize-order/1"}).encode()
        authorization = json.dumps({
            "status": "pending", "identifier": {"type": "dns", "value": "n.many.example"},
            "challenges": []}).encode()

        def twice(reply):
            reply.body = b'{"status":"invalid",' + reply.body.lstrip(b"{")

        self.assert_faults([
            *((NEW_ORDER, proxy.replace_body(body), "the CA's order")
              for body in documents(order).values()),
            *((AUTHORIZATION, proxy.replace_body(body), "the CA's authorization")
              for body in documents(authorization).values()),
            *((NEW_ORDER, proxy.answer(403, body), r"status 403")
              for body in documents(b'{"type":"pending","detail":[1]}').values()),
            (NEW_ORDER, proxy.edit(twice), None),
            (AUTHORIZATION, proxy.edit(twice), None),
        ])

    def test_A8_broken_directories(self):
        self.serve(0)
        self.run_everseal(*self.issue_arguments())
        for what, body in documents(b'{"newNonce": "pending"}').items():
            with self.subTest(what):
                self.proxy.on(proxy.answer(200, body), path="/dir")
                result = self.run_everseal("renew", "--force", status=1)
                self.assertIn("the CA's directory", result.err)
                self.proxy.clear()
        self.assert_tidy()
        self.assert_undisturbed()


class Answers(HostileCa):
    """Rows about single replies: nonces, delays, sizes, chains, redirects, texts."""

    def test_A3_nonces_are_missing_double_or_hostile(self):
        self.serve(4)
        self.run_everseal(*self.issue_arguments())

        def nonces(*values):
            def change(reply):
                reply.set("Replay-Nonce", *(reply.header("Replay-Nonce") if v is None else v
                                            for v in values))
            return proxy.edit(change)

        for what, values in (("none", ()), ("twice", (None, None)), ("large", ("A" * 60_000,)),
                             ("other bytes", ("a+b/c==",)), ("empty", ("",)),
                             ("ESC", (b"\x1b[2J",))):
            with self.subTest(what):
                self.proxy.requests.clear()
                self.proxy.on(nonces(*values), method="POST")
                self.run_everseal("renew", "--force")
                posts = self.proxy.count("POST", "/")
                self.assertGreaterEqual(self.proxy.count("HEAD", NONCE), posts - 1)
                self.assertLess(posts, 200)
                self.proxy.clear()
        self.assert_tidy()

    def next_attempts(self, faults):
        """The first issuance of a certificate for each answer to newOrder; seconds to its next."""
        names = self.serve(len(faults))
        for name, action in zip(names, faults):
            self.proxy.on(action, path=NEW_ORDER, name=name)
        began = datetime.datetime.now(datetime.timezone.utc)
        self.run_everseal(*self.issue_arguments(), status=3)
        found = self.status()
        waits = [datetime.datetime.fromisoformat(found[name]["next_attempt"]) - began
                 for name in names[:-1]]
        self.assertEqual(0, found["good.many.example"]["failures"])
        return [wait.total_seconds() for wait in waits]

    def test_A4_a_limit_is_kept_across_runs(self):
        [wait] = self.next_attempts([proxy.problem(429, "rateLimited", "too many of them",
                                                   Retry_After="3600")])
        self.assertTrue(3595 <= wait <= 3650, wait)
        self.proxy.requests.clear()
        result = self.run_everseal("renew")
        self.assertRegex(result.out, r"n0\.many\.example: waits until .* too many of them")
        self.assertEqual(0, self.proxy.count("POST", "/"), "nothing is ordered before its time")
        self.assertIn("too many of them", self.run_everseal("status").out)
        self.assert_tidy()
        self.proxy.clear()
        self.run_everseal("renew", "--force", "n0.many.example")
        self.assertEqual("", self.status()["n0.many.example"]["last_error"])
        check_live()

    def test_A5_forms_of_retry_after(self):
        def date(days):
            at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
            return at.strftime("%a, %d %b %Y %H:%M:%S GMT")

        def limited(value):
            return proxy.problem(429, "rateLimited", "wait", Retry_After=value)

        def busy(value):
            return proxy.problem(503, "serverInternal", "busy", Retry_After=value)

        hour, day, own = 3600, 86400, 60
        cases = [(limited(date(1 / 24)), hour), (limited(date(-1)), own), (limited("-5"), own),
                 (limited("soon \x1b[2J"), own), (limited("1e9"), own), (limited(""), own),
                 (limited(str(10 * 365 * day)), day), (limited(date(3650)), day),
                 (limited("9" * 40), day), (busy(date(1 / 24)), hour), (busy("7200"), 2 * hour),
                 (busy(date(3650)), day)]
        waits = self.next_attempts([action for action, _ in cases])
        for number, ((_, expected), wait) in enumerate(zip(cases, waits)):
            with self.subTest(number):
                self.assertTrue(expected - 5 <= wait <= expected + 60, wait)
        self.assertEqual(len(cases), sum(
            1 for each in self.proxy.requests
            if each.path == NEW_ORDER and each.name != "good.many.example"))
        self.assert_tidy()
        self.proxy.clear()
        self.run_everseal("renew", "--force")
        self.certificate_files()
        check_live()

    def test_A5_at_once_is_not_a_flood(self):
        """"Retry-After: 0", for ever, from one who limits and from one who is never done."""
        self.serve(2)
        self.run_everseal(*self.issue_arguments())
        self.proxy.requests.clear()

        def never_done(reply):
            reply.set("Retry-After", "0")
            reply.body = reply.body.replace(b'"valid"', b'"pending"')

        self.proxy.on(proxy.problem(429, "rateLimited", "wait", Retry_After="0"), path=NEW_ORDER,
                      name="n0.many.example")
        self.proxy.on(proxy.edit(never_done), path=AUTHORIZATION, name="n1.many.example")
        running = self.everseal.start("renew", "--force")
        time.sleep(3)
        self.assertIsNone(running.poll(), "both may hope for longer")
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=20)
        for path, name in ((NEW_ORDER, "n0.many.example"), (AUTHORIZATION, "n1.many.example")):
            with self.subTest(path):
                self.assertLess(self.proxy.count("POST", path, name), 30)
        self.assert_tidy()
        self.assert_undisturbed()

    def test_A9_a_directory_without_an_end(self):
        self.serve(0)
        self.run_everseal(*self.issue_arguments())
        for action in (proxy.endless(), proxy.announce(10 << 30), proxy.gzip_bomb(),
                       proxy.answer(200, b"{}", **{f"X-{n}": "y" * 60_000 for n in range(2)})):
            self.proxy.on(action, path="/dir")
            result = self.run_everseal("renew", "--force", status=1)
            self.assertRegex(result.err, "directory")
            self.proxy.clear()
        self.assert_undisturbed()


class Chains(HostileCa):
    def forge(self, extensions="", days=30, issuer_days=365):
        """The answer for a certificate by a CA of our own: for the ordered key and, unless the
        `extensions` say otherwise, the ordered names."""
        def change(reply):
            directory = pathlib.Path(tempfile.mkdtemp(dir=SCRATCH))
            key, request, ca, rest = (directory / name for name in ("key", "csr", "ca", "rest"))
            leaf = reply.body.decode()
            (directory / "public").write_text(openssl("x509", "-pubkey", "-noout", text=leaf))
            rest.write_text(extensions or "subjectAltName=" + ",".join(
                "DNS:" + name for name in names_of(leaf)))
            openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-subj", "/CN=Forger", "-out", request)
            openssl("x509", "-req", "-in", request, "-key", key, "-days", issuer_days, "-out", ca)
            pem = openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", key, "-subj", "/CN=x",
                          "-force_pubkey", directory / "public", "-extfile", rest, "-days", days,
                          "-CAcreateserial")
            reply.body = pem.encode() + ca.read_bytes()
        return proxy.edit(change)

    def reorder(self, function):
        def change(reply):
            reply.body = "".join(function(certificates(reply.body.decode()))).encode()
        return proxy.edit(change)

    def test_A11_A12_A13_chains(self):
        other = openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-keyout", SCRATCH / "other.key", "-subj", "/CN=Unrelated",
                        "-days", "30")
        key = (SCRATCH / "other.key").read_text()

        def append(text):
            return self.reorder(lambda chain: [*chain, text])

        def earlier(reply):
            """What was issued before for the same names, to another key."""
            reply.body = (STATE / "live/n11.many.example/fullchain.pem").read_bytes()

        def of_another(reply):
            reply.body = (STATE / "live/good.many.example/fullchain.pem").read_bytes()

        faults = [
            (self.reorder(lambda chain: chain[:1]), "certificate of the issuer.* is missing"),
            (self.reorder(lambda chain: [chain[0], chain[2]]), "did not issue"),
            (self.reorder(lambda chain: chain[::-1]), None),
            (self.reorder(lambda chain: [chain[1], chain[0], chain[2]]), None),
            (append(other), "did not issue"),
            (append("and so on\n"), "not a certificate in PEM: and so on"),
            (append(key), "a private key among the certificates"),
            (self.reorder(lambda chain: [key, *chain]), "a private key among the certificates"),
            (self.reorder(lambda chain: [chain[0].replace("\n", "\r\n"), *chain[1:]]), None),
            (append("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
             "cannot be decoded"),
            (self.reorder(lambda chain: [chain[0][:200]]), "not a certificate in PEM"),
            (proxy.edit(earlier), "another key"),
            (proxy.edit(of_another), "another key"),
            (self.forge(issuer_days=-1), "certificate of the issuer, .* expired"),
            (self.forge("subjectAltName=DNS:n14.many.example,DNS:www.bank.example"),
             "is for n14.many.example, www.bank.example, not for"),
            (self.forge("subjectAltName=DNS:www.bank.example"), "is for www.bank.example, not for"),
            (self.forge("subjectAltName=DNS:*.many.example"), "is for .*, not for"),
            (self.forge("subjectAltName=DNS:n17.many.example,IP:127.0.0.1"), "not a domain"),
            (self.forge("basicConstraints=CA:FALSE"), "is for , not for"),
            (self.forge(days=-1), "ends before it begins|expired"),
            (self.forge(days=4000), "more than ten years"),
        ]
        self.assert_faults([(CERTIFICATE, action, words) for action, words in faults])
        for name, words in (("n2", None), ("n3", None), ("n8", None)):
            chain = certificates((STATE / f"live/{name}.many.example/fullchain.pem").read_text())
            self.assertNotIn("\r", "".join(chain))
            self.assertEqual(len(chain), 3)

    def test_A12_nginx_serves_on_what_it_served(self):
        """A bad certificate for one site, a good one for another, and no page is lost."""
        self.run_everseal("secure", "static.example", "four.example", "socket.example", "--yes")
        sites = ("static.example", "four.example", "socket.example")
        configuration = fingerprint()
        serials = [self.serial(name) for name in sites]
        earlier = (STATE / "live/static.example/fullchain.pem").read_bytes()
        self.proxy.on(proxy.replace_body(earlier), path=CERTIFICATE, name="static.example")
        self.proxy.on(self.reorder(lambda chain: chain[:1]), path=CERTIFICATE, name="four.example")
        result = self.run_everseal("renew", "--force", status=3)
        self.assertRegex(result.err, "static.example: .*another key")
        self.assertEqual([self.serial(name) == serial for name, serial in zip(sites, serials)],
                         [True, True, False])
        self.assert_https(*sites)
        self.assertEqual(fingerprint(), configuration)
        self.nginx.cold_start()
        self.assert_https(*sites)
        self.assert_tidy()
        check_live()
        self.proxy.clear()
        self.run_everseal("renew", "--force")
        self.assertNotEqual(self.serial("static.example"), serials[0])
        check_live()


def names_of(leaf):
    text = openssl("x509", "-noout", "-ext", "subjectAltName", text=leaf)
    return [word.partition(":")[2].strip(",") for word in text.split() if word.startswith("DNS:")]


class Elsewhere(HostileCa):
    def setUp(self):
        super().setUp()
        self.traps = [Trap(14080), Trap(14444)]
        for trap in self.traps:
            self.addCleanup(trap.stop)

    def assert_nobody_went_there(self):
        self.assertEqual([0, 0], [trap.visits for trap in self.traps])

    def targets(self, path):
        return {
            "plain text": "http://localhost:14080" + path,
            "plain text here": "http://localhost:14443" + path,
            "another port": "https://localhost:14444" + path,
            "another host": "https://127.0.0.1:14444" + path,
            "another host by //": "//127.0.0.1:14444" + path,
            "a user": "https://localhost:14443@127.0.0.1:14444" + path,
            "a file": "file:///etc/passwd",
            "nothing": "",
            "ESC": "https://localhost:14443/\x1b[2J",
        }

    def test_A21_a_signed_request_is_not_redirected(self):
        here = {"here": self.proxy.origin + "/order-plz?again", "a path": "/order-plz?again"}
        self.assert_faults(
            [(NEW_ORDER, proxy.redirect(307, target), "status 307")
             for target in {**self.targets("/order-plz"), **here}.values()]
            + [(NEW_ORDER, proxy.redirect(status, target), f"status {status}")
               for status in (301, 302, 308) for target in here.values()]
            + [(path, proxy.redirect(308, target), "status 308")
               for path in (AUTHORIZATION, FINALIZE, CERTIFICATE)
               for target in (self.targets("/x")["another host"], here["here"])])
        self.assert_nobody_went_there()
        self.assertFalse([each for each in self.proxy.requests if "again" in each.path])

    def test_A21_urls_in_documents_stay_at_the_ca(self):
        elsewhere = ["https://localhost:14444/x", "http://localhost:14080/x",
                     "https://localhost:14443@127.0.0.1:14444/x"]

        def order(member, url):
            def change(document):
                document[member] = [url] if member == "authorizations" else url
            return proxy.edit_json(change)

        def location(url):
            return proxy.edit(lambda reply: reply.set("Location", url))

        def challenge(url):
            def change(document):
                for each in document["challenges"]:
                    each["url"] = url
            return proxy.edit_json(change)

        self.assert_faults([
            fault for url in elsewhere for fault in (
                (NEW_ORDER, order("authorizations", url), 'bad "authorizations"'),
                (NEW_ORDER, order("finalize", url), 'bad "finalize"'),
                (NEW_ORDER, location(url), "no URL for the order"),
                (AUTHORIZATION, challenge(url), 'bad "url"'),
                (ORDER, order("certificate", url), 'bad "certificate"'))])
        self.assert_nobody_went_there()

    def test_A21_the_directory_is_redirected(self):
        self.serve(0)
        self.run_everseal(*self.issue_arguments())
        for status in (301, 302, 307, 308):
            self.proxy.on(proxy.redirect(status, "/dir?second"), path="/dir", only=(1,))
            self.run_everseal("renew", "--force")
            self.proxy.clear()
        for what, target in self.targets("/dir").items():
            with self.subTest(what):
                self.proxy.on(proxy.redirect(301, target), path="/dir")
                self.run_everseal("renew", "--force", status=1)
                self.proxy.clear()
        self.proxy.on(proxy.redirect(302, "/dir"), path="/dir")
        self.proxy.requests.clear()
        result = self.run_everseal("renew", "--force", status=1)
        self.assertIn("too many redirects", result.err)
        self.assertLess(len(self.proxy.requests), 6)
        self.assert_nobody_went_there()
        self.assert_tidy()
        self.assert_undisturbed()

    def test_A22_a_connection_that_proves_nothing(self):
        self.serve(0)
        self.run_everseal(*self.issue_arguments())
        self.proxy.requests.clear()
        for identity, words in (("unknown CA", "certificate"), ("other name", "no alternative"),
                                ("expired", "expired"), ("old protocol", "")):
            with self.subTest(identity):
                self.proxy.identity = identity
                result = self.run_everseal("renew", "--force", status=1)
                self.assertRegex(result.err, "directory https://localhost:14443/dir: .*" + words)
                self.assertEqual([], self.proxy.requests)
        self.assert_nobody_went_there()
        self.assert_tidy()
        self.assert_undisturbed()

    def test_A22_a_truncated_body_is_not_taken(self):
        """Once each, so that it is asked for again; and never believed to be whole."""
        self.assert_faults([
            (path, proxy.cut(announced), None, {"only": (1, 2)})
            for path in (ORDER, AUTHORIZATION, CERTIFICATE) for announced in (True, False)])

    def test_A28_the_date_is_a_day_off(self):
        self.serve(1)
        for days in (-1, 1):
            at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
            date = at.strftime("%a, %d %b %Y %H:%M:%S GMT")
            self.proxy.on(proxy.edit(lambda reply, date=date: reply.set("Date", date)))
            self.run_everseal(*self.issue_arguments(), "--force")
            self.proxy.clear()
        self.assert_undisturbed()


class Lost(HostileCa):
    def test_A26_replies_are_lost(self):
        """What the CA has done and did not get across is found, and not done again."""
        names = self.serve(4)
        self.proxy.on(proxy.drop_reply(), path=ACCOUNT, only=(1,))
        for path, name in ((NEW_ORDER, names[0]), (FINALIZE, names[1]), (CERTIFICATE, names[2]),
                           ("/chalZ/", names[3])):
            self.proxy.on(proxy.drop_reply(), path=path, name=name, only=(1,))
        self.run_everseal(*self.issue_arguments())
        self.assertEqual(1, self.authority.log().count("There are now 1 accounts"))
        self.assertEqual(0, self.authority.log().count("There are now 2 accounts"))
        self.assertEqual(len(names), self.authority.order_count())
        self.assertEqual({(name,): 1 for name in names}, self.authority.issued())
        check_live()
        self.assert_tidy()
        self.assert_undisturbed()

    def test_A26_requests_are_lost(self):
        self.assert_faults([(path, proxy.drop_request(), None, {"only": (1, 2)})
                            for path in (NEW_ORDER, AUTHORIZATION, "/chalZ/", FINALIZE, ORDER,
                                         CERTIFICATE)])


class Texts(HostileCa):
    def created(self):
        """All that was made or changed on this machine outside the state directory."""
        layers = pathlib.Path("/run/layers")
        return sorted(str(path.relative_to(layers)) for part in ("etc.upper", "var.upper")
                      for path in (layers / part).rglob("*")
                      if not path.is_relative_to(layers / "var.upper/lib/everseal"))

    def test_A29_hostile_tokens(self):
        good = "a" * 43
        tokens = ["../../etc/cron.d/x", "../../../../etc/cron.d/" + good, "a/" + good, "", ".",
                  "..", "x" * 10_240, "x" * 129, "x" * 21, good + "\n", good + "\0", "\0" + good,
                  good + ".", good + "=", good + " ", good + "\u00e9", "-rf", 7, None, [good],
                  {"a": good}, "${jndi}" + good, good + "%2f.."]
        self.serve(len(tokens))
        before = self.created()

        def with_token(token):
            def change(document):
                for each in document["challenges"]:
                    each["token"] = token
            return proxy.edit_json(change)

        self.assert_faults([(AUTHORIZATION, with_token(token), 'token"|does not offer')
                            for token in tokens], again=False)
        self.assertEqual(before, self.created())
        self.assertEqual([MANY / "hello"], list(MANY.rglob("*")))
        self.assertFalse(pathlib.Path("/etc/cron.d/x").exists())
        self.assert_undisturbed()

    def test_A30_S6_hostile_texts(self):
        texts = ["\x1b[2J\x1b]0;title\x07", "one\r\neverseal: all is well\nok    two",
                 "x" * 1_000_000, "\x1b" * 100_000, "$(touch /tmp/pwned) `id` %s%n", "\u009b2J",
                 "\ud800", "a\0b", '"}],"failed":[]']

        def problem(text):
            return proxy.problem(403, "unauthorized", text)

        def kind(text):
            return proxy.problem(403, text, "why")

        def invalid(text):
            text = text[:300_000]

            def change(document):
                document["status"] = "invalid"
                document["challenges"][0]["error"] = {
                    "type": text, "detail": text, "identifier": {"type": "dns", "value": text}}
            return proxy.edit_json(change)

        def subproblem(text):
            part = {"type": text, "detail": text, "identifier": {"type": "dns", "value": text}}
            count = 200 if len(text) < 100 else 1
            return proxy.answer(403, json.dumps({"type": text, "detail": "d",
                                                 "subproblems": [part] * count})[:1 << 20])

        def page(text):
            return proxy.answer(403, text.encode("utf-8", "surrogatepass"))

        cases = [(NEW_ORDER, each(text), ".") for each in (problem, page) for text in texts]
        cases += [(NEW_ORDER, each(text), ".") for each in (kind, subproblem) for text in texts[:3]]
        cases += [(AUTHORIZATION, invalid(text), ".") for text in texts]
        self.assert_faults(cases, again=False)
        renewal = self.everseal.results[-1]
        found = [renewal.out, renewal.err, self.run_everseal("status").out,
                 self.run_everseal("status", "--json").out]
        for text in found:
            for line in text.splitlines():
                self.assertLess(len(line), 3000)
            hostile = sorted({hex(ord(c)) for c in text if c != "\n" and not c.isprintable()
                              and c not in "\u2026"})
            self.assertEqual([], hostile)
            self.assertNotIn("\neverseal: all is well", text)
        for document in (found[0], found[3]):
            for message in strings(json.loads(document)):
                hostile = sorted({hex(ord(c)) for c in message if not c.isprintable()})
                self.assertEqual([], hostile, "as a script would print it")
        self.assertFalse(pathlib.Path("/tmp/pwned").exists())
        self.assert_undisturbed()


def strings(value):
    """All strings in a JSON document."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for part in parts for each in strings(part)]


class Slow(HostileCa):
    """What takes its time: fifteen seconds until the last repetition, or until a connection is
    given up. So these are under way together, each with a proxy and a state of its own."""

    def start_elsewhere(self, port, **rule):
        """A first run, at a CA of which only this is known: (proxy, running, state)."""
        other = Proxy(self.authority, port).start()
        self.addCleanup(other.stop)
        if rule:
            other.on(**rule)
        state = SCRATCH / f"state-{port}"
        self.elsewhere.append(Everseal(other).start(
            "issue", "--yes", "--state", state, "-d", f"good.many.example:{MANY}"))
        return other, self.elsewhere[-1], state

    def assert_failed(self, started, words):
        other, running, state = started
        out, err = running.communicate(timeout=40)
        self.assertEqual(running.returncode, 1, out + err)
        self.assertRegex(err, words)
        self.assertFalse((state / "live").exists() and list((state / "live").iterdir()))
        return other

    def test_A3_A9_A10_together(self):
        self.serve(0)
        no_nonce = self.start_elsewhere(
            14446, action=proxy.answer(200, Replay_Nonce="not/base64url"), path=NONCE)
        mute = self.start_elsewhere(14447)
        mute[0].mute = True
        half = self.start_elsewhere(14448, action=proxy.half_close(), path="/dir")
        full = self.start_elsewhere(14449, action=proxy.drop_reply(), path="/dir")

        pem = (self.proxy.directory / "ca.pem").read_bytes()
        too_large = "larger than"
        self.assert_faults([
            (CERTIFICATE, proxy.endless(), too_large),
            (CERTIFICATE, proxy.endless(pem), too_large),
            (CERTIFICATE, proxy.endless(b"x" * 100), too_large),
            (CERTIFICATE, proxy.announce(10 << 30), too_large),
            (CERTIFICATE, proxy.replace_body(pem * 400), "larger than 256 KiB|too large"),
            (CERTIFICATE, proxy.replace_body(pem * 11), "more than 10 certificates"),
            (CERTIFICATE, proxy.gzip_bomb(), "not a certificate in PEM"),
            (CERTIFICATE, proxy.half_close(), "/certZ/"),
            (ORDER, proxy.gzip_bomb(), "the CA's order is not"),
            (ORDER, proxy.endless(head=b'{"status":"'), too_large),
            (ORDER, proxy.half_close(), "/my-order/"),
        ])

        other = self.assert_failed(no_nonce, "nonce")
        self.assertEqual(0, other.count("POST", "/"))
        self.assertLess(other.count("HEAD", NONCE), 10)
        self.assert_failed(mute, "directory .* timed out|directory .*imeout")
        self.assert_failed(half, "directory")
        self.assert_failed(full, "directory")
        self.assert_tidy()

    def test_A10_one_that_is_slow_holds_up_no_other(self):
        for part in ("head", "body"):
            names = self.serve(4)
            self.run_everseal(*self.issue_arguments())
            before = self.certificate_files()
            self.proxy.requests.clear()
            self.proxy.on(proxy.drip(part), path=ORDER, name=names[0])
            running = self.everseal.start("renew", "--force")
            wait_until("the others are issued", lambda: all(
                self.proxy.count("POST", CERTIFICATE, name) for name in names[1:]), 10)
            time.sleep(1)  # for the last answer
            self.assertLess(self.end(running, 3), 5)
            after = self.certificate_files()
            self.assertEqual(names[:1], [name for name in names if after[name] == before[name]])
            self.assert_tidy()
            self.assert_undisturbed()

    def test_A10_a_stalled_run_can_be_ended(self):
        self.serve(2)
        self.run_everseal(*self.issue_arguments())
        for path in ("/dir", NONCE, NEW_ORDER, AUTHORIZATION, FINALIZE, ORDER, CERTIFICATE):
            with self.subTest(path):
                before = self.certificate_files()
                self.proxy.requests.clear()
                self.proxy.on(proxy.stall(), path=path)
                running = self.everseal.start("renew", "--force")
                wait_until("it stalls", lambda: [each for each in self.proxy.requests
                                                 if each.path.startswith(path)])
                self.assertLess(self.end(running, 1), 5)
                self.proxy.clear()
                self.assertEqual(before, self.certificate_files())
                self.assert_tidy()
        self.assert_undisturbed()

    def test_A10_a_first_run_that_stalls_ends_at_the_second_signal(self):
        for path in ("/dir", NONCE, ACCOUNT):
            with self.subTest(path):
                with self.stalled_first_run(path) as running:
                    running.send_signal(signal.SIGTERM)
                    time.sleep(0.3)
                    running.send_signal(signal.SIGTERM)
                    running.communicate(timeout=5)
                    wait_until("its processes are gone", lambda: not processes.roles(), 5)
                self.assert_tidy()
        self.run_everseal(*self.issue_arguments())

    def test_A10_a_first_run_that_stalls_ends_at_the_first_signal(self):
        with self.stalled_first_run(ACCOUNT) as running:
            self.assertLess(self.end(running, 1), 3)

    @contextlib.contextmanager
    def stalled_first_run(self, path):
        """One that has no account yet and whose CA does not answer for `path`."""
        self.serve(0)
        self.proxy.requests.clear()
        self.proxy.on(proxy.stall(), path=path)
        running = self.everseal.start(*self.issue_arguments())
        try:
            wait_until("it stalls", lambda: [each for each in self.proxy.requests
                                             if each.path.startswith(path)])
            yield running
        finally:
            self.proxy.clear()
            running.kill()
            running.communicate()

    def end(self, running, status):
        """By SIGTERM; the seconds that it took."""
        started = time.monotonic()
        running.send_signal(signal.SIGTERM)
        try:
            out, err = running.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            return time.monotonic() - started
        self.assertEqual(status, running.returncode, out + err)
        self.assertIn("stopped", err)
        return time.monotonic() - started


if __name__ == "__main__":
    main()
