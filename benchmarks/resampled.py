"""Worlds made of data against the data they are made of, and their speed.

    python benchmarks/resampled.py PRICES [--start 2021-01-01] [--end 2025-12-01]

PRICES holds hourly closes of BTC and ETH.  Printed for BTC: quantile losses at three horizons and autocorrelations of
absolute hourly returns, of the data, of block bootstraps with the automatic block length and with blocks of one step,
and of a filtered bootstrap (GARCH, Student-t likelihood, long-run variance of the data) from its stationary start; then
processor time per asset and step beside a numpy loop that does the same recursion with PCG64.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from riskengine.calibrate.volatility import fit_garch
from riskengine.data.prices import load_prices
from riskengine.market.grid import TimeGrid
from riskengine.market.series import PriceSeries
from riskengine.random import DrawKeys
from riskengine.scenario.block_bootstrap import BlockBootstrap
from riskengine.scenario.filtered_bootstrap import FilteredBootstrap

ASSETS, SPOT, ZERO = ("BTC", "ETH"), (34_500.0, 1_810.0), (0.0, 0.0)
LEVELS, LAGS = (0.99, 0.999), (1, 6, 24, 72, 168)
PATHS, BLOCK = 98_304, 8_192


def data_losses(data: PriceSeries, hours: int) -> np.ndarray:
    """Quantile losses of every overlapping window without a missing bar."""
    prices, missing = data.regular[1][:, 0], data.regular[2]
    holes = np.concatenate([[0], np.cumsum(missing)])
    whole = holes[hours + 1 :] == holes[: -hours - 1]
    moves = np.log(prices[hours:] / prices[:-hours])[whole]
    return np.quantile(-moves, LEVELS)


def model_losses(model, hours: int) -> np.ndarray:
    """Quantile losses over simulated paths."""
    moves = []
    for first in range(0, PATHS, BLOCK):
        lanes = model.sample(TimeGrid(3_600 * hours, 1), first, BLOCK, DrawKeys(1)).spot_lanes[:, 0]
        moves.append(np.log(lanes[1] / lanes[0]))
    return np.quantile(-np.concatenate(moves), LEVELS)


def memory(moves: np.ndarray) -> list[float]:
    """Autocorrelation of absolute values along the first axis."""
    size = np.abs(moves) - np.abs(moves).mean()
    return [float((size[:-k] * size[k:]).mean() / (size * size).mean()) for k in LAGS]


def numpy_filtered(model: FilteredBootstrap, steps: int, paths: int) -> None:
    """The same recursion in numpy, prices and variances kept."""
    step, z, rng = model.recursion, model.residuals, np.random.default_rng(1)
    h = np.repeat(model.filtered[-1][:, None], paths, axis=1)
    x = np.zeros((2, paths))
    out, variance = np.empty((2, steps + 1, 2, paths))
    for t in range(steps):
        e = np.sqrt(h) * z[:, rng.integers(0, z.shape[1], paths)]
        x += e
        h = step.omega[:, None] + step.alpha[:, None] * e * e + step.beta[:, None] * h
        np.exp(x, out=out[t + 1])
        variance[t + 1] = h


def main() -> None:
    """Print three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prices", type=Path)
    parser.add_argument("--start", default="2021-01-01")
    parser.add_argument("--end", default="2025-12-01")
    given = parser.parse_args()
    found = load_prices(given.prices, ASSETS, start=given.start, end=given.end, max_missing_share=0.02)
    data = PriceSeries(ASSETS, found.seconds, found.prices, found.step_seconds)
    filter_ = fit_garch(data).filter
    blocks = BlockBootstrap(ASSETS, SPOT, data, "auto", ZERO)
    filtered = FilteredBootstrap(ASSETS, SPOT, data, filter_, "stationary", ZERO)
    print(f"block length {blocks.block_steps:.1f} h; filter {filter_}")
    worlds = {"blocks": blocks, "single steps": BlockBootstrap(ASSETS, SPOT, data, 1.0, ZERO), "filtered": filtered}
    for hours in (1, 24, 72):
        rows = {"data": data_losses(data, hours)} | {n: model_losses(m, hours) for n, m in worlds.items()}
        print(f"{hours} h", {n: np.round(100 * r, 2).tolist() for n, r in rows.items()})
    print("memory", {"data": np.round(memory(data.returns[:, 0]), 3).tolist()}, end=" ")
    for name, model in worlds.items():
        lanes = model.sample(TimeGrid(3_600, 2_000), 0, 512, DrawKeys(2)).spot_lanes[:, 0]
        print({name: np.round(memory(np.diff(np.log(lanes), axis=0)), 3).tolist()}, end=" ")
    print()
    last = FilteredBootstrap(ASSETS, SPOT, data, filter_, "last", ZERO)
    jobs = {
        "blocks": lambda: blocks.sample(TimeGrid(3_600, 720), 0, 1_024, DrawKeys(1)),
        "filtered": lambda: last.sample(TimeGrid(3_600, 720), 0, 1_024, DrawKeys(1)),
        "numpy, filtered": lambda: numpy_filtered(last, 720, 1_024),
    }
    best = dict.fromkeys(jobs, np.inf)
    for _ in range(9):
        for name, job in jobs.items():
            start = time.process_time()
            job()
            best[name] = min(best[name], (time.process_time() - start) / (720 * 1_024 * 2) * 1e9)
    print("ns per asset and step", {name: round(value, 1) for name, value in best.items()})


if __name__ == "__main__":
    main()
