"""VaR and ES at 50 levels from a million losses: with intervals, against numpy without.

    python benchmarks/quantiles.py [--quick]

The baseline is the loop one writes first, `np.quantile` and a mean beyond each quantile; a second one partitions once
and sums, the fastest that numpy offers.  Neither gives an interval.  Ours gives the exact order-statistic interval of
every VaR and the standard error and skewness-corrected interval of every ES, as `riskengine.stats.quantile` does one
level at a time.  ``ranks not yet known`` forgets the binomial ranks, which are kept from call to call, each time.
"""

import argparse
import sys
from pathlib import Path

import _one_core  # noqa: F401
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _timing import alternate, compare, emit

from riskengine.stats.figures import WeightedFigures
from riskengine.stats.quantile import expected_shortfall, order_statistic_ranks, value_at_risk
from riskengine.stats.tail_curve import tail_curve
from riskengine.stats.weighted import PathWeights

LEVELS = np.concatenate([np.linspace(0.95, 0.99, 25), np.linspace(0.9905, 0.9995, 25)])
FEW = (0.99, 0.995, 0.999)


def numpy_loop(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(VaR, ES) at each level."""
    var = np.quantile(losses, LEVELS)
    return var, np.array([losses[losses >= v].mean() for v in var])


def numpy_partition(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(VaR, ES) at each level from one partition."""
    rank = np.ceil(losses.size * LEVELS).astype(int) - 1
    ordered = np.partition(losses, rank)
    return ordered[rank], np.array([ordered[k:].mean() for k in rank])


def forgetful(losses: np.ndarray) -> object:
    """`tail_curve` as it runs on a sample of a size not met before."""
    order_statistic_ranks.cache_clear()
    return tail_curve(losses, LEVELS)


def main() -> None:
    """Time all forms, check that they agree, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer losses and rounds")
    quick = parser.parse_args().quick
    n, rounds = (200_000, 5) if quick else (1_000_000, 15)
    rng = np.random.default_rng(1)
    losses = rng.standard_t(4, n)
    # weights do not matter to the time
    weights = PathWeights(np.where(losses > 1.5, 0.5, 1.0), np.arange(n) % 2, 2.0)
    weighted = WeightedFigures(weights)
    seconds = alternate(
        {
            "numpy loop, no intervals": lambda: numpy_loop(losses),
            "numpy partition, no intervals": lambda: numpy_partition(losses),
            "with intervals": lambda: tail_curve(losses, LEVELS),
            "with intervals, ranks not yet known": lambda: forgetful(losses),
        },
        rounds,
    )
    one_by_one = alternate(
        {
            "one level at a time": lambda: (
                value_at_risk(losses, LEVELS), [expected_shortfall(losses, p) for p in LEVELS]
            ),
            "all levels": lambda: tail_curve(losses, LEVELS),
            "weighted, one level at a time": lambda: (
                weighted.quantiles(losses, FEW), [weighted.shortfall(losses, p) for p in FEW]
            ),
            "weighted, all levels": lambda: weighted.tails(losses, FEW),
        },
        3,
    )  # fmt: skip
    var, es = numpy_loop(losses)
    found_var, found_es = tail_curve(losses, LEVELS)
    results = {
        "against numpy's loop": compare(seconds, "numpy loop, no intervals", "with intervals"),
        "against numpy's partition": compare(seconds, "numpy partition, no intervals", "with intervals"),
        "against numpy's loop, ranks not yet known": compare(
            seconds, "numpy loop, no intervals", "with intervals, ranks not yet known"
        ),
        "against one level at a time": compare(one_by_one, "one level at a time", "all levels"),
        "weighted, three levels": compare(one_by_one, "weighted, one level at a time", "weighted, all levels"),
        "largest difference from numpy, in standard errors": max(
            max(abs(f.value - v) / (f.upper - f.lower) for f, v in zip(found_var, var, strict=True)),
            max(abs(f.value - v) / f.std_error for f, v in zip(found_es, es, strict=True)),
        ),
    }
    emit("quantiles", results, unit="ns per call", losses=n, levels=LEVELS.size)


if __name__ == "__main__":
    main()
