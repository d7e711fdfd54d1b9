"""The program under test."""

import contextlib
import dataclasses
import json
import os
import pathlib
import sqlite3
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import serialization

STATE = pathlib.Path("/var/lib/everseal")
ROOT = pathlib.Path(__file__).resolve().parents[3]


@dataclasses.dataclass
class Result:
    arguments: list
    status: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return (f"$ everseal {' '.join(self.arguments)}\n{self.out}{self.err}"
                f"(exit status {self.status})")


def binary():
    return os.environ.get("EVERSEAL", str(ROOT / "build/release/everseal"))


class Everseal:
    """Runs commands against one CA and keeps their results, for the report of a failed test."""

    def __init__(self, authority):
        self._authority = authority
        self.results = []

    def command(self, *arguments):
        """The whole command line."""
        to_ca = ()
        if arguments and arguments[0] in ("secure", "issue", "renew", "rotate", "daemon"):
            to_ca = ("--server", self._authority.url, "--ca-bundle", str(self._authority.bundle))
        return [binary(), *map(str, arguments), *to_ca]

    def run(self, *arguments, timeout=120, wrapper=(), **options):
        """`wrapper` is a command that runs the command: prlimit, strace, …"""
        done = subprocess.run([*wrapper, *self.command(*arguments)], capture_output=True, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, timeout=timeout,
                              **options)
        result = Result([str(a) for a in arguments], done.returncode, done.stdout, done.stderr)
        self.results.append(result)
        return result

    def start(self, *arguments, wrapper=(), **options):
        return subprocess.Popen([*wrapper, *self.command(*arguments)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                **options)


def change_catalog(statement, *values):
    """The rows of a statement of SQL, which is committed; `values` stand for its question marks."""
    with contextlib.closing(sqlite3.connect(STATE / "catalog.db")) as catalog, catalog:
        return catalog.execute(statement, values).fetchall()


def live():
    """The names whose certificates are live."""
    directory = STATE / "live"
    return sorted(entry.name for entry in directory.iterdir()) if directory.exists() else []


def check_live():
    """Raises where a live directory is incomplete or its key does not match its leaf."""
    for name in live():
        directory = STATE / "live" / name
        key = _of_key((directory / "privkey.pem").read_bytes())
        for file in ("cert.pem", "fullchain.pem", "bundle.pem"):
            if _of_certificate((directory / file).read_bytes()) != key:
                raise AssertionError(f"{name}: {file} is not for privkey.pem")
        if _of_key((directory / "bundle.pem").read_bytes()) != key:
            raise AssertionError(f"{name}: the key in bundle.pem is another one")


def _of_key(pem):
    return serialization.load_pem_private_key(pem, None).public_key().public_numbers()


def _of_certificate(pem):
    begin = pem.index(b"-----BEGIN CERTIFICATE-----")
    return x509.load_pem_x509_certificate(pem[begin:]).public_key().public_numbers()
