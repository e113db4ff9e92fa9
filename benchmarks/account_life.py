"""Account life on lanes against numpy: one block of paths, one core, CPU time.

The baseline is the same waterfall as array operations: at every step equity and requirement of all accounts on all
paths by `einsum`, then the called accounts rank by rank (one on each path at a time, because they share a book), closed
in part by the closed form that a book without a pool has, with a fund that never empties.  That both make the same fund
need and the same liquidated notional on every path is checked first.
"""

import _one_core  # noqa: F401
import numpy as np
from _timing import alternate, compare, emit

from riskengine.book.portfolio import Portfolio
from riskengine.engine.loop import run_loop
from riskengine.engine.venue import VenueDesk, starting_holdings
from riskengine.instrument.terms import Perpetual
from riskengine.liquidation.venue_terms import VenueTerms
from riskengine.liquidity.execution import Execution, OrderBook
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface

ASSETS = ("BTC", "ETH")
INSTRUMENTS = tuple(Perpetual(a, s) for a in ASSETS for s in ("linear", "inverse"))
SPOT = np.array([34_500.0, 1_810.0])
OF = np.array([0, 0, 1, 1])
INVERSE = np.array([False, True, False, True])
BOOK = OrderBook({"BTC": 6.9e6, "ETH": 8.1e6}, 1e-4, 0.02, 0.5)
TERMS = VenueTerms({"BTC": 0.02, "ETH": 0.02}, Execution(BOOK, limit=0.05), 1.1, 0.005)


def make_book(accounts: int, leverage: tuple[float, ...]) -> Portfolio:
    """Accounts of one position each, of lognormal size."""
    rng = np.random.default_rng(1)
    at, rows = rng.integers(0, 4, accounts), np.arange(accounts)
    price = SPOT[OF[at]]
    size = rng.lognormal(np.log(2e8 / accounts), 1.0, accounts)
    margin = size / rng.choice(leverage, accounts)
    quantity, entry, cash = np.zeros((accounts, 4)), np.zeros((accounts, 4)), np.zeros((accounts, 3))
    quantity[rows, at] = rng.choice([-1.0, 1.0], accounts) * size / price
    entry[rows, at] = price
    cash[rows, np.where(INVERSE[at], 1 + OF[at], 0)] = margin / np.where(INVERSE[at], price, 1.0)
    names = tuple(f"{k:06d}" for k in range(accounts))
    return Portfolio(ASSETS, INSTRUMENTS, quantity, entry, cash, names, ("account",) * accounts)


def make_paths(steps: int, lanes: int) -> MarketPaths:
    """Hourly prices with fat tails, 60 % a year."""
    rng = np.random.default_rng(2)
    move = rng.standard_t(3, (steps, 2, lanes)) * 0.6 / np.sqrt(8760.0 * 3.0)
    spot = SPOT[:, None] * np.exp(np.concatenate([np.zeros((1, 2, lanes)), np.cumsum(move, axis=0)]))
    return MarketPaths(TimeGrid(3600, steps), ASSETS, 0, spot)


