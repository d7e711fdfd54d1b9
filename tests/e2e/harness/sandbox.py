"""Namespaces: everything a test mounts, writes, listens on or starts ends with the test."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

SCRATCH = pathlib.Path("/run/scratch")  # on a private tmpfs; gone with the last process

_INSIDE = "EVERSEAL_SANDBOX"


def enter():
    """Starts this program again inside the namespaces, or returns where that has been done."""
    if os.environ.pop(_INSIDE, None) is None:
        # sudo only where it is needed; -n so that a test never stops to ask for a password.
        prefix = [] if os.geteuid() == 0 else ["sudo", "-n", "-E"]
        command = ["env", _INSIDE + "=1", "unshare", "--net", "--mount", "--pid", "--fork",
                   "--mount-proc", "--kill-child", sys.executable, *sys.argv]
        os.execvp((prefix + command)[0], prefix + command)
    _mount()
    _be_init()


def _run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _mount():
    for directory in ("/run", "/srv"):
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory)
    for directory in ("/etc", "/var"):
        upper, work = (f"/run/layers{directory}.{part}" for part in ("upper", "work"))
        os.makedirs(upper)
        os.makedirs(work)
        _run("mount", "-t", "overlay", "overlay", "-o",
             f"lowerdir={directory},upperdir={upper},workdir={work}", directory)
    SCRATCH.mkdir()
    pathlib.Path("/etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    shutil.copy("/etc/nginx/mime.types", SCRATCH)
    # Whatever the machine serves itself is none of the tests' business.
    for directory in ("/etc/nginx", "/etc/everseal", "/var/lib/everseal", "/etc/letsencrypt"):
        subprocess.run(["rm", "-rf", directory], check=True)
    _run("ip", "link", "set", "lo", "up")


def _be_init():
    """Process 1 collects orphans; the test goes on in its child."""
    child = os.fork()
    if child == 0:
        return
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(abs(os.waitstatus_to_exitcode(status)))


def wait_until(what, condition, seconds=120):
    """Polls `condition` until it returns something true, which is returned."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
