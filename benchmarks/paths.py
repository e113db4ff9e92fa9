"""Path generation against a numpy step loop and QuantLib's C++ engine, all doing the same scheme.

    python benchmarks/paths.py [--quick]

30 daily steps, one asset and four, every price kept in float64 (worlds with a variance keep that too).  numpy runs the
loop a careful user writes: PCG64, one pass of array operations per step, Poisson counts, the exponential branch and the
sizes of `kou` only where needed.  It is timed with all paths at once and in chunks that fit the cache, and the faster
is a baseline of its own.  `regime_switching` is timed against the engine's own `merton`.  QuantLib's engine prices one
European option on the same process and grid (no Python per path, nothing kept), which flatters it; its
quadratic-exponential process has no jumps, which flatters it again.  `montepath` (Rust) prices a call under Heston,
nothing kept either; `stochastic-rs` (Rust) makes Bates paths by a full-truncation Euler step, the cheaper scheme, on
one thread.  Each is asked where it is installed.

Sixteen parameter sets on shared draws are timed per set, all parameters differing, against numpy doing one of them.
"""

import argparse
import dataclasses
import math
import os
import sys
from pathlib import Path

import _one_core  # noqa: F401
import numpy as np
from scipy.special import ndtr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _timing import alternate, compare, emit

from riskengine.engine.blocks import plan
from riskengine.engine.executor import run_blocks
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.cojumps import OwnCoJumps
from riskengine.scenario.correlation import equicorrelation, factor
from riskengine.scenario.heston import Heston
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.kou import Kou, KouCommonJumps, KouOwnJumps
from riskengine.scenario.merton import Merton
from riskengine.scenario.regime_switching import RegimeSwitching
from riskengine.scenario.shared_draws import SharedDraws
from riskengine.scenario.svcj import Svcj

STEPS = 30
DT = 1.0 / 365.0
SIGMA, RATE, MEAN, SD = 0.6, 20.0, -0.02, 0.05
KAPPA, THETA, XI, RHO, V0 = 5.0, 0.36, 1.5, -0.5, 0.36
GRID = TimeGrid(86_400, STEPS)
BLOCK = 1024
ONE = ((1.0,),)
JUMPS = OwnJumps((RATE,), (MEAN,), (SD,))
MERTON = Merton(("BTC",), (1.0,), (0.0,), (SIGMA,), ONE, None, JUMPS)
BATES = Bates(("BTC",), (1.0,), (0.0,), (KAPPA,), (THETA,), (XI,), (RHO,), (V0,), ONE, ONE, None, JUMPS)
HESTON = Heston(("BTC",), (1.0,), (0.0,), (KAPPA,), (THETA,), (XI,), (RHO,), (V0,), ONE, ONE)
SVCJ = Svcj(
    ("BTC",), (1.0,), (0.0,), (KAPPA,), (THETA,), (XI,), (RHO,), (V0,), ONE, ONE, None,
    OwnCoJumps((RATE,), (MEAN,), (SD,), variance_mean=(0.1,), slope=(-0.1,)),
)  # fmt: skip
SETS = 16
MANY = 4
ACROSS, VARIANCES = equicorrelation(0.7, MANY), equicorrelation(0.8, MANY)
COMPENSATOR = RATE * math.expm1(MEAN + 0.5 * SD * SD)
UP, ETA_UP, ETA_DOWN = 0.4, 25.0, 20.0
KOU = Kou(("BTC",), (1.0,), (0.0,), (SIGMA,), ONE, None, KouOwnJumps((RATE,), (UP,), (ETA_UP,), (ETA_DOWN,)))
KOU_RELATIVE = UP / (ETA_UP - 1.0) - (1.0 - UP) / (ETA_DOWN + 1.0)
FOUR, COMMON_RATE, LINK = 4, 15.0, 0.8
CORRELATION = equicorrelation(0.7, FOUR)
KOU_FOUR = Kou(
    ("BTC", "ETH", "SOL", "XRP"),
    (1.0,) * FOUR,
    (0.0,) * FOUR,
    (SIGMA,) * FOUR,
    tuple(map(tuple, CORRELATION.tolist())),
    KouCommonJumps(COMMON_RATE, (UP,) * FOUR, (ETA_UP,) * FOUR, (ETA_DOWN,) * FOUR, LINK),
    KouOwnJumps((RATE,) * FOUR, (UP,) * FOUR, (ETA_UP,) * FOUR, (ETA_DOWN,) * FOUR),
)
REGIMES = RegimeSwitching(
    ("BTC",), (1.0,), ("calm", "stress"), ((-6.0, 6.0), (40.0, -40.0)), (0.0,), ((0.4,), (1.2,)), ONE,
    jumps_own=JUMPS, pace=(1.0, 3.0),
)  # fmt: skip


