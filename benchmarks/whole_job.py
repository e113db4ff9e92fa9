"""The whole job: paths, a book under 31 scenarios at every step, margin, breach counts.

    python benchmarks/whole_job.py [--quick]

100,000 paths x 30 daily steps x 2 correlated assets with stochastic variance and jumps; at every step the value of 50
options and 2 perpetuals as it stands and under 31 scenarios; margin is the worst scenario loss; a path breaches when
equity falls below it.  Static surface, sticky strikes, every expiry beyond the horizon.

The numpy version, as a quant writes it (full-truncation Euler, scipy's ndtr), runs on 10,000 paths at once, and in
chunks that suit its cache, and is scaled; ours
samples the Bates world (quadratic-exponential scheme) in blocks, with the exact pricer or with book tables.  The exact
pricer and the tables decide the same breaches on the same paths; numpy's paths are others of the same law.
"""

import argparse
import math
from dataclasses import dataclass

import _one_core  # noqa: F401
import numpy as np
from _job import DT, STEPS, book, numpy_scan
from _timing import alternate, compare, emit

from riskengine.market.grid import TimeGrid
from riskengine.pricing.tables import BookTable, ScenarioBook
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.jumps import OwnJumps

BLOCK = 1024
EQUITY = 7.0  # starting equity above the book's mark
CORRELATION = 0.7
V0, KAPPA, XI = (0.36, 0.64), (5.0, 4.0), (1.5, 1.8)
RHO, RATE, MEAN, SD = (-0.5, -0.4), (20.0, 25.0), (-0.02, -0.02), (0.05, 0.06)
GRID = TimeGrid(86_400, STEPS)
VARIANCE_CORRELATION = 0.14
WORLD = Bates(
    ("A", "B"), (1.0, 1.0), (0.0, 0.0), KAPPA, V0, XI, RHO, V0, ((1.0, CORRELATION), (CORRELATION, 1.0)),
    ((1.0, VARIANCE_CORRELATION), (VARIANCE_CORRELATION, 1.0)), None, OwnJumps(RATE, MEAN, SD),
)  # fmt: skip
# table range in log-spot: 30 days of two assets with 60 and 80 % volatility, jumps and the +-30 % scenarios inside
LOW, HIGH, NODES = -2.2, 1.8, 512


@dataclass(frozen=True)
class Outcome:
    """First breach step of each path (0: none), and its lowest excess equity."""

    first: np.ndarray
    low: np.ndarray

    @classmethod
    def empty(cls, paths: int) -> "Outcome":
        return cls(np.zeros(paths, dtype=np.int64), np.full(paths, np.inf))

    def record(self, at: slice, step: int, value: np.ndarray, worst: np.ndarray, start: float) -> None:
        """Equity is EQUITY + value - start, margin is value - worst: what is left when the worst scenario comes."""
        excess = EQUITY + (value - start) - (value - worst)
        np.minimum(self.low[at], excess, out=self.low[at])
        first = self.first[at]
        first[(first == 0) & (excess < 0.0)] = step


