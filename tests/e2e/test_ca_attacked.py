#!/usr/bin/python3
"""What somebody who may ask `everseal ca` for certificates cannot have it do, and what the CA makes of
files that are lost, damaged or everybody's."""

import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest

from harness import Everseal, OwnCaCase, sandbox
from harness.everseal import binary
from harness.own_ca_case import CHALLENGES, WEBROOT
from harness.stranger import Connection, Stranger, request

METADATA = "169.254.169.254"
SECRET = "AKIAIOSFODNN7EXAMPLE"


class Server:
    """HTTP at one address, port 80: answers with `script(path)` and remembers the paths."""

    def __init__(self, address, script):
        self.paths = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                self.paths.append(handler.path)
                status, headers, body = script(handler.path)
                handler.send_response(status)
                for name, value in headers.items():
                    handler.send_header(name, value)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        self._server = Listener((address, 80), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class AskedCase(OwnCaCase):
    def setUp(self):
        super().setUp()
        self.everseal = Everseal(self.ca)
        CHALLENGES.mkdir(parents=True, exist_ok=True)

    def serve(self, address, script):
        server = Server(address, script)
        self.addCleanup(server.stop)
        return server

    def serve_challenges(self, address="127.0.0.1"):
        def script(path):
            file = WEBROOT / path.lstrip("/")
            return (200, {}, file.read_text()) if file.is_file() else (404, {}, "")
        return self.serve(address, script)

    def issue(self, name, *arguments, status=0):
        result = self.everseal.run("issue", "--yes", "-d", f"{name}:{WEBROOT}", *arguments)
        self.assertEqual(result.status, status, f"{result}\n{self.ca.log()[-2000:]}")
        return result

    @staticmethod
    def forget_failures():
        shutil.rmtree("/var/lib/everseal", ignore_errors=True)


class Asked(AskedCase):
    def test_S7_a_redirect_does_not_lead_to_the_metadata_of_a_cloud(self):
        """The client would read of the body in the problem document."""
        subprocess.run(["ip", "address", "add", f"{METADATA}/32", "dev", "lo"], check=True)
        self.addCleanup(subprocess.run, ["ip", "address", "del", f"{METADATA}/32", "dev", "lo"])
        inside = self.serve(METADATA, lambda _: (200, {}, SECRET))
        location = "http://evil.example/latest/meta-data/iam"
        self.serve("127.0.0.1", lambda _: (302, {"Location": location}, ""))
        self.ca.dns.resolve("first.example", ["127.0.0.1"], [])
        for addresses in ([METADATA], []), ([], ["64:ff9b::a9fe:a9fe"]), ([], ["fe80::1"]):
            self.ca.dns.resolve("evil.example", *addresses)
            result = self.issue("first.example", status=1)
            self.assertNotIn(SECRET, result.out + result.err)
            self.assertIn("a link-local address, which this CA does not connect to", result.err)
            self.forget_failures()
        self.assertEqual(inside.paths, [])

    def test_S7_what_is_said_after_a_redirect_is_not_repeated(self):
        """An intranet's addresses are in reach; what is there is not for whoever redirects us."""
        subprocess.run(["ip", "address", "add", "10.9.9.9/32", "dev", "lo"], check=True)
        self.addCleanup(subprocess.run, ["ip", "address", "del", "10.9.9.9/32", "dev", "lo"])
        inside = self.serve("10.9.9.9", lambda _: (200, {}, SECRET))
        self.serve("127.0.0.1", lambda _: (302, {"Location": "http://inside.example/status"}, ""))
        self.ca.dns.resolve("first.example", ["127.0.0.1"], [])
        self.ca.dns.resolve("inside.example", ["10.9.9.9"], [])
        result = self.issue("first.example", status=1)
        self.assertIn("/status", inside.paths)
        self.assertNotIn(SECRET, result.out + result.err)
        self.assertIn("has not the key authorization of this account", result.err)

    def test_S7_whoever_is_elsewhere_is_not_connected_to_this_machine(self):
        """A CA that others can ask does not look at loopback, unless its policy says so."""
        self.serve_challenges()
        self.ca.dns.resolve("a.example", ["127.0.0.1"], [])
        self.ca.stop_ca()
        self.ca.start_ca("--listen", "0.0.0.0:8555")
        result = self.issue("a.example", status=1)
        self.assertIn("a.example leads to 127.0.0.1, a loopback address", result.err)
        self.ca.stop_ca()
        policy = self.home / "policy.toml"
        policy.write_text('reach_also = ["127.0.0.0/8"]\n')
        self.ca.start_ca("--listen", "0.0.0.0:8555", "--policy", str(policy))
        self.forget_failures()
        self.issue("a.example")

    def test_S7_whoever_comes_through_a_forwarder_is_not_connected_to_this_machine(self):
        """A name or port of its own that is not this machine's: others can ask, wherever it listens."""
        self.serve_challenges()
        self.ca.dns.resolve("a.example", ["127.0.0.1"], [])
        policy = self.home / "policy.toml"
        policy.write_text('other_names = ["localhost:9443"]\n')
        for options in (("--policy", str(policy)), ("--name", "ca.example")):
            self.ca.stop_ca()
            self.ca.start_ca(*options)
            result = self.issue("a.example", status=1)
            self.assertIn("a.example leads to 127.0.0.1, a loopback address", result.err)
            self.forget_failures()
        self.ca.stop_ca()
        self.ca.start_ca("--name", "localhost")
        self.issue("a.example")

    def test_S8_the_ca_answers_to_its_own_names_alone(self):
        def status(port, host, path):
            done = subprocess.run(
                ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {host}",
                 f"{'https' if port == 8555 else 'http'}://127.0.0.1:{port}{path}"],
                capture_output=True, text=True, check=True)
            return int(done.stdout)
        for host in ("localhost:8555", "127.0.0.1:8555", "[::1]:8555"):
            self.assertEqual(status(8555, host, "/directory"), 200, host)
        for host in ("other.example", "other.example:8555", "localhost", "localhost:14000",
                     f"{socket.gethostname()}:8555"):  # by which others know this machine
            self.assertEqual(status(8555, host, "/directory"), 421, host)
        self.assertEqual(status(8556, "127.0.0.1:8556", "/requests"), 200)
        for host in ("rebound.example:8556", "rebound.example"):
            self.assertEqual(status(8556, host, "/requests"), 421, host)

    def test_S9_a_domain_that_forbids_it_now_gets_no_certificate_by_an_old_authorization(self):
        policy = self.home / "policy.toml"
        policy.write_text('caa_identities = ["ca.example"]\n')
        self.ca.stop_ca()
        self.ca.start_ca("--policy", str(policy))
        self.serve_challenges()
        self.ca.dns.resolve("a.example", ["127.0.0.1"], [])
        self.issue("a.example")
        renew = self.everseal.run("renew", "--force")
        self.assertEqual(renew.status, 0, f"{renew}\n{self.ca.log()}")
        self.assertEqual(self.ca.ledger("SELECT count(*) FROM authorizations"), [1])
        time.sleep(1)  # the ledger has whole seconds: else the last look is as new as the next order
        self.ca.dns.set_caa("a.example", "issue", "other.example")
        renew = self.everseal.run("renew", "--force")
        self.assertEqual(renew.status, 1, renew)
        self.assertIn('the CAA records of a.example forbid it: "other.example"', renew.err)
        self.assertEqual(self.ca.ledger("SELECT count(*) FROM certificates WHERE order_id > 0"), [2])