def many(model):
    """The one-asset world of four assets with correlated motions."""
    fields = {}
    for f in dataclasses.fields(model):
        value = getattr(model, f.name)
        if f.name == "assets":
            value = tuple("ABCD")
        elif f.name in ("correlation", "variance_correlation"):
            value = tuple(map(tuple, (ACROSS if f.name == "correlation" else VARIANCES).tolist()))
        elif isinstance(value, tuple):
            value *= MANY
        elif isinstance(value, OwnJumps):
            value = OwnJumps(value.intensity * MANY, value.mean * MANY, value.sd * MANY)
        fields[f.name] = value
    return type(model)(**fields)


MIXES = tuple(factor(m) for m in (VARIANCES, many(BATES).residual_correlation))
MERTON_MIX = factor(ACROSS)


def normals(rng: np.random.Generator, shape: tuple, mix: np.ndarray) -> np.ndarray:
    """Standard normals, of shape (assets, paths) correlated."""
    z = rng.standard_normal(shape)
    return z if len(shape) == 1 else mix @ z


def numpy_merton(out: np.ndarray, rng: np.random.Generator, variance: np.ndarray | None = None) -> None:
    """Fill `out` (steps, paths) or (steps, assets, paths) by exact increments; there is no variance to keep."""
    n = out.shape[1:]
    x = np.zeros(n)
    drift, vol = (-0.5 * SIGMA * SIGMA - COMPENSATOR) * DT, SIGMA * math.sqrt(DT)
    for row in out:
        jumps = rng.poisson(RATE * DT, n)
        x += drift + vol * normals(rng, n, MERTON_MIX) + jumps * MEAN + np.sqrt(jumps) * SD * rng.standard_normal(n)
        np.exp(x, out=row)


def double_gamma(rng: np.random.Generator, jumps: np.ndarray) -> np.ndarray:
    """Sum of `jumps` double-exponential sizes: binomial split, one Gamma variate for each side."""
    up = rng.binomial(jumps, UP)
    return rng.standard_gamma(up) / ETA_UP - rng.standard_gamma(jumps - up) / ETA_DOWN


def numpy_kou(out: np.ndarray, rng: np.random.Generator, variance: np.ndarray | None = None) -> None:
    """Fill `out` (steps, paths) by exact increments; there is no variance to keep."""
    n = out.shape[1]
    x = np.zeros(n)
    drift, vol = (-0.5 * SIGMA * SIGMA - RATE * KOU_RELATIVE) * DT, SIGMA * math.sqrt(DT)
    for row in out:
        x += drift + vol * rng.standard_normal(n)
        jumps = rng.poisson(RATE * DT, n)
        hit = np.nonzero(jumps)[0]
        x[hit] += double_gamma(rng, jumps[hit])
        np.exp(x, out=row)


