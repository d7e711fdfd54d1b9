#!/usr/bin/python3
"""What people without an account can do to `everseal ca`: nothing that stays."""

import contextlib
import itertools
import json
import os
import resource
import ssl
import threading
import time
import unittest
import urllib.request

from harness import OwnCaCase, processes, sandbox
from harness.stranger import BASE, PORT, Connection, Stranger, base64url, connect, request

_MIB = 1 << 20


def frame(kind, flags, stream, payload):
    """RFC 9113 §4.1."""
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
            + payload)


def head(number):
    """A POST of three large headers; the first of a connection tells the table of one (RFC 7541)."""
    def text(value):
        if len(value) < 127:
            return bytes([len(value)]) + value
        rest = len(value) - 127
        return bytes([127, rest & 127 | 128, rest >> 7]) + value
    large = b"\x40" + text(b"x") + text(b"y" * 4000) if number == 0 else b"\xbe"
    return (b"\x83\x84\x87" + b"\x01" + text(f"localhost:{PORT}".encode()) + large + b"\xbe\xbe")


class Strangers(OwnCaCase):
    def memory(self):
        """Bytes that the CA has in memory, of all its own."""
        return int(processes.status(self.ca.pid)["VmRSS"][0]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.ca.pid}/fd"))

    def disk(self):
        return sum(path.stat().st_size for path in self.ca.state.rglob("ledger*"))

    def seconds_to_answer(self):
        """Of a client who comes now, with a connection of its own."""
        started = time.monotonic()
        context = ssl.create_default_context(cafile=self.ca.bundle)
        with urllib.request.urlopen(f"{BASE}/directory", timeout=20, context=context) as answer:
            self.assertIn("newOrder", json.load(answer))
        return time.monotonic() - started

    def garbage(self):
        """Requests of strangers without end; none is let in."""
        stranger = Stranger()
        signed = stranger.jws("/new-account", "A" * 32, '{"termsOfServiceAgreed":true}')
        torn = signed.replace(b'"signature": "', b'"signature": "AAAA')
        elsewhere = stranger.jws("/new-order", "A" * 32, "{}", kid=BASE + "/account/1")
        deep = b'{"protected":' + b"[" * 30_000
        kinds = [
            lambda n: request("HEAD", "/new-nonce"),
            lambda n: request("GET", "/directory"),
            lambda n: request("POST", "/new-account", signed),
            lambda n: request("POST", "/new-account", torn),
            lambda n: request("POST", "/new-account", b"{}"),
            lambda n: request("POST", "/new-account", os.urandom(300)),
            lambda n: request("POST", "/new-account", signed, "text/html"),
            lambda n: request("POST", "/new-order", elsewhere),
            lambda n: request("POST", f"/order/{n}", elsewhere),
            lambda n: request("GET", f"/nothing/{n}/" + "x" * 500),
            lambda n: request("GET", f"/renewal-info/{base64url(str(n).encode())}.AQ"),
            lambda n: request("POST", "/ocsp", os.urandom(60), "application/ocsp-request"),
            lambda n: request("POST", "/revoke-cert", deep) if n % 20 == 0 else request(
                "GET", "/new-order"),
        ]
        for number in itertools.count():
            yield kinds[number % len(kinds)](number)

    def flood(self, count):
        """Sends so many of them; how often each status came."""
        requests, statuses = self.garbage(), {}
        left = count
        while left > 0:
            with contextlib.closing(Connection(self.ca.bundle)) as connection:
                for _ in range(min(left, 2000) // 100):
                    for status, _, _ in connection.ask(list(itertools.islice(requests, 100))):
                        statuses[status] = statuses.get(status, 0) + 1
                    left -= 100
                connection.ask([request("PUT", "/new-order")])  # ends it
        return statuses

    def test_a_hundred_thousand_requests_leave_nothing(self):
        self.flood(10_000)
        memory, disk, descriptors = self.memory(), self.disk(), self.descriptors()
        started = time.monotonic()
        statuses = self.flood(100_000)
        seconds = time.monotonic() - started
        print(f"\n{100_000 / seconds:.0f} requests a second, {statuses}, "
              f"{memory >> 10} KiB before, {self.memory() >> 10} KiB after")
        self.assertEqual(sum(statuses.values()), 100_000)
        self.assertFalse([status for status in statuses if status >= 500])
        self.assertLess(self.memory() - memory, 4 * _MIB)
        self.assertEqual(self.disk(), disk)
        self.assertLessEqual(self.descriptors(), descriptors + 1)
        self.assertEqual(self.ca.ledger("SELECT count(*) FROM accounts"), [0])
        self.assertLess(self.seconds_to_answer(), 1)

    def test_new_accounts_take_no_memory(self):
        """Whoever makes accounts fills the disk (limits are off by default), and nothing else."""
        self.make_accounts(300)
        memory = self.memory()
        self.make_accounts(3000)
        self.assertEqual(self.ca.ledger("SELECT count(*) FROM accounts"), [3300])
        self.assertLess(self.memory() - memory, 4 * _MIB)

    def make_accounts(self, count):
        with contextlib.closing(Connection(self.ca.bundle)) as connection:
            for _ in range(count // 100):
                nonces = [headers["replay-nonce"] for _, headers, _ in
                          connection.ask([request("HEAD", "/new-nonce")] * 100)]
                answers = connection.ask([
                    request("POST", "/new-account", Stranger().jws("/new-account", nonce, "{}"))
                    for nonce in nonces])
                self.assertEqual({201}, {status for status, _, _ in answers})

    def test_slow_and_silent_connections_hold_up_nobody(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        self.seconds_to_answer()
        memory = self.memory()
        with contextlib.ExitStack() as opened:
            slow = [opened.enter_context(connect()) for _ in range(500)]
            for each in slow:
                each.sendall(b"GET /directory HTTP/1.1\r\nX: ")
            over = threading.Event()
            dripping = threading.Thread(target=self.drip, args=(slow, over))
            dripping.start()
            context = ssl.create_default_context(cafile=self.ca.bundle)
            worst = 0
            for number in range(10_000):
                idle = opened.enter_context(connect())
                if number % 5 == 0:
                    idle = opened.enter_context(
                        context.wrap_socket(idle, server_hostname="localhost"))
                if number % 200 == 0:
                    worst = max(worst, self.seconds_to_answer())
            held = self.memory()
            self.assertLess(self.descriptors(), 2100)
            self.assertLess(self.seconds_to_answer(), 1)
            over.set()
            dripping.join()
        self.assertLess(worst, 2)
        self.assertLess(held - memory, 200 * _MIB)
        sandbox.wait_until("the connections are forgotten", lambda: self.descriptors() < 60)
        after = self.memory()
        print(f"\n{memory >> 10} KiB before, {held >> 10} KiB with 10,500 connections, "
              f"{after >> 10} KiB after; the slowest answer took {worst * 1000:.0f} ms")
        self.assertLess(self.seconds_to_answer(), 1)

    def test_requests_that_are_begun_and_never_ended(self):
        """By HTTP/2, where a byte can stand for a header of four thousand (RFC 7541 §6.1)."""
        self.seconds_to_answer()
        memory = self.memory()
        context = ssl.create_default_context(cafile=self.ca.bundle)
        context.set_alpn_protocols(["h2"])
        with contextlib.ExitStack() as opened:
            for _ in range(200):
                one = opened.enter_context(context.wrap_socket(
                    connect(), server_hostname="localhost"))
                one.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + b"".join(
                    frame(1, 4, 2 * number + 1, head(number)) for number in range(128)))
            self.assertLess(self.seconds_to_answer(), 1)
            held = self.memory()
        print(f"\n{memory >> 10} KiB before, {held >> 10} KiB with 25,600 requests begun")
        self.assertLess(held - memory, 100 * _MIB)

    @staticmethod
    def drip(connections, over):
        while not over.wait(0.5):
            for each in connections:
                with contextlib.suppress(OSError):
                    each.send(b"x")


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
