"""What happens to a program at its system calls, by strace."""


def inject(calls, fault, follow=False):
    """A command that runs another, to which `fault` happens at `calls` (strace(1), `--inject`); with
    `follow` to each of its processes."""
    return ("strace", "-qq", *(["-f"] if follow else []), "-o", "/dev/null",
            "-e", f"trace={calls}", "-e", f"inject={calls}:{fault}")


def kill_at(calls, count=1, follow=False):
    """It is killed right before the call."""
    return inject(calls, f"signal=SIGKILL:when={count}", follow)
