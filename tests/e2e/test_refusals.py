#!/usr/bin/python3
"""Command lines, names and settings that must be refused before anything is done."""

import subprocess

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from harness import MachineCase, main
from harness.everseal import STATE
from harness.haproxy import make_self_signed
from harness.nginx import CONFIGURATION
from harness.sandbox import SCRATCH
from harness.sites import WEBROOT, fingerprint

_WRONG_COMMAND_LINES = [
    ["scure", "--all"],
    ["secure", "--al"],
    ["secure", "--all", "static.example"],
    ["secure", "--all", "--redirect", "--no-redirect"],
    ["secure", "--all", "--key-type", "rsa-512"],
    ["secure", "--all", "--eab-kid", "only"],
    ["issue"],
    ["issue", "-d"],
    ["issue", "-d", "static.example:"],
    ["issue", "-d", "static.example", "-d", "static.example"],
    ["issue", "--standalone", "-d", "static.example:/var/www/static"],
    ["issue", "-d", "*.example.com:/var/www/static"],
    ["undo", "the-last"],
    ["--json"],
]

# With the byte, from 1, of what is wrong.
_HOSTILE_NAMES = {
    "../x": 1,
    "a.example\nserver_name b.example": 10,
    "a;b.example": 2,
    "$(reboot).example": 1,
    "a" * 64 + ".example": 64,
    "a." * 140 + "example": 254,
    "\N{PILE OF POO}.example": 1,
    "example.com.": 13,
    "a..example": 3,
    "192.0.2.1": 9,
    "localhost": 10,
    "_acme.example": 1,
    "*.*.x.example": 3,
    "${pid}.example": 1,
    "xn--a.example": 5,
    "fe80::1%eth0": 5,
    ".": 1,
    "xn--" + "z" * 70 + ".example": 64,
    "a\x1b[31m.example": 2,
}


class Refusals(MachineCase):
    def setUp(self):
        super().setUp()
        self.before = fingerprint()

    def tearDown(self):
        self.assertEqual(fingerprint(), self.before)
        self.assertEqual(self.authority.order_count(), 0)
        self.assertFalse((STATE / "certs").exists())

    def test_wrong_command_lines(self):
        for line in _WRONG_COMMAND_LINES:
            with self.subTest(line=line):
                self.assertIn("everseal", self.run_everseal(*line, status=2).err)

    def test_hostile_names(self):
        for name, position in _HOSTILE_NAMES.items():
            for command in (["secure", name, "--yes"], ["issue", "-d", f"{name}:/var/www/static"],
                            ["renew", name], ["status", name]):
                with self.subTest(command=command):
                    result = self.run_everseal(*command, status=2)
                    self.assertIn(f"at byte {position}", result.err)
                    self.assertNotIn("\x1b", result.err)
                    self.assertLess(len(result.err), 500)

    def test_a_name_that_looks_like_an_option(self):
        self.run_everseal("secure", "-rf", status=2)
        self.run_everseal("issue", "-d", "-rf", status=2)

    def test_FaultS3_ten_thousand_names(self):
        names = [word for number in range(10_000) for word in ("-d", f"n{number}.example")]
        result = self.run_everseal("issue", "--yes", *names, "--webroot", WEBROOT, status=1)
        self.assertIn("10000 names are too many for one certificate", result.err)
        self.assertLess(len(result.err), 500)

    def test_FaultS4_email_addresses_that_are_more_than_that(self):
        for address in ("a@b.example\r\nBcc: x@y.example", 'a@b.example","terms":"x',
                        "a@b.example,c@d.example", "a@" + "b" * 300, "nobody"):
            with self.subTest(address=address[:40]):
                result = self.everseal.run("issue", "--yes", "-d", f"static.example:{WEBROOT}",
                                           "--email", address)
                self.assertIn(result.status, (1, 2), result)
                self.assertIn("e-mail address", result.err)
                self.assertNotIn("\r", result.err)
                self.assertNotIn("new-account", self.authority.log())

    def test_FaultS4_paths_that_nginx_cannot_write(self):
        for name in ("a$b", "a${pid}b", "a\nb", "a\\$b"):
            with self.subTest(name=name):
                self.authority_was_not_asked(name)

    def authority_was_not_asked(self, name):
        result = self.run_everseal("secure", "static.example", "--dry-run", "--state",
                                   SCRATCH / name, status=1)
        self.assertIn("nginx has no way to write this path", result.out + result.err)

    def test_FaultS7_certificate_requests_that_no_ca_takes(self):
        for title, (request, words) in hostile_requests().items():
            with self.subTest(title):
                result = self.run_everseal("issue", "--yes", "--csr", request, "--webroot", WEBROOT,
                                           status=1)
                self.assertIn(words, result.err)
                self.assertLess(len(result.err), 600)

    def test_FaultS7_a_certificate_file_without_end(self):
        """What nginx has in a site is no reason to read more than a certificate can be."""
        huge = SCRATCH / "huge.pem"
        make_self_signed(huge, "static.example")
        huge.write_bytes(huge.read_bytes() + b"# more\n" * 1_000_000)
        site = CONFIGURATION / "conf.d/zz-huge.conf"
        site.write_text(f"server {{ listen 8443 ssl; server_name huge.example; ssl_certificate {huge};"
                        f" ssl_certificate_key {huge}; return 204; }}\n")
        self.assertEqual(self.nginx.test(), "")
        self.before = fingerprint()
        self.run_everseal("secure", "--all", "--dry-run")

    def test_settings_that_are_wrong(self):
        settings = SCRATCH / "everseal.toml"
        for text in ("server = 7\n", "no_such_setting = true\n", "server = [\n"):
            with self.subTest(text=text):
                settings.write_text(text)
                result = self.run_everseal("secure", "--all", "--config", settings, status=2)
                self.assertIn(f"{settings}:1", result.err)
        missing = self.run_everseal("status", "--config", SCRATCH / "nothing.toml", status=2)
        self.assertIn("nothing.toml", missing.err)

    def test_a_name_that_no_site_has(self):
        result = self.run_everseal("secure", "nobody.example", "--yes", status=1)
        self.assertIn("nobody.example", result.err)

    def test_server_names_that_no_certificate_can_have_are_left_out(self):
        file = CONFIGURATION / "conf.d/zz-odd.conf"
        file.write_text('server { listen 80; server_name "~^w[0-9]+$" _acme.example localhost'
                        ' 192.0.2.1 *.wild.example; return 204; }\n')
        self.assertEqual(self.nginx.test(), "")
        self.before = fingerprint()
        document = self.run_everseal("secure", "--all", "--dry-run", "--json").json()
        left_out = {skipped["name"] for skipped in document["skipped"]}
        self.assertLessEqual({"~^w[0-9]+$", "_acme.example", "localhost", "192.0.2.1",
                              "*.wild.example"}, left_out)
        self.assertTrue(all(skipped["reason"] for skipped in document["skipped"]))
        of_that_file = document["diff"].partition(f"+++ {file}")[2].partition("\n--- ")[0]
        self.assertNotIn("443", of_that_file)


