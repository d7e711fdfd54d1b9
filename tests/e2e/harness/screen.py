"""What a person sees: a command on a terminal of its own."""

import os
import pty
import subprocess

import pyte


def show(command, columns=80, rows=40, **variables):
    """Runs the command on a new terminal; returns its exit status, the lines of the final screen and
    the bytes that it got."""
    master, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns), **variables}
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal,
                               env=environment)
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(master, 65536):
            shown += part
    except OSError:  # EIO: nobody has it open any more
        pass
    os.close(master)
    screen = pyte.Screen(columns, rows)
    pyte.ByteStream(screen).feed(shown)
    return process.wait(), [line.rstrip() for line in screen.display if line.strip()], shown
