"""Bias of the variance schemes against exact laws, by step size, and of three ways to place a variance jump in a step.

    python benchmarks/scheme_bias.py [--quick]

Every row is a world, a number of steps and two figures of the horizon price: an at-the-money call and the probability
of a fall below the exact 1 % quantile.  Errors are those of the scheme plus sampling noise, whose standard error stands
beside them; the price itself, whose mean is known, is a control variate of both.

The first table runs the engine's worlds.  The second compares, in numpy and for one asset, where a variance jump
enters: at the end of its step; at its own time, with the step split there; and at its own time by superposition, which
is what the engine does.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _timing import emit

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.cojumps import OwnCoJumps
from riskengine.scenario.heston import Heston
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.svcj import Svcj

ONE = ((1.0,),)
YEAR = 31_536_000


def world(cls, kappa, theta, xi, rho, start, jumps=None, drift=0.0):
    """One asset from a price of 100."""
    fields = (("X",), (100.0,), (drift,), (kappa,), (theta,), (xi,), (rho,), (start,), ONE, ONE)
    return cls(*fields) if jumps is None else cls(*fields, None, jumps)


def relative(mean: float, sd: float, extent: float = 0.0, slope: float = 0.0) -> float:
    """Mean of the log jump whose mean relative jump is `mean`."""
    return float(np.log1p(mean) + np.log1p(-slope * extent) - 0.5 * sd * sd)


BROADIE_KAYA = OwnCoJumps(
    (0.47,), (relative(-0.10, 1e-4, 0.05, -0.38),), (1e-4,), variance_mean=(0.05,), slope=(-0.38,)
)  # fmt: skip
CRYPTO = OwnCoJumps((6.0,), (-0.03,), (0.05,), variance_mean=(0.5,), slope=(-0.1,))
# world, years, numbers of steps
CASES = {
    "heston, Andersen's case I": (world(Heston, 0.5, 0.04, 1.0, -0.9, 0.04), 10, (10, 20, 40, 80)),
    "heston, crypto": (world(Heston, 5.0, 0.36, 2.5, -0.5, 0.36), 1, (4, 12, 52, 365)),
    "bates, Broadie and Kaya": (
        world(Bates, 3.99, 0.014, 0.27, -0.79, 0.008836, OwnJumps((0.11,), (relative(-0.12, 0.15),), (0.15,)), 0.0319),
        5,
        (5, 10, 20, 60),
    ),
    "svcj, Broadie and Kaya": (
        world(Svcj, 3.46, 0.008, 0.14, -0.82, 0.007569, BROADIE_KAYA, 0.0319),
        1,
        (2, 4, 12, 52),
    ),
    "svcj, crypto": (world(Svcj, 5.0, 0.36, 1.5, -0.5, 0.36, CRYPTO), 1, (4, 12, 52, 365)),
}


def controlled(figure: np.ndarray, price: np.ndarray, mean: float) -> tuple[float, float]:
    """Mean of `figure` and its standard error, with the price as control variate."""
    control = price - mean
    rest = figure - np.cov(figure, control)[0, 1] / control.var() * control
    return float(rest.mean()), float(rest.std(ddof=1) / np.sqrt(rest.size))


def errors(price: np.ndarray, model, years: float) -> dict:
    """Error of the call and of the tail probability, each with its standard error."""
    law = model.law("X", years)
    mean = 100.0 * np.exp(model.drift[0] * years)
    low = float(law.quantile(0.01))
    put = 100.0 * float(law.cdf(0.0) - law.lower_expectation(0.0))
    out = {}
    for name, figure, exact in (
        ("call", np.maximum(price - 100.0, 0.0), put + mean - 100.0),
        ("P(below 1 % quantile)", (price <= 100.0 * np.exp(low)).astype(float), 0.01),
    ):
        value, error = controlled(figure, price, mean)
        out[name] = {"exact": round(exact, 6), "error": round(value - exact, 6), "standard_error": round(error, 6)}
    return out


def engine_prices(model, years: float, steps: int, paths: int) -> np.ndarray:
    """Prices at the horizon from the engine."""
    grid = TimeGrid(years * YEAR // steps if years * YEAR % steps == 0 else years * YEAR / steps, steps)
    block = 50_000
    return np.concatenate(
        [model.sample(grid, n, block, DrawKeys(20)).spot_lanes[-1, 0] for n in range(0, paths, block)]
    )


def qe(v, h, model, rng, theta):
    """Next variance, and log-price moves as (level, variance under the root), over steps `h` of each lane."""
    kappa, xi, rho = model.kappa[0], model.xi[0], model.rho[0]
    e = np.exp(-kappa * h)
    gone = -np.expm1(-kappa * h)
    m = theta * gone + v * e
    s2 = v * xi * xi * e / kappa * gone + theta * xi * xi / (2 * kappa) * gone**2
    k2 = 0.5 * h * (kappa * rho / xi - 0.5) + rho / xi
    k3 = 0.5 * h * (1 - rho * rho)
    tilt = k2 + 0.5 * k3
    ok = (m > 0) & (h > 0)
    m, s2 = np.where(ok, m, 1.0), np.where(ok, s2, 1.0)
    psi = s2 / m**2
    r = 2 / np.minimum(psi, 1.5)
    b2 = r - 1 + np.sqrt(r * (r - 1))
    a = m / (1 + b2)
    u, z = rng.random(v.size), rng.standard_normal(v.size)
    p = (psi - 1) / (psi + 1)
    beta = (1 - p) / m
    q = 1 - 2 * tilt * a
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = psi > 1.5
        after = np.where(wide, np.where(u <= p, 0.0, np.log((1 - p) / (1 - u)) / beta), a * (np.sqrt(b2) + z) ** 2)
        log_m = np.where(wide, np.log(p + beta * (1 - p) / (beta - tilt)), tilt * b2 * a / q - 0.5 * np.log(q))
    after = np.where(ok, after, v)
    level = np.where(ok, -log_m + k2 * after - 0.5 * k3 * v, 0.0)
    return after, level, np.where(ok, k3 * (v + after), 0.0)


def numpy_prices(model, years: float, steps: int, paths: int, order: str, rng: np.random.Generator) -> np.ndarray:
    """Prices at the horizon of a one-asset svcj world, its variance jumps placed in the step by `order`."""
    own, theta, dt = model.jumps_own, model.theta[0], years / steps
    rate, mean, sd = own.intensity[0], own.mean[0], own.sd[0]
    extent, slope = own.variance_mean[0], own.slope[0]
    drift = model.drift[0] - float(model._jumps.compensator[0])
    x, v = np.zeros(paths), np.full(paths, model.initial_variance[0])
    for _ in range(steps):
        count = rng.poisson(rate * dt, paths)
        most = int(count.max())
        # arrival times in order; beyond the last one, the end of the step
        time = np.where(np.arange(most) < count[:, None], rng.random((paths, most)) * dt, dt)
        time.sort(axis=1)
        under = np.zeros(paths)
        x += drift * dt
        last = np.zeros(paths)
        jumped = np.zeros(paths)
        for k in range(most):
            here = k < count
            z = np.where(here, extent * rng.standard_exponential(paths), 0.0)
            x += np.where(here, mean + slope * z + sd * rng.standard_normal(paths), 0.0)
            if order == "split":
                v, level, root = qe(v, time[:, k] - last, model, rng, theta)
                x += level
                under += root
                last = time[:, k]
                v += z
            elif order == "superposition":
                grown, level, root = qe(z, np.where(here, dt - time[:, k], 0.0), model, rng, 0.0)
                x += level
                under += root
                jumped += np.where(here, grown, 0.0)
            else:
                jumped += z
        after, level, root = qe(v, dt - last, model, rng, theta)
        x += level + np.sqrt(under + root) * rng.standard_normal(paths)
        v = after + jumped
    return 100.0 * np.exp(x)


def main() -> None:
    """Run both tables and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the paths")
    paths = 200_000 if parser.parse_args().quick else 2_000_000
    results: dict = {"engine": {}, "placing": {}}
    for name, (model, years, numbers) in CASES.items():
        results["engine"][name] = {
            f"{steps} steps": errors(engine_prices(model, years, steps, paths), model, years) for steps in numbers
        }
    for name in ("svcj, Broadie and Kaya", "svcj, crypto"):
        model, years, numbers = CASES[name]
        rows = results["placing"][name] = {}
        for steps in numbers[:3]:
            for order in ("end of step", "split", "superposition"):
                rng = np.random.default_rng(30)
                price = np.concatenate(
                    [numpy_prices(model, years, steps, 100_000, order, rng) for _ in range(paths // 100_000)]
                )
                rows[f"{steps} steps, {order}"] = errors(price, model, years)
    emit("scheme_bias", json.loads(json.dumps(results)), paths=paths)


if __name__ == "__main__":
    main()
