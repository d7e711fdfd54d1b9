"""A real HAProxy in front of the sites, on Debian's own paths."""

import pathlib
import shutil
import subprocess

from .sandbox import wait_until

DIRECTORY = pathlib.Path("/etc/haproxy")
CERTIFICATES = DIRECTORY / "certs"
SOCKET = pathlib.Path("/run/haproxy/admin.sock")
SETTINGS = pathlib.Path("/etc/everseal/everseal.toml")
LOG = pathlib.Path("/var/log/haproxy.log")

_CONFIGURATION = """\
global
  stats socket {socket} mode 600 level {level} expose-fd listeners
  log stderr format raw local0 warning
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend https
  bind 127.0.0.1:443 ssl crt {certificates}
  bind [::1]:443 ssl crt {certificates}
  default_backend sites
backend sites
  server nginx 127.0.0.1:80
"""


class Haproxy:
    """Master and worker. Its directory holds a certificate for strangers, as it must not be empty."""

    def write(self, level="admin"):
        CERTIFICATES.mkdir(parents=True, exist_ok=True)
        SOCKET.parent.mkdir(exist_ok=True)
        self_signed = CERTIFICATES / "000-default.pem"
        if not self_signed.exists():
            make_self_signed(self_signed, "default.invalid")
        (DIRECTORY / "haproxy.cfg").write_text(_CONFIGURATION.format(
            socket=SOCKET, level=level, certificates=CERTIFICATES))
        return self

    def start(self):
        with open(LOG, "a") as log:
            self._process = subprocess.Popen(
                ["haproxy", "-W", "-db", "-f", str(DIRECTORY / "haproxy.cfg")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("HAProxy runs", SOCKET.exists)
        wait_until("HAProxy answers", lambda: "Pid:" in self.ask("show info"))
        return self

    def stop(self):
        """Nothing happens where it does not run."""
        if self._process:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def remove(self):
        self.stop()
        shutil.rmtree(DIRECTORY, ignore_errors=True)
        SOCKET.unlink(missing_ok=True)
        SETTINGS.unlink(missing_ok=True)

    def reload_command(self):
        """What `systemctl reload haproxy` does."""
        return ["kill", "-USR2", str(self._process.pid)]

    def ask(self, command):
        """The answer of the runtime API; "" where nobody answers."""
        done = subprocess.run(["python3", "-c", _ASK, str(SOCKET), command], capture_output=True,
                              text=True, timeout=20)
        return done.stdout

    def worker(self):
        """The pid of the process that answers."""
        return self.ask("show info").partition("\nPid: ")[2].split("\n")[0]

    def log(self):
        return LOG.read_text(errors="replace") if LOG.exists() else ""

    def __init__(self):
        self._process = None


_ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as opened:
    opened.settimeout(10)
    opened.connect(sys.argv[1])
    opened.sendall(sys.argv[2].encode() + b"\\n")
    while part := opened.recv(65536):
        sys.stdout.write(part.decode())
"""


def make_self_signed(path, name):
    """A key and a certificate for `name` in one file, with an empty line between them."""
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                          "ec_paramgen_curve:P-256"], check=True, capture_output=True).stdout
    path.with_suffix(".key").write_bytes(key)
    leaf = subprocess.run(["openssl", "req", "-x509", "-key", str(path.with_suffix(".key")), "-days",
                           "30", "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name],
                          check=True, capture_output=True).stdout
    path.with_suffix(".key").unlink()
    path.write_bytes(key + b"\n" + leaf)


def settings(socket=SOCKET, reload=None, listen=("127.0.0.1:443", "[::1]:443"), **others):
    """Writes everseal.toml."""
    table = {"certificates": str(CERTIFICATES), "socket": str(socket) if socket else None,
             "reload": reload, "listen": list(listen), **others}
    SETTINGS.parent.mkdir(exist_ok=True)
    SETTINGS.write_text("[haproxy]\n" + "".join(
        f"{key} = {value!r}\n".replace("'", '"') for key, value in table.items() if value))
