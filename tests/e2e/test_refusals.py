#!/usr/bin/python3
"""Command lines, names and settings that must be refused before anything is done."""

from harness import MachineCase, main
from harness.everseal import STATE
from harness.nginx import CONFIGURATION
from harness.sandbox import SCRATCH
from harness.sites import fingerprint

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


if __name__ == "__main__":
    main()
