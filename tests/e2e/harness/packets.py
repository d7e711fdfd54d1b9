"""Packets of this machine that are lost, by rules of nft(8)."""

import subprocess

_TABLE = """\
table inet test {
    chain input {
        type filter hook input priority 0;
        %s
    }
}
"""


def drop(rule):
    subprocess.run(["nft", "-f", "-"], input=_TABLE % rule, text=True, check=True)


def drop_nothing():
    subprocess.run(["nft", "flush", "ruleset"], check=True)
