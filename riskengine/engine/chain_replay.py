"""Accounts struck on recorded option chains, margined by what was known, and marked to the chain a margin period later.

    loss = -(value of the positions at t + h less their value at t),   breach where loss > initial requirement at t,

positions left alone; `chain_accounts` says how they are struck and what they are worth.

A period begins where the last one ends, so periods never overlap.  Requirements read the chain at t and returns that
ended by t.  Scenarios of models with a window pair the return of every earlier period with the move of the 30-day
variance at the money over it; periods before the first chain come from a price file, where exponentially weighted
squared returns stand for that variance, of which only relative moves count.

What is not there: funding of perpetuals, which are marked at the index; fees; and anything between two snapshots.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.book.templates import AccountTemplate
from riskengine.engine.chain_accounts import DAY, NotStruck, Position, book_and_market, profit, strike_account
from riskengine.engine.chain_rules import Rules
from riskengine.engine.chain_smile import MONTH, Smile, long_variance, state, surface
from riskengine.market.chain import ChainSeries, ChainSnapshot
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.pricing.valuation import rounding
from riskengine.roles import MarginModel

_DECAY = 0.94  # of squared returns where there is no chain


@dataclass(frozen=True, eq=False)
class Before:
    """Returns of periods that end before the first chain, oldest first.

    Attributes
    ----------
    returns, moves : ndarray, shape (H, A)
        Log-return, and ratio of the variance state at the end to that at the start.
    """

    returns: Floats
    moves: Floats

    @classmethod
    def none(cls, assets: int) -> "Before":
        """No history."""
        return cls(np.empty((0, assets)), np.empty((0, assets)))


def before(seconds: Ints, prices: Floats, end: int, period_hours: float) -> Before:
    """History from prices (N, A) at common stamps before `end`: every margin period back from the last of them.

    Periods over a gap are left out.

    Raises
    ------
    ValueError
        Where fewer than two periods are there.
    """
    period = round(period_hours * 3600)
    at = np.flatnonzero(seconds < end)
    at = at[(seconds[at] - seconds[at].max(initial=0)) % period == 0]
    good = np.diff(seconds[at]) == period
    returns = np.diff(np.log(prices[at]), axis=0)[good]
    if len(returns) < 2:
        raise ValueError(
            f"prices must hold at least two margin periods of {period_hours:g} h before the first chain, "
            f"got {len(returns)}"
        )
    variance = np.empty((len(returns) + 1, returns.shape[1]))
    variance[0] = np.square(returns[: min(60, len(returns))]).mean(axis=0)
    for w, r in enumerate(returns):
        variance[w + 1] = _DECAY * variance[w] + (1.0 - _DECAY) * r * r
    return Before(returns, variance[1:] / variance[:-1])


def periods(seconds: Ints, rules: Rules) -> tuple[list[tuple[int, int]], int]:
    """Snapshots (start, end) of the periods, each starting where the last one ended, and the days that start none."""
    day = (seconds - round((rules.hour - 12.0) * 3600)) // DAY
    off = np.abs(seconds - (day * DAY + round(rules.hour * 3600)))
    order = np.lexsort((off, day))
    daily = order[np.flatnonzero(np.diff(day[order], prepend=-1))].tolist()  # of each day the nearest
    length, slack = rules.margin_period_hours * 3600, rules.tolerance_hours * 3600
    found, skipped, at = [], 0, 0
    while at < len(daily) - 1:
        gaps = seconds[daily[at + 1 :]] - seconds[daily[at]]
        nearest = int(np.abs(gaps - length).argmin())
        if abs(gaps[nearest] - length) <= slack:
            found.append((daily[at], daily[at + 1 + nearest]))
            at += 1 + nearest
        else:
            skipped += 1
            at += 1
    return found, skipped


@dataclass(eq=False)
class Replay:
    """What happened: one row a period, one column an account (accounts of the first asset, then of the next).

    Attributes
    ----------
    seconds : ndarray of int, shape (N,)
        Start of each period.
    names : tuple of (asset, account), length K
    loss, unit : ndarray, shape (N, K)
        USD; `unit` is spot times the coins of the account.  NaN where it could not be struck or marked.
    rounding : ndarray, shape (N, K)
        Below it a difference says nothing.
    required, maintenance : ndarray, shape (M, N, K)
        Initial and maintenance requirement of each model and level, USD.
    windows : ndarray of int, shape (N,)
        Periods that models with a window read.
    counts : dict of str to int
        What was left out or replaced.
    """

    seconds: Ints
    names: tuple[tuple[str, str], ...]
    loss: Floats
    unit: Floats
    rounding: Floats
    required: Floats
    maintenance: Floats
    windows: Ints
    counts: dict[str, int] = field(default_factory=dict)


def replay(
    series: Sequence[ChainSeries], templates: Sequence[AccountTemplate], models: Sequence[MarginModel], rules: Rules,
    history: Before | None = None, progress: Callable[[int, int], None] | None = None,
) -> Replay:  # fmt: skip
    """Replay accounts on chains.

    Parameters
    ----------
    series : sequence of ChainSeries
        One per asset; snapshots that not all assets have are left out.
    templates : sequence of AccountTemplate
    models : sequence of MarginModel
    rules : Rules
    history : Before, optional
    progress : callable, optional
        Told (done, total) after each period.
    """
    chains = [{c.seconds: c for c in s.snapshots} for s in series]
    common = sorted(set.intersection(*(set(c) for c in chains)))
    smiles = {t: tuple(Smile(c[t]) for c in chains) for t in common}
    stamps = [t for t in common if all(s.at_the_money[0].size for s in smiles[t])]
    pairs, skipped = periods(np.array(stamps, dtype=np.int64), rules)
    counts: Counter[str] = Counter()
    counts["snapshots without a smile"] = len(common) - len(stamps)
    counts["days without a snapshot a margin period later"] = skipped
    known = Before.none(len(series)) if history is None else history
    ends, moves, rows = [], [], []
    for number, (i, j) in enumerate(pairs):
        now, then = smiles[stamps[i]], smiles[stamps[j]]
        windows = min(len(known.returns) + len(ends), rules.window)
        if windows >= rules.least_window:
            past = _past(known, np.array(ends), np.array(moves), now, rules, counts)
            rows.append((stamps[i], windows, *_period(now, then, templates, models, past, series, rules, counts)))
        ends.append([np.log(b.chain.index / a.chain.index) for a, b in zip(now, then, strict=True)])
        moves.append([(a.variance(MONTH), b.variance(MONTH)) for a, b in zip(now, then, strict=True)])
        if progress is not None:
            progress(number + 1, len(pairs))
    counts["periods that only served as history"] = len(pairs) - len(rows)
    names = tuple((s.asset, t.name) for s in series for t in templates)
    if not rows:
        none, empty = np.empty(0, np.int64), np.empty((0, len(names)))
        return Replay(none, names, empty, empty, empty, empty[None], empty[None], none, dict(counts))
    when, windows, loss, unit, tiny, asked = zip(*rows, strict=True)
    required, maintenance = np.array(asked).transpose(1, 2, 0, 3)
    return Replay(
        np.array(when), names, np.array(loss), np.array(unit), np.array(tiny),
        np.ascontiguousarray(required), np.ascontiguousarray(maintenance), np.array(windows), dict(counts),
    )  # fmt: skip


def _past(known: Before, returns: Floats, moves: Floats, now: Sequence[Smile], rules: Rules, counts: Counter[str]):
    """Long variances and states of the day, and the history of spot and state that led there, (H + 1, A, 1) each."""
    assets = len(now)
    spot = np.array([s.chain.index for s in now])
    long = tuple(long_variance(s, rules.state_reversion) for s in now)
    ratio = known.moves
    if len(returns):
        own = np.empty((len(returns), assets))
        for a in range(assets):
            value, low = state(moves[:, a], long[a], rules.state_reversion)
            counts["variance states held at their least"] += int(low.sum())
            own[:, a] = value[:, 1] / value[:, 0]
        ratio = np.concatenate([known.moves, own])
        returns = np.concatenate([known.returns, returns])
    else:
        returns = known.returns
    returns, ratio = returns[-rules.window :], ratio[-rules.window :]
    level = np.array(
        [float(state(s.variance(MONTH), v, rules.state_reversion)[0]) for s, v in zip(now, long, strict=True)]
    )
    ahead = np.concatenate([np.cumsum(x[::-1], axis=0)[::-1] for x in (returns, np.log(ratio))], axis=1)
    ahead = np.concatenate([ahead, np.zeros((1, 2 * assets))])
    return long, level, (spot * np.exp(-ahead[:, :assets]))[..., None], (level * np.exp(-ahead[:, assets:]))[..., None]


def _period(now, then, templates, models, past, series: Sequence[ChainSeries], rules: Rules, counts: Counter[str]):
    """Loss, unit, rounding (K,), and initial and maintenance requirement (2, M, K) of every account over a period."""
    count = len(now) * len(templates)
    loss, unit, tiny = np.full(count, np.nan), np.full(count, np.nan), np.full(count, np.nan)
    held: list[tuple[int, int, tuple[Position, ...]]] = []
    for a, (first, last) in enumerate(zip(now, then, strict=True)):
        settle = _settlement(series[a].snapshots, last.chain)
        for n, template in enumerate(templates):
            k = a * len(templates) + n
            try:
                positions = strike_account(template, first, rules.price)
                loss[k] = -profit(positions, first, last, settle, rules, counts)
            except NotStruck as error:
                counts[f"accounts left out for a period: {error}"] += 1
                continue
            unit[k] = first.chain.index * template.coins
            held.append((k, a, positions))
    asked = np.full((2, sum(max(1, len(m.levels)) for m in models), count), np.nan)
    if not held:
        return loss, unit, tiny, asked
    book, market = book_and_market([(a, p) for _, a, p in held], now, [s.asset for s in series])
    rows = [k for k, _, _ in held]
    tiny[rows] = rounding(book, market)[:, 0]
    long, level, spots, states = past
    day = surface(tuple(now), long, rules.state_reversion)
    steps = len(spots) - 1
    period = round(rules.margin_period_hours * 3600)
    two = np.stack([market.spot] * 2)
    paths = MarketPaths(
        TimeGrid(period, 1, period, steps), book.assets, 0, two, np.stack([level[:, None]] * 2), spots, states
    )
    at = 0
    for model in models:
        for found in model.requirement(model.step(model.init(book, day), paths, 0), market):
            asked[0, at, rows], asked[1, at, rows] = found.initial[:, 0], found.maintenance[:, 0]
            at += 1
    return loss, unit, tiny, asked


def _settlement(snapshots: Sequence[ChainSnapshot], last: ChainSnapshot) -> Callable[[int], float]:
    """Index of the first snapshot at or after an expiry that is not after `last`."""
    return lambda expiry: next(c.index for c in snapshots if expiry <= c.seconds <= last.seconds)
