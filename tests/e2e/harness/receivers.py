"""Who is told: a mail server, a webhook, a local sendmail."""

import datetime
import email
import email.policy
import http.server
import ipaddress
import json
import pathlib
import socket
import ssl
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .sandbox import SCRATCH

USER, PASSWORD = "server", "correct horse ü"
SETTINGS = pathlib.Path("/etc/everseal/everseal.toml")
PASSWORD_FILE = pathlib.Path("/etc/everseal/smtp-password")


def write_settings(text, password=PASSWORD):
    """The settings file; what it names as password_file holds `password`."""
    SETTINGS.parent.mkdir(exist_ok=True)
    SETTINGS.write_text(text)
    PASSWORD_FILE.write_text(password + "\n")
    PASSWORD_FILE.chmod(0o600)


def smtp(port=2525, **settings):
    """Settings by which mail goes to MailServer(port)."""
    lines = [f'{name} = {json.dumps(value)}' for name, value in settings.items()]
    return "\n".join(['[notify]', 'to = ["admin@example.org", "second@example.org"]',
                      '[notify.smtp]', 'host = "localhost"', f"port = {port}",
                      f'ca_bundle = "{SCRATCH}/receiver.pem"', *lines, ""])


def make_certificate(path, *hosts, days=2):
    """A self-signed certificate and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
             for host in hosts]
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=3))
                   .not_valid_after(now + datetime.timedelta(days=days))
                   .add_extension(x509.SubjectAlternativeName(names), False)
                   .add_extension(x509.BasicConstraints(True, None), True)
                   .sign(key, hashes.SHA256()))
    pathlib.Path(path).write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                          serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM))
    return pathlib.Path(path)


def _context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


class MailServer:
    """Takes mail on 127.0.0.1 as `security` says: starttls, tls or none."""

    def __init__(self, port, certificate, security="starttls", authenticates=False, refusals=()):
        self.mails = []      # email.message.EmailMessage
        self.raw = []        # bytes
        self.envelopes = []  # (from, [to, …])
        self.logins = []     # (mechanism, user, password)
        self.refusals = dict(refusals)  # recipient: answer
        self._is_running = False
        options = {}
        if security == "starttls":
            options = {"tls_context": _context(certificate), "require_starttls": True}
        if security == "tls":
            options = {"ssl_context": _context(certificate)}
        if authenticates:
            options |= {"authenticator": self._authenticate, "auth_required": True,
                        "auth_require_tls": security == "starttls"}
        self._controller = Controller(self, hostname="127.0.0.1", port=port, **options)
        if security == "tls":  # its own probe is a client that takes itself for a server
            self._controller._trigger_server = (
                lambda: socket.create_connection(("127.0.0.1", port)).close())

    def start(self):
        self._controller.start()
        self._is_running = True
        return self

    def stop(self):
        """Also if it has stopped."""
        if self._is_running:
            self._controller.stop()
        self._is_running = False

    def _authenticate(self, server, session, envelope, mechanism, data):
        login = (data.login.decode(), data.password.decode())
        self.logins.append((mechanism, *login))
        return AuthResult(success=login == (USER, PASSWORD), handled=False)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.raw.append(envelope.original_content)
        self.mails.append(email.message_from_bytes(envelope.original_content,
                                                   policy=email.policy.default))
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return "250 taken"


class Webhook:
    """Takes POSTs over HTTPS on 127.0.0.1."""

    def __init__(self, port, certificate):
        self.posts = []  # (path, headers, body)
        self.status = 204
        self.headers = {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((self.path, self.headers, body))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.socket = _context(certificate).wrap_socket(self._server.socket,
                                                                server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
