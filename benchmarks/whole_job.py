"""The whole job: paths, a book under 31 scenarios at every step, margin, breach counts.

    python benchmarks/whole_job.py [--quick]

100,000 paths x 30 daily steps x 2 correlated assets with stochastic variance and jumps; at every step the value of 50
options and 2 perpetuals as it stands and under 31 scenarios; margin is the worst scenario loss; a path breaches when
equity falls below it.  Every expiry is beyond the horizon.  Two surfaces: static (sticky strikes), and one that moves
with each path's variance (sticky moneyness, a smile).

The numpy version, as a quant writes it (full-truncation Euler, scipy's ndtr), runs on 10,000 paths at once, and in
chunks that suit its cache, and is scaled.  On the static surface it is also run with scipy's cubic splines in place of
prices, one per asset and factor on volatility (one per asset whose value is the vector of all scenarios is slower).

Ours samples the Bates world (quadratic-exponential scheme) in blocks, with the exact pricer or with book tables, whose
range is that of the first block, widened.  The exact pricer and the tables decide the same breaches on the same paths;
numpy's paths are others of the same law.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import _one_core  # noqa: F401
import numpy as np
from _job import DT, STEPS, SURFACE, book, numpy_scan, spline_scan
from _timing import alternate, compare, emit

from riskengine.market.grid import TimeGrid
from riskengine.pricing.scenario_book import ScenarioBook
from riskengine.pricing.tables import BookTable, reach
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.jumps import OwnJumps

BLOCK = 4096
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


def numpy_job(b: ScenarioBook, paths: int, seed: int = 1, reader: Callable | None = None) -> Outcome:
    """The job in numpy and scipy; `reader(b, time)` gives what reads (value, worst) off spot in place of prices."""
    rng = np.random.default_rng(seed)
    root = math.sqrt(DT)
    x, v = np.zeros((2, paths)), np.repeat(np.array(V0)[:, None], paths, axis=1)
    start = float(numpy_scan(b, np.ones((2, 1)), v[:, :1], 0.0)[0][0])
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
        if reader is None:
            found = numpy_scan(b, np.exp(x), np.maximum(v, 0.0), step * DT)
        else:
            found = reader(b, step * DT)(np.exp(x))
        out.record(slice(None), step, *found, start)
    return out


@dataclass(frozen=True)
class Readers:
    """What reads the book at each step, and what it says of itself."""

    read: list[Callable]
    tables: list[BookTable]

    @classmethod
    def exact(cls, b: ScenarioBook) -> "Readers":
        return cls([lambda x, v, t=t: b.exact(t * DT, x, v) for t in range(1, STEPS + 1)], [])

    @classmethod
    def tabulated(cls, b: ScenarioBook) -> "Readers":
        """Tables over what the first block reaches, widened; their cost belongs to the job."""
        pilot = WORLD.sample(GRID, 0, BLOCK, DrawKeys(42))
        spots, states = reach(np.log(pilot.spot_lanes)), np.maximum(reach(pilot.variance_lanes), 0.0)
        tables = [BookTable.build(b, t * DT, spots[:, t], states[:, t]) for t in range(1, STEPS + 1)]
        return cls([t.scan for t in tables], tables)


def engine_job(b: ScenarioBook, paths: int, make: Callable[[ScenarioBook], Readers]) -> tuple[Outcome, int, Readers]:
    """The job in blocks of the engine's kernels: its outcome, how many reads fell outside a table, the readers."""
    out, outside = Outcome.empty(paths), 0
    readers = make(b)
    start = float(b.exact(0.0, np.zeros((2, 1)), np.array(V0)[:, None])[0][0])
    for first in range(0, paths, BLOCK):
        count = min(BLOCK, paths - first)
        block = WORLD.sample(GRID, first, count, DrawKeys(42))
        logs = np.log(block.spot_lanes)
        for step in range(1, STEPS + 1):
            value, worst, *more = readers.read[step - 1](logs[step], block.variance_lanes[step])
            outside += sum(more)
            out.record(slice(first, first + count), step, value, worst, start)
    return out, outside, readers


def judge(b: ScenarioBook, seconds: dict, paths: dict[str, int], baselines: list[str], ours: str) -> dict:
    """Ratios of one surface, and whether its tables decide as the exact pricer does."""
    exact, _, _ = engine_job(b, paths[f"tables, {ours}"], Readers.exact)
    table, outside, readers = engine_job(b, paths[f"tables, {ours}"], Readers.tabulated)
    both = numpy_job(b, 10_000, seed=2), table
    rates = [float((o.first > 0).mean()) for o in both]
    errors = [math.sqrt(r * (1 - r) / o.first.size) for r, o in zip(rates, both, strict=True)]
    found = {
        f"{kind} against {name}": compare(seconds, name, f"{kind}, {ours}", paths)
        for name in baselines
        for kind in ("exact", "tables")
        if kind == "tables" or name == "numpy"
    }
    stated = max(t.error for t in readers.tables)
    shapes = [t.values.shape[2:4] for t in readers.tables]
    return found | {
        "breach decisions that differ, tables against exact": int((exact.first != table.first).sum()),
        "of paths": exact.first.size,
        "largest difference of lowest excess equity": float(np.max(np.abs(exact.low - table.low))),
        "error that the tables state, largest": stated,
        "error that the tables state, share of notional": stated / b.notional,
        "nodes in variance and log-spot, first and last step": [shapes[0], shapes[-1]],
        "share of reads outside the tables": outside / (table.first.size * STEPS),
        "breach probability, numpy and ours": rates,
        "standard errors": errors,
    }


def main() -> None:
    """Run and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer paths and rounds")
    parser.add_argument("--only", choices=("static", "moving"), help="one of the surfaces")
    asked = parser.parse_args()
    quick = asked.quick
    books = {"static": book()}
    books["moving"] = replace(books["static"], volatility=np.ones_like(books["static"].volatility), surface=SURFACE)
    kinds = {
        "numpy": (10_000, 10_000, None),
        "numpy in chunks of 1,000": (2_000, 1_000, None),
        "numpy with splines": (100_000, 100_000, spline_scan),
        "numpy with splines in chunks of 10,000": (20_000, 10_000, spline_scan),
    }
    if quick:
        kinds = {name: (min(n, 20_000) // 2, min(m, 20_000) // 2, r) for name, (n, m, r) in kinds.items()}
    results = {}
    for name in ("static", "moving") if asked.only is None else (asked.only,):
        b = books[name]
        # a spline in one variable reads no surface that moves
        chosen = {k: v for k, v in kinds.items() if v[2] is None or name == "static"}
        paths = {k: n for k, (n, _, _) in chosen.items()}
        paths |= {f"exact, {name}": 4_096 if quick else 10_240, f"tables, {name}": 102_400}
        jobs = {
            k: lambda n=n, m=m, r=r, b=b: [numpy_job(b, m, reader=r) for _ in range(n // m)]
            for k, (n, m, r) in chosen.items()
        }
        jobs[f"exact, {name}"] = lambda b=b, n=paths[f"exact, {name}"]: engine_job(b, n, Readers.exact)
        jobs[f"tables, {name}"] = lambda b=b, n=paths[f"tables, {name}"]: engine_job(b, n, Readers.tabulated)
        seconds = alternate(jobs, 2 if quick else 3)
        results[f"{name} surface"] = judge(b, seconds, paths, list(chosen), name)
    emit("whole_job", results, unit="ns per path")


if __name__ == "__main__":
    main()
