"""How long a warm recalibration takes, and how the law that follows a market fares.

    python benchmarks/recalibrate.py CHAINS.parquet [--models bates,bates++]

Walks the first snapshot of every day, each asset by itself, on one core.  Timed is `Follower.step`, everything that a
new snapshot costs: the chain's nodes and waves, the state for yesterday's structure, the fit, its standard errors, and
the state for the published structure; reading the file and choosing the quotes are timed apart.  The first snapshot of
an asset (a fit from all starting points) and the compilation are left out; days after an alarm (a fit from all starting
points again) are in.  CPU time of the process.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np
from chain_fit import daily

from riskengine.calibrate.pricing_law.follow import Follower, FollowRules
from riskengine.calibrate.pricing_law.objective import FitRules
from riskengine.calibrate.pricing_law.quotes import select

GOAL = 0.050


def walk(snapshots: list, model: str) -> tuple[list, np.ndarray, np.ndarray]:
    """Log entries, and seconds of selection and of the step, per snapshot."""
    follower = Follower(model.removesuffix("++"), FollowRules(fit=FitRules(shift=model.endswith("++"))))
    entries, choose, step = [], [], []
    for quotes in snapshots:
        start = time.process_time()
        chain = select(quotes)
        middle = time.process_time()
        entries.append(follower.step(chain))
        choose.append(middle - start)
        step.append(time.process_time() - middle)
    return entries, np.array(choose[1:]), np.array(step[1:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path)
    parser.add_argument("--models", default="heston,bates,svcj,heston++,bates++,svcj++")
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores\n")
    print("| asset | model | quotes | select ms | step ms: median | 90 % | largest | evaluations "
          "| inside: fit | published | one step, half spreads | published anew | alarms |")  # fmt: skip
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    for asset in ("BTC", "ETH"):
        snapshots = daily(given.chains, asset)
        for model in given.models.split(","):
            walk(snapshots[:3], model)
            entries, choose, step = walk(snapshots, model)
            alarms = [str(np.datetime64(e.seconds, "s"))[:10] for e in entries if e.alarm]
            later = entries[1:]
            print(
                f"| {asset} | {model} | {np.median([e.fit.quality.quotes for e in later]):.0f} "
                f"| {1e3 * np.median(choose):.1f} | {1e3 * np.median(step):.1f} | {1e3 * np.quantile(step, 0.9):.1f} "
                f"| {1e3 * step.max():.0f} | {np.median([e.fit.iterations for e in later]):.0f} "
                f"| {np.mean([e.fit.quality.inside for e in later]):.1%} "
                f"| {np.mean([e.tracking.inside for e in later]):.1%} | {np.mean([e.one_step for e in later]):.2f} "
                f"| {np.mean([e.renewed for e in later]):.0%} | {', '.join(alarms) or 'none'} |",
                flush=True,
            )
    print(f"\ngoal: {1e3 * GOAL:.0f} ms for a chain of 300 options")
