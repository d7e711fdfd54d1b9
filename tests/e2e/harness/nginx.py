"""A real nginx on Debian's own paths, which the sandbox has made private."""

import os
import pathlib
import shutil
import signal
import subprocess

from . import processes
from .sandbox import SCRATCH, wait_until

CONFIGURATION = pathlib.Path("/etc/nginx")
PID_FILE = pathlib.Path("/run/nginx.pid")
ERROR_LOG = pathlib.Path("/var/log/nginx/error.log")


class Nginx:
    def start(self):
        ERROR_LOG.parent.mkdir(exist_ok=True)
        ERROR_LOG.write_text("")
        self._start()
        return self

    def stop(self):
        """Ends it at once; nothing happens where none runs."""
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            wait_until("nginx is gone", lambda: not self.pid())

    def cold_start(self):
        """Stops it and starts it again, as a reboot would; raises with nginx's own words."""
        self.stop()
        self._start()

    def _start(self):
        # Not a pipe: without error_log in its configuration nginx keeps what it was given.
        with open(SCRATCH / "nginx-start.log", "w+") as log:
            # By its path, which it starts again where its binary is upgraded.
            result = subprocess.run([shutil.which("nginx")], stdout=log, stderr=log, timeout=30)
            log.seek(0)
            if result.returncode != 0:
                raise AssertionError("nginx does not start:\n" + log.read())
        wait_until("nginx runs", self._has_workers)

    def test(self):
        """The words of `nginx -t`, or "" where it passes."""
        result = subprocess.run(["nginx", "-t"], capture_output=True, text=True)
        return "" if result.returncode == 0 else result.stderr

    def reload(self):
        os.kill(self.pid(), signal.SIGHUP)

    def replace_workers(self):
        """Reloads, and returns when none is left that knows the configuration of before."""
        before = set(self._workers())
        self.reload()
        wait_until("nginx has new workers", lambda: not before & set(self._workers()))

    def pid(self):
        try:
            pid = int(PID_FILE.read_text())
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, ValueError):
            return None
        return None if state == "Z" else pid

    def _has_workers(self):
        """Before that a reload may be put off until the next signal (ngx_master_process_cycle)."""
        return self.pid() and self._workers()

    def _workers(self):
        return processes.children(self.pid())

    def log(self):
        return ERROR_LOG.read_text(errors="replace") if ERROR_LOG.exists() else ""
