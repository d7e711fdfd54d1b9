#!/usr/bin/env python3
"""`everseal nginx parse|cat|sites`, held to what the real nginx makes of the same files."""

import csv
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import unittest

from harness import Nginx, sandbox
from harness.everseal import ROOT, binary
from harness.nginx import CONFIGURATION

CORPUS = pathlib.Path(os.environ.get("EVERSEAL_SOURCE", ROOT)).parent / "shared/nginx/corpus"
MAIN = CONFIGURATION / "nginx.conf"


def everseal(*arguments, stdin=b"", prefix=(), cwd=None):
    return subprocess.run([*prefix, binary(), *map(str, arguments)], input=stdin, cwd=cwd,
                          capture_output=True, timeout=60)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("latin-1") if isinstance(text, str) else text)
    return path


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.directory = sandbox.SCRATCH / "nginx_commands"
        self.directory.mkdir()
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(shutil.rmtree, CONFIGURATION, ignore_errors=True)

    def file(self, name, text):
        return write(self.directory / name, text)


class Cat(Case):
    def test_L8_every_file_that_nginx_accepts_comes_back_as_it_was(self):
        if not CORPUS.exists():
            self.skipTest(f"{CORPUS} is not here")
        with open(CORPUS / "MANIFEST.tsv", newline="") as manifest:
            rows = list(csv.DictReader(manifest, delimiter="\t"))
        files = [(CORPUS / row["file"], row["nginx_lexer"]) for row in rows]
        files = [(path, verdict) for path, verdict in files if path.is_file()]
        self.assertGreater(len(files), 500)
        good = [path for path, verdict in files if verdict == "ok"]
        done = everseal("nginx", "cat", *good)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout, b"".join(path.read_bytes() for path in good))
        for path in (path for path, verdict in files if verdict != "ok"):
            done = everseal("nginx", "cat", path)
            self.assertEqual((done.returncode, done.stdout), (1, b""), path)
            self.assertRegex(os.fsdecode(done.stderr), rf"^{re.escape(str(path))}:\d+:\d+: \w")

    def test_bytes_are_bytes(self):
        text = b"\xef\xbb\xbfa 'b\xff\x00\r\n';\r\n#\xe9\r\n\tserver{b \\\n ${{c;}"
        self.assertEqual(everseal("nginx", "cat", self.file("a", text)).stdout, text)
        self.assertEqual(everseal("nginx", "cat", "-", stdin=text).stdout, text)
        self.assertEqual(everseal("nginx", "cat", self.file("empty", "")).stdout, b"")

    def test_a_file_that_cannot_be_read_is_named(self):
        good = self.file("good", "a;")
        bad = self.file("bad", "a;\n b }")
        secret = self.file("secret", "a;")
        secret.chmod(0)
        os.mkfifo(self.directory / "pipe")
        huge = self.directory / "huge"
        with open(huge, "wb") as file:
            file.truncate(65 << 20)
        for path, words in ((bad, ":2:4: unexpected \"}\"; expected \";\" before it, or \"{\""),
                            (self.directory / "none", "No such file or directory"),
                            (self.directory, "not a regular file"),
                            (self.directory / "pipe", "not a regular file"),
                            (huge, "larger than"),
                            (pathlib.Path("/usr/bin/env"), ": unexpected ")):
            done = everseal("nginx", "cat", path)
            self.assertEqual((done.returncode, done.stdout), (1, b""), path)
            self.assertIn(str(path), os.fsdecode(done.stderr))
            self.assertIn(words, os.fsdecode(done.stderr))
        nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        program = shutil.copy(binary(), sandbox.SCRATCH / "everseal")
        sandbox.SCRATCH.chmod(0o755)
        done = subprocess.run([*nobody, program, "nginx", "cat", good, secret],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (3, "a;"))
        self.assertIn(f"{secret}: Permission denied", done.stderr)

    def test_words_and_comments_are_as_long_as_nginx_takes_them(self):
        """Around the 4096 bytes of nginx's buffer, at any distance from the start of the file."""
        write(MAIN, "events {}\nhttp { types_hash_bucket_size 8192; types { include words; } }\n")
        random.seed(4096)
        for _ in range(150):
            before = "x;\n" + random.choice(["", " " * random.randrange(5000), "y z;\n" * 900])
            body = "v" * random.randrange(4088, 4102)
            body = random.choice(["a {}", "{}", '"{}"', "a '{}'", "#{}", "a #{}\n", "b \\{}", "\\\n{}"]
                                 ).format(body)
            after = random.choice([";", " ;", "\n;", " c;", ""]) + random.choice(["", "\n", " x;\n"])
            self.compare(before + body + after)

    def test_L8_mutated_files_fail_where_nginx_says(self):
        write(MAIN, "events {}\nhttp { types_hash_bucket_size 8192; types { include words; } }\n")
        seed = (b"a 'b c' \"d\\\"e\" f#g; # comment ' \" ; {\n\r\nh ${i} \\; j\\\n k;\n"
                b"l \"m\nn\";\ttext/x o p q; (r = \"s\" ) t;\n\xff\xfe u;v w;\n")
        pieces = [b"\\", b'"', b"'", b"}", b";", b"#", b"$", b"${", b"\n", b"\r", b" ", b")", b"\0"]
        random.seed(1)
        for _ in range(250):
            text = seed * random.randrange(1, 3)
            for _ in range(random.randrange(1, 5)):
                at = random.randrange(len(text))
                text = text[:at] + random.choice(pieces) + text[at + random.randrange(3):]
            self.compare(text)

    def compare(self, text):
        """The verdict of `nginx -t` on words that it takes as data, and ours."""
        words = write(CONFIGURATION / "words", text)
        verdict = subprocess.run(["nginx", "-t"], capture_output=True).stderr.decode("latin-1")
        found = re.search(r"\[emerg\] \d+#\d+: ((?:unexpected|too long) .*?) in \S+words:(\d+)",
                          verdict, re.DOTALL)
        done = everseal("nginx", "cat", words)
        if not found:
            self.assertEqual(done.stdout, words.read_bytes(), verdict)
            return
        message, line = found.groups()
        if message == 'unexpected "{"':
            return  # also what nginx says of any block there
        told = done.stderr.decode("latin-1")
        self.assertTrue(told.startswith(f"{words}:{line}:"), (told, verdict, text))
        shown = re.sub(r"[^ -~\t\n]", lambda found: f"\\x{ord(found[0]):02x}", message)
        self.assertIn(shown.split(", expecting")[0][:30], told, (verdict, text))