def numpy_kou_four(out: np.ndarray, rng: np.random.Generator, variance: np.ndarray | None = None) -> None:
    """Fill `out` (steps, 4, paths): correlated diffusion, own jumps, common jumps under a Gaussian copula."""
    n = out.shape[2]
    x = np.zeros((FOUR, n))
    drift = (-0.5 * SIGMA * SIGMA - (RATE + COMMON_RATE) * KOU_RELATIVE) * DT
    mix = SIGMA * math.sqrt(DT) * np.linalg.cholesky(CORRELATION)
    size_mix = np.linalg.cholesky(equicorrelation(LINK, FOUR))
    for row in out:
        x += drift + mix @ rng.standard_normal((FOUR, n))
        for i in range(FOUR):
            jumps = rng.poisson(RATE * DT, n)
            hit = np.nonzero(jumps)[0]
            x[i, hit] += double_gamma(rng, jumps[hit])
        jumps = rng.poisson(COMMON_RATE * DT, n)
        hit = np.repeat(np.arange(n), jumps)
        u = ndtr(size_mix @ rng.standard_normal((FOUR, hit.size)))
        down = u < 1.0 - UP
        size = np.where(down, np.log(u / (1.0 - UP)) / ETA_DOWN, -np.log((1.0 - u) / UP) / ETA_UP)
        for i in range(FOUR):
            np.add.at(x[i], hit, size[i])
        np.exp(x, out=row)


def numpy_bates(
    out: np.ndarray, rng: np.random.Generator, variance: np.ndarray | None = None, jumping: bool = True
) -> None:
    """Fill `out` (steps, paths) or (steps, assets, paths) by the quadratic-exponential scheme with martingale
    correction, and jumps where `jumping`.

    Variance is kept where an array for it is given.
    """
    n = out.shape[1:]
    x, v = np.zeros(n), np.full(n, V0)
    decay = math.exp(-KAPPA * DT)
    spread = XI * XI * decay / KAPPA * (1.0 - decay)
    noise = THETA * XI * XI / (2.0 * KAPPA) * (1.0 - decay) ** 2
    k2 = 0.5 * DT * (KAPPA * RHO / XI - 0.5) + RHO / XI
    k3 = 0.5 * DT * (1.0 - RHO * RHO)
    tilt = k2 + 0.5 * k3
    drift = -COMPENSATOR * DT if jumping else 0.0
    for t, row in enumerate(out):
        m = THETA + (v - THETA) * decay
        psi = (v * spread + noise) / (m * m)
        r = 2.0 / np.minimum(psi, 1.5)
        b2 = r - 1.0 + np.sqrt(r * (r - 1.0))
        a = m / (1.0 + b2)
        after = a * (np.sqrt(b2) + normals(rng, n, MIXES[0])) ** 2
        q = 1.0 - 2.0 * tilt * a
        correction = 0.5 * np.log(q) - tilt * b2 * a / q
        wide = np.nonzero(psi > 1.5)
        if wide[0].size:
            p = (psi[wide] - 1.0) / (psi[wide] + 1.0)
            beta = (1.0 - p) / m[wide]
            u = rng.random(wide[0].size)
            after[wide] = np.where(u <= p, 0.0, np.log((1.0 - p) / (1.0 - u)) / beta)
            correction[wide] = -np.log(p + beta * (1.0 - p) / (beta - tilt))
        x += correction + drift - 0.5 * k3 * v + k2 * after
        x += np.sqrt(k3 * (v + after)) * normals(rng, n, MIXES[1])
        if jumping:
            jumps = rng.poisson(RATE * DT, n)
            x += jumps * MEAN + np.sqrt(jumps) * SD * rng.standard_normal(n)
        v = after
        if variance is not None:
            variance[t] = v
        np.exp(x, out=row)


def numpy_heston(out: np.ndarray, rng: np.random.Generator, variance: np.ndarray | None = None) -> None:
    """`numpy_bates` without jumps."""
    numpy_bates(out, rng, variance, jumping=False)


