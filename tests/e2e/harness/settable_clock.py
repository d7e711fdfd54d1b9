"""The clock of one process, which a test sets; that of the machine stays as it is."""

import os
import pathlib
import struct
import subprocess
import time

from .sandbox import SCRATCH

_SOURCE = pathlib.Path(__file__).with_name("settable_clock.c")


class SettableClock:
    """For a process that is started with `environment`; those that it starts have the machine's."""

    def __init__(self):
        library, self._file = SCRATCH / "settable_clock.so", SCRATCH / "clocks"
        subprocess.run(["cc", "-Wall", "-O1", "-shared", "-fPIC", "-o", library, _SOURCE], check=True)
        self.environment = {"LD_PRELOAD": str(library), "SETTABLE_CLOCK": str(self._file)}
        self._boottime = self._realtime = 0
        self._file.write_bytes(bytes(16))

    def time(self):
        """As the process sees it."""
        return time.time() + self._realtime

    def step(self, seconds):
        """Somebody sets it, forth or back."""
        self._set(0, seconds)

    def suspend(self, seconds):
        """The machine sleeps so long."""
        self._set(seconds, seconds)

    def _set(self, boottime, realtime):
        self._boottime += boottime
        self._realtime += realtime
        with open(self._file, "r+b", 0) as file:
            os.pwrite(file.fileno(), struct.pack("qq", self._boottime, self._realtime), 0)
