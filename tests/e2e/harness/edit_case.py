"""One test on a machine whose nginx runs a tree of configuration files; what holds for every edit."""

import contextlib
import dataclasses
import difflib
import re
import socket
import subprocess
import threading

from . import edit_cases
from .case import MachineCase
from .edit_cases import CHALLENGE, TOKEN
from .sandbox import wait_until

SITE = "sites-enabled/a"


class EditCase(MachineCase):
    """A machine whose nginx runs one of the trees."""

    def start(self, tree):
        self.nginx.stop()
        self.tree = tree.install()
        for name in tree.domains:
            self.resolve(name)
        self.assertEqual(self.nginx.test(), "")
        self.nginx.start()
        self.before = tree.bytes()
        self.seen = edit_cases.look(tree.names(), tree.paths())

    def resolve(self, name):
        """The DNS leads to where the tree's servers listen on port 80."""
        found = self.tree.addresses(80) or ["127.0.0.1"]
        ipv4, ipv6 = ([a for a in found if (":" in a) is is_v6] for is_v6 in (False, True))
        if b"80 proxy_protocol" in self.tree.bytes().get(SITE, b""):
            # As behind a balancer that says for whom it asks: the CA comes to the balancer.
            self.addCleanup(Balancer(("::1", 80), ("127.0.0.1", 80)).stop)
            ipv4, ipv6 = [], ["::1"]
        self.authority.resolve(name, ipv4, ipv6)

    def secure(self, *options, strange_addresses=()):
        """Secures the tree's names and checks what holds for every edit. At `strange_addresses` the
        names lead to a server of somebody else: there only the CA is answered."""
        redirect = "--redirect" if "redirect" in self.tree.operation else "--no-redirect"
        arguments = ("secure", *self.tree.domains, "--yes", redirect, *options)
        self.report = self.run_everseal(*arguments, "--json").json()
        self.said = "\n".join(f"{n['where']}: {n['text']}" for n in self.report["notes"])
        self.site_names = [n for site in self.report["sites"] for n in site["names"]]
        self.assertEqual(self.nginx.test(), "")
        self.after = self.tree.bytes()
        self.now = edit_cases.look(self.tree.names(), self.tree.paths())
        self.assert_nobody_else_changed()
        self.assert_site_is_served(redirect == "--redirect", strange_addresses)
        self.assert_text_is_in_style()
        again = self.run_everseal(*arguments)
        self.assertIn("othing to do", again.out)
        self.assertEqual(self.tree.bytes(), self.after)
        self.assertEqual(self.authority.order_count(), 1)

    def undo(self):
        self.run_everseal("undo", "--yes")
        self.assertEqual(self.tree.bytes(), self.before)
        self.assertEqual(edit_cases.look(self.tree.names(), self.tree.paths()), self.seen)

    def refuse(self, *words, names=None, looked_at=True):
        """Nothing is asked of the CA, nothing is changed, and the words say what is in the way."""
        result = self.everseal.run("secure", *(names or self.tree.domains), "--yes")
        self.assertIn(result.status, (1, 2), result)
        for word in words:
            self.assertIn(word, result.err)
        self.assertEqual(self.tree.bytes(), self.before)
        self.assertEqual(self.authority.requests(), [])
        if looked_at:  # what a stream does with HTTP is no matter of ours
            self.assertEqual(edit_cases.look(self.tree.names(), self.tree.paths()), self.seen)

    def assert_nobody_else_changed(self):
        for key, was in self.seen.items():
            if key[2] in self.site_names:
                continue
            is_now = self.now.get(key)
            if is_now == was or key[-1] == CHALLENGE and self.is_challenge_answer(is_now):
                continue
            # Only who was served by the site's own server, for want of a better one, follows it.
            self.assertTrue(self.is_answered_by_the_site(key), f"{key}: {was} became {is_now}")
            of_site = self.now[*key[:2], self.site_names[0], *key[3:]]
            if key[3] == "http" and of_site.location.startswith("https://"):
                self.assertEqual((is_now.status, is_now.location),
                                 (of_site.status, f"https://{key[2]}{key[4]}"))
            else:
                self.assertEqual(is_now, of_site, key)
        for address, port in {key[:2] for key in self.now} - {key[:2] for key in self.seen}:
            self.assertEqual(port, 443, "a port was opened")
            self.assertIsNotNone(self.now[address, port, self.site_names[0], "leaf"])

    def is_answered_by_the_site(self, key):
        """Whether the site's server was the one for this name too, for want of a better one."""
        rest = {other[3:] for other in self.seen if other[:3] == key[:3]}
        return any(all(self.seen.get((*key[:2], name, *one)) == self.seen[*key[:3], *one]
                       for one in rest) for name in self.site_names)

    def assert_site_is_served(self, redirect, strange_addresses):
        root = self.authority.root_file()
        for name in self.site_names:
            tls = {key[:2] for key in self.now if key[1] == 443
                   and key[2:] == (name, "leaf") and self.now[key] is not None}
            plain = {key[:2] for key in self.now if key[2:4] == (name, "http")}
            self.assertTrue(tls)
            for address, port in tls:
                self.assertTrue(edit_cases.is_trusted(address, port, name, root),
                                (address, port, name))
            for address, port in plain:
                if port == 80:
                    challenge = self.now[address, port, name, "http", CHALLENGE]
                    self.assertTrue(self.is_challenge_answer(challenge), challenge)
                if address in strange_addresses:
                    continue
                if port == 80:
                    self.assertIn((address, 443), tls)
                self.assert_paths(name, address, port, redirect and port == 80)

    def assert_paths(self, name, address, port, redirect):
        for path in self.tree.paths():
            where = (address, port, name, path)
            was = self.seen.get((address, port, name, "http", path))
            is_now = self.now[address, port, name, "http", path]
            secured = self.now[address, 443, name, "https", path] if port == 80 else None
            led_away = was is not None and was.location.startswith("https://")
            if redirect and not led_away:
                self.assertEqual((is_now.status, is_now.location), (301, f"https://{name}{path}"))
            else:
                self.assertEqual(is_now, was, where)
            tls_before = self.seen.get((address, 443, name, "https", path))
            if secured and self.had_https(address, name):
                self.assertEqual(secured, tls_before, where)
            elif secured and not led_away:
                location = re.sub(f"^http://{name}/", f"https://{name}/", was.location)
                self.assertEqual(secured, dataclasses.replace(was, location=location), where)

    def had_https(self, address, name):
        return self.seen.get((address, 443, name, "leaf")) and any(
            f"server_name {name}" in text.decode("latin-1") and b"443" in text
            for text in self.before.values())

    def is_challenge_answer(self, seen):
        return seen is not None and seen.status == 200 and seen.body.startswith(TOKEN + ".")

    def assert_text_is_in_style(self):
        for path, text in self.before.items():
            removed, added = self.difference(path)
            for line in added:
                self.assertLess(len(line), 4000)
                self.assertTrue(line.strip(), f"{path}: an empty line was added")
                self.assertNotRegex(line, rb"(?i)managed by|everseal (begin|end)")
                if b"\r\n" in text:
                    self.assertTrue(line.endswith(b"\r\n"), (path, line))
                if re.search(rb"(?m)^\t", text) and line[:1].isspace():
                    self.assertTrue(line.startswith(b"\t"), (path, line))
            self.assertEqual(self.after[path].endswith(b"\n"), text.endswith(b"\n"), path)

    def difference(self, path):
        """The lines of a file that went and those that came."""
        before, after = (texts[path].splitlines(keepends=True)
                         for texts in (self.before, self.after))
        changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        removed = [line for tag, a, b, _, _ in changes if tag != "equal" for line in before[a:b]]
        added = [line for tag, _, _, a, b in changes if tag != "equal" for line in after[a:b]]
        return removed, added

    def assert_difference(self, path, removed, added):
        """The same, as text without indentation, in any order."""
        differs = [sorted(line.decode().strip() for line in lines)
                   for lines in self.difference(path)]
        self.assertEqual(differs, [sorted(removed), sorted(added)], path)

    def assert_changed(self, *paths):
        changed = {path for path in self.before if self.after[path] != self.before[path]}
        self.assertEqual(changed, set(paths))
        for path in set(self.after) - set(self.before):
            self.assertTrue(path.startswith("everseal/"), path)


@contextlib.contextmanager
def port_taken(port):
    """Another program listens on all IPv4 addresses at `port`; gives its process."""
    with subprocess.Popen(["/usr/bin/python3", "-m", "http.server", str(port)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
        try:
            wait_until("it listens", lambda: f"0.0.0.0:{port} " in subprocess.run(
                ["ss", "-Hltn"], capture_output=True, text=True).stdout)
            yield other
        finally:
            other.kill()


class Balancer:
    """Takes connections and passes them on, saying first for whom (the PROXY protocol)."""

    def __init__(self, listen, to):
        self._to = to
        family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
        self._listener = socket.create_server(listen, family=family)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._to)
            server.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n")
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
