"""Accounts struck on recorded option chains, margined by what was known, and marked to the chain a margin period later.

    loss = -(value of the positions at t + h less their value at t),   breach where loss > initial requirement at t,

positions left alone.  Options are inverse: a mark of m coins is worth m S USD, S the index, so a model sees the forward
F of each expiry with the discount S / F under which Black-76 in USD is the mark times S.  Losses are in USD, or in coin
times S at the start, as a coin-settled account bears them.

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
from riskengine.book.portfolio import Portfolio
from riskengine.book.templates import AccountTemplate, Leg
from riskengine.engine.chain_smile import MONTH, Smile, long_variance, state, surface
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.market.chain import ChainSeries, ChainSnapshot
from riskengine.market.grid import SECONDS_PER_YEAR, TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.pricing.black import black76
from riskengine.pricing.valuation import rounding
from riskengine.roles import MarginModel

DAY = 86_400
_DECAY = 0.94  # of squared returns where there is no chain
_FAR_TENOR, _FAR_DELTA, _FAR_STRIKE = 2.0, 0.1, 0.05  # a leg struck further off is none: factor, delta, log strike


@dataclass(frozen=True)
class Rules:
    """How a replay strikes and marks.

    Attributes
    ----------
    period_hours, tolerance_hours : float
        Margin period, and how far the gap between two snapshots may be from it.
    hour : float
        Hour of the day (UTC) whose nearest snapshot is taken.
    numeraire : {"usd", "coin"}
    price : {"mark", "mid"}
        What a position is worth; requirements always read marks.
    window, least_window : int
        Most and fewest periods that a model reads.
    speed : float
        Reversion of the variance state, per year.
    """

    period_hours: float = 24.0
    tolerance_hours: float = 6.0
    hour: float = 9.5
    numeraire: str = "usd"
    price: str = "mark"
    window: int = 500
    least_window: int = 60
    speed: float = 10.0


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
    at = at[(seconds[at] - seconds[at[-1:]].sum()) % period == 0]
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
    length, slack = rules.period_hours * 3600, rules.tolerance_hours * 3600
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


@dataclass(frozen=True, eq=False)
class Position:
    """A leg that has been struck.

    Attributes
    ----------
    quantity : float
        Coins.
    expiry, strike, sign : int, float, float, or None
        Of an option.
    """

    quantity: float
    expiry: int | None = None
    strike: float | None = None
    sign: float | None = None
    coin: bool = False

    @property
    def option(self) -> tuple[int, float, float] | None:
        """What names an option on a chain; None where it is none."""
        return None if self.expiry is None else (self.expiry, self.strike, self.sign)


class NotStruck(Exception):
    """Why an account cannot be struck or marked in a period."""


def strike_account(template: AccountTemplate, smile: Smile, price: str = "mark") -> tuple[Position, ...]:
    """Positions of a template on a chain.

    Raises
    ------
    NotStruck
        Where no listed expiry or strike is near enough, or two legs fall on one option.
    """
    out = [
        Position(leg.quantity, coin=leg.instrument == "coin") if not leg.is_option else _strike(leg, smile, price)
        for leg in template.legs
    ]
    options = [p.option for p in out if p.option]
    if len(set(options)) < len(options):
        raise NotStruck("two legs fall on one option")
    if template.delta_hedged:
        held = sum(p.quantity * (1.0 if p.expiry is None else smile.delta[smile.chain.row(*p.option)]) for p in out)
        out.append(Position(-held))
    return tuple(out)


def _strike(leg: Leg, smile: Smile, price: str) -> Position:
    chain = smile.chain
    usable = np.isfinite(smile.volatility) & (chain.sign == leg.sign)
    if price == "mid":
        usable &= (chain.bid > 0) & (chain.ask > 0)
    expiries = np.unique(chain.expiry[usable])
    if not expiries.size:
        raise NotStruck(f"no {leg.instrument} is quoted")
    off = np.abs(np.log((expiries - chain.seconds) / DAY / leg.days))
    expiry = int(expiries[off.argmin()])
    if off.min() > np.log(_FAR_TENOR):
        raise NotStruck("no expiry near enough")
    rows = np.flatnonzero(usable & (chain.expiry == expiry))
    if leg.delta is not None:
        miss, most = np.abs(np.abs(smile.delta[rows]) - leg.delta), _FAR_DELTA
    else:
        miss, most = np.abs(smile.log_moneyness[rows] - np.log(leg.moneyness)), _FAR_STRIKE
    best = rows[miss.argmin()]
    if miss.min() > most:
        raise NotStruck("no strike near enough")
    return Position(leg.quantity, expiry, float(chain.strike[best]), leg.sign)


def coins_of(p: Position, smile: Smile, price: str) -> float:
    """Value of one coin of an option on its own chain, coin: the mark or the mid; NaN where there is none."""
    chain, row = smile.chain, smile.chain.row(*p.option)
    if row is None:
        return float("nan")
    return float(chain.mark[row] if price == "mark" else 0.5 * (chain.bid[row] + chain.ask[row]))


def later_coins(
    p: Position, smile: Smile, settlement: Callable[[int], float], price: str, counts: Counter[str]
) -> float:
    """Value of one coin of an option on a later chain, coin.

    Expired: intrinsic at ``settlement(expiry)``.  No price any more: Black-76 at the forward of its expiry and the
    volatility of that day's smile, counted.

    Raises
    ------
    NotStruck
        Where the whole expiry has no smile any more.
    """
    chain = smile.chain
    if p.expiry <= chain.seconds:
        counts["settled at expiry"] += 1
        index = settlement(p.expiry)
        return max(p.sign * (index - p.strike), 0.0) / index
    seen = coins_of(p, smile, price)
    if price == "mid" and not seen > 0:
        seen = coins_of(p, smile, "mark")
        counts["marked, as bid or ask was gone"] += 1
    if np.isfinite(seen):
        return seen
    k, vol = smile.of_expiry(p.expiry)
    if k.size < 4:
        raise NotStruck("an expiry is no longer quoted")
    counts["priced from the smile, as the mark was gone"] += 1
    forward = chain.forwards[p.expiry]
    tau = (p.expiry - chain.seconds) / SECONDS_PER_YEAR
    sigma = float(np.interp(np.log(p.strike / forward), k, vol))
    return float(black76(forward, p.strike, tau, sigma, p.sign)) / forward


def profit(
    positions: Sequence[Position], now: Smile, then: Smile, settlement: Callable[[int], float], rules: Rules,
    counts: Counter[str],
) -> float:  # fmt: skip
    """Profit of the positions over a period, USD; in coin times the index at its start under numeraire ``coin``."""
    start, end = now.chain.index, then.chain.index
    total = 0.0
    for p in positions:
        if p.expiry is not None:
            first = coins_of(p, now, rules.price)
            last = later_coins(p, then, settlement, rules.price, counts)
            gain = last * end - first * start if rules.numeraire == "usd" else (last - first) * start
        elif rules.numeraire == "usd":
            gain = end - start
        else:
            # contracts of the index at the start; coins themselves do not move in coin
            gain = 0.0 if p.coin else start * (1.0 - start / end)
        total += p.quantity * gain
    return total


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
    required : ndarray, shape (M, N, K)
        Initial requirement of each model and level, USD.
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
        return Replay(none, names, empty, empty, empty, empty[None], none, dict(counts))
    when, windows, loss, unit, tiny, required = zip(*rows, strict=True)
    return Replay(
        np.array(when), names, np.array(loss), np.array(unit), np.array(tiny),
        np.ascontiguousarray(np.array(required).transpose(1, 0, 2)), np.array(windows), dict(counts),
    )  # fmt: skip


def _past(known: Before, returns: Floats, moves: Floats, now: Sequence[Smile], rules: Rules, counts: Counter[str]):
    """Long variances and states of the day, and the history of spot and state that led there, (H + 1, A, 1) each."""
    assets = len(now)
    spot = np.array([s.chain.index for s in now])
    long = tuple(long_variance(s, rules.speed) for s in now)
    ratio = known.moves
    if len(returns):
        own = np.empty((len(returns), assets))
        for a in range(assets):
            value, low = state(moves[:, a], long[a], rules.speed)
            counts["variance states held at their least"] += int(low.sum())
            own[:, a] = value[:, 1] / value[:, 0]
        ratio = np.concatenate([known.moves, own])
        returns = np.concatenate([known.returns, returns])
    else:
        returns = known.returns
    returns, ratio = returns[-rules.window :], ratio[-rules.window :]
    level = np.array([float(state(s.variance(MONTH), v, rules.speed)[0]) for s, v in zip(now, long, strict=True)])
    ahead = np.concatenate([np.cumsum(x[::-1], axis=0)[::-1] for x in (returns, np.log(ratio))], axis=1)
    ahead = np.concatenate([ahead, np.zeros((1, 2 * assets))])
    return long, level, (spot * np.exp(-ahead[:, :assets]))[..., None], (level * np.exp(-ahead[:, assets:]))[..., None]


def _period(now, then, templates, models, past, series: Sequence[ChainSeries], rules: Rules, counts: Counter[str]):
    """Loss, unit, rounding (K,) and requirement (M, K) of every account over one period."""
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
    required = np.full((sum(max(1, len(m.levels)) for m in models), count), np.nan)
    if not held:
        return loss, unit, tiny, required
    book, market = book_and_market([(a, p) for _, a, p in held], now, [s.asset for s in series])
    rows = [k for k, _, _ in held]
    tiny[rows] = rounding(book, market)[:, 0]
    long, level, spots, states = past
    day = surface(tuple(now), long, rules.speed)
    steps = len(spots) - 1
    period = round(rules.period_hours * 3600)
    two = np.stack([market.spot] * 2)
    paths = MarketPaths(
        TimeGrid(period, 1, period, steps), book.assets, 0, two, np.stack([level[:, None]] * 2), spots, states
    )
    at = 0
    for model in models:
        for found in model.requirement(model.step(model.init(book, day), paths, 0), market):
            required[at, rows] = found.initial[:, 0]
            at += 1
    return loss, unit, tiny, required


def _settlement(snapshots: Sequence[ChainSnapshot], last: ChainSnapshot) -> Callable[[int], float]:
    """Index of the first snapshot at or after an expiry that is not after `last`."""
    return lambda expiry: next(c.index for c in snapshots if expiry <= c.seconds <= last.seconds)


def book_and_market(
    held: Sequence[tuple[int, Sequence[Position]]], smiles: Sequence[Smile], assets: Sequence[str]
) -> tuple[Portfolio, MarketSnapshot]:
    """Accounts as a book of inverse instruments, and the chains as a market of one lane.

    Parameters
    ----------
    held : sequence of (asset, positions)
        One account each.
    smiles : sequence of Smile
        One per asset.
    assets : sequence of str
    """
    index: dict[tuple, int] = {}
    for a, positions in held:
        for p in positions:
            if not p.coin:
                index.setdefault((a, p.option), len(index))
    instruments, hours_to = [], {}
    for a, option in index:
        if option is None:
            instruments.append(Perpetual(assets[a], "inverse"))
        else:
            hours = (option[0] - smiles[a].chain.seconds) / 3600.0
            hours_to[assets[a], hours] = (a, option[0])
            kind = "call" if option[2] > 0 else "put"
            instruments.append(EuropeanOption(assets[a], option[1], hours, kind, "inverse"))
    quantity = np.zeros((len(held), len(index)))
    entry, cash = np.zeros_like(quantity), np.zeros((len(held), 1 + len(assets)))
    for k, (a, positions) in enumerate(held):
        for p in positions:
            if p.coin:
                cash[k, 1 + a] += p.quantity
                continue
            m = index[a, p.option]
            quantity[k, m] += p.quantity
            if p.expiry is None:
                entry[k, m] = smiles[a].chain.index
    names = tuple(str(k) for k in range(len(held)))
    book = Portfolio(tuple(assets), tuple(instruments), quantity, entry, cash, names, names)
    spot = np.array([[s.chain.index] for s in smiles])
    own = [hours_to[key] for key in book.expiries]
    of_asset = np.array([a for a, _ in own], dtype=np.int64)
    tau = np.array([(e - smiles[a].chain.seconds) / SECONDS_PER_YEAR for a, e in own])
    forward = np.array([smiles[a].chain.forwards[e] for a, e in own])
    vol = [smiles[a].volatility[smiles[a].chain.row(*option)] for a, option in index if option]
    market = MarketSnapshot(
        spot=spot,
        forward=forward[:, None],
        seconds=tau * SECONDS_PER_YEAR,
        # the discount S / F: Black-76 in USD is then the mark in coin times S
        rate=np.log(forward / spot[of_asset, 0]) / tau,
        expiry_asset=of_asset,
        volatility=np.array(vol)[:, None],
        perpetual=spot,
    )
    return book, market