def numpy_job(fill, paths: int, chunk: int, assets: int = 1):
    """A call that fills a preallocated array of `chunk` paths until `paths` are done."""
    out = np.empty((STEPS, chunk) if assets == 1 else (STEPS, assets, chunk))
    rng = np.random.Generator(np.random.PCG64(1))

    def job() -> None:
        for _ in range(paths // chunk):
            fill(out, rng)

    return job


def numpy_fresh_job(fill, paths: int, with_variance: bool, assets: int = 1):
    """A call that allocates what it returns: prices of all paths, and variance where the engine returns it too."""
    rng = np.random.Generator(np.random.PCG64(1))
    shape = (STEPS, paths) if assets == 1 else (STEPS, assets, paths)

    def job() -> None:
        fill(np.empty(shape), rng, np.empty(shape) if with_variance else None)

    return job


def blocks_job(model, paths: int, threads: int = 1):
    """A call that samples `paths` paths in blocks, on `threads` threads."""
    keys = DrawKeys(1)
    starts = range(0, paths, BLOCK)

    def block(first: int) -> None:
        model.sample(GRID, first, BLOCK, keys)

    if threads == 1:
        return lambda: [block(first) for first in starts]

    def job() -> None:
        for _ in run_blocks(plan(paths), lambda b: block(b.first), threads):
            pass

    return job


def grid_job(model, paths: int):
    """A call that samples 16 parameter sets, every parameter of them moved, on shared draws."""
    moved = ("volatility", "kappa", "theta", "xi")
    sets = []
    for i in range(SETS):
        by = 0.8 + 0.02 * i
        own = OwnJumps((RATE * by,), (MEAN * by,), (SD * by,))
        change = {f.name: (getattr(model, f.name)[0] * by,) for f in dataclasses.fields(model) if f.name in moved}
        sets.append(dataclasses.replace(model, jumps_own=own, **change))
    together, keys = SharedDraws(sets), DrawKeys(1)

    def job() -> None:
        for first in range(0, paths, BLOCK):
            together.sample(GRID, first, BLOCK, keys)

    return job


def whole_job(model, paths: int):
    """A call that keeps all paths in one array."""
    return lambda: model.sample(GRID, 0, paths, DrawKeys(1))


def quantlib_job(paths: int):
    """A call of QuantLib's Monte Carlo engine on the same scheme; None where QuantLib is not installed."""
    try:
        import QuantLib as ql
    except ImportError:
        return None
    today = ql.Date(1, 1, 2025)
    ql.Settings.instance().evaluationDate = today
    flat = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, ql.Actual365Fixed()))
    spot = ql.QuoteHandle(ql.SimpleQuote(1.0))
    scheme = ql.HestonProcess.QuadraticExponentialMartingale
    process = ql.HestonProcess(flat, flat, spot, V0, KAPPA, THETA, XI, RHO, scheme)
    engine = ql.MCEuropeanHestonEngine(process, "pseudorandom", timeSteps=STEPS, requiredSamples=paths, seed=42)
    option = ql.VanillaOption(ql.PlainVanillaPayoff(ql.Option.Call, 1.0), ql.EuropeanExercise(today + STEPS))
    option.setPricingEngine(engine)
    return option.recalculate


def montepath_job(paths: int):
    """A call of montepath's Heston pricer on one thread; None where it is not installed."""
    try:
        import montepath
    except ImportError:
        return None
    return lambda: montepath.price_heston_european_call(
        n_paths=paths, n_steps=STEPS, maturity=STEPS * DT, spot=1.0, strike=1.0, rate=0.0, initial_variance=V0,
        mean_reversion=KAPPA, long_run_variance=THETA, vol_of_vol=XI, correlation=RHO, n_threads=1,
    )  # fmt: skip


def stochastic_rs_job(paths: int):
    """Bates paths of stochastic-rs, all kept, on one thread; None where it is not installed."""
    os.environ["RAYON_NUM_THREADS"] = "1"
    try:
        import stochastic_rs
    except ImportError:
        return None
    jump = (float(JUMPS.intensity[0]), float(JUMPS.mean[0]), float(JUMPS.sd[0]))
    process = stochastic_rs.PyBatesSvj(
        *jump, KAPPA, THETA, XI, RHO, STEPS + 1, r=0.0, r_f=0.0, s0=1.0, v0=V0, t=STEPS * DT, seed=42
    )
    return lambda: process.sample_par(paths)