class Crowded(AskedCase):
    """Strangers ask for names of a server that accepts connections and says nothing."""

    def setUp(self):
        super().setUp()
        self.serve_challenges()
        self.ca.dns.resolve("honest.example", ["127.0.0.1"], [])
        self.ca.dns.resolve_others("127.0.0.2")
        silent = socket.create_server(("127.0.0.2", 80), backlog=1000)
        self.addCleanup(silent.close)

    def connect(self, source):
        connection = Connection(self.ca.bundle, source)
        self.addCleanup(connection.close)
        return connection

    @staticmethod
    def ask(connection, stranger, requests, kid=None):
        """The answers to these (path, payload), all under way at once: [(status, headers, body), …]."""
        nonces = [headers["replay-nonce"] for _, headers, _ in
                  connection.ask([request("HEAD", "/new-nonce")] * len(requests))]
        return connection.ask([request("POST", path, stranger.jws(path, nonce, payload, kid))
                               for (path, payload), nonce in zip(requests, nonces, strict=True)])

    def challenge(self, connection, orders):
        """A new account answers the http-01 challenges of so many orders for 25 names: its answers."""
        stranger = Stranger()
        (_, headers, _), = self.ask(connection, stranger, [("/new-account", "{}")])
        kid, answers = headers["location"], []
        for number in range(orders):
            names = [{"type": "dns", "value": f"n{name}.o{number}.example"} for name in range(25)]
            order = [("/new-order", json.dumps({"identifiers": names}))]
            (status, _, body), = self.ask(connection, stranger, order, kid)
            self.assertEqual(status, 201, body)
            answers += self.ask(connection, stranger, [
                (f"/chall/{url.rsplit('/', 1)[1]}/http-01", "{}")
                for url in json.loads(body)["authorizations"]], kid)
        return answers

    def authorizations(self, condition):
        return self.ca.ledger(f"SELECT count(*) FROM authorizations WHERE {condition}")[0]

    @staticmethod
    def at_work():
        """How many connections to the silent server there are (proc(5))."""
        lines = map(str.split, pathlib.Path("/proc/net/tcp").read_text().splitlines())
        return sum(line[2] == "0200007F:0050" and line[3] == "01" for line in lines)

    def test_the_names_of_one_account_do_not_hold_up_others(self):
        """Also where all come from one address. It has 500 under way, and 8 of them at work."""
        answers = self.challenge(self.connect("127.0.0.1"), orders=24)
        sandbox.wait_until("the silent server is asked", lambda: self.at_work() == 8)
        self.issue("honest.example")
        self.assertEqual({200, 429}, {status for status, _, _ in answers})
        refused = [headers for status, headers, _ in answers if status == 429]
        self.assertEqual({"10"}, {headers["retry-after"] for headers in refused})
        self.assertEqual(self.authorizations("status = 'pending' AND attempted = ''"), len(refused))
        self.assertGreater(self.authorizations("status = 'pending' AND attempted <> ''"), 300)

    def test_many_accounts_of_one_address_do_not_hold_up_others(self):
        connection = self.connect("127.0.0.3")
        for _ in range(10):
            self.challenge(connection, orders=1)
        sandbox.wait_until("the silent server is asked", lambda: self.at_work() == 16)
        self.issue("honest.example")
        self.assertLessEqual(self.at_work(), 16)


