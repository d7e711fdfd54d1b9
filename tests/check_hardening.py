#!/usr/bin/python3
"""Fails unless the program has each of the compiler's and the linker's defences (cmake/harden.cmake).

It looks at the program itself, with binutils, not at the flags that somebody asked for.
"""

import functools
import os
import pathlib
import platform
import re
import subprocess
import sys

PROGRAM = pathlib.Path(os.environ.get("EVERSEAL", "build/release/everseal"))
X86 = platform.machine() == "x86_64"


@functools.cache
def tool(*command):
    return subprocess.run([*command, str(PROGRAM)], capture_output=True, text=True, check=True).stdout


@functools.cache
def functions():
    """The disassembled text of each of our functions: what is linked in was built by others."""
    blocks = re.split(r"\n\n", tool("objdump", "--disassemble", "--no-show-raw-insn"))
    return [block for block in blocks if re.match(r"[0-9a-f]+ <_ZNK?8everseal", block)]


def share(pattern):
    """The share of our functions in which this is found."""
    return sum(bool(re.search(pattern, each)) for each in functions()) / len(functions())


CHECKS = {
    "position-independent": lambda: "DYN" in tool("readelf", "--file-header", "--wide"),
    "relocations are read-only": lambda: "GNU_RELRO" in tool("readelf", "--segments", "--wide"),
    "all symbols are bound at the start": lambda: "NOW" in tool("readelf", "--dynamic", "--wide"),
    "the stack is not executable":
        lambda: re.search(r"GNU_STACK.*RW\s", tool("readelf", "--segments", "--wide")),
    "no segment is writable and executable":
        lambda: not re.search(r"LOAD.*RWE", tool("readelf", "--segments", "--wide")),
    "stack protector": lambda: share("__stack_chk_fail") > 0.3,
    "checked C functions": lambda: share(r"<__\w+_chk@plt>") > 0,
    "checked C++ containers": lambda: share("__glibcxx_assert_fail") > 0.01,
    # A frame of more than a page is touched page by page.
    "stack clash protection": lambda: not X86 or share(r"or[qb]?\s+\$0x0,(0x\w+)?\(%rsp") > 0,
    "indirect branches land where they may":
        lambda: not X86 or share(r"^.*>:\n\s*[0-9a-f]+:\s*endbr64") > 0.3,
}


def main():
    missing = [name for name, holds in CHECKS.items() if not holds()]
    for name in missing:
        print(f"{PROGRAM}: missing: {name}")
    print(f"{len(CHECKS) - len(missing)} of {len(CHECKS)} defences are there.")
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()