class Parse(Case):
    def parse(self, *arguments, status=0, cwd=None, stdin=b""):
        done = everseal("nginx", "parse", *arguments, cwd=cwd, stdin=stdin)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stderr, b"")
        return json.loads(done.stdout)

    def test_the_payload_is_crossplanes(self):
        self.file("nginx.conf", "events {}\nhttp {\n  include d/*.conf;\n"
                                "  if ($a = \"x y\") { return 301 ${b}; }\n}\n")
        self.file("d/b.conf", "server {\n listen 80\n  default_server; # c\n}\n")
        self.file("d/.hidden.conf", "never;")
        self.file("d/a.conf", "set_by_lua_block $x { return '}' }")
        self.assertEqual(self.parse("nginx.conf", cwd=self.directory), {
            "status": "ok", "errors": [], "config": [
                {"file": "nginx.conf", "status": "ok", "errors": [], "parsed": [
                    {"directive": "events", "line": 1, "args": [], "block": []},
                    {"directive": "http", "line": 2, "args": [], "block": [
                        {"directive": "include", "line": 3, "args": ["d/*.conf"],
                         "includes": [1, 2]},
                        {"directive": "if", "line": 4, "args": ["$a", "=", "x y"], "block": [
                            {"directive": "return", "line": 4, "args": ["301", "${b}"]}]}]}]},
                {"file": "d/a.conf", "status": "ok", "errors": [], "parsed": [
                    {"directive": "set_by_lua_block", "line": 1, "args": ["$x", " return '}' "]}]},
                {"file": "d/b.conf", "status": "ok", "errors": [], "parsed": [
                    {"directive": "server", "line": 1, "args": [], "block": [
                        {"directive": "listen", "line": 2, "args": ["80", "default_server"]}]}]}]})

    def test_comments_are_directives_if_asked_for(self):
        file = self.file("c", "# one\r\na b # two\n # three\n c; # four\ns { # five\n}\n#")
        parsed = self.parse("--include-comments", file)["config"][0]["parsed"]
        flat = [(each["directive"], each["line"], each.get("comment")) for each in parsed]
        self.assertEqual(flat, [("#", 1, " one"), ("a", 2, None), ("#", 2, " two"),
                                ("#", 2, " three"), ("#", 4, " four"), ("s", 5, None),
                                ("#", 7, "")])
        self.assertEqual(parsed[5]["block"][0]["comment"], " five")

    def test_combine_puts_files_together(self):
        main = self.file("m", "a { include x; include x; }")
        x = self.file("x", "b;")
        config = self.parse("--combine", main)["config"]
        self.assertEqual([file["file"] for file in config], [str(main)])
        b = {"directive": "b", "file": str(x), "line": 1, "args": []}
        self.assertEqual(config[0]["parsed"][0]["block"], [b, b])
        self.file("x", "include m;")
        payload = self.parse("--combine", main, status=1)
        self.assertIn("is included by itself", payload["errors"][0]["error"])

    def test_what_fails_is_in_the_payload(self):
        main = self.file("m", "a;\ninclude none;\ninclude bad*;\ninclude m;\nb;")
        bad = self.file("bad", "x;\n} y;")
        payload = self.parse(main, status=1)
        self.assertEqual(payload["status"], "failed")
        self.assertEqual([(error["file"], error["line"]) for error in payload["errors"]],
                         [(str(main), 2), (str(bad), 2)])
        good, failed = payload["config"]
        self.assertEqual([each.get("includes") for each in good["parsed"]],
                         [None, [], [1], [0], None])
        self.assertEqual((failed["status"], failed["parsed"]), ("failed", []))
        self.assertEqual(failed["errors"][0]["error"], f'{bad}:2:1: unexpected "}}"; no block is open')
        self.assertEqual(self.parse("--no-catch", main, status=1)["config"][0]["parsed"], [])
        self.assertEqual(self.parse("--single-file", main)["config"][0]["parsed"][1],
                         {"directive": "include", "line": 2, "args": ["none"]})
        self.assertEqual(self.parse(self.directory / "gone", status=1)["status"], "failed")

    def test_options(self):
        payload = self.parse("--ignore", "a,b", "-", stdin=b"a; b { c; } d;")
        self.assertEqual(payload["config"][0]["file"], "-")
        self.assertEqual([each["directive"] for each in payload["config"][0]["parsed"]], ["d"])
        self.assertEqual(len(self.parse(self.file("1", "x;"), self.file("2", ""))["config"]), 2)
        self.assertIn(b"\n    \"status\"", everseal("nginx", "parse", "-i", "4", "-").stdout)
        for wrong in (["parse"], ["parse", "--combine", "--single-file", "-"], [], ["cat"]):
            self.assertEqual(everseal("nginx", *wrong).returncode, 2, wrong)

    def test_bytes_that_are_not_utf_8_are_replaced(self):
        [a] = self.parse("-", stdin=b"a caf\xe9 \"\xc3\xa9\" \xff\x00;")["config"][0]["parsed"]
        self.assertEqual(a["args"], ["caf\ufffd", "\u00e9", "\ufffd\0"])

    def test_the_corpus_gives_json(self):
        if not CORPUS.exists():
            self.skipTest(f"{CORPUS} is not here")
        files = [path for path in CORPUS.rglob("*") if path.is_file() and path.suffix == ".conf"]
        done = everseal("nginx", "parse", "--single-file", "--include-comments", *files)
        payload = json.loads(done.stdout)
        self.assertEqual(len(payload["config"]), len(files))
        self.assertEqual(sum(not file["parsed"] for file in payload["config"]
                             if file["status"] == "failed"), len(payload["errors"]))


