"""Configuration trees on which other clients' editing broke, and what a visitor sees of them.

The trees are data of the project that is kept outside of it: shared/nginx/edits beside the source,
or where EVERSEAL_EDIT_CASES says. Each is etc/nginx with expect.json beside it.
"""

import dataclasses
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess

from .everseal import ROOT
from .nginx import CONFIGURATION
from .sandbox import SCRATCH

CASES = pathlib.Path(os.environ.get("EVERSEAL_EDIT_CASES", ROOT.parent / "shared/nginx/edits"))
MODULES = pathlib.Path("/usr/lib/nginx/modules")
TOKEN = "abcdefghijklmnopqrstuv-0123456789_ABCDEFGHI"
CHALLENGE = f"/.well-known/acme-challenge/{TOKEN}"
UNKNOWN = "nobody.test"  # no server has this name

# A line of nginx.conf for each module that is not built in, where some file needs it.
_MODULES = {
    "_by_lua": ("ndk_http_module.so", "ngx_http_lua_module.so"),
    "stream {": ("ngx_stream_module.so",),
}


def all_cases():
    return sorted(path.parent.name for path in CASES.glob("*/expect.json"))


class EditTree:
    """One tree, put in place of /etc/nginx with all that it needs of the machine."""

    def __init__(self, name, source=None):
        self.name = name
        self._source = source or CASES / name
        self.expect = json.loads((self._source / "expect.json").read_text())
        self.domains = self.expect["domains"]
        self.operation = self.expect["operation"]
        self._dropped = None

    @classmethod
    def of_texts(cls, name, texts, domains, operation="install"):
        """A tree of {path below /etc/nginx: text or bytes}; nginx.conf may be left out."""
        source = SCRATCH / "trees" / name
        shutil.rmtree(source, ignore_errors=True)
        default = "events {}\nhttp {\n    include /etc/nginx/sites-enabled/*;\n}\n"
        for path, text in {"nginx.conf": default, **texts}.items():
            file = source / "etc/nginx" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        expect = {"domains": domains, "operation": operation}
        (source / "expect.json").write_text(json.dumps(expect))
        return cls(name, source)

    def missing_module(self):
        """A module that this tree needs and the machine has not, or None."""
        return next((m for m in self._modules() if not (MODULES / m).exists()), None)

    def install(self):
        shutil.rmtree(CONFIGURATION, ignore_errors=True)
        shutil.copytree(self._source / "etc/nginx", CONFIGURATION, symlinks=True)
        for path in CONFIGURATION.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() else 0o644)
        if self._modules():
            main = CONFIGURATION / "nginx.conf"
            lines = "".join(f"load_module {MODULES / m};\n" for m in self._modules())
            main.write_bytes(lines.encode() + main.read_bytes())
        if self._dropped:
            path, word = self._dropped
            file = CONFIGURATION / path
            lines = file.read_bytes().splitlines(keepends=True)
            file.write_bytes(b"".join(l for l in lines if not l.split()[:1] == [word.encode()]))
        self._make_what_is_referred_to()
        return self

    def drop_line(self, path, word):
        """Leaves out the lines of a file that begin with `word`, from install() on."""
        self._dropped = (path, word)

    def bytes(self):
        """All files as they are now: {path: bytes}."""
        return {str(path.relative_to(CONFIGURATION)): path.read_bytes()
                for path in sorted(CONFIGURATION.rglob("*")) if path.is_file()}

    def names(self):
        """Every name that a visitor may ask for: those of the case, of its servers, and one of none."""
        names = set(self.domains)
        for words in self._arguments("server_name"):
            names.update(word.lower() for word in words
                         if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", word))
        return sorted(names) + [UNKNOWN]

    def addresses(self, port):
        """The addresses that the tree's servers listen on at `port`: ("127.0.0.1", …)."""
        found = {_address(words[0]) for words in self._arguments("listen")}
        return sorted(address for address, number in found if number == port)

    def paths(self):
        """Paths to ask for: the root, something nobody has, and each location's prefix."""
        prefixes = {words[-1] for words in self._arguments("location")
                    if words[-1].startswith("/") and not words[0].startswith("~")
                    and not words[-1].startswith("/.well-known/acme-challenge")}
        return sorted(prefixes | {"/", "/something/else?a=b"})

    def _text(self):
        return b"\n".join(self.bytes().values()).decode("latin-1")

    def _arguments(self, directive):
        without_comments = re.sub(r"(?m)(^|\s)#.*$", "", self._text())
        for match in re.finditer(rf"(?m)(?:^|[\s;{{}}]){directive}\s+([^;{{]+)", without_comments):
            yield match.group(1).split()

    def _modules(self):
        text = "".join(path.read_text(encoding="latin-1")
                       for path in (self._source / "etc/nginx").rglob("*") if path.is_file())
        return [m for sign, modules in _MODULES.items() if sign in text for m in modules]

    def _make_what_is_referred_to(self):
        certificates = [words[0] for words in self._arguments("ssl_certificate")]
        keys = [words[0] for words in self._arguments("ssl_certificate_key")]
        for certificate, key in zip(certificates, keys):
            if "$" not in certificate:
                make_pair(certificate, key)
        for words in self._arguments("auth_basic_user_file"):
            pathlib.Path(words[0]).write_text("somebody:{PLAIN}secret\n")
        for words in self._arguments("ssl_dhparam"):
            subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt",
                            "group:ffdhe2048", "-out", words[0]], check=True, capture_output=True)
        for words in self._arguments("root"):
            page = pathlib.Path(words[0]) / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(f"the page of {words[0]}\n")
        for words in self._arguments("listen"):
            address, _ = _address(words[0])
            if address not in ("127.0.0.1", "::1") and re.fullmatch(r"[0-9.]+", address):
                subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"],
                               capture_output=True)


