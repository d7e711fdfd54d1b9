"""A CA that misbehaves: a TLS proxy in front of a good one, with rules about what goes wrong."""

import base64
import collections
import gzip
import http.client
import http.server
import json
import socket
import socketserver
import ssl
import subprocess
import threading
import urllib.parse

from .sandbox import SCRATCH

Request = collections.namedtuple("Request", "method path payload name")

_FOREVER = 3600
_MIB = bytes(1 << 20)


class Proxy:
    """A CA at `url` whose own HTTPS is trusted by `bundle`: `authority`, seen through the rules.

    pebble makes its URLs of the Host header, which is kept: so all of them lead through here.
    """

    def __init__(self, authority, port=14443):
        self.url = f"https://localhost:{port}/dir"
        self.origin = f"https://localhost:{port}"
        self.directory = SCRATCH / "proxy"
        self.bundle = self.directory / "ca.pem"
        self.identity = "good"  # which certificate is shown; see _CERTIFICATES
        self.mute = False  # connections are taken, and no TLS handshake is answered
        self.requests = []  # all that came, as Request
        self.over = threading.Event()
        self._rules = []
        self._owners = {}  # of orders and what belongs to them: the first name, by path
        self._lock = threading.Lock()
        self._ca = ssl.create_default_context(cafile=authority.bundle)
        self._ca_address = urllib.parse.urlsplit(authority.url)
        _make_certificates(self.directory)
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.proxy = self

    def start(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    # What goes wrong.

    def on(self, action, *, method=None, path="/", name=None, payload=b"", only=None):
        """Of the requests that match, those numbered in `only` (from 1; or all) meet `action`.

        `path` is a prefix, `payload` a part of what was signed, `name` the certificate's first.
        """
        rule = {"action": action, "method": method, "path": path, "name": name,
                "payload": payload, "only": only, "count": 0}
        with self._lock:
            self._rules.append(rule)

    def clear(self):
        """From now on nothing goes wrong."""
        with self._lock:
            self._rules.clear()
        self.identity = "good"
        self.mute = False

    def count(self, method, path, name=None):
        return sum(1 for each in list(self.requests)
                   if each.method == method and each.path.startswith(path)
                   and name in (None, each.name))

    # For the handler.

    def action_for(self, request):
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if not _matches(rule, request):
                    continue
                rule["count"] += 1
                if rule["only"] is None or rule["count"] in rule["only"]:
                    return rule["action"]
        return forward()

    def context(self):
        return _context(self.directory, self.identity)

    def connect_to_ca(self):
        return http.client.HTTPSConnection(self._ca_address.hostname, self._ca_address.port,
                                           context=self._ca, timeout=60)

    def owner(self, path, payload):
        if payload.startswith(b'{"identifiers"'):
            return json.loads(payload)["identifiers"][0]["value"]
        return self._owners.get(path)

    def learn(self, name, reply):
        """Remembers whose the URLs of an order or an authorization are."""
        if name is None or not reply.body.startswith(b"{"):
            return
        document = json.loads(reply.body)
        urls = [reply.header("Location"), document.get("finalize"), document.get("certificate"),
                *document.get("authorizations", []),
                *(each.get("url") for each in document.get("challenges", []))]
        for url in urls:
            if url:
                self._owners[urllib.parse.urlsplit(url).path] = name


class Reply:
    def __init__(self, status, headers=(), body=b""):
        self.status, self.headers, self.body = status, list(headers), body

    def header(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def set(self, name, *values):
        """One header of this name for each value, in place of those that are there."""
        self.headers = [(n, v) for n, v in self.headers if n.lower() != name.lower()]
        self.headers += [(name, value) for value in values]

    def head(self, length):
        lines = [f"HTTP/1.1 {self.status} As scripted".encode()]
        lines += [f"{n}: ".encode() + (v if isinstance(v, bytes) else str(v).encode())
                  for n, v in self.headers]
        if length is not None:
            lines.append(f"Content-Length: {length}".encode())
        return b"\r\n".join(lines) + b"\r\n\r\n"


class Exchange:
    """One request and what an action may do about it."""

    def __init__(self, handler, request, body):
        self.request, self.over = request, handler.server.proxy.over
        self._handler, self._body = handler, body

    def forward(self):
        handler = self._handler
        proxy, request = handler.server.proxy, self.request
        ca = proxy.connect_to_ca()
        try:
            ca.request(request.method, handler.path, self._body or None, dict(handler.headers))
            answer = ca.getresponse()
            reply = Reply(answer.status, body=answer.read())
        finally:
            ca.close()
        reply.headers = [(n, v) for n, v in answer.getheaders()
                         if n.lower() not in ("content-length", "connection", "transfer-encoding")]
        proxy.learn(request.name, reply)
        return reply

    def send(self, reply):
        bodiless = self.request.method == "HEAD" or reply.status in (204, 304)
        self.write(reply.head(None if bodiless else len(reply.body))
                   + (b"" if bodiless else reply.body))

    def write(self, data):
        self._handler.connection.sendall(data)

    def close(self):
        """Without a word of farewell: no TLS close_notify."""
        self._handler.close_connection = True

    def shut(self):
        """Half: nothing more comes from here, what is sent here is still read."""
        self._handler.connection.shutdown(socket.SHUT_WR)


# ---- Actions: functions of an Exchange.

def forward():
    return lambda exchange: exchange.send(exchange.forward())


def answer(status=200, body=b"", **headers):
    """This, and the CA is asked nothing. `headers` are written with "_" for "-"."""
    body = body if isinstance(body, bytes) else body.encode()
    headers = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda exchange: exchange.send(Reply(status, headers, body))


def problem(status, kind, detail="", **headers):
    body = json.dumps({"type": "urn:ietf:params:acme:error:" + kind, "detail": detail})
    return answer(status, body, Content_Type="application/problem+json", **headers)


def redirect(status, location):
    return answer(status, Location=location)


def edit(change):
    """What the CA answers, changed in place by `change` of a Reply."""
    def act(exchange):
        reply = exchange.forward()
        change(reply)
        exchange.send(reply)
    return act


def edit_json(change):
    """The same for the document in it."""
    def change_body(reply):
        document = json.loads(reply.body)
        change(document)
        reply.body = json.dumps(document).encode()
    return edit(change_body)


def replace_body(body):
    def change(reply):
        reply.body = body if isinstance(body, bytes) else body.encode()
    return edit(change)


def drop_request():
    return lambda exchange: exchange.close()


def drop_reply():
    """The CA has heard it, and the client never learns."""
    def act(exchange):
        exchange.forward()
        exchange.close()
    return act


def delay(seconds):
    def act(exchange):
        exchange.over.wait(seconds)
        exchange.send(exchange.forward())
    return act


def stall():
    """No answer and no end."""
    def act(exchange):
        exchange.over.wait(_FOREVER)
        exchange.close()
    return act


def drip(part="head", seconds=1):
    """One byte after the other, from the head or from the body on."""
    def act(exchange):
        reply = exchange.forward()
        head = reply.head(len(reply.body))
        slow = reply.body
        if part == "head":
            head, slow = b"", head + slow
        exchange.write(head)
        for byte in slow:
            exchange.write(bytes([byte]))
            if exchange.over.wait(seconds):
                break
        exchange.close()
    return act


def endless(chunk=_MIB, head=b""):
    """A body of chunks that has no end."""
    def act(exchange):
        exchange.write(Reply(200, [("Transfer-Encoding", "chunked")]).head(None))
        for part in _and_then_always(head, chunk):
            exchange.write(b"%x\r\n%s\r\n" % (len(part), part))
    return act


def announce(length, sent=b""):
    """A Content-Length, after which comes only `sent`, or as much as is taken."""
    def act(exchange):
        exchange.write(Reply(200).head(length))
        if sent:
            exchange.write(sent)
            exchange.over.wait(_FOREVER)
        while True:
            exchange.write(_MIB)
    return act


def gzip_bomb(mebibytes=64):
    body = gzip.compress(_MIB * mebibytes)
    return answer(200, body, Content_Encoding="gzip")


def cut(announced=True):
    """Half of the body and no more, with the whole length announced or none."""
    def act(exchange):
        reply = exchange.forward()
        exchange.write(reply.head(len(reply.body) if announced else None))
        exchange.write(reply.body[:len(reply.body) // 2])
        exchange.close()
    return act


def half_close():
    def act(exchange):
        exchange.forward()
        exchange.write(b"HTTP/1.1 200 As scripted\r\nContent-Le")
        exchange.shut()
        exchange.over.wait(_FOREVER)
    return act


class Trap:
    """A port where nobody should ever knock; counts who does."""

    def __init__(self, port):
        self.visits = 0
        self._socket = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _watch(self):
        while True:
            try:
                self._socket.accept()[0].close()
            except OSError:
                return
            self.visits += 1


# ---- Inside.

class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 100


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self):
        proxy = self.server.proxy
        try:
            if proxy.mute:
                proxy.over.wait(_FOREVER)
                return
            self.connection = proxy.context().wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            super().handle()
        except OSError:
            pass  # the client has enough
        finally:
            self.connection.close()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        proxy = self.server.proxy
        payload = _payload(body)
        request = Request(self.command, self.path, payload, proxy.owner(self.path, payload))
        proxy.action_for(request)(Exchange(self, request, body))

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *_):
        pass


def _matches(rule, request):
    return (rule["method"] in (None, request.method) and request.path.startswith(rule["path"])
            and rule["name"] in (None, request.name) and rule["payload"] in request.payload)


def _payload(body):
    """What was signed, of a JWS."""
    try:
        text = json.loads(body)["payload"]
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _and_then_always(first, rest):
    if first:
        yield first
    while True:
        yield rest


# By identity: the CA, the name, and for how many days.
_CERTIFICATES = {
    "good": ("ca", "localhost", 30),
    "unknown CA": ("nobody", "localhost", 30),
    "other name": ("ca", "elsewhere.example", 30),
    "expired": ("ca", "localhost", -1),
    "old protocol": ("ca", "localhost", 30),
}


def _context(directory, identity):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / f"{identity}.pem", directory / f"{identity}.key")
    context.set_alpn_protocols(["http/1.1"])
    if identity == "old protocol":
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _make_certificates(directory):
    if directory.exists():
        return
    directory.mkdir()

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=directory)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for ca in ("ca", "nobody"):
        openssl("req", "-x509", *new_key, "-keyout", f"{ca}.key", "-out", f"{ca}.pem",
                "-subj", f"/CN=The proxy's {ca}", "-days", "30")
    for identity, (ca, name, days) in _CERTIFICATES.items():
        openssl("req", *new_key, "-keyout", f"{identity}.key", "-out", "request",
                "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
        openssl("x509", "-req", "-in", "request", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key",
                "-CAcreateserial", "-copy_extensions", "copy", "-days", str(days),
                "-out", f"{identity}.pem")
