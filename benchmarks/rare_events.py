"""What importance sampling is worth after all costs: variance of plain paths over that of tilted ones at equal time.

    python benchmarks/rare_events.py [--quick]

Gain = (variance x seconds of plain sampling) / (variance x seconds of the mixture, pilot included), one thread.

1. The whole job of `whole_job.py` (two assets, 50 options, 31 scenarios at every step, book tables): the 99.9 %
   quantile of how far excess equity falls.  Variances are those of independent replications, each with its own pilot.
   Against numpy with splines (`whole_job.py`) on as many tilted paths the variance is the same, and time decides.
2. The 99.9 % one-day loss of every account of the shipped margin book (straddles, strangles, condors, calendars, pairs)
   on the shipped BTC and ETH world.  A quantile's variance is that of the tail probability at it over the squared
   density, so the ratio is taken on the tail probability: p (1 - p) against the within-stratum variance of the mixture,
   averaged over replications, each of which has its own pilot.  Time is that of the study, which revalues the book and
   its margin at every step.  The worst account is the figure of merit.
3. A probability of 1e-4 with a closed form (Merton, one day): its error after 20,480 paths.
4. Stratified jump counts beside importance sampling and both together, on the tail probability at the exact quantile
   of a one-day fall: two worlds whose jumps are rare and large (merton; svcj, where a jump raises variance too and its
   size cannot be tilted), and the accounts of 2, where jumps are small and frequent.  Variances are those that the
   estimates state, averaged over replications; the cost of a path is that of its draws alone over a plain one's (in a
   study what is done with a path costs many times more), and the pilot's seconds stand beside it.
"""

import argparse
import time
from dataclasses import replace

import numpy as np
from _job import DT, STEPS, book, spline_scan
from _timing import emit
from whole_job import EQUITY, GRID, WORLD, numpy_job

from riskengine.config.study import load_study
from riskengine.engine.blocks import plan
from riskengine.engine.simulate import Simulation
from riskengine.market.grid import TimeGrid
from riskengine.pricing.tables import BookTable
from riskengine.random import DrawKeys
from riskengine.scenario.cojumps import OwnCoJumps
from riskengine.scenario.count_strata import fit_strata
from riskengine.scenario.cross_entropy import fit_proposal
from riskengine.scenario.jump_counts import count_probabilities
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.merton import Merton
from riskengine.scenario.pilot import PilotSettings
from riskengine.scenario.proposal import PARTS, Proposal
from riskengine.scenario.svcj import Svcj
from riskengine.stats.quantile import value_at_risk
from riskengine.stats.weighted import PathWeights, weighted_quantiles, weighted_share
from riskengine.study.sampling import targets_of

BLOCK = 1024
LEVEL = 0.999
# of log-spot: tilted paths go further than plain ones
RANGE = (-2.2, 1.8)


class Job:
    """Deepest shortfall of excess equity on each path of the whole job; larger is worse."""

    def __init__(self) -> None:
        b = book()
        self._start = float(b.exact(0.0, np.zeros((2, 1)))[0][0])
        self._read = [BookTable.build(b, t * DT, RANGE).scan for t in range(1, STEPS + 1)]

    def __call__(self, paths) -> np.ndarray:
        logs = np.log(paths.spot_lanes)
        low = np.full(paths.count, np.inf)
        for step in range(1, STEPS + 1):
            value, worst, _ = self._read[step - 1](logs[step])
            np.minimum(low, EQUITY + (value - self._start) - (value - worst), out=low)
        return -low[None]


def sample(model, grid, figures, seed: int, n: int, proposal=None) -> tuple[np.ndarray, PathWeights | None]:
    """Figures (R, n) of a run in blocks, and its weights."""
    values, weight = [], []
    for first in range(0, n, BLOCK):
        extra = () if proposal is None else (proposal,)
        paths = model.sample(grid, first, min(BLOCK, n - first), DrawKeys(seed), *extra)
        values.append(figures(paths))
        if proposal is not None:
            weight.append(np.exp(paths.log_weight))
    out = np.concatenate(values, axis=1)
    if proposal is None:
        return out, None
    return out, PathWeights(np.concatenate(weight), proposal.component(0, n), proposal.bound)


