"""Margin of large books: one account of a thousand positions under each model, and ten thousand accounts on paths.

    python benchmarks/many_accounts.py [--paths 10000]

``one account``: processor time of one requirement of a book of 1,000 positions, index maps included, after compilation.
``accounts on paths``: 10,000 uncoupled accounts (the shipped book at sizes between a half and two) x paths x 30 hourly
steps under `derive_pmrm_v2` with coverage and liquidation, two threads, wall clock; peak resident memory at the paths
asked for and at a quarter of them.  Prints one JSON object.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import _one_core  # noqa: F401
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _timing import emit

from riskengine.book.portfolio import Portfolio
from riskengine.config.models import margin_model
from riskengine.config.study import load_study, load_world
from riskengine.engine.blocks import Block, plan
from riskengine.engine.executor import run_blocks
from riskengine.engine.simulate import Simulation
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.pricing.valuation import snapshot
from riskengine.random import DrawKeys

MODELS = ("derive_pmrm_v2", "deribit_portfolio", "deribit_standard", "greeks_grid")
ACCOUNTS = 10_000
STUDY = (
    "horizon_hours=30", "step_hours=1", "history_windows=0", "lending=null", "calibration=null",
    "margin.models=[{kind: derive_pmrm_v2, parameters: derive_pmrm_v2}]", "margin.multipliers=[1.0]",
    "margin.reference_accounts=[]", "margin.reference_levels=[]",
)  # fmt: skip


def one_account(rounds: int = 9) -> dict[str, float]:
    """Milliseconds of processor time for one requirement of 1,000 positions, by model."""
    world = load_world("btc_eth")
    spot = np.array(world.model.spot)
    days, shares = (7, 14, 15, 21, 30, 45, 60, 75, 90, 180, 270, 360), np.linspace(0.6, 1.4, 21)
    options = [
        EuropeanOption(asset, float(round(s * share, 2)), 24.0 * day, kind)
        for asset, s in zip(world.model.assets, spot, strict=True)
        for day in days
        for share in shares
        for kind in ("call", "put")
    ]
    held = (*options[:998], *(Perpetual(a) for a in world.model.assets))
    size = np.random.default_rng(1).normal(size=(1, len(held)))
    book = Portfolio(world.model.assets, held, size, np.zeros_like(size), np.zeros((1, 3)), ("one",), ("account",))
    out = {}
    for kind in MODELS:
        model, taken = margin_model(kind), []
        for _ in range(rounds + 1):
            start = time.thread_time()
            now = snapshot(book, world.surface, spot[:, None], np.array([[0.3], [0.5]]), 0.0)
            model.requirement(model.init(book, world.surface), now)
            taken.append(1e3 * (time.thread_time() - start))
        out[kind] = round(statistics.median(taken[1:]), 2)
    return out


def on_paths(end, paths: int) -> None:
    """Run the accounts on paths in this process; send seconds and peak memory."""
    study = load_study("quickstart", STUDY).study
    book, rng = study.margin.book, np.random.default_rng(1)
    own, size = np.arange(ACCOUNTS) % book.accounts, rng.uniform(0.5, 2.0, ACCOUNTS)[:, None]
    many = replace(
        book, quantity=book.quantity[own] * size, entry=book.entry[own], cash=book.cash[own] * size,
        names=tuple(f"account {k}" for k in range(ACCOUNTS)), kinds=tuple(book.kinds[k] for k in own),
    )  # fmt: skip
    simulation = Simulation(study.world, study.grid, DrawKeys(study.seed), replace(study.margin, book=many))
    simulation.block(Block(0, 0, 16))  # compiled
    start, kept = time.perf_counter(), []
    for _ in run_blocks(
        plan(paths, simulation.block_paths), lambda b: kept.append(simulation.block(b).values.mean()), 2
    ):
        pass
    end.send((time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def apart(paths: int) -> tuple[float, float]:
    """(seconds, peak MiB) of `on_paths` in a process of its own."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=on_paths, args=(there, paths))
    child.start()
    found = here.recv()
    child.join()
    return found


def main() -> None:
    """Measure both and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=10_000)
    paths = parser.parse_args().paths
    (_, small), (seconds, peak) = apart(paths // 4), apart(paths)
    emit(
        "many_accounts",
        {
            "one account of 1,000 positions": one_account(),
            "accounts on paths": {
                "accounts": ACCOUNTS, "steps": 30, "seconds": round(seconds, 1), "peak_mib": round(peak),
                "peak_mib_at_a_quarter": round(small),
            },
        },
        unit="ms of processor time; seconds of wall clock", paths=paths,
    )  # fmt: skip


if __name__ == "__main__":
    main()
