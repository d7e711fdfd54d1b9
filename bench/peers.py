#!/usr/bin/python3
"""Everseal beside Debian's other ACME clients: time, processor time and memory, in one run.

Every client asks the same pebble (which neither sleeps nor rejects nonces) for ECDSA P-256
certificates, answers through the same nginx from the same webroot, and has its account already.
The clients take turns, so that whatever else the machine does meets all of them alike.
"""

import argparse
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
# pylint: disable=wrong-import-position
from harness import Authority, Nginx, sandbox
from harness.everseal import binary
from harness.sandbox import SCRATCH

WEBROOT = pathlib.Path("/var/www/bench")
CHALLENGES = WEBROOT / ".well-known/acme-challenge"
CONTACT = "admin@bench.example"

NGINX_CONF = f"""\
user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {{ worker_connections 768; }}
http {{
    access_log off;
    server {{ listen 80 default_server; listen [::]:80 default_server; root {WEBROOT}; }}
}}
"""


class Measured:
    """Wall and processor time in seconds and peak memory in MiB of a process and its children.

    GNU time stands between for the memory alone: Linux counts what a process was before exec, too,
    and that would be this program.
    """

    def __init__(self, command, environment):
        memory_file = SCRATCH / "client.memory"
        with open(SCRATCH / "client.log", "ab") as log:
            begin = time.monotonic()
            process = subprocess.Popen(
                ["/usr/bin/time", "-q", "-f", "%M", "-o", str(memory_file), *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **environment})
            _, status, usage = os.wait4(process.pid, 0)
            self.wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            print((SCRATCH / "client.log").read_text(errors="replace")[-3000:], file=sys.stderr)
            raise SystemExit(f"failed: {' '.join(command)}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.memory = int(memory_file.read_text()) / 1024


class Client:
    """One ACME client with its own files under `home`, and an account after `register()`."""

    def __init__(self, ca, home):
        self.ca = ca
        self.home = home / type(self).__name__.lower()
        self.home.mkdir(parents=True)

    environment = {}

    def run(self, *command):
        return Measured([str(part) for part in command], self.environment)


class Uacme(Client):
    environment = {"UACME_CHALLENGE_PATH": str(CHALLENGES)}

    def command(self, *arguments):
        return ["uacme", "-y", "-t", "EC", "-c", str(self.home), "-a", self.ca.url,
                "-h", "/usr/share/uacme/uacme.sh", *arguments]

    def register(self):
        self.run(*self.command("new", CONTACT))

    def issue(self, name):
        return self.run(*self.command("issue", name))


class Certbot(Client):
    def command(self, *arguments):
        return ["certbot", *arguments, "--non-interactive", "--server", self.ca.url,
                *(f"--{kind}-dir={self.home / kind}" for kind in ("config", "work", "logs"))]

    def register(self):
        self.run(*self.command("register", "--agree-tos", "--email", CONTACT, "--no-eff-email"))

    def issue(self, name):
        return self.run(*self.command("certonly", "--webroot", "-w", str(WEBROOT), "-d", name,
                                      "--key-type", "ecdsa", "--elliptic-curve", "secp256r1"))

    def renew(self):
        return self.run(*self.command("renew", "--no-random-sleep-on-renew"))

    def clone(self, name, clones):
        """`clones` more lineages with the files of `name`."""
        config = self.home / "config"
        settings = (config / f"renewal/{name}.conf").read_text()
        for clone in clones:
            (config / f"renewal/{clone}.conf").write_text(settings.replace(name, clone))
            for kind in ("archive", "live"):
                shutil.copytree(config / kind / name, config / kind / clone, symlinks=True)
            for link in (config / "live" / clone).glob("*.pem"):
                target = os.readlink(link).replace(name, clone)
                link.unlink()
                link.symlink_to(target)


class Lego(Client):
    def register(self):
        self.issue("account.bench.example")  # lego has no command that only registers

    def issue(self, name):
        return self.run("lego", "--path", self.home, "--server", self.ca.url, "--accept-tos",
                        "--email", CONTACT, "--key-type", "ec256", "--http", "--http.webroot",
                        WEBROOT, "--domains", name, "run")


class AcmeTiny(Client):
    """Keys and the request are made by openssl, as its documentation has it."""

    def register(self):
        self.run("openssl", "genrsa", "-out", self.home / "account.key", "2048")
        self.issue("account.bench.example")

    def issue(self, name):
        script = (f"openssl ecparam -name prime256v1 -genkey -noout -out {name}.key && "
                  f"openssl req -new -sha256 -key {name}.key -subj / "
                  f"-addext subjectAltName=DNS:{name} -out {name}.csr && "
                  f"acme-tiny --account-key account.key --csr {name}.csr --acme-dir {CHALLENGES} "
                  f"--directory-url {self.ca.url} > {name}.crt")
        return self.run("sh", "-c", f"cd {self.home} && {script}")


class Dehydrated(Client):
    def command(self, *arguments):
        return ["dehydrated", "--config", str(self.home / "config"), *arguments]

    def register(self):
        (self.home / "config").write_text(
            f"CA={self.ca.url}\nBASEDIR={self.home}\nWELLKNOWN={CHALLENGES}\n"
            f"KEY_ALGO=prime256v1\nCONTACT_EMAIL={CONTACT}\n")
        self.run(*self.command("--register", "--accept-terms"))

    def issue(self, name):
        return self.run(*self.command("--cron", "--domain", name))


class Everseal(Client):
    def command(self, *arguments):
        return [binary(), *arguments, "--state", str(self.home)]

    def to_ca(self):
        return ["--server", self.ca.url, "--ca-bundle", str(self.ca.bundle)]

    def register(self):
        self.issue("account.bench.example")

    def issue(self, *names):
        domains = [word for name in names for word in ("-d", f"{name}:{WEBROOT}")]
        return self.run(*self.command("issue", *domains, "--separate", "--yes"), *self.to_ca())

    def renew(self):
        return self.run(*self.command("renew"), *self.to_ca())

    def clone(self, name, clones):
        """`clones` more certificates with the files and the history of `name`."""
        source = self.home / "certs" / name
        for number, clone in enumerate(clones):
            fresh = number % 50_000 == 0  # ext4 allows a file 65,000 links
            shutil.copytree(source, self.home / "certs" / clone, symlinks=True,
                            copy_function=shutil.copy2 if fresh else os.link)
            if fresh:
                source = self.home / "certs" / clone
            target = os.readlink(self.home / "live" / name).replace(name, clone)
            (self.home / "live" / clone).symlink_to(target)
        with sqlite3.connect(self.home / "catalog.db") as catalog:
            catalog.row_factory = sqlite3.Row
            certificate = dict(catalog.execute(
                "SELECT * FROM certificates WHERE name = ?", (name,)).fetchone())
            versions = [dict(row) for row in catalog.execute(
                "SELECT * FROM versions WHERE certificate_id = ?", (certificate["id"],))]
            next_id = catalog.execute("SELECT max(id) + 1 FROM certificates").fetchone()[0]
            for number, clone in enumerate(clones, next_id):
                _insert(catalog, "certificates", {**_renamed(certificate, name, clone), "id": number})
                for version in versions:
                    _insert(catalog, "versions",
                            {**_renamed(version, name, clone), "certificate_id": number})


def _renamed(row, name, clone):
    return {column: value.replace(name, clone) if isinstance(value, str) else value
            for column, value in row.items()}


def _insert(catalog, table, row):
    catalog.execute(f"INSERT INTO {table} ({','.join(row)}) VALUES ({','.join('?' * len(row))})",
                    tuple(row.values()))


class Report:
    """Lines of the table; remembers whether a bar was missed."""

    def __init__(self):
        self.missed = False

    def measured(self, title, runs):
        wall, cpu, memory = (statistics.median(getattr(run, what) for run in runs)
                             for what in ("wall", "cpu", "memory"))
        print(f"  {title:<34}{wall * 1000:>10.0f} ms {cpu * 1000:>8.0f} ms {memory:>7.1f} MiB")
        return wall, cpu, memory

    def bar(self, title, ratio, bar):
        """Everseal's share of the peer's cost may be `bar` at most."""
        met = ratio <= bar
        self.missed = self.missed or not met
        print(f"  {'met   ' if met else 'MISSED'} {title}: {ratio:.4f} (bar {bar:.4f})")


class Bench:
    def __init__(self, options):
        self.options = options
        self.report = Report()
        self.ca = Authority().start()
        self.names = 0
        CHALLENGES.mkdir(parents=True)
        pathlib.Path("/etc/nginx").mkdir()
        pathlib.Path("/etc/nginx/nginx.conf").write_text(NGINX_CONF)
        Nginx().start()
        with open("/etc/ssl/certs/ca-certificates.crt", "a", encoding="ascii") as trusted:
            trusted.write(self.ca.bundle.read_text())
        self.ca.resolve("account.bench.example")
        kinds = [Uacme, Certbot, Lego, AcmeTiny, Dehydrated]
        self.clients = {kind.__name__: kind(self.ca, options.home)
                        for kind in kinds + [Everseal] * os.access(binary(), os.X_OK)}
        for client in self.clients.values():
            client.register()

    def new_names(self, count):
        names = [f"n{self.names + i}.bench.example" for i in range(count)]
        self.names += count
        for name in names:
            self.ca.resolve(name)
        return names

    def one_certificate(self):
        print(f"One certificate, existing account, median of {self.options.repetitions}"
              "                 (wall, processor, peak memory)\n"
              f"  files in {self.options.home}")
        runs = {name: [] for name in self.clients}
        for _ in range(self.options.repetitions):
            for name, client in self.clients.items():
                runs[name].append(client.issue(*self.new_names(1)))
        medians = {name: self.report.measured(name.lower(), found) for name, found in runs.items()}
        if "Everseal" in medians:
            ours, uacme = medians["Everseal"], medians["Uacme"]
            for i, (what, bar) in enumerate((("wall", 1 / 8), ("processor", 1 / 10), ("memory", 1))):
                self.report.bar(f"{what} against uacme", ours[i] / uacme[i], bar)

    def many_certificates(self):
        count = self.options.uacme_certificates
        wall = self.two_uacme_at_once(self.new_names(count))
        print(f"Certificates per second\n  {'two uacme at once':<34}{count / wall:>10.1f} /s")
        if "Everseal" in self.clients:
            names = self.new_names(self.options.certificates)
            rate = len(names) / self.clients["Everseal"].issue(*names).wall
            print(f"  {f'everseal, {len(names)} in one run':<34}{rate:>10.1f} /s")
            self.report.bar("two uacme's rate against everseal's", count / wall / rate, 1 / 20)

    def two_uacme_at_once(self, names):
        """Seconds for `names`, shared between two processes."""
        uacme = self.clients["Uacme"]
        begin = time.monotonic()
        halves = [subprocess.Popen(
            ["sh", "-c", " && ".join(" ".join(uacme.command("issue", name)) for name in half)],
            env={**os.environ, **uacme.environment}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for half in (names[::2], names[1::2])]
        if any(half.wait() != 0 for half in halves):
            raise SystemExit("failed: uacme")
        return time.monotonic() - begin

    def nothing_due(self):
        print("Renew with nothing due")
        certbot = self.clients["Certbot"]
        [name] = self.new_names(1)
        certbot.issue(name)
        have = len(list((certbot.home / "config/renewal").iterdir()))
        certbot.clone(name, [f"c{i}.bench.example" for i in range(have, self.options.lineages)])
        theirs = self.report.measured(f"certbot, {self.options.lineages}", [certbot.renew()])[0]
        if "Everseal" not in self.clients:
            return
        everseal = self.clients["Everseal"]
        have = len(list((everseal.home / "live").iterdir()))
        for count, bar in ((self.options.lineages, theirs / 50), (100_000, 1.0)):
            clones = [f"c{i}.bench.example" for i in range(have, count)]
            everseal.clone("account.bench.example", clones)
            have = count
            ours = self.report.measured(f"everseal, {count}", [everseal.renew() for _ in range(5)])
            self.report.bar(f"seconds at {count}", ours[0], bar)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--uacme-certificates", type=int, default=40)
    parser.add_argument("--certificates", type=int, default=200)
    parser.add_argument("--lineages", type=int, default=1000)
    parser.add_argument("--home", type=pathlib.Path, default=SCRATCH / "clients",
                        help="where the clients keep their files; the default is in memory, where "
                        "the fsync that only Everseal does costs nothing")
    options = parser.parse_args()
    sandbox.enter()
    bench = Bench(options)
    bench.one_certificate()
    bench.many_certificates()
    bench.nothing_due()
    sys.exit(bench.report.missed)


if __name__ == "__main__":
    main()