def _pair(rng: np.random.Generator, count: int, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Two correlated standard normals for each path."""
    first = rng.standard_normal(count)
    return first, correlation * first + math.sqrt(1 - correlation**2) * rng.standard_normal(count)


def numpy_job(b: ScenarioBook, paths: int, seed: int = 1) -> Outcome:
    """The job in numpy and scipy."""
    rng = np.random.default_rng(seed)
    root = math.sqrt(DT)
    x, v = np.zeros((2, paths)), np.repeat(np.array(V0)[:, None], paths, axis=1)
    start = float(numpy_scan(b, np.ones((2, 1)), 0.0)[0][0])
    out = Outcome.empty(paths)
    for step in range(1, STEPS + 1):
        motions = _pair(rng, paths, VARIANCE_CORRELATION)
        residuals = _pair(rng, paths, float(WORLD.residual_correlation[0, 1]))
        for a in range(2):
            zv = motions[a]
            z = RHO[a] * zv + math.sqrt(1 - RHO[a] ** 2) * residuals[a]
            positive = np.maximum(v[a], 0.0)
            scale = np.sqrt(positive) * root
            jumps = rng.poisson(RATE[a] * DT, paths)
            drift = -RATE[a] * math.expm1(MEAN[a] + 0.5 * SD[a] ** 2)
            x[a] += (drift - 0.5 * positive) * DT + scale * z
            x[a] += jumps * MEAN[a] + np.sqrt(jumps) * SD[a] * rng.standard_normal(paths)
            v[a] += KAPPA[a] * (V0[a] - positive) * DT + XI[a] * scale * zv
        out.record(slice(None), step, *numpy_scan(b, np.exp(x), step * DT), start)
    return out


def engine_job(b: ScenarioBook, paths: int, tables: bool) -> Outcome:
    """The job in blocks of the engine's kernels; tables are built inside, as their cost belongs to it."""
    out = Outcome.empty(paths)
    start = float(b.exact(0.0, np.zeros((2, 1)))[0][0])
    read = (
        [BookTable.build(b, t * DT, LOW, HIGH, NODES).scan for t in range(1, STEPS + 1)]
        if tables
        else [lambda x, t=t: b.exact(t * DT, x) for t in range(1, STEPS + 1)]
    )
    for first in range(0, paths, BLOCK):
        count = min(BLOCK, paths - first)
        block = WORLD.sample(GRID, first, count, DrawKeys(42))
        logs = np.log(block.spot_lanes)
        for step in range(1, STEPS + 1):
            out.record(slice(first, first + count), step, *read[step - 1](logs[step]), start)
    return out


def main() -> None:
    """Run and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer paths and rounds")
    quick = parser.parse_args().quick
    paths = {"numpy": 10_000, "numpy in chunks": 2_000, "exact": 10_240, "tables": 102_400}
    if quick:
        paths = {"numpy": 5_000, "numpy in chunks": 1_000, "exact": 2_048, "tables": 20_480}
    b = book()
    jobs = {
        "numpy": lambda: numpy_job(b, paths["numpy"]),
        "numpy in chunks": lambda: [numpy_job(b, 1_000) for _ in range(paths["numpy in chunks"] // 1_000)],
        "exact": lambda: engine_job(b, paths["exact"], tables=False),
        "tables": lambda: engine_job(b, paths["tables"], tables=True),
    }
    seconds = alternate(jobs, 2 if quick else 3)
    exact, table = engine_job(b, paths["exact"], tables=False), engine_job(b, paths["exact"], tables=True)
    many, ours = numpy_job(b, paths["numpy"], seed=2), engine_job(b, paths["tables"], tables=True)
    rates = [float((o.first > 0).mean()) for o in (many, ours)]
    errors = [math.sqrt(r * (1 - r) / o.first.size) for r, o in zip(rates, (many, ours), strict=True)]
    emit(
        "whole_job",
        {
            "exact pricing against numpy": compare(seconds, "numpy", "exact", paths),
            "book tables against numpy": compare(seconds, "numpy", "tables", paths),
            "exact pricing against numpy in chunks of 1,000": compare(seconds, "numpy in chunks", "exact", paths),
            "book tables against numpy in chunks of 1,000": compare(seconds, "numpy in chunks", "tables", paths),
            "seconds for 100,000 paths": {n: round(min(s) * 1e5 / paths[n], 3) for n, s in seconds.items()},
            "breach decisions that differ, tables against exact": int((exact.first != table.first).sum()),
            "of paths": paths["exact"],
            "largest difference of lowest excess equity": float(np.max(np.abs(exact.low - table.low))),
            "breach probability, numpy and ours": rates,
            "standard errors": errors,
        },
        unit="ns per path",
    )


if __name__ == "__main__":
    main()
