"""The processes of Everseal, seen from outside: the command, and the roles it starts."""

import pathlib
import re
import subprocess

from .everseal import binary


def state(pid):
    """State (a letter, proc(5)) and parent of a process; None where it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return fields[0], int(fields[1])


def lives(pid):
    return (state(pid) or "Z")[0] not in "ZX"


def role_of(pid):
    """"keeper" of the process "everseal role keeper …"; else None."""
    command = _words(pid)
    return command[2] if command[:2] == ["everseal", "role"] else None


def roles(of=None, not_of=()):
    """The living roles of one command or of all, but of those in `not_of`: [(pid, name), …]."""
    found = []
    for pid in _all():
        name, (letter, parent) = role_of(pid), state(pid) or ("Z", 0)
        if name and letter not in "ZX" and of in (None, parent) and parent not in not_of:
            found.append((pid, name))
    return found


def all_living():
    """Commands and roles."""
    return [pid for pid in _all()
            if (role_of(pid) or _words(pid)[:1] == [binary()]) and lives(pid)]


def status(pid):
    """The lines of /proc/PID/status: {"Uid": ["1", "1", "1", "1"], …}."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: rest.split() for name, rest in (line.split(":", 1) for line in lines)}


def memory(pid):
    """All that a process can write, as one string of bytes."""
    parts = []
    with open(f"/proc/{pid}/mem", "rb", 0) as file:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if rights.startswith("rw"):
                file.seek(int(begin, 16))
                parts.append(file.read(int(end, 16) - int(begin, 16)))
    return b"\n".join(parts)


def key_material(path):
    """The forms in which a private key may lie in memory, each at least 16 bytes."""
    text = subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-text"], check=True,
                          capture_output=True, text=True).stdout
    numbers = [bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0") for _, digits in re.findall(
        r"^(priv|privateExponent|prime1|prime2|exponent1|exponent2|coefficient):\s*\n"
        r"((?:\s+[0-9a-f:]+\n)+)", text, re.M)]
    if not numbers:
        raise AssertionError(f"no private numbers in {path}")
    lines = path.read_text().splitlines()[1:-1]
    # Of base64 the part that holds the number, not the algorithm's name at the beginning.
    written = ["".join(lines)[52:72], lines[len(lines) // 2][24:48]]
    return [form for number in numbers
            for form in (number[-24:], number[::-1][:24])] + [each.encode() for each in written]


def children(pid):
    return [int(word) for word in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _all():
    return [int(path.name) for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]


def _words(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
