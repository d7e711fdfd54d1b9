#!/usr/bin/python3
"""The main job: seven differing sites on HTTPS, kept there, and taken back."""

import datetime
import pathlib
import re

from harness import MachineCase, main, visitor
from harness.everseal import check_live, live
from harness.nginx import CONFIGURATION
from harness.sites import ADDRESSES, NAMES, fingerprint


def plain_part(tree):
    """What an edit must keep of every file: type, mode, owner, and where links point."""
    return {path: (mode, user, group, what if mode.startswith("l") else "")
            for path, (mode, user, group, what) in tree.items()}


class Secure(MachineCase):
    def test_a_dry_run_shows_the_diff_and_asks_nobody(self):
        before = fingerprint()
        result = self.run_everseal("secure", "--all", "--dry-run")
        for path in ("sites-available/static", "sites-available/pair", "sites-enabled/app",
                     "sites-enabled/moved", "conf.d/socket.conf", "conf.d/four.conf"):
            self.assertRegex(result.out, rf"(?m)^\+\+\+ .*{re.escape(path)}")
        self.assertRegex(result.out, r"(?m)^\+.*listen \[::\]:443 ssl")
        self.assertEqual(self.authority.requests(), [])
        self.assertEqual(fingerprint(), before)
        self.assertEqual(live(), [])
        self.assert_no_https(*NAMES)

    def test_without_a_yes_nothing_happens_where_nobody_can_be_asked(self):
        before = fingerprint()
        result = self.run_everseal("secure", "--all", status=1)
        self.assertIn("--yes", result.err)
        self.assertEqual(self.authority.order_count(), 0)
        self.assertEqual(fingerprint(), before)

    def test_secure_all_then_again_then_undo(self):
        before = fingerprint()
        self.run_everseal("secure", "--all", "--yes")
        self.assert_https(*NAMES)
        self.assert_redirects()
        self.assert_challenge_path_answers()
        self.assert_content()
        check_live()
        kept = plain_part(fingerprint())
        for path, what in plain_part(before).items():
            self.assertEqual(kept[path], what, path)
        self.assertEqual(self.nginx.test(), "")
        self.nginx.cold_start()
        self.assert_https(*NAMES)
        self.assertEqual(set(self.authority.issued().values()), {1})
        self.assertEqual(sorted(name for names in self.authority.issued() for name in names),
                         sorted(NAMES))

        requests, secured = self.authority.requests(), fingerprint()
        again = self.run_everseal("secure", "--all", "--yes")
        self.assertIn("othing to do", again.out)
        self.assertEqual(self.authority.requests(), requests)
        self.assertEqual(fingerprint(), secured)

        self.run_everseal("undo", "--yes")
        self.assertEqual(fingerprint(), before)
        self.assertEqual(visitor.http_get("static.example").body, "the static page\n")
        self.assert_no_https(*NAMES)
        self.nginx.cold_start()

        self.run_everseal("secure", "--all", "--yes")
        self.assert_https(*NAMES)
        self.assertEqual(set(self.authority.issued().values()), {1}, "certificates were there")

    def test_one_named_site_leaves_the_others_alone(self):
        before = fingerprint()
        self.run_everseal("secure", "www.pair.example", "--yes")
        self.assert_https("pair.example", "www.pair.example")
        self.assert_no_https("static.example")
        after = fingerprint()
        for path in ("sites-available/static", "sites-enabled/app", "conf.d/socket.conf"):
            self.assertEqual(after[path], before[path], path)

    def test_where_the_hooks_cannot_be_read_the_site_is_secured_and_that_is_said(self):
        hooks = pathlib.Path("/etc/everseal/deploy.d")
        hooks.parent.mkdir(parents=True, exist_ok=True)
        hooks.symlink_to("/not/mounted")
        self.addCleanup(hooks.unlink)
        result = self.run_everseal("secure", "static.example", "--yes", "--json", status=1)
        [site] = result.json()["sites"]
        self.assertEqual(site["outcome"], "failed")
        self.assertIn(f"hooks {hooks}", str(site))
        self.assert_https("static.example")

    def test_no_redirect_and_hsts_and_key_type(self):
        self.run_everseal("secure", "static.example", "--yes", "--no-redirect", "--hsts",
                          "--key-type", "rsa-2048")
        self.assertEqual(visitor.http_get("static.example").body, "the static page\n")
        answer = visitor.https_get("static.example", self.authority.root_file())
        self.assertRegex(answer.headers["strict-transport-security"], "max-age=300")
        self.assertIn("RSA", self.run_everseal("status", "static.example").out.upper())

    def test_status_tells_everything_in_text_and_json(self):
        self.assertIn("secure --all", self.run_everseal("status").out)
        self.run_everseal("secure", "--all", "--yes")
        text = self.run_everseal("status").out
        document = self.run_everseal("status", "--json").json()
        self.assertIn("version", document)
        named = [name for each in document["certificates"] for name in each["names"]]
        self.assertEqual(sorted(named), sorted(NAMES))
        for certificate in document["certificates"]:
            self.assertIn(certificate["name"], text)
            expires = datetime.datetime.fromisoformat(certificate["expires"])
            renewal = datetime.datetime.fromisoformat(certificate["next_renewal"])
            self.assertLess(renewal, expires)
        [one] = self.run_everseal("status", "app.example", "--json").json()["certificates"]
        self.assertEqual(one["names"], ["app.example"])

    def test_json_is_one_document(self):
        planned = self.run_everseal("secure", "--all", "--dry-run", "--json").json()
        self.assertIn("+++", planned["diff"])
        done = self.run_everseal("secure", "--all", "--yes", "--json").json()
        self.assertEqual({site["outcome"] for site in done["sites"]}, {"secured"})
        renewed = self.run_everseal("renew", "--force", "--json").json()
        self.assertEqual(len(renewed["renewed"]), len(live()))
        self.assertIn("version", self.run_everseal("undo", "--yes", "--json").json())

    def test_renew_does_what_is_due_and_what_is_forced(self):
        self.run_everseal("secure", "--all", "--yes")
        orders, before = self.authority.order_count(), self.serial("static.example")
        self.assertIn("othing to do", self.run_everseal("renew").out)
        self.assertEqual(self.authority.order_count(), orders)
        self.run_everseal("renew", "static.example", "--force", "--dry-run")
        self.assertEqual(self.authority.order_count(), orders)
        self.run_everseal("renew", "static.example", "--force")
        self.assertEqual(self.authority.order_count(), orders + 1)
        self.assertNotEqual(self.serial("static.example"), before)
        check_live()

    def test_an_edit_made_since_stands_in_the_way_of_undo(self):
        self.run_everseal("secure", "static.example", "--yes")
        file = CONFIGURATION / "sites-available/static"
        lines = file.read_text().splitlines(keepends=True)
        edited = ["# mine\n" + line if "443" in line else line for line in lines]
        self.assertNotEqual(edited, lines)
        file.write_text("".join(edited).replace("443", "443 "))
        result = self.run_everseal("undo", "--yes", status=1)
        self.assertIn("sites-available/static", result.err)
        self.assertIn("# mine", file.read_text())

    def assert_redirects(self):
        for name in NAMES:
            for address in ADDRESSES[name]:
                answer = visitor.http_get(name, "/a/b?c=d", address)
                with self.subTest(name=name, address=address):
                    self.assertEqual(answer.status, 301)
                    if name != "moved.example":
                        self.assertEqual(answer.headers["location"], f"https://{name}/a/b?c=d")

    def assert_challenge_path_answers(self):
        """Plain HTTP, no redirect: this is what the CA will ask at the next renewal."""
        for name in NAMES:
            for address in ADDRESSES[name]:
                token = "abcdefghijklmnopqrstuv-0123456789_ABCDEFGHI"
                answer = visitor.http_get(name, f"/.well-known/acme-challenge/{token}", address)
                with self.subTest(name=name, address=address):
                    self.assertEqual(answer.status, 200)
                    self.assertTrue(answer.body.startswith(token + "."), answer.body)

    def assert_content(self):
        root = self.authority.root_file()
        self.assertEqual(visitor.https_get("static.example", root).body, "the static page\n")
        self.assertEqual(visitor.https_get("www.pair.example", root).body, "the pair page\n")
        self.assertEqual(visitor.https_get("app.example", root, "/x").body,
                         "application: https://app.example/x\n")
        self.assertEqual(visitor.https_get("socket.example", root, "/y").body,
                         "application: https://socket.example/y\n")
        self.assertEqual(visitor.https_get("moved.example", root, "/z").status, 301)
        self.assertEqual(visitor.http_get("nobody.example").status, 404)


if __name__ == "__main__":
    main()
