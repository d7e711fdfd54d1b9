"""A machine of its own with systemd as its first process, in the test's network."""

import pathlib
import shutil
import subprocess

from .sandbox import wait_until

_LAYERS = pathlib.Path("/run/machine")

# The whole system with a layer in memory above it: what systemd does at boot, clearing /tmp among it,
# is done there. cgroup version 1 has to be asked for its hierarchy, version 2 has one.
_BOOT = r"""
set -e
cd "$1"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch dev/$device
  mount --bind /dev/$device dev/$device
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t sysfs -o ro sysfs sys
if grep -q "^[^ ]* /sys/fs/cgroup cgroup2 " /proc/mounts; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/unified sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd,xattr cgroup sys/fs/cgroup/systemd
fi
mkdir run/outside
pivot_root . run/outside
umount --lazy run/outside
rmdir run/outside
container=other exec chroot . /lib/systemd/systemd --system --unit=basic.target --show-status=no
"""


class Machine:
    def __init__(self):
        self.root = _LAYERS / "root"
        self._init = None
        self._pid = None

    def start(self):
        """Returns None, or why it cannot be: not every place lets one mount what systemd needs."""
        for directory in ("root", "upper", "work"):
            (_LAYERS / directory).mkdir(parents=True)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir=/,upperdir={_LAYERS}/upper,workdir={_LAYERS}/work", self.root],
                       check=True)
        for wanted in (self.root / "etc/systemd/system").glob("*.wants"):
            shutil.rmtree(wanted)  # whatever else this machine runs
        self._init = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--cgroup", "--ipc", "--uts", "--fork", "--kill-child",
             "bash", "-c", _BOOT, "boot", str(self.root)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            wait_until("systemd is there", self._is_up)
        except TimeoutError as error:
            self._init.kill()
            return f"{error}: {self._init.communicate()[1]}"
        return None

    def stop(self):
        self._init.kill()
        self._init.communicate()
        subprocess.run(["umount", "--lazy", self.root], check=True)
        shutil.rmtree(_LAYERS)

    def _is_up(self):
        children = pathlib.Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text()
        if not children:
            return False
        self._pid = children.split()[0]
        return self.run("systemctl", "is-system-running").stdout in ("running\n", "degraded\n")

    def run(self, *command):
        """In the machine, as root."""
        return subprocess.run(["nsenter", "--target", self._pid, "--mount", "--pid", "--cgroup", "--ipc",
                               "--uts", "--root", "--wd", "--", *map(str, command)], capture_output=True,
                              text=True, check=False, stdin=subprocess.DEVNULL, timeout=120)

    def put(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
