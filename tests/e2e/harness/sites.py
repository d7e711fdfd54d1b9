"""The administrator's nginx before Everseal came: seven servers that differ in what makes it hard."""

import grp
import hashlib
import http.server
import os
import pathlib
import pwd
import shutil
import socketserver
import stat
import threading

from .nginx import CONFIGURATION
from .sandbox import SCRATCH

WEBROOT = pathlib.Path("/var/www")
SOCKET = pathlib.Path("/run/app.sock")

_NGINX_CONF = """\
user www-data;
worker_processes 2;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
include /etc/nginx/modules-enabled/*.conf;

events {
\tworker_connections 768;
}

http {
\tsendfile on;
\ttypes_hash_max_size 2048;
\tinclude /etc/nginx/mime.types;
\tdefault_type application/octet-stream;
\taccess_log off;

\tinclude /etc/nginx/conf.d/*.conf;
\tinclude /etc/nginx/sites-enabled/*;
}
"""

_STATIC = """\
# Files from a directory, on both address families.
server {
    listen 80;
    listen [::]:80;
    server_name static.example;
    root /var/www/static;
    location / {
        try_files $uri $uri/ =404;
    }
}
"""

_SOCKET = """\
upstream app_socket { server unix:/run/app.sock fail_timeout=0; }
server {
  listen 80; listen [::]:80;
  server_name socket.example;   # no root anywhere
  location / {
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_pass http://app_socket;
  }
}
"""

_PAIR = """\
server
{
\tlisten 80;
\tlisten [::]:80;
\tserver_name pair.example
\t            www.pair.example;
\troot "/var/www/pair";
\tindex index.html;
\tlocation ~ /\\. { deny all; }
}
"""

# No newline at the end, and CRLF line ends.
_APP = """\
server {
    listen 80;
    listen [::]:80;
    server_name app.example;
    location / {
        proxy_pass http://127.0.0.1:8080;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-Proto $scheme;
    }
}""".replace("\n", "\r\n")

_MOVED = """\
server { listen 80; listen [::]:80; server_name moved.example; return 301 http://static.example$request_uri; }
"""

_CATCH_ALL = """\
# Whatever nobody else wants.
server {
    listen 80 default_server;
    listen [::]:80 default_server;
    server_name _;
    return 404;
}
"""

_OWN_ADDRESS = """\
server {
    listen 127.0.0.4:80;
    server_name four.example;
    root /var/www/four;
}
"""

# Where the DNS sends visitors of each name.
ADDRESSES = {
    "app.example": ("127.0.0.1", "::1"),
    "four.example": ("127.0.0.4",),
    "moved.example": ("127.0.0.1", "::1"),
    "pair.example": ("127.0.0.1", "::1"),
    "socket.example": ("127.0.0.1", "::1"),
    "static.example": ("127.0.0.1", "::1"),
    "www.pair.example": ("127.0.0.1", "::1"),
}
NAMES = tuple(ADDRESSES)


class Sites:
    """Writes the configuration and the sites' content; remembers what it wrote."""

    def write(self):
        for directory in ("conf.d", "sites-available", "sites-enabled", "modules-enabled"):
            (CONFIGURATION / directory).mkdir(parents=True, exist_ok=True)
        shutil.copy(SCRATCH / "mime.types", CONFIGURATION)  # the package's own, kept by the sandbox
        self._file("nginx.conf", _NGINX_CONF)
        self._file("sites-available/static", _STATIC)
        self._file("sites-available/pair", _PAIR, mode=0o600)
        self._file("sites-enabled/app", _APP, owner="www-data", mode=0o640)
        self._file("sites-enabled/moved", _MOVED)
        self._file("sites-enabled/00-catch-all", _CATCH_ALL)
        self._file("conf.d/socket.conf", _SOCKET)
        self._file("conf.d/four.conf", _OWN_ADDRESS)
        (CONFIGURATION / "sites-enabled/static").symlink_to("../sites-available/static")
        (CONFIGURATION / "sites-enabled/pair").symlink_to("/etc/nginx/sites-available/pair")
        for name in ("static", "pair", "four"):
            page = WEBROOT / name / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(f"the {name} page\n")
        return self

    def register(self, authority):
        """Puts the sites' names into the DNS."""
        for name, addresses in ADDRESSES.items():
            authority.resolve(name, ipv4=[a for a in addresses if ":" not in a],
                              ipv6=[a for a in addresses if ":" in a])

    def _file(self, path, text, owner="root", mode=0o644):
        file = CONFIGURATION / path
        file.write_bytes(text.encode())
        os.chown(file, pwd.getpwnam(owner).pw_uid, grp.getgrnam(owner).gr_gid)
        file.chmod(mode)


def fingerprint(tree=CONFIGURATION):
    """Every path under `tree` with its type, mode, owner and content, to compare by ==."""
    found = {}
    for path in sorted(tree.rglob("*")):
        status = path.lstat()
        what = (os.readlink(path) if path.is_symlink() else
                hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "directory")
        found[str(path.relative_to(tree))] = (stat.filemode(status.st_mode), status.st_uid,
                                              status.st_gid, what)
    return found


class Application:
    """What the proxied sites stand before; it says which host and scheme it was asked for."""

    def start(self):
        self._serve(http.server.ThreadingHTTPServer(("127.0.0.1", 8080), _Greeter))
        SOCKET.unlink(missing_ok=True)
        self._serve(_UnixServer(str(SOCKET), _Greeter))
        SOCKET.chmod(0o666)
        return self

    def stop(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def __init__(self):
        self._servers = []

    def _serve(self, server):
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self._servers.append(server)


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class _Greeter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        scheme = self.headers.get("X-Forwarded-Proto", "nothing")
        body = f"application: {scheme}://{self.headers['Host']}{self.path}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