def whole_job(n: int, replications: int) -> dict:
    """Gain on the 99.9 % quantile of the whole job."""
    job = Job()
    numpy_job(book(), 1_000, reader=spline_scan)
    start = time.process_time()
    job = Job()
    tabulated = time.process_time()
    numpy_job(book(), n, reader=spline_scan)
    splines = time.process_time() - tabulated
    tables = tabulated - start
    settings = PilotSettings(plain_share=0.2, components=8, paths=2048, level=LEVEL)
    plain, tilted, refused = [], [], 0
    seconds = {"plain": 0.0, "tilted": 0.0, "pilot": 0.0}
    intervals = []
    for r in range(-1, replications):  # the first compiles and is not counted
        start = time.process_time()
        a = value_at_risk(sample(WORLD, GRID, job, 1000 + r, n)[0][0], (LEVEL,))[0]
        middle = time.process_time()
        pilot = fit_proposal(WORLD, GRID, job, 5000 + r, settings)
        piloted = time.process_time()
        values, weights = sample(WORLD, GRID, job, 5000 + r, n, pilot.proposal)
        b = weighted_quantiles(values[0], (LEVEL,), weights)[0]
        end = time.process_time()
        if r < 0:
            continue
        plain.append(a.value)
        tilted.append(b.value)
        intervals.append((b.lower, b.upper))
        refused += not np.isfinite(b.upper)
        seconds["plain"] += middle - start
        seconds["pilot"] += piloted - middle
        seconds["tilted"] += end - middle
    centre = np.mean(tilted)
    inside = np.mean([low <= centre <= high for low, high in intervals])
    variance = np.var(plain, ddof=1) / np.var(tilted, ddof=1)
    return {
        "paths": n,
        "replications": replications,
        "variance ratio at equal paths": round(float(variance), 1),
        "cost ratio, pilot included": round(seconds["tilted"] / seconds["plain"], 3),
        "share of the time in the pilot": round(seconds["pilot"] / seconds["tilted"], 3),
        "times faster to equal error than numpy with splines on tilted paths, weights not charged": (
            round(splines / (seconds["tilted"] / replications + tables), 1)
        ),
        "gain": round(float(variance) * seconds["plain"] / seconds["tilted"], 1),
        "standard error of a variance ratio, relative": round(2.0 / float(np.sqrt(replications - 1)), 2),
        "means differ by standard errors": round(
            float((np.mean(plain) - centre) / np.sqrt((np.var(plain) + np.var(tilted)) / replications)), 2
        ),
        "intervals that hold the mean": float(inside),
        "intervals refused": refused,
    }


