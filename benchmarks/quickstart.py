"""The quickstart as a whole process: warm time, start-up of the command line, peak memory against the number of paths.

    python benchmarks/quickstart.py                      # times
    python benchmarks/quickstart.py --memory 100000 1000000   # peak memory at two numbers of paths (long)

Prints one JSON object.  Each run is a process of its own; memory is the peak resident set of that process.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

COMMAND = [sys.executable, "-m", "riskengine"]


def measured(arguments, folder):
    """Wall seconds and peak resident bytes of one run of the command line."""
    start = time.perf_counter()
    child = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{arguments}: exit status {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def times(folder, rounds):
    """Median seconds of a warm quickstart and of ``--help``."""
    measured(["run", "quickstart"], folder)  # fills the compile cache
    runs = [measured(["run", "quickstart"], folder)[0] for _ in range(rounds)]
    helps = [measured(["--help"], folder)[0] for _ in range(4 * rounds)]
    return {
        "quickstart_warm_s": {"median": statistics.median(runs), "min": min(runs), "max": max(runs)},
        "help_s": {"median": statistics.median(helps), "min": min(helps)},
    }


def memory(folder, sizes):
    """Peak memory at each number of paths, and its ratio to the first."""
    peaks = {}
    for paths in sizes:
        out = os.path.join(folder, f"run-{paths}")
        seconds, peak = measured(["run", "quickstart", "--paths", str(paths), "--out", out], folder)
        shutil.rmtree(out)
        peaks[paths] = {"peak_mib": round(peak / 2**20, 1), "seconds": round(seconds, 1)}
    first = peaks[sizes[0]]["peak_mib"]
    return {"memory": peaks, "ratio": round(peaks[sizes[-1]]["peak_mib"] / first, 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, nargs="+", metavar="PATHS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = memory(folder, options.memory) if options.memory else times(folder, options.rounds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