class Quoting(MachineCase):
    """What is put into nginx's configuration is one word there, whatever it is made of."""

    def test_FaultS4_a_path_is_one_word(self):
        before = fingerprint()
        for name in ("a b", "a;b", 'a"b', "a'b", "a\\b", "a{b}", "a#b"):
            with self.subTest(name=name):
                state = ("--state", SCRATCH / name)
                self.run_everseal("secure", "static.example", "--yes", *state)
                self.assertEqual(self.nginx.test(), "")
                self.assert_https("static.example")
                self.run_everseal("undo", "--yes", *state)
                self.assertEqual(fingerprint(), before)

    def test_FaultS4_a_server_name_is_no_directive(self):
        file = CONFIGURATION / "conf.d/zz-odd.conf"
        file.write_text('server { listen 80; server_name good.example "a.example;} server {"'
                        ' "x\ny.example" \'q"r.example\' "$hostname" "a{b}.example";'
                        ' return 204; }\n')
        self.assertEqual(self.nginx.test(), "")
        self.authority.resolve("good.example")
        before = fingerprint()
        self.run_everseal("secure", "good.example", "--yes", "--no-redirect")
        self.assertEqual(self.nginx.test(), "")
        self.assertIn('"a.example;} server {" "x\ny.example" \'q"r.example\' "$hostname" "a{b}.example"',
                      file.read_text())
        self.run_everseal("undo", "--yes")
        self.assertEqual(fingerprint(), before)


def hostile_requests():
    """Of each kind: a file, and what is said of it."""
    def openssl(name, *arguments):
        request = SCRATCH / f"{name}.csr"
        subprocess.run(["openssl", "req", "-new", "-nodes", "-keyout", SCRATCH / "key", "-subj",
                        "/CN=static.example", *arguments, "-out", request], check=True,
                       capture_output=True)
        return request

    def with_key(name, *options):
        return openssl(name, "-newkey", *options, "-addext", "subjectAltName=DNS:static.example")

    many = ",".join(f"DNS:n{number}.example" for number in range(1500))
    huge = SCRATCH / "huge.csr"
    huge.write_bytes(b"-----BEGIN CERTIFICATE REQUEST-----\n" + b"A" * 10_000_000)
    curve = ("ec", "-pkeyopt", "ec_paramgen_curve:")
    return {
        "huge": (huge, "the certificate request is too large"),
        "endless": ("/dev/zero", "not a regular file"),
        "explicit parameters": (with_key("explicit", *curve[:2], curve[2] + "P-256", "-pkeyopt",
                                         "ec_param_enc:explicit"), "explicit curve parameters"),
        "a curve of others": (with_key("curve", *curve[:2], curve[2] + "secp256k1"),
                              "the key is on curve secp256k1"),
        "a short key": (with_key("short", "rsa:1024"), "1024"),
        "a long key": (long_rsa_request(), "16384"),
        "many names": (openssl("many", "-newkey", *curve[:2], curve[2] + "P-256", "-addext",
                               f"subjectAltName={many}"), "names are too many"),
    }


def long_rsa_request():
    """Of 16,384 bits, which nobody has to make: the key is refused before its signature is looked at."""
    def der(tag, *parts):
        content = b"".join(parts)
        size = len(content)
        length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
        return bytes([tag]) + length + content

    key = rsa.RSAPublicNumbers(65_537, (1 << 16_383) + 1).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    name = der(0x30, bytes.fromhex("0603550403"), der(0x0C, b"static.example"))
    info = der(0x30, b"\x02\x01\x00", der(0x30, der(0x31, name)), key, b"\xa0\x00")
    algorithm = der(0x30, bytes.fromhex("06092a864886f70d01010b0500"))
    request = SCRATCH / "long.csr"
    request.write_bytes(der(0x30, info, algorithm, der(0x03, bytes(2049))))
    return request


if __name__ == "__main__":
    main()
