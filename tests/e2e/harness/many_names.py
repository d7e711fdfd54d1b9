"""Many certificates at once, and what must be true whatever happened to them."""

import fcntl
import shutil

from . import processes
from .case import MachineCase
from .everseal import STATE, check_live
from .nginx import CONFIGURATION
from .sites import WEBROOT

MANY = WEBROOT / "many"


class ManyNamesCase(MachineCase):
    """`names`: what serve() made; `elsewhere`: processes that may be at work meanwhile."""

    def setUp(self):
        super().setUp()
        self.names = []
        self.elsewhere = []

    def serve(self, count):
        """Names whose challenges are answered by files in MANY."""
        shutil.rmtree(MANY, ignore_errors=True)
        MANY.mkdir(parents=True)
        (CONFIGURATION / "conf.d/many.conf").write_text(
            "server { listen 80; listen [::]:80; server_name *.many.example;"
            f" root {MANY}; }}\n")
        (MANY / "hello").write_text("hello")
        self.nginx.replace_workers()
        names = [f"n{number}.many.example" for number in range(count)] + ["good.many.example"]
        for name in names:
            self.authority.resolve(name)
        self.names = names
        return names

    def issue_arguments(self):
        """For a certificate for each of `names`."""
        return ("issue", "--yes", "--separate",
                *(word for name in self.names for word in ("-d", f"{name}:{MANY}")))

    def certificate_files(self):
        return {name: (STATE / "live" / name / "cert.pem").read_bytes() for name in self.names}

    def status(self):
        document = self.run_everseal("status", "--json").json()
        return {each["name"]: each for each in document["certificates"]}

    def assert_renews_all(self):
        before = self.certificate_files()
        self.run_everseal("renew", "--force")
        after = self.certificate_files()
        for name in self.names:
            self.assertNotEqual(after[name], before[name], name)
        check_live()
        self.assert_tidy()

    def assert_tidy(self, state=STATE):
        """No process, temporary file, challenge, stage or lock is left, and nginx could start."""
        others = [each.pid for each in self.elsewhere]
        self.assertEqual([], processes.roles(not_of=others), "processes")
        for tree in (WEBROOT, CONFIGURATION):
            found = [path for path in tree.rglob("*")
                     if path.name.startswith(".") or path.suffix in (".new", ".tmp")]
            self.assertEqual([], found)
        stage = state / "stage"
        self.assertEqual([], list(stage.iterdir()) if stage.exists() else [])
        with open(state / "lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.assertEqual("", self.nginx.test())
