"""Lending market on lanes against numpy: one block of paths, one core, CPU time.

``breach check``: which loans are liquidatable, at every step and path, against numpy's matrix product.  The market runs
with keepers that never arrive in time, so that it finds breaches and keeps their clocks and does nothing else.  That
both find the same is checked first: with gas made prohibitive the market counts every breach as unprofitable.
``first breaches``: 100,000 accounts of four assets, a debt in one of them, on 100 paths of 30 days; when each account
first falls below health 1 on each path, against numpy's matrix product path by path.  Walked at every step, and with
bounds that pass over accounts that are safe on a whole path; all three find the same steps.
``whole run``: keepers, liquidity and deficits at work, set against numpy's breach check alone.
``joint search``: 200 parameter sets on common paths, thresholds four points down to eight up with bonus, fee and close
factor, against one set alone: prices drawn, oracle, breaches, keepers and figures, all of it on both sides.
``utilisation on the path``: the stressed whole run with interest, at a stated utilisation, with pools in which nobody
answers, and with answers.
``with caps and curves``: the same with ten rate curves and five caps among the sets; loans then differ in size by set.
"""

import json
import sys
import time
from dataclasses import replace
from functools import partial

import _one_core  # noqa: F401
import numpy as np

from riskengine.book.borrowers import synthetic_borrowers
from riskengine.config.study import load_world
from riskengine.engine.desks import LendingDesk
from riskengine.engine.loop import run_loop
from riskengine.lending.aave_v3 import AaveV3
from riskengine.lending.aave_v3.book_growth import BookGrowth
from riskengine.lending.aave_v3.joint import JointRun
from riskengine.lending.aave_v3.rules import AaveV3Rules, Reserve
from riskengine.lending.ahead import first_breaches
from riskengine.lending.keeper import Keeper
from riskengine.lending.parameter_set import ParameterSet, TokenChange
from riskengine.lending.utilisation import PathUtilisation
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid
from riskengine.oracle.push import PushOracle
from riskengine.random import DrawKeys
from riskengine.rates.two_slope import TwoSlope

ASSETS = ("BTC", "ETH")
SPOT = {"BTC": 34_814.0, "ETH": 1_816.85}
THRESHOLD = {"WETH": 0.83, "WBTC": 0.78}


FREE = TwoSlope(0.8, 0.0, 0.0, 0.0)
USDC = TwoSlope(0.9, 0.0, 0.035, 0.6, 0.1)


def build_market(gas_usd: float, delay_hours: float = 0.0, rates: TwoSlope = FREE) -> AaveV3:
    """Aave v3 Ethereum's thresholds; no interest, and an oracle that follows the market, as the baseline has none."""
    reserves = (
        Reserve("WETH", "ETH", 18, 0.8, THRESHOLD["WETH"], 0.05, 0.1, FREE, supply_cap=1_800_000.0),
        Reserve("WBTC", "BTC", 8, 0.73, THRESHOLD["WBTC"], 0.05, 0.1, FREE),
        Reserve("USDC", None, 6, 0.0, 0.0, 0.0, 0.0, rates, 0.9),
    )
    rules = AaveV3Rules("benchmark", "2023-10-31", "benchmark", reserves, PushOracle(0.0, 1.0))
    return AaveV3(rules, Keeper(delay_hours, gas_usd, 8), ConstantProduct({"BTC": 6.5e8, "ETH": 2e9}))


def sample(steps: int, paths: int, volatility: float) -> np.ndarray:
    """Hourly prices (T + 1, A, P) of two correlated diffusions."""
    z = np.random.default_rng(1).standard_normal((steps, 2, paths))
    z[:, 1] = 0.8 * z[:, 0] + 0.6 * z[:, 1]
    x = np.cumsum(volatility / np.sqrt(8760.0) * z, axis=0)
    start = np.array([SPOT[a] for a in ASSETS])[None, :, None]
    return np.ascontiguousarray(np.concatenate([np.broadcast_to(start, (1, 2, paths)), start * np.exp(x)]))


def numpy_check(loans, spot: np.ndarray) -> np.ndarray:
    """Liquidatable loans per step and path (T, P)."""
    weight = loans.collateral[:, :2] * [THRESHOLD["WETH"], THRESHOLD["WBTC"]]
    debt = loans.debt[:, 2:]
    out = np.empty((len(spot) - 1, spot.shape[2]), dtype=np.int64)
    for t in range(1, len(spot)):
        out[t - 1] = (weight @ spot[t, ::-1] < debt).sum(axis=0)
    return out