def main() -> None:
    """Run all comparisons and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer paths and rounds")
    quick = parser.parse_args().quick
    paths, rounds = (20_480, 3) if quick else (102_400, 9)
    few = paths // 5
    results = {}
    cases = (
        ("merton", MERTON, numpy_merton),
        ("heston", HESTON, numpy_heston),
        ("bates", BATES, numpy_bates),
        ("kou", KOU, numpy_kou),
        ("kou, 4 assets", KOU_FOUR, numpy_kou_four),
    )
    for name, model, fill in cases:
        assets = len(model.assets)
        jobs = {
            "numpy": numpy_job(fill, paths, paths, assets),
            "numpy in chunks": numpy_job(fill, paths, paths // 20, assets),
            "numpy, allocating": numpy_fresh_job(fill, paths, isinstance(model, Heston), assets),
            "blocks": blocks_job(model, paths),
            "one array": whole_job(model, paths),
        }
        items = dict.fromkeys(jobs, paths * STEPS * assets)
        quantlib = quantlib_job(few) if name == "bates" else None
        if quantlib is not None:
            jobs["QuantLib engine"], items["QuantLib engine"] = quantlib, few * STEPS
        stochastic_rs = stochastic_rs_job(few) if name == "bates" else None
        if stochastic_rs is not None:
            jobs["stochastic-rs"], items["stochastic-rs"] = stochastic_rs, few * STEPS
        montepath = montepath_job(paths) if name == "heston" else None
        if montepath is not None:
            jobs["montepath"], items["montepath"] = montepath, paths * STEPS
        each = few // BLOCK * BLOCK
        if name in ("merton", "bates"):
            jobs["16 sets"], items["16 sets"] = grid_job(model, each), each * STEPS * SETS
        if name in ("merton", "heston", "bates"):
            jobs["4 assets"], items["4 assets"] = blocks_job(many(model), each), each * STEPS * MANY
            jobs["numpy, 4 assets"] = numpy_job(fill, each, each // 4, MANY)
            items["numpy, 4 assets"] = each * STEPS * MANY
        if name == "bates":
            jobs["svcj"], items["svcj"] = blocks_job(SVCJ, paths), paths * STEPS
        seconds = alternate(jobs, rounds)
        best = min(("numpy", "numpy in chunks"), key=lambda n: min(seconds[n]))
        results[name] = {
            "against numpy, all paths at once": compare(seconds, "numpy", "blocks", items),
            "against numpy, faster form": compare(seconds, best, "blocks", items),
            "all paths in one array, both allocating": compare(seconds, "numpy, allocating", "one array", items),
        }
        if "4 assets" in jobs:
            results[name]["four assets, per asset"] = compare(seconds, "numpy, 4 assets", "4 assets", items)
        if "16 sets" in jobs:
            results[name]["16 parameter sets, per set"] = compare(seconds, best, "16 sets", items)
        if montepath is not None:
            results[name]["against montepath"] = compare(seconds, "montepath", "blocks", items)
        if stochastic_rs is not None:
            results[name]["against stochastic-rs"] = compare(seconds, "stochastic-rs", "blocks", items)
        if "svcj" in jobs:
            results[name]["svcj with as many jumps"] = compare(seconds, best, "svcj", items)
        if quantlib is not None:
            results[name]["against QuantLib"] = compare(seconds, "QuantLib engine", "blocks", items)
        if (os.cpu_count() or 1) >= 2 and assets == 1:
            pair = {"one": blocks_job(model, paths), "two": blocks_job(model, paths, 2)}
            results[name]["two threads, wall"] = compare(
                alternate(pair, rounds, wall=True), "one", "two", paths * STEPS
            )
            # CPU time of both threads together: twice this ratio is what an idle machine would show
            results[name]["two threads, CPU"] = compare(alternate(pair, rounds), "one", "two", paths * STEPS)
    jobs = {"merton": blocks_job(MERTON, paths), "regime_switching": blocks_job(REGIMES, paths)}
    results["regime_switching"] = {
        "against merton": compare(alternate(jobs, rounds), "merton", "regime_switching", paths * STEPS)
    }
    emit("paths", results, unit="ns per asset, path and step", paths=paths, steps=STEPS)


if __name__ == "__main__":
    main()