class SitesOf(Case):
    def sites(self, *arguments, status=0):
        done = everseal("nginx", "sites", *arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout.decode()

    def test_the_model_is_shown(self):
        write(MAIN, "events {}\nhttp {\n  include sites/*;\n  ssl_certificate_key /k.pem;\n}\n")
        write(CONFIGURATION / "sites/a", "server {\n listen 80; listen 443;\n server_name a.example _;\n"
                                         " ssl_certificate c.pem;\n}\n")
        write(CONFIGURATION / "sites/b", "server { listen *:443 ssl; server_name b.example; }\n")
        text = self.sites()
        self.assertIn("a.example  *:80, *:443 (TLS)  /etc/nginx/c.pem  /etc/nginx/sites/a:1\n", text)
        self.assertIn("*:443   ssl    2        a.example (/etc/nginx/sites/a:1)\n", text)
        self.assertIn('/etc/nginx/sites/a:3: "_": ', text)
        document = json.loads(self.sites("--json", "--nginx-config", MAIN))
        self.assertEqual((document["version"], document["command"]), (1, "nginx sites"))
        [http, https] = document["sockets"]
        self.assertEqual((http["address"], http["tls"]), ("*:80", False))
        self.assertEqual((https["address"], https["tls"]), ("*:443", True))
        self.assertEqual(https["default_server"], {"file": "/etc/nginx/sites/a", "line": 1})
        self.assertEqual(document["sites"][0]["certificates"], [
            {"certificate": "/etc/nginx/c.pem", "key": "/k.pem",
             "certificate_at": {"file": "/etc/nginx/sites/a", "line": 4},
             "key_at": {"file": "/etc/nginx/nginx.conf", "line": 4}}])
        self.assertEqual([site["name"] for site in document["sites"]], ["a.example", "b.example"])

    def test_the_reason_of_a_failure_is_told(self):
        write(MAIN, "events {}\n")
        done = everseal("nginx", "sites")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"/etc/nginx/nginx.conf: there is no http{} block", done.stderr)
        write(MAIN, "events {}\nhttp {\n  include none;\n}\n")
        self.assertIn(b"/etc/nginx/nginx.conf:3: ", everseal("nginx", "sites").stderr)

    def test_what_a_challenge_runs_into_is_told(self):
        write(MAIN, "events {}\nhttp {\nserver { listen 80; server_name a.example; deny all;\n"
                    " location ~ /\\. { return 403; }\n}\n}\n")
        [answer] = json.loads(self.sites("--json", "a.example"))["answers"]
        self.assertEqual(answer["challenge"], [{"kind": "answer", "directive": "return",
                                                "file": "/etc/nginx/nginx.conf", "line": 4}])
        self.assertIn("return (/etc/nginx/nginx.conf:4)\n", self.sites("a.example"))

    def test_servers_are_chosen_as_nginx_chooses(self):
        """Servers with names of all kinds at random: each name is asked of nginx and of Everseal."""
        random.seed(80)
        nginx = Nginx()
        self.addCleanup(nginx.stop)
        labels = ["a", "b", "ab", "www"]
        ends = ["a.test", "b.test", "b.a.test", "test"]
        for _ in range(12):
            servers = ""
            for number in range(12):
                forms = [lambda: f"{random.choice(labels)}.{random.choice(ends)}",
                         lambda: random.choice(ends),
                         lambda: "*." + random.choice(ends), lambda: "." + random.choice(ends),
                         lambda: f"{random.choice(labels)}.*", lambda: f"www.{random.choice(labels)}.*",
                         lambda: f"~^{random.choice(labels)}+\\.", lambda: "~[AB]\\.Test$",
                         lambda: '"~^(?<x>[a-z]{2,3})\\.b\\."', lambda: "WWW.A.Test"]
                names = " ".join(random.choice(forms)() for _ in range(random.randrange(1, 4)))
                default = " default_server" if number == 7 and random.random() < .5 else ""
                servers += (f"server {{ listen 8080-8081{default}; server_name {names};\n"
                            f"  return 200 here:{number}; }}\n")
            write(MAIN, "error_log /var/log/nginx/error.log;\npid /run/nginx.pid;\nevents {}\n"
                        "http { server_names_hash_bucket_size 128;\n" + servers + "}\n")
            nginx.cold_start()
            asked = sorted({f"{first}.{end}" for first in [*labels, "www.a", "x"] for end in ends}
                           | set(ends) | {"other.example", "a.example", "www.a.example"})
            answers = json.loads(self.sites("--json", *asked))["answers"]
            chosen = {each["name"]: each["servers"] for each in answers
                      if each["socket"] == "*:8081"}
            for name in asked:
                [server] = chosen[name]
                self.assertEqual(self.ask(name), (server["line"] - 5) // 2, (name, servers))

    def ask(self, host):
        """The number of the server that answers `host`."""
        connection = http.client.HTTPConnection("127.0.0.1", 8081, timeout=10)
        connection.request("GET", "/", headers={"Host": host})
        body = connection.getresponse().read().decode()
        connection.close()
        return int(body.removeprefix("here:"))


if __name__ == "__main__":
    sandbox.enter()
    unittest.main(verbosity=2)
