"""The estimator lab: the reference experiment on estimators, and a level search on the same draws.

    python benchmarks/lab.py [--workers 2] [--surface]

One-day Merton law (volatility 60 %, 30 jumps a year of mean -2 %, deviation 6 %), log-losses, 6,000 samples, sizes
250 and 1,000, levels 99 and 99.9 %, every estimator of the experiment that is registered.  Printed: seconds of the
whole experiment with and without the search for the level that keeps 1 %, and the rows (relative bias, scatter, mean
exact breach probability, each with its standard error).  Kernels are compiled before the clock starts.

With --surface: the shipped study of twelve estimators, twenty levels and six sizes as well, and the standard errors of
its mean estimates.
"""

import argparse
import time
from dataclasses import replace

from _timing import emit

from riskengine import registry
from riskengine.config.study import load_study
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.study.estimator_lab import EstimatorLab

KINDS = ("historical", "harrell_davis", "normal", "student_t", "cornish_fisher", "pot_gpd")


def experiment(study, workers: int):
    """(seconds of wall clock, seconds of processor time, rows) of one lab."""
    wall, busy = time.perf_counter(), time.process_time()
    lab = EstimatorLab(study)
    lab.prepare(workers)
    for _ in run_blocks(lab.blocks, lab.block, workers):
        pass
    rows = list(lab.rows())
    return round(time.perf_counter() - wall, 2), round(time.process_time() - busy, 2), rows


def surface(workers: int) -> dict:
    """Seconds of the shipped surface, its cells, and how many mean estimates have a standard error above 2 %."""
    study = load_study("calibration_surface").study
    wall, busy, rows = experiment(study, workers)
    out = {"wall": wall, "processor": busy}
    for measure in ("relative_bias", "es_relative_bias"):
        errors = [r.estimate.std_error for r in rows if r.measure == measure]
        known = [e for e in errors if e == e]
        wide = [e for e in known if e > study.standard_error]
        out[measure] = {"cells": len(errors), "refused": len(errors) - len(known), "above": len(wide)}
    return out


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--surface", action="store_true")
    workers, with_surface = parser.parse_args().workers, parser.parse_args().surface
    kinds = [k for k in KINDS if k in registry.kinds("estimators")]
    study = replace(
        load_study("calibration_lab").study,
        estimators=tuple(registry.load("estimators", k)() for k in kinds),
        levels=(0.99, 0.999),
        sample_sizes=(250, 1000),
        replications=6000,
    )
    experiment(replace(study, replications=100), workers)
    wall, busy, rows = experiment(replace(study, targets=()), workers)
    both = experiment(study, workers)[:2]
    found = {(r.model, r.parameters.get("sample_size"), r.parameters["level"], r.measure): r.estimate for r in rows}
    table = [
        {"estimator": kind, "n": n, "level": level}
        | {
            name: [round(found[kind, n, level, measure].value, 5), round(found[kind, n, level, measure].std_error, 5)]
            for name, measure in (
                ("relative_bias", "relative_bias"),
                ("relative_sd", "relative_sd"),
                ("breach", "mean_breach_probability"),
            )
        }
        for kind in kinds
        for n in study.sample_sizes
        for level in study.levels
    ]
    seconds = {"wall": wall, "processor": busy, "with_level_search": {"wall": both[0], "processor": both[1]}}
    result = {"seconds": seconds, "rows": table}
    if with_surface:
        result["surface"] = surface(workers)
    emit("lab", result, workers=workers)


if __name__ == "__main__":
    main()
