#!/usr/bin/python3
"""`everseal dhparam --bits N` beside `openssl dhparam N`: whole processes on one core, taking turns.

    cmake --build --preset release --target everseal; bench/dhparam.py [BITS:RUNS …]

Each run is a search from a new random number, so the times spread widely (they are nearly
exponentially distributed): the medians and their ratio count, with an interval from resampling in
which the ratio lies with 95 %. Times are of the processor, in seconds.
"""

import os
import pathlib
import random
import statistics
import subprocess
import sys

EVERSEAL = os.environ.get("EVERSEAL") or str(
    pathlib.Path(__file__).resolve().parents[1] / "build/release/everseal")
RUNS = ("512:150", "768:40", "1024:40", "2048:40")
BAR = 5
RESAMPLINGS = 2000


def processor_time(command):
    core = max(os.sched_getaffinity(0))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL,
                               preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"failed: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime


def interval(ours, theirs):
    """Of the ratio of the medians, by bootstrap."""
    def ratio():
        return (statistics.median(random.choices(theirs, k=len(theirs)))
                / statistics.median(random.choices(ours, k=len(ours))))
    ratios = sorted(ratio() for _ in range(RESAMPLINGS))
    return ratios[RESAMPLINGS // 40], ratios[-RESAMPLINGS // 40]


def compare(bits, runs):
    ours, theirs = [], []
    for _ in range(runs):
        theirs.append(processor_time(["openssl", "dhparam", str(bits)]))
        ours.append(processor_time([EVERSEAL, "dhparam", "--quiet", "--bits", str(bits)]))
    low, high = interval(ours, theirs)
    medians = statistics.median(theirs), statistics.median(ours)
    means = statistics.mean(theirs), statistics.mean(ours)
    print(f"| {bits} | {runs} | {medians[0]:.3g} s | {medians[1]:.3g} s "
          f"| **{medians[0] / medians[1]:.1f}** ({low:.1f}–{high:.1f}; bar {BAR}) "
          f"| {means[0]:.3g} s | {means[1]:.3g} s | {means[0] / means[1]:.1f} |", flush=True)


def main():
    print("| bits | runs | openssl, median | everseal, median | ratio | openssl, mean | everseal, mean "
          "| ratio |\n|---|---|---|---|---|---|---|---|")
    for each in sys.argv[1:] or RUNS:
        bits, runs = map(int, each.split(":"))
        compare(bits, runs)


if __name__ == "__main__":
    main()
