#!/usr/bin/python3
"""Everseal's reading of nginx configurations beside that of Debian's certbot, in one run.

    scripts/install-deps.sh build bench; cmake --build --preset release; bench/parsers.py [FILE…]

Each file (without any: a generated one of 1 MB) is read and written back by both; Everseal's time is
that of a whole process. Of each the best of three runs counts.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

from certbot_nginx._internal import nginxparser

EVERSEAL = os.environ.get("EVERSEAL") or str(
    pathlib.Path(__file__).resolve().parents[1] / "build/release/everseal")
SITE = """
# The shop; "old" links lead here too
server {
    listen 80;
    listen 443 ssl http2;
    server_name shop%d.example.com www.shop%d.example.com;
    ssl_certificate /etc/ssl/shop%d/fullchain.pem;  # ours
    ssl_certificate_key /etc/ssl/shop%d/privkey.pem;
    add_header X-Frame-Options "SAMEORIGIN" always;
    if ($http_user_agent ~* "(bot|spider)") { return 403; }
    location ~ \\.php$ {
        fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
        fastcgi_pass unix:/run/php/php8.2-fpm.sock;
    }
}
"""


def generated():
    count = 1 + (1 << 20) // len(SITE)
    path = pathlib.Path(tempfile.mkdtemp()) / "generated.conf"
    path.write_text("".join(SITE % (i, i, i, i) for i in range(count)))
    return [path]


def certbot(path):
    text = path.read_text(errors="surrogateescape")
    return nginxparser.dumps(nginxparser.loads(text)).encode(errors="surrogateescape")


def everseal(path):
    return subprocess.run([EVERSEAL, "nginx", "cat", str(path)], check=True,
                          capture_output=True).stdout


def measure(reader, files):
    """Bytes read of those files that could be, seconds, and how many could not be read or changed."""
    size, seconds, failed, changed = 0, 0.0, 0, 0
    for path in files:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            try:
                written = reader(path)
            except Exception:  # of whatever kind a parser's failures are
                written = None
            times.append(time.perf_counter() - start)
            if written is None or times[0] > 5:
                break
        failed += written is None
        if written is not None:
            changed += written != path.read_bytes()
            size += path.stat().st_size
            seconds += min(times)
    return size, seconds, failed, changed


def main():
    files = [pathlib.Path(name) for name in sys.argv[1:]] or generated()
    rates = {}
    print(f"{'':10} {'files':>6} {'failed':>7} {'changed':>8} {'MB':>7} {'seconds':>9} {'s/MB':>9}")
    for reader in (certbot, everseal):
        size, seconds, failed, changed = measure(reader, files)
        rates[reader] = seconds / size * 1e6
        print(f"{reader.__name__:10} {len(files):6} {failed:7} {changed:8} {size / 1e6:7.2f} "
              f"{seconds:9.3f} {rates[reader]:9.4f}")
    print(f"everseal is {rates[certbot] / rates[everseal]:.0f} times as fast")


if __name__ == "__main__":
    main()