class OwnFiles(OwnCaCase):
    def setUp(self):
        super().setUp()
        self.ca.stop_ca()

    def refusal(self, *arguments):
        """Why it does not start."""
        done = subprocess.run(
            [binary(), "ca", "--state", str(self.ca.state), "--resolver", self.ca.dns.address,
             *map(str, arguments)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return done.stderr

    def move_ledger_away(self):
        for path in self.ca.state.glob("ledger.db*"):
            path.rename(self.home / path.name)

    def put_ledger_back(self):
        for path in self.ca.state.glob("ledger.db*"):
            path.unlink()
        for path in self.home.glob("ledger.db*"):
            shutil.copy(path, self.ca.state / path.name)

    def test_S11_a_lost_ledger_is_not_begun_anew_without_a_word(self):
        self.move_ledger_away()
        ledger = self.ca.state / "ledger.db"
        for content in (None, b""):
            if content is not None:
                ledger.write_bytes(content)
            self.assertIn(f"{ledger} is missing or empty, the CA's keys are there: put it back from a "
                          "backup (with ledger.db-wal, if there is one), or begin an empty one by "
                          "--new-ledger", self.refusal())
        (self.ca.state / "https.pem").unlink()  # as where the keys alone were put back
        self.assertIn("is missing or empty", self.refusal())
        self.put_ledger_back()
        self.ca.start_ca()

    def test_S11_a_damaged_ledger_is_said_with_what_to_do(self):
        for beside in ("ledger.db-wal", "ledger.db-shm"):  # the one file is whole after a stop
            (self.ca.state / beside).unlink()
        self.ca.start_ca()
        self.ca.stop_ca()
        self.move_ledger_away()
        (self.home / "ledger.db-wal").unlink()
        ledger = self.ca.state / "ledger.db"
        ledger.write_bytes(os.urandom(20_000))
        self.assertIn("--new-ledger", self.refusal())
        self.put_ledger_back()
        whole = bytearray(ledger.read_bytes())
        for at in range(4096, len(whole), 4096):
            whole[at:at + 64] = bytes(range(64))
        ledger.write_bytes(whole)
        self.assertIn("--new-ledger", self.refusal())
        self.ca.start_ca("--new-ledger")
        self.assertIn("begun anew", self.ca.log())
        aside = [path for path in self.ca.state.iterdir()
                 if re.fullmatch(r"ledger\.db\.lost-\d+", path.name)]
        self.assertEqual([path.read_bytes() for path in aside], [whole])

    def test_S11_a_ledger_that_only_cannot_be_opened_stays_where_it_is(self):
        ledger = self.ca.state / "ledger.db"
        whole = ledger.rename(self.home / "ledger.db")
        ledger.symlink_to(whole)  # which SQLite does not follow
        self.assertIn(f"open {ledger}: ", self.refusal("--new-ledger"))
        self.assertTrue(ledger.is_symlink())
        ledger.unlink()
        whole.rename(ledger)
        self.ca.start_ca()

    def test_S11_a_new_root_does_not_take_the_place_of_a_lost_one(self):
        authority = self.ca.state / "authority"
        for lost in ("root-1.pem", "intermediate-1.pem", "intermediate-1.key"):
            (authority / lost).rename(self.home / lost)
            self.assertIn(f"{lost} is missing", self.refusal())
            self.assertFalse((authority / lost).exists())
            (self.home / lost).rename(authority / lost)
        self.ca.start_ca()

    def test_S11_keys_that_others_can_use_are_refused(self):
        for name in ("intermediate-1.key", "root-1.key"):
            path = self.ca.state / "authority" / name
            for mode in (0o666, 0o640, 0o604):
                path.chmod(mode)
                self.assertIn(f"chmod 600 {path}", self.refusal())
            path.chmod(0o600)
        for path in (self.ca.state, self.ca.state / "authority", self.ca.state / "ledger.db"):
            mode = path.stat().st_mode & 0o777
            path.chmod(mode | 0o020)
            self.assertIn(f"chmod go-w {path}", self.refusal())
            path.chmod(mode)
        path = self.ca.state / "authority/intermediate-1.key"
        os.chown(path, 1234, 0)
        self.assertIn("belongs to user 1234", self.refusal())
        os.chown(path, 0, 0)
        self.ca.start_ca()

    def test_S11_the_https_certificate_is_made_anew_where_it_is_damaged(self):
        path = self.ca.state / "https.pem"
        whole = path.read_text()
        key, chain = whole.index("-----BEGIN PRIVATE"), whole.index("-----BEGIN CERT")
        for damaged in ("", whole[:key + 60] + "AAAA" + whole[key + 64:],
                        whole[:chain + 300] + "AAAA" + whole[chain + 304:], whole[:chain],
                        whole[chain:], whole[:-100]):
            path.write_text(damaged)
            self.ca.start_ca()
            self.assertEqual(self.ca.stop_ca(), 0)
            self.assertNotEqual(path.read_text(), damaged)
        path.chmod(0o644)  # its key may be known
        before = path.read_text()
        self.ca.start_ca()
        self.assertNotEqual(path.read_text(), before)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_S11_tables_within_tables_end_in_words(self):
        deep = self.home / "deep.toml"
        for text in ("a." * 50_000 + "a = 1\n", "[" + "a." * 50_000 + "a]\n",
                     "a = " + "[" * 50_000, "a = " + "{a = " * 50_000):
            deep.write_text(text)
            for option in ("--policy", "--faults"):
                self.assertIn(f"{deep}:1: nested too deeply", self.refusal(option, deep))
            done = subprocess.run([binary(), "status", "--config", str(deep)], capture_output=True,
                                  text=True)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"{deep}:1: nested too deeply", done.stderr)


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
