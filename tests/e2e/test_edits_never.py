#!/usr/bin/python3
"""What an edit must never do to files, on a real file system and a running nginx."""

import os
import subprocess

from harness import main
from harness.edit_case import SITE, EditCase
from harness.edit_cases import EditTree
from harness.nginx import CONFIGURATION
from harness.sites import fingerprint

_SITE = """\
server {
    listen 80;
    server_name example.com;
    root /srv;
}
"""


def attributes(path):
    """Owner, mode, access list and extended attributes."""
    status = path.stat()
    acl = subprocess.run(["getfacl", "-cn", str(path)], check=True, capture_output=True).stdout
    extended = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return status.st_mode, status.st_uid, status.st_gid, acl, extended


class Never(EditCase):
    def start_with(self, texts, operation="install"):
        self.start(EditTree.of_texts("never", texts, ["example.com"], operation))

    def test_links_owners_modes_and_attributes_stay(self):
        self.start_with({"sites-available/a": _SITE, "sites-enabled/.keep": ""})
        file, link = CONFIGURATION / "sites-available/a", CONFIGURATION / SITE
        second = CONFIGURATION / "sites-available/alias"
        second.symlink_to("a")
        link.symlink_to("../sites-available/alias")
        os.chown(file, 33, 4)
        file.chmod(0o640)
        os.setxattr(file, "user.note", b"mine")
        subprocess.run(["setfacl", "-m", "u:nobody:r", str(file)], check=True)
        self.nginx.cold_start()
        before, tree = attributes(file), fingerprint()
        self.run_everseal("secure", "example.com", "--yes")
        self.assertIn("443 ssl", file.read_text())
        self.assertEqual(attributes(file), before)
        self.assertTrue(link.is_symlink() and second.is_symlink())
        self.run_everseal("undo", "--yes")
        self.assertEqual(attributes(file), before)
        self.assertEqual(fingerprint(), tree)

    def test_bytes_stay(self):
        odd = "# caf\u00e9\t \r\r\n".encode("latin-1")
        self.start_with({SITE: odd + _SITE.rstrip("\n").replace("\n", "\r\n").encode() + b" # end"})
        self.secure("--no-hardening")
        after = (CONFIGURATION / SITE).read_bytes()
        self.assertTrue(after.startswith(odd))
        self.assertTrue(after.endswith(b"} # end"))
        self.undo()

    def test_a_file_with_a_byte_order_mark_is_named(self):
        self.start_with({SITE: _SITE})
        marked = CONFIGURATION / "sites-enabled/b"
        marked.write_bytes(b"\xef\xbb\xbf# nginx refuses this\nserver { listen 80; }\n")
        self.before = self.tree.bytes()
        self.refuse("unknown directive", "sites-enabled/b:")

    def test_a_file_that_nginx_loads_and_we_cannot_is_named(self):
        nested = ("server { listen 80; server_name other.test;\n" + "location / {\n" * 520 +
                  "}\n" * 520 + "}\n")
        self.start_with({SITE: _SITE, "sites-enabled/b": nested})
        self.refuse("sites-enabled/b:")

    def test_a_file_that_is_included_twice_is_named_with_its_users(self):
        main_file = ("events {}\nhttp {\n    include /etc/nginx/common/a;\n"
                     "    server { listen 8082; include /etc/nginx/common/b; }\n"
                     "    server { listen 8083; include /etc/nginx/common/b; }\n"
                     "    include /etc/nginx/common/../common/a;\n}\n")
        self.start_with({"nginx.conf": main_file, "common/a": _SITE, "common/b": "root /srv;\n"})
        self.refuse("common/a is included from 2 places (/etc/nginx/nginx.conf:3, "
                    "/etc/nginx/nginx.conf:6)")

    def test_a_file_that_another_program_writes_is_named(self):
        self.start_with({SITE: "# Ansible managed: template a.j2\n" + _SITE})
        self.refuse('sites-enabled/a is written by another program ("ansible managed")')

    def test_a_file_that_is_mounted_read_only(self):
        self.start_with({SITE: _SITE})
        file = str(CONFIGURATION / SITE)
        subprocess.run(["mount", "--bind", file, file], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", file], check=True)
        try:
            self.refuse("sites-enabled/a:1", "is mounted read-only")
        finally:
            subprocess.run(["umount", file], check=True)
        self.secure("--no-hardening")

    def test_a_renewal_touches_no_file_of_nginx(self):
        self.start_with({SITE: _SITE})
        self.run_everseal("secure", "example.com", "--yes")
        before = self.identities()
        self.run_everseal("renew", "--force")
        self.run_everseal("secure", "example.com", "--yes")
        self.assertEqual(self.identities(), before)

    @staticmethod
    def identities():
        """Not even the same bytes were written again."""
        return {path: (path.lstat().st_ino, path.lstat().st_ctime_ns)
                for path in CONFIGURATION.rglob("*")}

    def test_no_include_ever_sees_a_file_of_ours(self):
        self.start_with({SITE: _SITE})
        trace = "/run/scratch/trace"
        command = ["strace", "-f", "-qq", "-y", "-e", "trace=openat,rename,renameat,renameat2,link,linkat",
                   "-o", trace, *self.everseal.command("secure", "example.com", "--yes",
                                                       "--sandbox", "relaxed")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        made = [line for line in open(trace, encoding="latin-1")
                if "O_CREAT" in line and "/etc/nginx/sites-enabled" in line]
        self.assertTrue(made)
        for line in made:
            self.assertRegex(line, r'/etc/nginx/sites-enabled(/|>, ")\.')

    def test_mail_and_stream_stay(self):
        main_file = ("events {}\nstream {\n    server {\n        listen 8443 ssl;\n"
                     "        ssl_certificate /etc/ssl/x.pem;\n"
                     "        ssl_certificate_key /etc/ssl/x.key;\n"
                     "        proxy_pass 127.0.0.1:1;\n    }\n}\n"
                     "http {\n    include /etc/nginx/sites-enabled/*;\n}\n")
        self.start_with({"nginx.conf": main_file, SITE: _SITE})
        self.secure("--no-hardening")
        self.assertEqual(self.after["nginx.conf"], self.before["nginx.conf"])
        self.undo()


if __name__ == "__main__":
    main()
