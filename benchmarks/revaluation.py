"""Option revaluation against scipy: 50 options x 31 scenarios on every path, and the error of the prices.

    python benchmarks/revaluation.py [--quick]

The baseline is Black-76 with ``scipy.special.ndtr`` over (paths, options) tables, at the chunk size that suits it best
of three.  One thread, CPU time.
"""

import argparse

import numpy as np
from _job import book, numpy_scan
from _timing import alternate, compare, emit

from riskengine.pricing.black import black76, black_lanes


def price_error(count: int) -> dict[str, float]:
    """Largest difference of single option prices from scipy's, in units of spot."""
    rng = np.random.default_rng(5)
    options = 200
    lanes = count // options
    forward = np.exp(rng.normal(0.0, 0.8, (options, lanes)))
    strike = np.exp(rng.normal(0.0, 0.6, options))
    total = np.exp(rng.normal(-1.5, 1.2, (options, lanes)))
    sign = np.where(rng.random(options) < 0.5, 1.0, -1.0)
    out = np.empty_like(forward)
    black_lanes(forward, strike, total, sign, out)
    exact = black76(forward, strike[:, None], 1.0, total, sign[:, None])
    return {"prices": out.size, "largest_error_of_spot": float(np.max(np.abs(out - exact) / forward))}


def main() -> None:
    """Run and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer paths and rounds")
    quick = parser.parse_args().quick
    paths, rounds = (3_000, 3) if quick else (6_000, 7)
    b = book()
    log_spot = np.random.default_rng(1).normal(0.0, 0.3, (2, paths))
    spot = np.exp(log_spot)
    time = 10 / 365

    def in_chunks(size: int):
        return lambda: [numpy_scan(b, spot[:, i : i + size], None, time) for i in range(0, paths, size)]

    jobs = {f"scipy, {n} paths at once": in_chunks(n) for n in (250, 1_000, paths)}
    jobs["exact kernel"] = lambda: b.exact(time, log_spot)
    seconds = alternate(jobs, rounds)
    best = min((n for n in jobs if n.startswith("scipy")), key=lambda n: min(seconds[n]))
    reference, found = numpy_scan(b, spot, None, time), b.exact(time, log_spot)
    emit(
        "revaluation",
        {
            "against the fastest scipy form": compare(seconds, best, "exact kernel", paths * 50 * 31),
            "book of 50 options, largest difference": max(
                float(np.max(np.abs(x - y))) for x, y in zip(reference, found, strict=True)
            ),
            "single options": price_error(200_000 if quick else 2_000_000),
        },
        unit="ns per option price",
    )


if __name__ == "__main__":
    main()
