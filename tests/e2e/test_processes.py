#!/usr/bin/python3
"""Who holds what while Everseal works: keys, rights, files, environment (faults.md, S9, S12, S13).

The CA calls the test at each of its requests, nginx at each of its commands: meanwhile the roles
stand still and are looked at from outside, by root, through /proc.
"""

import ctypes
import errno
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

from harness import Everseal, MachineCase, Proxy, main, processes
from harness.everseal import STATE, binary
from harness.sandbox import SCRATCH, wait_until
from harness.sites import WEBROOT

ROLES = {"keeper", "net", "verify"}
PTRACE_ATTACH = 16


class Processes(MachineCase):
    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.authority).start()
        self.addCleanup(self.proxy.stop)
        self.everseal = Everseal(self.proxy)

    def issue(self, *more, name="static.example", **options):
        return self.run_everseal("issue", "--yes", "--force", "-d",
                                 f"{name}:{WEBROOT / 'static'}", *more, **options)

    def look(self, watch, command=None, path="/"):
        """Calls `watch` with the processes [(pid, role)…], the monitor's first, at each request."""
        errors = []

        def act(exchange):
            try:
                found = processes.roles()
                monitor = processes.state(found[0][0])[1]
                watch([(monitor, "monitor"), *found], exchange.request)
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)
            exchange.send(exchange.forward())

        self.proxy.on(act, path=path)
        (command or self.issue)()
        self.proxy.clear()
        for error in errors:
            raise error

    # ---- Keys.

    def test_S12_keys_are_in_the_keeper_alone(self):
        self.issue()  # the account key exists
        for kind in ("ecdsa-p256", "rsa-2048"):
            with self.subTest(kind):
                seen = []
                self.look(lambda found, request: seen.extend(
                    (role, request.path, processes.memory(pid)) for pid, role in found),
                    lambda: self.issue("--key-type", kind))
                self.assertEqual(ROLES | {"monitor"}, {role for role, _, _ in seen})
                live = STATE / "live/static.example"
                self.assert_absent(processes.key_material(live / "privkey.pem"), seen,
                                   but={"keeper"})
                account = processes.key_material(next(STATE.glob("accounts/*/key.pem")))
                self.assert_absent(account, seen, but={"keeper"})
                keeper = [memory for role, _, memory in seen if role == "keeper"]
                self.assertTrue(all(any(part in memory for part in account)
                                    for memory in keeper[1:]), "the scan finds nothing at all")

    def test_S12_keys_do_not_stay_where_nginx_is_changed(self):
        """While nginx tests and reloads what was installed."""
        wrapper, waits, go = (SCRATCH / name for name in ("nginx", "waits", "go"))
        wrapper.write_text(f"""#!/bin/sh
if [ -e {STATE}/live/static.example ]; then
  echo "$*" > {waits}
  while ! [ -e {go} ]; do sleep 0.02; done
fi
exec /usr/sbin/nginx "$@"
""")
        wrapper.chmod(0o755)
        running = self.everseal.start("secure", "static.example", "--yes", "--nginx-binary",
                                      str(wrapper))
        self.addCleanup(go.touch)
        wait_until("nginx is asked", waits.exists)
        found = [(running.pid, "monitor"), *processes.roles(of=running.pid)]
        seen = [(role, "nginx", processes.memory(pid)) for pid, role in found]
        go.touch()
        out, err = running.communicate(timeout=60)
        self.assertEqual(0, running.returncode, out + err)
        self.assert_https("static.example")
        certificate = processes.key_material(STATE / "live/static.example/privkey.pem")
        self.assert_absent(certificate, seen)
        self.assert_absent(processes.key_material(next(STATE.glob("accounts/*/key.pem"))), seen,
                           but={"keeper"})

    def assert_absent(self, material, seen, but=()):
        for role, where, memory in seen:
            if role in but:
                continue
            self.assertFalse(any(part in memory for part in material),
                             f"key bytes in {role} at {where}")

    # ---- Rights.

    def test_S12_what_root_gives_up(self):
        def watch(found, request):
            for pid, role in found:
                status = processes.status(pid)
                with self.subTest(role=role, at=request.path):
                    self.assertEqual(["0", "0"], [resource_limit(pid, "Max core file size", n)
                                                  for n in (0, 1)])
                    self.assertEqual(["0077"], status["Umask"])
                    if role == "monitor":
                        continue
                    self.assert_locked_in(status)
                    self.assertNotIn("0", status["Uid"] + status["Gid"])
                    self.assertEqual(1, len(set(status["Uid"])))
                    self.assertEqual([], status["Groups"])
                    self.assertEqual(b"LANG=C.UTF-8\0",
                                     pathlib.Path(f"/proc/{pid}/environ").read_bytes())
                    self.assertEqual([], self.foreign_descriptors(pid, role))
            users = {role: processes.status(pid)["Uid"][0] for pid, role in found}
            self.assertNotEqual(users["keeper"], users.get("net"))
            self.assertNotEqual(users["keeper"], users.get("verify"))

        self.look(watch)

    def assert_locked_in(self, status):
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(["0" * 16], status[kind])
        self.assertEqual(["1"], status["NoNewPrivs"])
        self.assertEqual(["2"], status["Seccomp"])  # a filter
        self.assertEqual(["1"], status["Threads"])

    def foreign_descriptors(self, pid, role):
        """What a role has open beside /dev/null and its channels; net also its connections."""
        allowed = r"/dev/null|socket:\[\d+\]"
        if role == "net":
            allowed += r"|anon_inode:\[event(poll|fd)\]"
        links = [os.readlink(path) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
        return [link for link in links if not re.fullmatch(allowed, link)]

    def test_S13_nobody_of_the_same_user_looks_inside(self):
        libc = ctypes.CDLL(None, use_errno=True)

        def watch(found, request):
            for pid, role in found:
                if role == "monitor":
                    continue
                user = int(processes.status(pid)["Uid"][0])
                with self.subTest(role=role, at=request.path):
                    self.assertEqual({"mem": "EACCES", "environ": "EACCES", "ptrace": "EPERM"},
                                     tried_by(user, libc, pid))

        self.look(watch, path="/order-plz")

    def test_S13_no_core_when_a_role_crashes(self):
        """Whoever may set limits for root: a role sets its own."""
        directory = SCRATCH / "cores"
        directory.mkdir(mode=0o777)
        os.chmod(directory, 0o777)
        hit = []

        def watch(found, _):
            if not hit:
                hit.append(dict((role, pid) for pid, role in found)["keeper"])
                os.kill(hit[0], signal.SIGSEGV)

        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
        self.look(watch, lambda: self.issue(status=1, cwd=directory), path="/order-plz")
        self.assertIn("keeper process was ended by signal 11", self.everseal.results[-1].err)
        self.assertEqual([], list(directory.iterdir()))

    # ---- Ends.

    def test_roles_end_with_the_monitor(self):
        began = []

        def watch(found, _):
            os.kill(found[0][0], signal.SIGKILL)
            began.append(time.monotonic())

        self.look(watch, lambda: self.issue(status=-signal.SIGKILL), path="/order-plz")
        wait_until("the roles are gone", lambda: not processes.roles(), 1)
        self.issue()

    # ---- What the caller leaves around.

    def test_S9_N8_a_hostile_environment_changes_nothing(self):
        trap = SCRATCH / "trap"
        trap.mkdir(mode=0o777)
        spoiled = trap / "sprung"
        source = trap / "trap.c"
        source.write_text('#include <fcntl.h>\n#include <stdlib.h>\n'
                          '__attribute__((constructor)) static void spring(void) {\n'
                          f'  if (getenv("TRAP_ARMED")) open("{spoiled}", O_CREAT, 0666);\n}}\n')
        subprocess.run(["cc", "-shared", "-fPIC", "-o", trap / "trap.so", source], check=True)
        for tool in ("nginx", "useradd", "sudo", "sh", "openssl"):
            (trap / tool).write_text(f"#!/bin/sh\ntouch {spoiled}\nexec /usr/sbin/{tool} \"$@\"\n")
            (trap / tool).chmod(0o755)
        (trap / "openssl.cnf").write_text("openssl_conf = init\n[init]\nengines = e\n[e]\nt = t\n"
                                          f"[t]\ndynamic_path = {trap / 'trap.so'}\ninit = 1\n")
        secrets = SCRATCH / "secrets"
        hostile = {
            "PATH": f"{trap}:{os.environ['PATH']}", "TMPDIR": str(trap), "TRAP_ARMED": "1",
            "HOME": str(trap), "LANG": "../../../tmp/x", "LC_ALL": "tr_TR.UTF-8",
            "OPENSSL_CONF": str(trap / "openssl.cnf"), "OPENSSL_MODULES": str(trap),
            "OPENSSL_ENGINES": str(trap), "SSLKEYLOGFILE": str(secrets),
            "SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": str(trap), "CURL_CA_BUNDLE": "/dev/null",
            "http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1",
            "ALL_PROXY": "http://127.0.0.1:1", "RES_OPTIONS": "ndots:15 timeout:30",
            "HOSTALIASES": str(trap / "aliases"), "LOCALDOMAIN": "evil.example",
            "LD_LIBRARY_PATH": str(trap), "GCONV_PATH": str(trap), "MALLOC_TRACE": str(spoiled),
            "NGINX": "5;6;", "IFS": "/", "TZ": ":/etc/shadow",
        }
        (trap / "aliases").write_text("localhost evil.example\n")
        self.run_everseal("secure", "static.example", "--yes", env=hostile,
                          wrapper=("/bin/sh", "-c", 'umask 0; exec "$@"', "sh"))
        self.assertFalse(spoiled.exists())
        self.assertFalse(secrets.exists())
        self.assert_https("static.example")
        open_files = [path for path in STATE.rglob("*")
                      if not path.is_symlink() and path.stat().st_mode & 0o022]
        self.assertEqual([], open_files)
        for key in STATE.rglob("*key.pem"):
            self.assertEqual(0o600, key.stat().st_mode & 0o777, key)

    def test_S9_a_preloaded_library_stays_out_of_the_roles(self):
        """Who may set LD_PRELOAD may run what they like as themselves; the roles start without."""
        library = SCRATCH / "preload.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], check=True,
                       input=b"int everseal_test_preloaded;\n")

        def watch(found, _):
            for pid, role in found:
                maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
                self.assertEqual(role == "monitor", "preload.so" in maps, role)

        self.look(watch, lambda: self.issue(env={**os.environ, "LD_PRELOAD": str(library)}))

    def test_S9_what_the_caller_left_open_reaches_nobody(self):
        """Neither roles nor hooks, which also work in a directory where only root writes."""
        directory, seen = SCRATCH / "bobs", SCRATCH / "seen"
        directory.mkdir(mode=0o777)
        hook = pathlib.Path("/etc/everseal/deploy.d/look")
        hook.parent.mkdir(parents=True, exist_ok=True)
        self.addCleanup(hook.unlink)
        hook.write_text(f"#!/bin/sh\n{{ pwd; ls -l /proc/$$/fd; }} > {seen}\n")
        hook.chmod(0o755)

        def watch(found, request):
            for pid, role in found[1:]:
                with self.subTest(role=role, at=request.path):
                    self.assertEqual([], self.foreign_descriptors(pid, role))
                    self.assertEqual("/", os.readlink(f"/proc/{pid}/cwd"))

        self.look(watch, lambda: self.issue(cwd=directory, wrapper=_left_open()))
        self.assertEqual("/", seen.read_text().splitlines()[0])
        for path in ("/etc/shadow", "/etc\n"):
            self.assertNotIn(path, seen.read_text())

    def test_S9_the_sandbox_is_tried_with_descriptors_left_open(self):
        document = self.run_everseal("sandbox", "--json", wrapper=_left_open()).json()
        for role in document["roles"]:
            [attempt] = [each for each in role["attempts"] if each["name"] == "inherited"]
            self.assertEqual((True, "EBADF"), (attempt["refused"], attempt["how"]), role["role"])

    def test_S9_signals_that_the_caller_ignores_or_blocks(self):
        """A program's end is seen, a failed test of nginx is one, and a signal ends the run."""
        ignored = _caller("signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
        blocked = _caller("signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))")
        for wrapper in (ignored, blocked):
            self.run_everseal("secure", "static.example", "--yes", wrapper=wrapper)
            self.assert_https("static.example")
            self.run_everseal("undo", "--yes", wrapper=wrapper)
        self.proxy.on(lambda exchange: time.sleep(60), path="/order-plz")
        running = self.everseal.start("issue", "--yes", "--force", "-d",
                                      f"static.example:{WEBROOT / 'static'}", wrapper=blocked)
        wait_until("it waits for the CA", lambda: processes.roles(of=running.pid))
        running.terminate()
        running.communicate(timeout=30)
        self.proxy.clear()

    # ---- Without root.

    def test_S12_a_user_is_locked_in_all_the_same(self):
        subprocess.run(["useradd", "--system", "acme"], check=True)
        program = SCRATCH / "everseal"
        shutil.copy(binary(), program)
        program.chmod(0o755)
        state, root = SCRATCH / "acme-state", SCRATCH / "webroot"
        for directory in (state, root):
            directory.mkdir()
            shutil.chown(directory, "acme", "acme")
        shutil.copy(self.proxy.bundle, SCRATCH / "roots.pem")
        (SCRATCH / "roots.pem").chmod(0o644)
        seen = []

        def watch(found, request):
            for pid, role in found:
                status = processes.status(pid)
                if role == "monitor":
                    continue
                self.assert_locked_in({**status, "CapBnd": ["0" * 16]})
                self.assertEqual("0", resource_limit(pid, "Max core file size", 1))
                seen.append((role, request.path, processes.memory(pid)))

        def run():
            done = subprocess.run(
                ["setpriv", "--reuid", "acme", "--regid", "acme", "--init-groups", str(program),
                 "issue", "--yes", "-d", f"static.example:{root}", "--state", str(state),
                 "--server", self.proxy.url, "--ca-bundle", str(SCRATCH / "roots.pem")],
                capture_output=True, text=True, timeout=60)
            # The webroot is not the one that nginx serves: the CA's check fails, all else is done.
            self.assertIn("static.example", done.stdout + done.stderr)

        self.look(watch, run)
        self.assertLessEqual({"keeper", "net"}, {role for role, _, _ in seen})
        self.assert_absent(processes.key_material(next(state.glob("accounts/*/key.pem"))), seen,
                           but={"keeper"})


# ---- What to look for and how.

def _caller(statements):
    """A command that runs another after some statements of Python."""
    return (sys.executable, "-c", f"import os, signal, sys\n{statements}\n"
            "os.execvp(sys.argv[1], sys.argv[1:])")


def _left_open():
    return _caller("""
for path, number in (("/etc/shadow", 77), ("/etc", 78)):
    os.dup2(os.open(path, os.O_RDONLY), number)""")


def resource_limit(pid, name, column):
    for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith(name):
            return line[len(name):].split()[column]
    raise AssertionError(name)


def tried_by(user, libc, pid):
    """What another process of `user`, without capabilities, gets of `pid`, as names of errors."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        results = {}
        for file in ("mem", "environ"):
            try:
                with open(f"/proc/{pid}/{file}", "rb") as opened:
                    opened.read(1)
                results[file] = "read"
            except OSError as error:
                results[file] = errno.errorcode[error.errno]
        traced = libc.ptrace(PTRACE_ATTACH, pid, 0, 0)
        results["ptrace"] = "traced" if traced == 0 else errno.errorcode[ctypes.get_errno()]
        os.write(write, json.dumps(results).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with open(read, "rb") as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