def accounts(n: int, replications: int) -> dict:
    """Gain of every account of the shipped rare-event study on its 99.9 % loss."""
    study = load_study("rare_events").study
    world, grid = study.world, study.grid
    figures = targets_of(study)
    names = figures.names(world.model.assets)
    errors, counts, gains, pilot_seconds, block_seconds = [], [], [], 0.0, {"plain": 0.0, "tilted": 0.0}
    fit_proposal(world.model, grid, figures, 99, PilotSettings(0.2, 40, 512, LEVEL))
    for r in range(replications):
        start = time.process_time()
        pilot = fit_proposal(world.model, grid, figures, 100 + r, study.sampling.pilot)
        pilot_seconds += (time.process_time() - start) / replications
        values, weights = sample(world.model, grid, figures, 100 + r, n, pilot.proposal)
        found = [weighted_quantiles(v, (LEVEL,), weights)[0] for v in values]
        hits = [(v > q.value).astype(float) for v, q in zip(values, found, strict=True)]
        errors.append([weighted_share(h, weights, severity=v).std_error for h, v in zip(hits, values, strict=True)])
        counts.append([np.isfinite(q.upper) for q in found])
        gains.append(pilot.gains)
        # what a path of the study costs, margin and liquidation at every step, is timed on whole blocks
        parts = (study.margin, study.lending, study.calibration, study.feedback, study.confidence)
        kinds = {"plain": None, "tilted": pilot.proposal}
        for proposal in kinds.values():
            Simulation(world, grid, DrawKeys(1), *parts, proposal).block(plan(BLOCK)[0])
        for block in plan(4 * BLOCK):
            for name, proposal in kinds.items():
                simulation = Simulation(world, grid, DrawKeys(1), *parts, proposal)
                start = time.process_time()
                simulation.block(block)
                block_seconds[name] += (time.process_time() - start) / (4 * BLOCK * replications)
    cost = (block_seconds["tilted"] * n + pilot_seconds) / (block_seconds["plain"] * n)
    error = np.mean(np.square(errors), axis=0)
    known = ~np.isnan(gains[0])
    ratio = (1 - LEVEL) * LEVEL / n / error[known]
    rows = sorted(zip(ratio / cost, (m for m, k in zip(names, known, strict=True) if k), strict=True))
    return {
        "paths": n,
        "replications": replications,
        "accounts": len(names),
        "accounts that cannot lose": [m for m, k in zip(names, known, strict=True) if not k],
        "cost ratio, pilot included": round(cost, 3),
        "pilot seconds": round(pilot_seconds, 2),
        "microseconds a path": {k: round(v * 1e6, 1) for k, v in block_seconds.items()},
        "gain, median": round(float(np.median(ratio) / cost), 1),
        "gain, least": f"{rows[0][0]:.1f} ({rows[0][1]})",
        "accounts with a gain below 10": [m for g, m in rows if g < 10.0],
        "intervals refused": int((~np.array(counts)[:, known]).sum()),
        "gain by account": ", ".join(f"{m} {g:.1f}" for g, m in rows),
    }


def closed_form(n: int) -> dict:
    """A Merton probability of 1e-4 against its mixture of normals."""
    jumps = OwnJumps((30.0,), (-0.02,), (0.06,))
    world = Merton(("BTC",), (1.0,), (0.0,), (0.6,), ((1.0,),), None, jumps)
    grid = TimeGrid(3_600, 24)
    barrier = float(world.law("BTC", 1 / 365).quantile(np.array([1e-4]))[0])

    def fall(paths) -> np.ndarray:
        return -np.log(paths.spot_lanes[-1])

    proposal = fit_proposal(world, grid, fall, 3, PilotSettings(0.2, 4, 4096, 0.9999)).proposal
    values, weights = sample(world, grid, fall, 3, n, proposal)
    found = weighted_share((values[0] > -barrier).astype(float), weights, severity=values[0])
    return {
        "paths": n,
        "estimate": found.value,
        "relative standard error": round(found.std_error / found.value, 4),
        "errors from the exact 1e-4": round((found.value - 1e-4) / found.std_error, 2),
        "plain paths for the same error": round(1e-4 / found.std_error**2),
    }