def make_pair(certificate, key, names=("x.test",), issuer_days=90):
    """A self-signed pair; an RSA key where the file is called so, else an ECDSA key."""
    for path in (certificate, key):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    kind = (["-newkey", "rsa:2048"] if "rsa" in key else
            ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    subprocess.run(["openssl", "req", "-x509", *kind, "-nodes", "-keyout", key, "-out", certificate,
                    "-subj", f"/CN=of {pathlib.Path(certificate).name}", "-days", str(issuer_days),
                    "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names)],
                   check=True, capture_output=True)


def _address(listen):
    """Where to connect to for an argument of `listen`."""
    if listen.isdigit():
        return "127.0.0.1", int(listen)
    match = re.fullmatch(r"(\[.*\]|[^:]+)(?::(\d+))?", listen)
    host, port = match.group(1), int(match.group(2) or 80)
    return {"[::]": "::1", "*": "127.0.0.1"}.get(host, host.strip("[]")), port


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one visit showed: an answer, or how there was none."""
    status: int = 0
    location: str = ""
    body: str = ""
    error: str = ""


def listening():
    """Where nginx takes connections: {(address to connect to, port)}."""
    out = subprocess.run(["ss", "-Hltnp"], check=True, capture_output=True, text=True).stdout
    found = set()
    for line in out.splitlines():
        if '"nginx"' not in line:
            continue
        host, port = line.split()[3].rsplit(":", 1)
        address = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "[::]": "::1"}.get(host,
                                                                             host.strip("[]"))
        found.add((address, int(port)))
    return found


def look(names, paths):
    """Everything a visitor can see: {(address, port, name, "http" or "https" or "leaf"): …}."""
    seen = {}
    for address, port in sorted(listening()):
        for name in names:
            where = (address, port, name)
            leaf = handshake(*where)
            seen[*where, "leaf"] = leaf
            scheme = "http" if leaf is None else "https"
            for path in [*paths, CHALLENGE]:
                seen[*where, scheme, path] = visit(address, port, name, path, tls=leaf is not None)
    return seen


def handshake(address, port, name):
    """The SHA-256 of the leaf, "" where there is none, None where the port speaks no TLS."""
    try:
        with _open_tls(address, port, name) as opened:
            return hashlib.sha256(opened.getpeercert(binary_form=True)).hexdigest()
    except OSError as error:
        return None if _is_no_tls(error) else ""


def visit(address, port, name, path, tls):
    try:
        opened = _open_tls(address, port, name) if tls else _open(address, port)
        with opened:
            answer = _get(opened, name, path)
        if not tls and answer.error:  # perhaps it wants to be told whom it talks to
            with _open(address, port, proxied=True) as again:
                answer = _get(again, name, path)
        return answer
    except OSError as error:
        return Seen(error=type(error).__name__)


def _get(opened, name, path):
    opened.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
    response = http.client.HTTPResponse(opened)
    try:
        response.begin()
    except (http.client.HTTPException, OSError):
        return Seen(error="closed")
    body = response.read().decode(errors="replace")
    return Seen(response.status, response.getheader("Location", ""),
                re.sub(r">nginx/[0-9.]+<", ">nginx<", body))  # server_tokens


def _open(address, port, proxied=False):
    opened = socket.create_connection((address, port), timeout=5)
    if proxied:
        opened.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 %d\r\n" % port)
    return opened


def is_trusted(address, port, name, root_file):
    """Whether a browser that trusts this root believes that `name` answers here."""
    try:
        _open_tls(address, port, name, ssl.create_default_context(cafile=root_file)).close()
    except OSError:
        return False
    return True


def _open_tls(address, port, name, context=None):
    context = context or ssl._create_unverified_context()
    try:
        return context.wrap_socket(_open(address, port), server_hostname=name)
    except OSError as error:
        if not _is_no_tls(error):
            raise
    return context.wrap_socket(_open(address, port, proxied=True), server_hostname=name)


def _is_no_tls(error):
    """Whether the other side closed, or answered in clear; a TLS server that minds sends an alert."""
    return not isinstance(error, ssl.SSLError) or "EOF" in str(error) or \
        error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")
