"""The CA (Debian's pebble) and the DNS that it asks."""

import collections
import json
import os
import re
import signal
import ssl
import subprocess
import urllib.error
import urllib.request

from .dns import Dns
from .sandbox import SCRATCH, wait_until

DAY = 86400


class Authority:
    """A CA at `url` whose own HTTPS is trusted by `bundle`, and the machine's only DNS."""

    url = "https://localhost:14000/dir"
    management = "https://localhost:15000"

    def __init__(self, *, nonce_reject=0, sleep_seconds=0, authz_reuse=0, chain_length=1,
                 alternate_roots=0, eab=None, blocklist=(), validity=90 * 86400,
                 ocsp_responder=""):
        self.directory = SCRATCH / "authority"
        self.directory.mkdir(exist_ok=True)
        self.bundle = self.directory / "https-ca.pem"
        self.log_file = self.directory / "pebble.log"
        self.dns = Dns()
        self._processes = {}
        self._names = {}  # of each certificate, by serial number
        self._environment = {
            "PEBBLE_WFE_NONCEREJECT": str(nonce_reject),
            "PEBBLE_AUTHZREUSE": str(authz_reuse),
            "PEBBLE_CHAIN_LENGTH": str(chain_length),
            "PEBBLE_ALTERNATE_ROOTS": str(alternate_roots),
            **({"PEBBLE_VA_SLEEPTIME": str(sleep_seconds)} if sleep_seconds
               else {"PEBBLE_VA_NOSLEEP": "1"}),
        }
        self._make_https_certificate()
        (self.directory / "pebble.json").write_text(json.dumps({"pebble": {
            "listenAddress": "127.0.0.1:14000",
            "managementListenAddress": "127.0.0.1:15000",
            "certificate": str(self.directory / "https.pem"),
            "privateKey": str(self.directory / "https.key"),
            "httpPort": 80,
            "tlsPort": 443,
            "externalAccountBindingRequired": bool(eab),
            "externalAccountMACKeys": eab or {},
            "domainBlocklist": list(blocklist),
            "certificateValidityPeriod": validity,
            "ocspResponderURL": ocsp_responder,
        }}))

    def start(self):
        self.dns.start()
        self.start_ca()
        return self

    def start_ca(self):
        self._start("pebble", ["pebble", "-config", str(self.directory / "pebble.json"),
                               "-dnsserver", self.dns.address])
        wait_until("pebble answers", lambda: self._answers(self.management + "/roots/0"))

    def stop_ca(self):
        """pebble keeps nothing: after start_ca() accounts, orders and roots are new."""
        self._stop("pebble")

    @property
    def pid(self):
        return self._processes["pebble"].pid

    def stop(self):
        self.dns.stop()
        for name in list(self._processes):
            self._stop(name)

    # What happened.

    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def requests(self):
        """All requests of ACME clients since pebble started: ["GET /dir", "POST /order-plz", …]."""
        return re.findall(r"((?:GET|HEAD|POST) /\S*) -> calling handler", self.log())

    def orders(self):
        """The identifiers of all orders."""
        return set(re.findall(r'Added order "(\S+)"', self.log()))

    def order_count(self):
        return len(self.orders())

    def standing_orders(self):
        """Those that did not come to nothing because a name could not be validated."""
        return self.orders() - set(re.findall(r"order (\S+) set INVALID", self.log()))

    def serials(self):
        """The certificates of each set of names, oldest first: {tuple of names: [hex, …]}."""
        found = collections.defaultdict(list)
        for serial in re.findall(r"Issued certificate serial (\w+) ", self.log()):
            if serial not in self._names:
                self._names[serial] = self._names_of(serial)
            found[self._names[serial]].append(serial)
        return found

    def issued(self):
        """How many certificates each set of names got: Counter of tuples of names."""
        return collections.Counter({names: len(all_) for names, all_ in self.serials().items()})

    def validations(self):
        """How often the CA was asked to validate each name: Counter of names."""
        return collections.Counter(re.findall(r'Tasks queue: .*?Value:"([^"]+)"', self.log()))

    def stop_stuck_ca(self):
        """Ends pebble; true where its threads waited for each other, as 2.4's may for good."""
        process = self._processes.pop("pebble")
        process.send_signal(signal.SIGQUIT)  # the Go runtime writes what each thread does
        process.wait()
        return re.search(r"^goroutine \d+ \[(semacquire|sync\.\w+)", self.log(), re.M) is not None

    # What to trust.

    def root(self, number=0):
        """The root that ends chain `number`, as PEM."""
        return self._fetch(f"{self.management}/roots/{number}").decode()

    def root_file(self, number=0):
        path = self.directory / f"root-{number}.pem"
        new = path.with_suffix(".new")
        new.write_text(self.root(number))
        return new.replace(path)  # at once: somebody may be reading it

    # What the DNS says.

    def resolve(self, name, ipv4=("127.0.0.1",), ipv6=("::1",)):
        """Gives `name` these addresses and no others; a name never mentioned does not exist."""
        self.dns.resolve(name, ipv4, ipv6)

    def servfail(self, name):
        self.dns.servfail(name)

    def _fetch(self, url, body=None):
        context = ssl.create_default_context(cafile=self.bundle)
        handler = urllib.request.HTTPSHandler(context=context)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
        with opener.open(url, body, timeout=10) as response:
            return response.read()

    def _names_of(self, serial):
        status = json.loads(self._fetch(f"{self.management}/cert-status-by-serial/{serial}"))
        text = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName"],
                              input=status["Certificate"], text=True, check=True,
                              capture_output=True).stdout
        return tuple(sorted(re.findall(r"DNS:([^,\s]+)", text)))

    def _start(self, name, command):
        with open(self.directory / f"{name}.log", "wb") as log:
            self._processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **self._environment})

    def _stop(self, name):
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def _answers(self, url):
        try:
            self._fetch(url)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def _make_https_certificate(self):
        if self.bundle.exists():
            return

        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True,
                           cwd=self.directory)

        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        openssl("req", "-x509", *new_key, "-keyout", "https-ca.key", "-out", "https-ca.pem",
                "-subj", "/CN=HTTPS of the test CA", "-days", "30")
        openssl("req", *new_key, "-keyout", "https.key", "-out", "https.csr",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        openssl("x509", "-req", "-in", "https.csr", "-CA", "https-ca.pem", "-CAkey",
                "https-ca.key", "-CAcreateserial", "-copy_extensions", "copy", "-days", "30",
                "-out", "https.pem")