def both(world, grid, proposal: Proposal) -> Proposal:
    """Each tilt of a mixture in strata of the number of jumps, in proportion to their probability under the tilt."""
    space = world.tilt_space(grid, proposal.hours)
    found = []
    for tilt, share in zip(proposal.tilts, proposal.shares, strict=True):
        expected = float((np.array(tilt.intensity) * space.arrivals).sum())
        for low, high in ((0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (3.0, np.inf)):
            part = share * float(count_probabilities(expected, int(low), high).sum())
            if part >= 1.0 / PARTS:
                found.append((replace(tilt, count=(low, high)), part))
    tilts, shares = zip(*found, strict=True)
    return Proposal(tilts, shares, proposal.hours)


def counts(n: int, replications: int) -> dict:
    """Gains of stratified jump counts, of tilts and of both."""
    one = ((1.0,),)
    worlds = {
        "merton": Merton(("A",), (1.0,), (0.0,), (0.6,), one, None, OwnJumps((30.0,), (-0.02,), (0.06,))),
        "svcj": Svcj(
            ("A",), (1.0,), (0.0,), (5.0,), (0.25,), (1.2,), (-0.5,), "stationary", one, one, None,
            OwnCoJumps((12.0,), (-0.05,), (0.05,), variance_mean=(0.4,), slope=(-0.02,)),
        ),
    }  # fmt: skip
    grid, out = TimeGrid(3_600, 24), {}

    def fall(paths) -> np.ndarray:
        return -np.log(paths.spot_lanes[-1])

    for name, world in worlds.items():
        for level in (0.99, 0.999, 0.9999):
            barrier = -float(world.law("A", 1 / 365).quantile(np.array([1.0 - level]))[0])
            settings = {share: PilotSettings(share, 8, 8192, level) for share in (0.2, 0.4)}
            makers = {
                "strata": lambda seed, w=world, s=settings[0.2]: fit_strata(w, grid, fall, seed, s).proposal,
                "strata, 40 % plain": lambda seed, w=world, s=settings[0.4]: (
                    fit_strata(w, grid, fall, seed, s).proposal
                ),
                "tilts": lambda seed, w=world, s=settings[0.2]: fit_proposal(w, grid, fall, seed, s).proposal,
                "tilts in strata": lambda seed, w=world, s=settings[0.2]: both(
                    w, grid, fit_proposal(w, grid, fall, seed, s).proposal
                ),
            }
            seconds, square, error = dict.fromkeys(("plain", *makers), 0.0), dict.fromkeys(makers, 0.0), {}
            pilots = dict.fromkeys(makers, 0.0)
            for r in range(-1, replications):  # the first compiles and is not counted
                start = time.process_time()
                sample(world, grid, fall, 700 + r, n)
                seconds["plain"] += (time.process_time() - start) * (r >= 0)
                for kind, make in makers.items():
                    start = time.process_time()
                    proposal = make(800 + r)
                    middle = time.process_time()
                    values, weights = sample(world, grid, fall, 800 + r, n, proposal)
                    seconds[kind] += (time.process_time() - middle) * (r >= 0)
                    pilots[kind] += (middle - start) / replications * (r >= 0)
                    found = weighted_share((values[0] > barrier).astype(float), weights, severity=values[0])
                    square[kind] += found.std_error**2 / replications * (r >= 0)
                    error.setdefault(kind, []).append((found.value - (1.0 - level)) / (1.0 - level))
            for kind in makers:
                ratio = level * (1.0 - level) / n / square[kind]
                cost = seconds[kind] / seconds["plain"]
                off, spread = np.mean(error[kind]), np.std(error[kind]) / np.sqrt(len(error[kind]))
                out[f"{name}, P = {1.0 - level:.4g}, {kind}"] = (
                    f"variance ratio {ratio:.1f}, a path costs {cost:.2f}, pilot {pilots[kind]:.2f} s, "
                    f"mean relative error {off:+.3f} +- {spread:.3f}"
                )
    study = load_study("rare_events").study
    gains = fit_strata(study.world.model, study.grid, targets_of(study), 1, PilotSettings(0.2, 40, 8192, LEVEL)).gains
    gains = gains[~np.isnan(gains)]
    out["accounts of the shipped study, strata, variance ratio that the pilot expects"] = (
        f"{gains.min():.2f} to {gains.max():.2f}, median {np.median(gains):.2f}"
    )
    return out


def main() -> None:
    """Run all four and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer paths and replications")
    parser.add_argument("--only", help="one of the parts: whole job, accounts, closed form, jump counts")
    asked = parser.parse_args()
    quick = asked.quick
    parts = {
        "whole job": lambda: whole_job(51_200 if quick else 102_400, 8 if quick else 60),
        "accounts": lambda: accounts(40_960 if quick else 102_400, 1 if quick else 4),
        "closed form": lambda: closed_form(20_480),
        "jump counts": lambda: counts(20_480, 4 if quick else 16),
    }
    emit("rare_events", {name: part() for name, part in parts.items() if asked.only in (None, name)})


if __name__ == "__main__":
    main()
