"""What a browser sees: HTTP and verified HTTPS at one address."""

import dataclasses
import http.client
import socket
import ssl
import subprocess


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict  # names in lower case
    body: str


class _Connection(http.client.HTTPConnection):
    """HTTP on an open socket."""

    def __init__(self, name, opened):
        super().__init__(name)
        self.sock = opened

    def connect(self):
        raise ConnectionError("the server closed the connection before it answered")


def http_get(name, path="/", address="127.0.0.1", port=80):
    with _open(address, port) as opened:
        return _get(opened, name, path)


def https_get(name, root_file, path="/", address="127.0.0.1", port=443):
    """Raises ssl.SSLError where the certificate does not prove `name` under `root_file`."""
    with _handshake(name, root_file, address, port) as opened:
        return _get(opened, name, path)


def certificate(name, root_file, address="127.0.0.1", port=443):
    """The verified leaf: ssl's dictionary with subjectAltName, notAfter, serialNumber, …"""
    with _handshake(name, root_file, address, port) as opened:
        return opened.getpeercert()


def chain_length(name, address="127.0.0.1", port=443):
    """How many certificates the server sends."""
    address = f"[{address}]" if ":" in address else address
    result = subprocess.run(["openssl", "s_client", "-connect", f"{address}:{port}",
                             "-servername", name, "-showcerts"],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return result.stdout.count("-----BEGIN CERTIFICATE-----")


def serves_https(name, root_file, address="127.0.0.1"):
    try:
        certificate(name, root_file, address)
    except OSError:
        return False
    return True


def _open(address, port):
    return socket.create_connection((address, port), timeout=10)


def _handshake(name, root_file, address, port):
    context = ssl.create_default_context(cafile=root_file)
    return context.wrap_socket(_open(address, port), server_hostname=name)


def _get(opened, name, path):
    connection = _Connection(name, opened)
    connection.request("GET", path, headers={"Connection": "close"})
    response = connection.getresponse()
    body = response.read().decode(errors="replace")
    headers = {key.lower(): value for key, value in response.getheaders()}
    return Answer(response.status, headers, body)