def run_market(model: AaveV3, loans, spot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(loans skipped per step and path, liquidation calls per path)."""
    state = model.init(loans, ASSETS, spot[0], TimeGrid(3600, len(spot) - 1))
    skipped = np.empty((len(spot) - 1, spot.shape[2]))
    calls = np.zeros(spot.shape[2])
    for t in range(1, len(spot)):
        event = model.step(state, t, spot[t])
        skipped[t - 1] = event.skipped_unprofitable
        calls += event.liquidations
    return skipped, calls


SEARCHED = 200


def parameter_sets(sized: bool) -> list[ParameterSet]:
    """200 sets around the market of `build_market`; `sized`, with caps and curves of their own."""
    out = []
    for k in range(SEARCHED):
        shift = round(-0.04 + 0.12 * (k % 25) / 24, 3)
        tokens = {
            symbol: TokenChange(
                ltv=round(threshold + shift - 0.05, 4),
                liquidation_threshold=round(threshold + shift, 4),
                liquidation_bonus=0.05 if k % 2 else 0.07,
                liquidation_protocol_fee=0.1 if k % 4 < 2 else 0.2,
            )
            for symbol, threshold in THRESHOLD.items()
        }
        if sized:
            tokens["WETH"] = replace(tokens["WETH"], supply_cap=1_800_000.0 * (1 + k % 5))
            tokens["USDC"] = TokenChange(slope1=round(0.02 + 0.004 * (k % 10), 4))
        out.append(ParameterSet(f"set {k}", tokens, 0.5 if k % 50 < 25 else 1.0))
    return out


def joint_search(loans, steps: int, paths: int, count: int, sized: bool = False) -> None:
    """Draw the paths of a fitted world and let `count` sets live on them; one set runs as a study without sets does."""
    world = load_world("btc_eth")
    market = world.sample(TimeGrid(3600, steps), 0, paths, DrawKeys(1))
    base = build_market(50.0, 1.0, USDC if sized else FREE)
    if count == 1:
        desk = LendingDesk(base, 0.0, loans, market, market.spot_lanes[0])
        run_loop(market, [desk])
        desk.columns()
        return
    markets = [base.with_parameters(s) for s in parameter_sets(sized)]
    sizes: list = [1.0] * count
    if sized:
        growth, price = BookGrowth(3.0, borrower_elasticity=0.5), np.array([SPOT["ETH"], SPOT["BTC"], 1.0])
        sizes = [growth.sizes(base.rules, m.rules, loans, price) for m in markets]
        markets = [replace(m, rules=growth.market(base.rules, m.rules)) for m in markets]
    joint = JointRun.prepare(markets, loans, market)
    for own, size in zip(markets, sizes, strict=True):
        joint.columns(own, loans, size)


ACCOUNTS, FEW_PATHS, DAYS, TOKENS = 100_000, 100, 30, 4
LIMITS = np.array([0.8, 0.75, 0.65, 0.9])


def many_accounts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Collateral and debt (L, R) of accounts in four assets, and prices (T, R, P) of correlated diffusions."""
    rng = np.random.default_rng(3)
    collateral = rng.lognormal(0, 1.5, (ACCOUNTS, TOKENS)) * (rng.random((ACCOUNTS, TOKENS)) < 0.5)
    collateral[:, 0] += 0.01
    debt = np.zeros((ACCOUNTS, TOKENS))
    owed = rng.integers(0, TOKENS, ACCOUNTS)
    health = 1.02 + rng.gamma(1.5, 0.6, ACCOUNTS)
    debt[np.arange(ACCOUNTS), owed] = (collateral * LIMITS).sum(axis=1) / health
    root = np.linalg.cholesky(0.6 * np.ones((TOKENS, TOKENS)) + 0.4 * np.eye(TOKENS))
    z = rng.standard_normal((FEW_PATHS, DAYS, TOKENS)) @ root.T
    daily = np.array([0.6, 0.8, 1.0, 0.05]) / np.sqrt(365)
    prices = np.exp(np.cumsum(z * daily - 0.5 * daily**2, axis=1))
    return collateral, debt, np.ascontiguousarray(prices.transpose(1, 2, 0))


def numpy_first(weight: np.ndarray, prices: np.ndarray, out: np.ndarray) -> None:
    """First steps (P, L), `weight` (R, L) and `prices` (P, T, R); T where there is none."""
    for p in range(len(prices)):
        below = prices[p] @ weight < 0.0
        out[p] = np.where(below.any(axis=0), below.argmax(axis=0), len(prices[p]))


def first_breach_row(repeats: int) -> dict:
    """Times of the three ways, which must find the same steps."""
    collateral, debt, prices = many_accounts()
    weight = np.ascontiguousarray((collateral * LIMITS - debt).T)
    by_path = np.ascontiguousarray(prices.transpose(2, 0, 1))
    indices = np.ones((DAYS, 2, TOKENS))
    found = np.empty((FEW_PATHS, ACCOUNTS), dtype=np.int32)
    numpy_first(weight, by_path, found)
    times = {}
    for name, bounded in (("walked_s", False), ("bounded_s", True)):
        run = partial(first_breaches, collateral, debt, LIMITS, indices, prices, bounded=bounded)
        wrong = int((run().step.T != found).sum())
        if wrong:
            raise SystemExit(f"first steps differ at {wrong} of {found.size} places")
        times[name] = best(run, repeats)
    base = best(partial(numpy_first, weight, by_path, found), repeats)
    return {
        "numpy_s": round(base, 3),
        **{name: round(t, 4) for name, t in times.items()},
        **{name.replace("_s", "_ratio"): round(base / t, 1) for name, t in times.items()},
        "million_account_steps_per_s": round(ACCOUNTS * FEW_PATHS * DAYS / times["bounded_s"] / 1e6),
        "ever_below_share": float(f"{(found < DAYS).mean():.3g}"),
    }


def best(call, repeats: int) -> float:
    """Smallest CPU seconds of `repeats` calls."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def main(repeats: int = 9) -> dict:
    """Print and return the table."""
    steps, paths, borrowers = 72, 1024, 300
    loans = synthetic_borrowers(borrowers, {"WETH": SPOT["ETH"], "WBTC": SPOT["BTC"]}, THRESHOLD)
    rows = {}
    for name, volatility in (("calm, 60 % a year", 0.6), ("stressed, 150 % a year", 1.5)):
        spot = sample(steps, paths, volatility)
        idle, busy = build_market(50.0, 1000.0), build_market(50.0)
        counts = numpy_check(loans, spot)
        skipped, _ = run_market(build_market(1e9), loans, spot)
        if not (skipped == counts).all():
            raise SystemExit(f"breach counts differ at {int((skipped != counts).sum())} of {counts.size} places")
        baseline = best(partial(numpy_check, loans, spot), repeats)
        check = best(partial(run_market, idle, loans, spot), repeats)
        whole = best(partial(run_market, busy, loans, spot), repeats)
        rows[name] = {
            "numpy_check_s": round(baseline, 4),
            "breach_check_s": round(check, 4),
            "breach_check_ratio": round(baseline / check, 2),
            "whole_run_s": round(whole, 4),
            "whole_run_ratio": round(baseline / whole, 2),
            "million_loan_steps_per_s": round(steps * paths * borrowers / check / 1e6),
            "liquidatable_share": float(f"{counts.mean() / borrowers:.3g}"),
            "calls_per_path": float(f"{run_market(busy, loans, spot)[1].mean():.3g}"),
        }
    rows["first breaches, 100,000 accounts"] = first_breach_row(max(3, repeats // 2))
    stated, spot = build_market(50.0, 0.0, USDC), sample(steps, paths, 1.5)
    ways = {"stated_s": None, "pools_s": PathUtilisation(), "answers_s": PathUtilisation(0.4, 0.3)}
    rows["utilisation on the path"] = {
        name: round(best(partial(run_market, replace(stated, utilisation=way), loans, spot), repeats), 4)
        for name, way in ways.items()
    }
    world = load_world("btc_eth")
    near = synthetic_borrowers(borrowers, dict(zip(("WBTC", "WETH"), world.model.spot, strict=True)), THRESHOLD)
    for name, sized in (("joint search", False), ("joint search, with caps and curves", True)):
        calls = [partial(joint_search, near, steps, paths, n, sized) for n in (1, SEARCHED)]
        one, many = (best(call, max(3, repeats // 3)) for call in calls)
        rows[name] = {
            "one_set_s": round(one, 4),
            f"{SEARCHED}_sets_s": round(many, 4),
            "ratio": round(many / one, 2),
        }
    print(f"{borrowers} loans x {paths} paths x {steps} steps, one core, CPU seconds, best of {repeats}")
    for name, row in rows.items():
        print(name)
        for key, value in row.items():
            print(f"  {key:26s} {value}")
    return rows


if __name__ == "__main__":
    table = main()
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w", encoding="utf-8") as handle:
            json.dump(table, handle, indent=1)
