"""Somebody who speaks ACME to `everseal ca` byte by byte."""

import base64
import json
import socket
import ssl

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

PORT = 8555
BASE = f"https://localhost:{PORT}"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Stranger:
    """A key, and requests signed by it."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        self._jwk = {"kty": "EC", "crv": "P-256", "x": base64url(numbers.x.to_bytes(32, "big")),
                     "y": base64url(numbers.y.to_bytes(32, "big"))}

    def jws(self, path, nonce, payload, kid=None):
        protected = base64url(json.dumps({
            "alg": "ES256", "nonce": nonce, "url": BASE + path,
            **({"kid": kid} if kid else {"jwk": self._jwk})}).encode())
        payload = base64url(payload.encode())
        signature = self._key.sign(f"{protected}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
        pair = b"".join(n.to_bytes(32, "big") for n in decode_dss_signature(signature))
        return json.dumps({"protected": protected, "payload": payload,
                           "signature": base64url(pair)}).encode()


def request(method, path, body=b"", content_type="application/jose+json"):
    return (f"{method} {path} HTTP/1.1\r\nHost: localhost:{PORT}\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def connect(source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", PORT), timeout=30, source_address=(source, 0))


class Connection:
    """Requests one after another by TLS, many under way at once."""

    def __init__(self, bundle, source="127.0.0.1"):
        context = ssl.create_default_context(cafile=bundle)
        self._socket = context.wrap_socket(connect(source), server_hostname="localhost")
        self._bytes = b""

    def close(self):
        self._socket.close()

    def ask(self, requests):
        """The status, headers and body of each answer: [(int, {…}, bytes), …]."""
        self._socket.sendall(b"".join(requests))
        return [self._answer(each.startswith(b"HEAD")) for each in requests]

    def _answer(self, has_no_body):
        while (end := self._bytes.find(b"\r\n\r\n")) < 0:
            self._receive()
        lines = [line.split(": ", 1) for line in self._bytes[:end].decode().split("\r\n")]
        self._bytes = self._bytes[end + 4:]
        headers = {line[0].lower(): line[1] for line in lines[1:]}
        length = 0 if has_no_body else int(headers.get("content-length", 0))
        while len(self._bytes) < length:
            self._receive()
        body, self._bytes = self._bytes[:length], self._bytes[length:]
        return int(lines[0][0][9:12]), headers, body

    def _receive(self):
        part = self._socket.recv(1 << 16)
        if not part:
            raise ConnectionError("the CA ended the connection")
        self._bytes += part
