"""How exact the truth engine is: the tables of docs/methods/truth.md.

python benchmarks/truth.py
"""

import time

import numpy as np

from riskengine.config.study import load_world
from riskengine.engine.scheme import scheme_bias
from riskengine.law import contour
from riskengine.law.bates import BatesLaw
from riskengine.law.bridge import bridge_crossing, merton_passage
from riskengine.law.checked import checked_expected_shortfall, checked_quantile
from riskengine.law.exposure import UnitExposure
from riskengine.law.first_passage import gbm_passage
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.law.monitoring import monitored_passage, shifted_barrier
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.merton import Merton

HOUR, MONTH = 1.0 / 8760.0, 30.0 / 365.0
JUMP = NormalJump(30.0, -0.02, 0.06)


def tails() -> None:
    print("\nrelative difference to the Poisson mixture, one-day Merton (0.6, 30 a year, -2 %, 6 %)")
    law = MertonLaw(0.0, 0.6, (JUMP,), 24 * HOUR)
    print("tail      contour    shortfall excess")
    for p in (1e-2, 1e-4, 1e-6, 1e-9, 1e-12):
        x = law.quantile(p)
        tail = float(contour.lower_tail(law, x) / law.cdf(x) - 1)
        excess = float(contour.lower_excess(law, x) / law.lower_excess(x) - 1)
        print(f"{p:<8g} {abs(tail):9.1e}  {abs(excess):9.1e}")


def horizons() -> None:
    print("\nlargest relative difference of two routes, levels 50 to 99.99 %, both sides, linear and inverse; seconds")
    for name, horizon in (("1 h", HOUR), ("1 d", 24 * HOUR), ("30 d", MONTH), ("10 y", 10.0)):
        for label, variance in (("given v = 0.4", 0.4), ("stationary", None)):
            law = BatesLaw(0.0, 4.0, 0.45, 2.2, -0.3, (NormalJump(20.0, -0.01, 0.05),), horizon, variance)
            start, worst = time.perf_counter(), 0.0
            level = np.array([0.5, 0.9, 0.99, 0.999, 0.9999])
            for side in ("long", "short"):
                p = 1 - level if side == "long" else level
                x = checked_quantile(law, p)
                tail = contour.lower_tail(law, x) if side == "long" else contour.upper_tail(law, x)
                worst = max(worst, float(np.abs(tail / (1 - level) - 1).max()))
                for contract in ("linear", "inverse"):
                    unit = UnitExposure(side, contract)
                    power, sign = (1.0, 1.0) if contract == "linear" else (-1.0, -1.0)
                    own = (law.lower_excess if side == "long" else law.upper_excess)(x, power)
                    es = checked_expected_shortfall(law, unit, level)
                    mine = unit.loss(x) + sign * own / (1 - level)
                    worst = max(worst, float(np.abs(mine / es - 1).max()))
            print(f"bates {label:14s} {name:5s} {worst:9.1e}  {time.perf_counter() - start:6.2f} s")


def watching() -> None:
    print("\n20 % drop in 30 days at 60 %: looks, exact, continuity correction")
    print(f"all the time  {float(gbm_passage(0.8, 0.0, 0.6, MONTH)):.6f}")
    for steps in (30, 120, 720):
        dt = MONTH / steps
        exact = monitored_passage(MertonLaw(0.0, 0.6, (), dt), 0.8, steps)
        corrected = float(gbm_passage(shifted_barrier(0.8, 0.6, dt), 0.0, 0.6, MONTH))
        print(f"{24 * 30 / steps:4g} h        {exact:.6f}  {corrected:.6f}  {corrected - exact:+.6f}")


def bridge() -> None:
    print("\nthe same on a Merton world, 40,000 paths: seen at the steps, with the bridge over whole steps, reference")
    world = Merton(("BTC",), (1.0,), (0.0,), (0.6,), ((1.0,),), None, OwnJumps((30.0,), (-0.02,), (0.06,)))
    reference = merton_passage(MertonLaw(0.0, 0.6, (JUMP,), MONTH), 0.8, 1 << 20, seed=1)
    print(f"reference     {reference.value:.4f} +- {reference.std_error:.4f}")
    for hours in (1, 4, 24):
        steps = 30 * 24 // hours
        x = np.log(world.sample(TimeGrid(hours * 3600, steps), 0, 40_000, DrawKeys(3)).spot_lanes[:, 0])
        path = bridge_crossing(x, np.log(0.8), np.full(steps, 0.36 * hours * HOUR))[1]
        seen = (x <= np.log(0.8)).any(axis=0)
        error = path.std() / np.sqrt(path.size)
        print(f"{hours:3d} h        {seen.mean():.4f}  {path.mean():.4f} +- {error:.4f}")


def scheme() -> None:
    print("\nbias of the scheme on btc_eth over 48 h, 1,000,000 paths")
    world = load_world("btc_eth")
    for hours in (1, 24):
        grid = TimeGrid(hours * 3600, 48 // hours)
        for f in scheme_bias(world, grid, DrawKeys(11), 1_000_000):
            if f.side == "long" and f.measure != "expected_shortfall":
                d = f.difference
                print(
                    f"{hours:3d} h {f.asset} {f.level:g} {f.measure:18s} {f.exact:.5f} "
                    f"{d.value:+.5f} [{d.lower:+.5f}, {d.upper:+.5f}]"
                )


if __name__ == "__main__":
    for table in (tails, horizons, watching, bridge, scheme):
        table()
