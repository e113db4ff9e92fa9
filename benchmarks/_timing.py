"""Timing shared by the benchmark scripts.

Candidates alternate in one process, round by round, so that a busy or throttled machine slows all of them alike; one
thread is timed by CPU time, which does not count a neighbour's turn on the core.  A ratio is given twice, from the
smallest times and as the median over rounds: where the two disagree, the machine was not quiet enough.
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable


def alternate(candidates: dict[str, Callable[[], object]], rounds: int = 9, *, wall: bool = False) -> dict[str, list]:
    """Seconds of each candidate in each round, after one untimed call each.

    Parameters
    ----------
    candidates : dict of str to callable
        What to time; each call does the candidate's whole job once.
    rounds : int
    wall : bool
        Wall-clock time (threads) rather than CPU time of the process.
    """
    clock = time.perf_counter if wall else time.process_time
    for call in candidates.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            start = clock()
            call()
            seconds[name].append(clock() - start)
    return seconds


def compare(seconds: dict[str, list], baseline: str, candidate: str, items: dict[str, int] | int = 1) -> dict:
    """How many times faster per item `candidate` is than `baseline`.

    Parameters
    ----------
    seconds : dict
        From `alternate`.
    baseline, candidate : str
    items : int or dict of str to int
        Items that one call of each handles, where they differ.

    Returns
    -------
    dict
        ``ratio_of_minima``, ``median_ratio``, and nanoseconds per item of each.
    """
    count = items if isinstance(items, dict) else {baseline: items, candidate: items}
    per = {name: [s / count[name] for s in seconds[name]] for name in (baseline, candidate)}
    rounds = [b / c for b, c in zip(per[baseline], per[candidate], strict=True)]
    return {
        "baseline": baseline,
        "candidate": candidate,
        "ratio_of_minima": round(min(per[baseline]) / min(per[candidate]), 2),
        "median_ratio": round(statistics.median(rounds), 2),
        "ns_per_item": {name: round(min(values) * 1e9, 3) for name, values in per.items()},
    }


def emit(name: str, results: object, **notes: object) -> None:
    """Print one JSON object: the benchmark, the machine in words, the results."""
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cpus": os.cpu_count()}
    json.dump({"benchmark": name, **machine, **notes, "results": results}, sys.stdout, indent=1)
    print()