def numpy_life(book: Portfolio, paths: MarketPaths) -> tuple[np.ndarray, np.ndarray]:
    """(fund need, liquidated notional) of every path."""
    lanes = paths.count
    state = np.repeat(starting_holdings(book)[:, :, None], lanes, axis=2)
    rho = 100.0 * np.array([BOOK.depth_usd[a] for a in ASSETS])[:, None]
    most = (min(TERMS.execution.limit, BOOK.reach) - BOOK.half_spread) * rho
    taken = np.zeros((2, 2, lanes))
    status = np.zeros((book.accounts, lanes), dtype=np.int8)
    balance, need_, volume = np.zeros(lanes), np.zeros(lanes), np.zeros(lanes)
    refill = 0.5 ** (1.0 / BOOK.refill_half_life_hours)
    for step in range(paths.grid.steps + 1):
        taken *= refill if step else 1.0
        spot = paths.spot_lanes[step]
        price = np.concatenate([np.ones((1, lanes)), spot, np.where(INVERSE[:, None], -1.0, spot[OF])])
        notional = np.where(INVERSE[:, None], 1.0, spot[OF])
        equity = np.einsum("khp,hp->kp", state, price)
        need = 0.02 * np.einsum("kmp,mp->kp", np.abs(state[:, 3:]), notional)
        called = (need - equity > 1e-12 * need + 1e-6) & (status < 2) | (status == 1)
        if not called.any():
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where((status == 0) & (need > 0), np.rint(1e9 * equity / need), -np.inf)
        order = np.argsort(np.where(called, ratio, np.inf), axis=0, kind="stable")
        for rank in range(int(called.sum(axis=0).max())):
            p = np.flatnonzero(called.sum(axis=0) > rank)
            k = order[rank, p]
            x = state[k, :, p].T.copy()
            units, unit = x[3:], notional[:, p]
            e, r, gross = equity[k, p], need[k, p], (np.abs(units) * unit).sum(axis=0)
            sides = np.zeros((2, 2, p.size))
            for m in range(4):
                sides[0, OF[m]] += np.maximum(units[m], 0.0) * unit[m]
                sides[1, OF[m]] += np.maximum(-units[m], 0.0) * unit[m]
            z = taken[:, :, p]
            with np.errstate(divide="ignore", invalid="ignore"):
                limit = np.where(sides > 0, np.maximum(most - z, 0.0) / sides, np.inf)
                f = np.minimum(1.0, limit.min(axis=(0, 1)))
                slope = 1.1 * r - 0.005 * gross - (sides * (BOOK.half_spread + z / rho)).sum(axis=(0, 1))
                bend = (sides * sides / rho).sum(axis=(0, 1))
                short = e - 1.1 * r
                root = -2.0 * short / (slope + np.sqrt(np.maximum(slope**2 + 2.0 * bend * short, 0.0)))
                stop = np.minimum(f, np.maximum(slope / bend, 0.0))
                reached = short + slope * stop - 0.5 * bend * stop**2 >= 0.0
            f = np.where(status[k, p] == 1, f, np.where(reached, root, stop))
            f = np.where(f * gross > 1e-6, f, 0.0)
            filled = f * sides
            cost = filled * (BOOK.half_spread + (2.0 * z + filled) / (2.0 * rho))
            taken[:, :, p] += filled
            with np.errstate(divide="ignore", invalid="ignore"):
                rate = np.where(filled > 0, cost / filled, 0.0)
            for m in range(4):
                dx = np.where(f >= 1.0, units[m], f * units[m])
                side = np.where(units[m] > 0, 0, 1)
                paid = dx * price[3 + m, p] - np.abs(dx) * unit[m] * rate[side, OF[m], np.arange(p.size)]
                s = 1 + OF[m] if INVERSE[m] else 0
                x[s] += paid / price[s, p]
                x[3 + m] = x[3 + m] - dx
            cost = cost.sum(axis=(0, 1))
            fee = np.minimum(0.005 * f * gross, np.maximum(e - cost, 0.0))
            x[0] -= fee
            balance[p] += fee
            volume[p] += f * gross
            after = (x * price[:, p]).sum(axis=0)
            owed = np.where(after < -1e-6, -after, 0.0)
            x[0] += owed
            balance[p] -= owed
            need_[p] = np.maximum(need_[p], -balance[p] * (owed > 0))
            now = np.where(owed > 0, 1, status[k, p])
            empty = (now == 1) & (np.abs(x[3:]).sum(axis=0) == 0)
            balance[p] += np.where(empty, (x * price[:, p]).sum(axis=0), 0.0)
            x[:, empty] = 0.0
            status[k, p] = np.where(empty, 2, now)
            state[k, :, p] = x.T
    return need_, volume


def lanes_life(book: Portfolio, paths: MarketPaths) -> tuple[np.ndarray, np.ndarray]:
    """The same by the engine."""
    desk = VenueDesk(book, TERMS, FactorSurface.flat((0.6, 0.6)), np.inf, paths)
    run_loop(paths, [desk])
    columns = desk.columns()
    return columns["all", "fund_need"], columns["all", "liquidated_notional"]


def main() -> None:
    """Print the figures of a book in which few are near their requirement, and of one in which many are."""
    found = {}
    paths = make_paths(48, 1024)
    for name, leverage in (("2 to 5 times", (2.0, 3.0, 5.0)), ("5 to 20 times", (5.0, 10.0, 20.0))):
        book = make_book(200, leverage)
        for ours, theirs in zip(lanes_life(book, paths), numpy_life(book, paths), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-3)
        jobs = {"numpy": lambda b=book: numpy_life(b, paths), "lanes": lambda b=book: lanes_life(b, paths)}
        seconds = alternate(jobs, rounds=5)
        found[name] = compare(seconds, "numpy", "lanes", 200 * 49 * 1024)
        found[name]["called"] = float((lanes_life(book, paths)[1] > 0).mean())
    emit("account_life", found, accounts=200, steps=48, paths=1024)


if __name__ == "__main__":
    main()
