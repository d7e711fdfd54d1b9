"""The machine's only DNS (pebble-challtestsrv)."""

import json
import pathlib
import subprocess
import urllib.error
import urllib.request

from .sandbox import SCRATCH, wait_until


class Dns:
    """Knows what it is told; a name never mentioned does not exist."""

    address = "127.0.0.1:53"
    _management = "http://127.0.0.1:8055"

    def start(self):
        with open(SCRATCH / "dns.log", "wb") as log:
            self._process = subprocess.Popen(
                ["pebble-challtestsrv", "-http01", "", "-https01", "", "-tlsalpn01", "",
                 "-defaultIPv4", "", "-defaultIPv6", "", "-dns01", self.address,
                 "-management", "127.0.0.1:8055"], stdout=log, stderr=log)
        pathlib.Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
        wait_until("DNS answers", self._answers)
        return self

    def stop(self):
        self._process.kill()
        self._process.wait()

    def resolve(self, name, ipv4=("127.0.0.1",), ipv6=("::1",)):
        """Gives `name` these addresses and no others."""
        for kind, addresses in (("a", ipv4), ("aaaa", ipv6)):
            self._tell(f"clear-{kind}", {"host": name})
            if addresses:
                self._tell(f"add-{kind}", {"host": name, "addresses": list(addresses)})

    def resolve_others(self, ipv4="127.0.0.1"):
        """Gives all names that are never mentioned this address."""
        self._tell("set-default-ipv4", {"ip": ipv4})

    def servfail(self, name):
        self._tell("set-servfail", {"host": name})

    def alias(self, name, target):
        """A CNAME."""
        self._tell("set-cname", {"host": name, "target": target})

    def set_caa(self, name, tag, value):
        self._tell("add-caa", {"host": name, "policies": [{"tag": tag, "value": value}]})

    def set_text(self, name, value):
        self._tell("set-txt", {"host": name.rstrip(".") + ".", "value": value})

    def clear_text(self, name):
        self._tell("clear-txt", {"host": name.rstrip(".") + "."})

    def _tell(self, command, body):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(f"{self._management}/{command}", json.dumps(body).encode(), timeout=10).close()

    def _answers(self):
        try:
            urllib.request.urlopen(self._management + "/", timeout=10)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True
