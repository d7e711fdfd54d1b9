#!/usr/bin/python3
"""TLS settings and Strict-Transport-Security: what visitors get of the profiles and of the ramp."""

import socket
import ssl
import subprocess

from harness import MachineCase, main, visitor
from harness.nginx import CONFIGURATION
from harness.sandbox import SCRATCH, wait_until

TLS_CONF = CONFIGURATION / "everseal/tls.conf"
SIGNATURES = {"ecdsa": "ECDSA+SHA256", "rsa": "RSA-PSS+SHA256:RSA+SHA256"}
STATIC = CONFIGURATION / "sites-available/static"
CATCH_ALL = CONFIGURATION / "everseal/catch-all.conf"
FOUR = "127.0.0.4"
HEADERS = CONFIGURATION / "conf.d/headers.conf"


class Hardening(MachineCase):
    def secure(self, *more, name="static.example", **options):
        return self.run_everseal("secure", name, "--yes", *more, **options)

    def speaks(self, version, name="static.example"):
        """Whether a visitor who knows this version alone gets a handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.authority.root_file())
        context.minimum_version = context.maximum_version = version
        try:
            with socket.create_connection(("127.0.0.1", 443), timeout=5) as connection:
                context.wrap_socket(connection, server_hostname=name).close()
        except ssl.SSLError:
            return False
        return True

    def hsts(self, path="/", name="static.example"):
        answer = visitor.https_get(name, self.authority.root_file(), path)
        return answer.headers.get("strict-transport-security")

    def test_a_profile_is_kept_until_another_is_asked_for(self):
        self.secure("--profile", "modern")
        self.assertFalse(self.speaks(ssl.TLSVersion.TLSv1_2))
        self.assertTrue(self.speaks(ssl.TLSVersion.TLSv1_3))
        before = TLS_CONF.read_bytes()
        self.secure()
        self.assertEqual(before, TLS_CONF.read_bytes())
        self.secure("--profile", "intermediate")
        wait_until("TLS 1.2 is spoken", lambda: self.speaks(ssl.TLSVersion.TLSv1_2))

    def test_what_was_changed_by_hand_is_left_alone(self):
        self.secure()
        TLS_CONF.write_text(TLS_CONF.read_text().replace("TLSv1.2 TLSv1.3", "TLSv1.3"))
        before = TLS_CONF.read_bytes()
        self.assertIn("changed by hand", self.secure("--profile", "old").out)
        self.assertEqual(before, TLS_CONF.read_bytes())

    def test_what_stands_is_kept_and_named(self):
        (CONFIGURATION / "conf.d/tls.conf").write_text("ssl_protocols TLSv1.1 TLSv1.2;\n")
        out = self.secure().out
        self.assertIn("tls.conf:1: ssl_protocols is kept, but offers TLSv1.1", out)
        self.assertNotIn("ssl_protocols", TLS_CONF.read_text())
        self.assertFalse(self.speaks(ssl.TLSVersion.TLSv1_3))

    def test_unknown_names_are_refused_only_on_request(self):
        self.secure()
        self.assertEqual("static.example", self.shown("stranger.example"))
        self.secure("--catch-all")
        wait_until("strangers are refused", lambda: self.shown("stranger.example") is None)
        self.assertEqual("static.example", self.shown("static.example"))
        self.assertIn("Nothing to do", self.secure("--catch-all").out)
        self.secure("--catch-all", name="four.example")
        self.assertEqual("four.example", self.shown("four.example", FOUR))
        self.assertIsNone(self.shown("stranger.example", FOUR))
        for _ in range(2):
            self.run_everseal("undo", "--yes")
        wait_until("they are answered again", lambda: self.shown("stranger.example"))
        self.assertFalse(CATCH_ALL.exists())

    def shown(self, name, address="127.0.0.1"):
        """The first name of the certificate that a visitor is shown; None where there is none."""
        context = ssl.create_default_context(cafile=self.authority.root_file())
        context.check_hostname = False
        try:
            with socket.create_connection((address, 443), timeout=5) as connection:
                with context.wrap_socket(connection, server_hostname=name) as session:
                    return session.getpeercert()["subjectAltName"][0][1]
        except ssl.SSLError:
            return None

    def test_stapling_follows_the_certificate(self):
        stapling = CONFIGURATION / "conf.d/stapling.conf"
        resolver = CONFIGURATION / "conf.d/resolver.conf"
        resolver.write_text("resolver 127.0.0.1;\n")
        self.secure()
        self.assertNotIn("ssl_stapling", STATIC.read_text())
        self.new_authority(ocsp_responder="http://127.0.0.1:4002")
        self.secure("--force")
        self.assertIn("ssl_stapling on;", STATIC.read_text())
        self.assertIn("Nothing to do", self.secure().out)
        self.new_authority()
        self.assertIn("ssl_stapling has no effect", self.secure("--force").out + self.secure().out)
        self.secure("--remove-dead-lines")
        self.assertNotIn("ssl_stapling", STATIC.read_text())
        stapling.write_text("ssl_stapling on;\n")
        self.assertIn("stapling.conf:1: ssl_stapling has no effect", self.secure().out)

    def test_two_certificates_side_by_side(self):
        self.secure("--second-key-type", "rsa-2048")
        self.assertIn(": secure static.example\n", self.run_everseal("changes").out)
        before = {kind: self.serial(kind) for kind in SIGNATURES}
        self.assertNotEqual(before["ecdsa"], before["rsa"])
        self.assertIn("Nothing to do", self.secure().out)
        self.run_everseal("renew", "--force")
        for kind in SIGNATURES:
            self.assertNotEqual(before[kind], self.serial(kind))
        wrong = self.secure("--second-key-type", "ecdsa-p384", status=1)
        self.assertIn("nginx serves one of ECDSA and one of RSA", wrong.err)
        self.run_everseal("undo", "--yes")

    def test_a_second_certificate_joins_the_first(self):
        self.secure()
        first = self.serial("ecdsa")
        self.assertIsNone(self.serial("rsa"))
        self.secure("--second-key-type", "rsa-2048")
        self.assertEqual(first, self.serial("ecdsa"))
        self.assertIsNotNone(self.serial("rsa"))

    def serial(self, kind, name="static.example"):
        """Of the certificate that a visitor gets who knows signatures of this kind alone."""
        done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:443", "-servername",
                               name, "-sigalgs", SIGNATURES[kind], "-CAfile",
                               self.authority.root_file(), "-verify_return_error"],
                              input=b"", capture_output=True)
        shown = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=done.stdout,
                               capture_output=True)
        return shown.stdout if done.returncode == 0 else None

    def test_an_unknown_profile(self):
        self.assertIn("modern, intermediate, old", self.secure("--profile", "best", status=2).err)

    def test_hsts_climbs_with_each_renewal(self):
        settings = SCRATCH / "everseal.toml"
        settings.write_text('[nginx]\nhsts = "ramp"\n')
        config = ("--config", str(settings))
        self.secure(*config)
        self.assertEqual("max-age=300", self.hsts())
        self.secure(*config)
        self.assertEqual("max-age=300", self.hsts())
        self.secure("--hsts=next")
        self.assertEqual("max-age=5184000", self.hsts())
        for step in ("max-age=63072000", "max-age=63072000"):
            self.run_everseal("renew", "--force", *config)
            self.assertEqual(step, self.hsts())
        below = self.secure("--hsts=ramp;subdomains;preload").out
        self.assertIn("covers every name below these", below)
        self.assertEqual("max-age=63072000; includeSubDomains; preload", self.hsts())
        self.run_everseal("undo", "--yes")
        self.run_everseal("renew", "--force")
        self.assertEqual("max-age=63072000", self.hsts())
        self.run_everseal("undo", "--yes")
        wait_until("the step is taken back", lambda: self.hsts() == "max-age=5184000")
        self.secure("--no-hsts")
        wait_until("it is withdrawn", lambda: self.hsts() == "max-age=0")

    def test_hsts_is_not_dropped_by_other_headers(self):
        HEADERS.write_text(
            "server {\n\tlisten 80;\n\tserver_name headers.example;\n\tadd_header X-Server 1;\n"
            "\tlocation / { return 200 a; }\n"
            "\tlocation /own {\n\t\tadd_header X-Own 1;\n\t\treturn 200 b;\n\t}\n"
            "\tlocation /missing {\n\t\tadd_header X-Own 1;\n\t\treturn 404;\n\t}\n}\n")
        self.authority.resolve("headers.example", ipv6=())
        self.nginx.reload()
        self.secure("--hsts=600", name="headers.example")
        for path in ("/", "/own", "/missing"):
            with self.subTest(path):
                self.assertEqual("max-age=600", self.hsts(path, "headers.example"))
        before = HEADERS.read_bytes()
        self.secure("--hsts=600", name="headers.example")
        self.assertEqual(before, HEADERS.read_bytes())


if __name__ == "__main__":
    main()
