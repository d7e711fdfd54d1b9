#!/usr/bin/python3
"""Everseal run by a user of its own, who is not root, after `everseal setup`."""

import os
import pathlib
import pwd
import shutil
import subprocess

from harness import MachineCase, main, visitor
from harness.everseal import STATE, binary, check_live
from harness.nginx import CONFIGURATION
from harness.sandbox import SCRATCH
from harness.sites import NAMES, WEBROOT

USER = "acme"
SUDOERS = pathlib.Path("/etc/sudoers.d/everseal-acme")
NGINX = ("/usr/sbin/nginx",)
CONFIG = ("-c", "/etc/nginx/nginx.conf")


def as_user(user=USER):
    """What to put before a command so that `user` runs it, with nothing of root's left."""
    return ("setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--inh-caps=-all")


def contents(tree=CONFIGURATION):
    """Every file and link under `tree` with its bytes."""
    return {str(path): os.readlink(path) if path.is_symlink() else path.read_bytes()
            for path in sorted(tree.rglob("*")) if not path.is_dir()}


def may_read(user, path):
    return subprocess.run([*as_user(user), "test", "-r", path], check=False).returncode == 0


class Unprivileged(MachineCase):
    @classmethod
    def setUpClass(cls):
        # The build may be where only root can look.
        os.environ["EVERSEAL"] = str(shutil.copy(binary(), SCRATCH / "everseal"))
        for user in (USER, "mallory"):
            subprocess.run(["useradd", "--system", "--create-home", "--home-dir",
                            f"/var/lib/{user}", "--shell", "/usr/sbin/nologin", user], check=True)

    def setUp(self):
        super().setUp()
        self.addCleanup(SUDOERS.unlink, missing_ok=True)
        self.before = contents()

    def set_up(self, *arguments, **options):
        return self.run_everseal("setup", "--user", USER, *arguments, **options)

    def run_as_user(self, *arguments, user=USER, **options):
        return self.run_everseal(*arguments, wrapper=as_user(user), cwd="/", **options)

    def sudo(self, *command):
        return subprocess.run([*as_user(), "sudo", "-n", *command], capture_output=True, text=True,
                              check=False)

    def test_every_command_works_for_the_user(self):
        self.set_up("--yes")
        self.run_as_user("secure", "--all", "--yes")
        self.assert_https(*NAMES)
        check_live()
        self.assertEqual(self.nginx.test(), "")
        self.nginx.cold_start()
        self.assert_https(*NAMES)
        self.assertTrue(may_read("www-data", CONFIGURATION / "sites-enabled/app"), "as before")
        self.assertFalse(may_read("mallory", CONFIGURATION / "sites-enabled/app"), "as before")

        serial = self.serial("static.example")
        self.run_as_user("renew", "--force")
        self.assertNotEqual(self.serial("static.example"), serial)
        self.assertIn("othing to do", self.run_as_user("renew").out)
        self.assertIn("static.example", self.run_as_user("status").out)
        self.assertIn("othing to do", self.run_as_user("secure", "--all", "--yes").out)

        self.run_as_user("undo", "--yes")
        self.assertEqual(contents(), self.before)
        self.assertEqual(visitor.http_get("static.example").body, "the static page\n")
        self.assert_no_https(*NAMES)
        self.assertEqual({path.lstat().st_uid for path in [STATE, *STATE.rglob("*")]},
                         {pwd.getpwnam(USER).pw_uid})

    def test_setup_shows_asks_and_is_done_once(self):
        shown = self.set_up("--dry-run").out
        self.assertIn(str(SUDOERS), shown)
        self.assertIn("setfacl", shown)
        self.assertIn("as mighty as root", shown)
        self.assertIn("--yes", self.set_up(status=1).err)
        self.assertFalse(SUDOERS.exists())
        self.assertFalse(STATE.exists())
        steps = self.set_up("--yes", "--json").json()["steps"]
        self.assertEqual(len(steps), len(set(steps)))
        self.assertEqual(SUDOERS.stat().st_mode & 0o7777, 0o440)
        self.assertIn("othing to do", self.set_up("--yes").out)
        self.run_as_user("secure", "--all", "--yes")
        self.assertIn("othing to do", self.set_up("--yes").out)

    def test_what_setup_prints_takes_it_back(self):
        before = self.access_lists()
        commands = self.set_up("--yes", "--json").json()["take_back"]
        self.run_as_user("secure", "--all", "--yes")
        self.run_as_user("undo", "--yes")
        for command in commands:
            subprocess.run(command, shell=True, check=True)
        self.assertNotIn(USER, self.access_lists())
        self.assertEqual(self.access_lists().count("# file"), before.count("# file"))
        self.assertFalse(SUDOERS.exists())
        self.run_everseal("secure", "--all", "--yes")
        self.assert_https(*NAMES)

    def access_lists(self):
        return subprocess.run(["getfacl", "-pR", CONFIGURATION], check=True, capture_output=True,
                              text=True).stdout

    def test_sudo_allows_two_commands_and_no_other(self):
        self.set_up("--yes")
        self.assertEqual(self.sudo(*NGINX, "-t", *CONFIG).returncode, 0)
        self.assertEqual(self.sudo(*NGINX, "-s", "reload", *CONFIG).returncode, 0)
        for command in (["id"], [*NGINX], [*NGINX, "-t"], [*NGINX, "-t", "-c", "/tmp/nginx.conf"],
                        [*NGINX, "-s", "stop", *CONFIG], [*NGINX, "-t", *CONFIG, "-g", "user root;"],
                        ["-u", USER, "id"]):
            with self.subTest(command=command):
                self.assertNotEqual(self.sudo(*command).returncode, 0)

    def test_a_configuration_that_nginx_refuses_goes_back_before_a_reload(self):
        """A certificate that nginx cannot read: seen only by the test of the files in place."""
        self.set_up("--yes")
        self.run_as_user("secure", "static.example", "--yes")
        secured, served = contents(), self.serial("static.example")
        self.run_as_user("undo", "--yes")
        bundle = (STATE / "live/static.example/bundle.pem").resolve()
        kept = bundle.read_bytes()
        bundle.write_bytes(b"nonsense\n")
        workers = self.workers()
        result = self.run_as_user("secure", "static.example", "--yes", status=1)
        self.assertIn("nginx -t", result.err)
        self.assertIn("bundle.pem", result.err)
        self.assertEqual(contents(), self.before)
        self.assertEqual(self.workers(), workers, "nobody reloaded nginx")
        self.assertEqual(self.nginx.test(), "")
        bundle.write_bytes(kept)
        self.run_as_user("secure", "static.example", "--yes")
        self.assertEqual(contents(), secured)
        self.assertEqual(self.serial("static.example"), served)

    def workers(self):
        return subprocess.run(["pgrep", "-f", "nginx: worker process$"], capture_output=True,
                              text=True, check=True).stdout

    def test_a_broken_configuration_is_named_and_left_alone(self):
        self.set_up("--yes")
        broken = CONFIGURATION / "conf.d/broken.conf"
        broken.write_text("nonsense\n")
        result = self.run_as_user("secure", "--all", "--yes", status=1)
        self.assertIn(str(broken), result.err)
        self.assertEqual(self.authority.order_count(), 0)

    def test_without_setup_the_user_is_told_what_to_do(self):
        result = self.run_as_user("secure", "--all", "--yes", status=1)
        self.assertIn("everseal setup --user acme", result.err)
        self.set_up("--yes")
        SUDOERS.unlink()
        result = self.run_as_user("secure", "--all", "--yes", status=1)
        self.assertIn("password is required", result.err)
        self.assertIn("everseal setup --user", result.err)
        self.assertEqual(self.authority.requests(), [])
        self.assertEqual(contents(), self.before)

    def test_only_the_user_works_on_the_state(self):
        self.set_up("--yes")
        self.run_as_user("secure", "static.example", "--yes")
        result = self.run_everseal("renew", "--force", status=1)
        self.assertIn("sudo -u acme", result.err)
        self.assertIn("static.example", self.run_everseal("status").out)
        for command in (("renew",), ("status",)):
            result = self.run_as_user(*command, user="mallory", status=1)
            self.assertIn("belongs to user acme", result.err)

    def test_what_root_had_is_taken_over(self):
        self.run_everseal("secure", "--all", "--yes")
        outside = SCRATCH / "outside"
        outside.mkdir(exist_ok=True)
        (STATE / "trap").symlink_to(outside)
        self.set_up("--yes")
        self.assertEqual(outside.stat().st_uid, 0)
        (STATE / "trap").unlink()
        self.run_as_user("renew", "--force")
        self.assert_https(*NAMES)
        self.run_as_user("undo", "--yes")
        self.assertEqual(contents(), self.before)

    def test_certificates_only(self):
        self.set_up("--certificates-only", "--yes")
        self.assertIn("othing to do", self.set_up("--certificates-only", "--yes").out)
        result = self.run_as_user("secure", "--all", "--yes", status=1)
        self.assertIn("everseal setup --user acme", result.err)
        self.assertIn("--certificates-only", result.err)
        self.assertEqual(self.authority.requests(), [])
        shutil.chown(WEBROOT / "static", USER)
        self.addCleanup(shutil.chown, WEBROOT / "static", "root")
        self.run_as_user("issue", "--yes", "-d", f"static.example:{WEBROOT}/static")
        self.run_as_user("renew", "--force")
        self.assertEqual(self.authority.issued(), {("static.example",): 2})
        self.assertIn("static.example", self.run_as_user("status").out)
        check_live()
        self.assertEqual(contents(), self.before)

    def test_certificates_only_renews_what_root_secured(self):
        self.run_everseal("secure", "--all", "--yes")
        secured, serial = contents(), self.serial("pair.example")
        self.set_up("--certificates-only", "--yes")
        self.run_as_user("renew", "--force")
        self.assertNotEqual(self.serial("pair.example"), serial)
        self.assertIn("--certificates-only", self.run_as_user("undo", "--yes", status=1).err)
        self.assertEqual(contents(), secured)

    def test_standalone_needs_port_80(self):
        pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("1024")
        self.nginx.stop()
        self.set_up("--yes")
        result = self.run_as_user("issue", "--yes", "-d", "static.example", status=1)
        self.assertIn("port 80", result.err)
        self.assertIn("WEBROOT", result.err)
        self.assertEqual(self.authority.requests(), [])

    def test_what_cannot_be_set_up(self):
        self.assertIn("useradd --system", self.run_everseal("setup", "--user", "nobody-here",
                                                            "--yes", status=1).err)
        self.assertIn("root", self.run_everseal("setup", "--user", "root", "--yes", status=1).err)
        result = self.run_as_user("setup", "--user", USER, "--yes", status=1)
        self.assertIn("sudo everseal setup", result.err)
        self.run_everseal("setup", status=2)
        own = shutil.copy("/usr/sbin/nginx", SCRATCH / "nginx")
        shutil.chown(own, USER)
        result = self.set_up("--yes", "--nginx-binary", own, status=1)
        self.assertIn(f"not run: {own} can be changed by other users than root: it belongs to {USER}; "
                      f"mend it with: chown root {own}", result.err)
        stranger = SCRATCH / "stranger"
        stranger.mkdir()
        (stranger / "file").write_text("")
        (stranger / "lock").write_text("")  # many programs have one
        result = self.set_up("--yes", "--state", stranger, status=1)
        self.assertIn("other things", result.err)
        self.assertEqual(contents(), self.before)


if __name__ == "__main__":
    main()
