"""The trades that leave an account the least margin for the exposure that it keeps, and what they do to its risk."""

from dataclasses import dataclass, replace

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio, accounts_of
from riskengine.engine.period import MarginPeriod
from riskengine.engine.today import Today
from riskengine.estimate import Estimate
from riskengine.instrument.terms import EuropeanOption, Instrument, PrincipalToken
from riskengine.market.snapshot import MarketSnapshot
from riskengine.pricing.greeks import black_scholes
from riskengine.pricing.valuation import CostRates, account_values, close_costs, dated_values, mark_of
from riskengine.random import DrawKeys
from riskengine.roles import reads_history
from riskengine.stats.bounded import share
from riskengine.stats.quantile import expected_shortfall
from riskengine.tune.cutting_planes import Tail, TradeLimits, Trades, least_margin

GREEKS = ("delta", "gamma", "vega")
_MONTH = 30.0 / 365.0
_SEARCH, _JUDGE = 0, 1  # draw groups: the paths that limit the tail are not those that judge it


@dataclass(frozen=True)
class Exposure:
    """Bounds on one Greek of every asset after the trades, USD; None keeps it within `within` of what it is."""

    low: float | None = None
    high: float | None = None
    within: float = 0.1


@dataclass(frozen=True)
class Risk:
    """What an account may lose over a margin period in the world.

    Attributes
    ----------
    breach : Estimate
        Probability of a loss beyond the initial margin, each path with its own.
    shortfall : Estimate
        Mean of the worst losses, USD.
    """

    breach: Estimate
    shortfall: Estimate


@dataclass(frozen=True)
class HedgedAccount:
    """An account before and after the best trades.

    Attributes
    ----------
    book : Portfolio
        The one account with every instrument that could be traded; inverse contracts entered at the mark, their profit
        so far in coins.
    after : Portfolio
        The same after the trades: profit of traded perpetuals so far, premiums and costs are in its USD cash.
    trades : Trades
    greeks_before, greeks_after : dict of str to ndarray, shape (A,)
        ``delta``: USD per 100 % of the price; ``gamma``: change of that per 1 %; ``vega``: USD per volatility point of
        30 days, other tenors by sqrt(30 days / tenor).
    risk_before, risk_after : Risk
        On paths that the search has not seen.
    """

    book: Portfolio
    after: Portfolio
    trades: Trades
    greeks_before: dict[str, Floats]
    greeks_after: dict[str, Floats]
    risk_before: Risk
    risk_after: Risk


@dataclass(frozen=True)
class TailRule:
    """The limit on the mean of the worst losses, and the paths that it is judged on.

    Attributes
    ----------
    level : float
    bound : bool
        Whether trades may not raise it.
    paths : int
    """

    level: float = 0.99
    bound: bool = True
    paths: int = 16_384


def hedge_account(
    today: Today,
    book: Portfolio,
    account: int,
    offered: tuple[Instrument, ...] = (),
    exposures: dict[str, Exposure | None] | None = None,
    most: float = 1.0,
    spend: float = np.inf,
    worth: float = 1.0,
    rates: CostRates | None = None,
    tail: TailRule | None = None,
) -> HedgedAccount:
    """Trades of least margin for one account of a book.

    Parameters
    ----------
    today : Today
        Model and market.
    book : Portfolio
    account : int
        Row of `book`.
    offered : tuple of Instrument
        What may be traded beside the instruments of the book.
    exposures : dict of str to Exposure or None
        By name of `GREEKS`, one rule for every asset; None leaves a Greek free.  By default each is kept.
    most : float
        Largest trade of an instrument, as a multiple of the account's largest position in its asset.
    spend, worth : float
        As in `cutting_planes.TradeLimits`.
    rates : CostRates, optional
        What a trade costs.
    tail : TailRule, optional
        By default trades may not raise the mean loss beyond 99 %.

    Raises
    ------
    ValueError
        Where a venue has marked the book, the account holds nothing or a pool token, an option offered has expired, no
        trades within the limits reach the bounds, or the model cannot take the book.
    """
    if book.marks is not None:
        raise ValueError("book must be valued by the world, which limits the tail, got one that a venue has marked")
    if book.quantity[account, book.pools].any():
        raise ValueError(f"account must hold no pool token, which follows two assets, got one in {book.names[account]}")
    book = book.without(book.pools)
    held, rule = _alone(book, account, offered), TailRule() if tail is None else tail
    if not held.quantity.any():
        raise ValueError(f"account must hold positions, got none in {held.names[0]}")
    market = today.market(held)
    held = _entered_at_marks(held, market)
    now = held.quantity[0]
    size = np.array([np.abs(now[held.asset_index == a]).max(initial=0.0) for a in range(len(held.assets))])
    units = accounts_of(held, np.eye(now.size), np.where(held.inverse, held.entry[0], 0.0))
    greeks = unit_greeks(held, market)
    present = _exposures(held, greeks, market)
    rows, low, high = _bounds(held, greeks, present, {} if exposures is None else exposures)
    windows = today.windows if reads_history(today.model) else 0
    searched, judged = (
        MarginPeriod(today.world, today.period_hours, windows, DrawKeys(today.seed, group))
        for group in (_SEARCH, _JUDGE)
    )
    limit = None
    if rule.bound:
        paths = searched.paths(0, rule.paths)
        losses = searched.losses(units, paths)[:, ~paths.failed]
        alone = searched.losses(held, paths)[0, ~paths.failed]
        limit = Tail(alone, losses, rule.level, np.inf)
        limit = replace(limit, most=limit.shortfall(np.zeros(now.size))[0])
    limits = TradeLimits(
        most * size[held.asset_index],
        close_costs(units, market, CostRates() if rates is None else rates).mean(axis=1),
        rows,
        low,
        high,
        spend,
        worth,
        limit,
    )

    def margin(trades: Floats) -> Floats:
        return today.initial(accounts_of(held, held.quantity + trades, held.entry[0], held.cash[0]))

    found = least_margin(margin, limits)
    traded = _trade(held, market, found)
    paths = judged.paths(0, rule.paths)
    risks = [_risk(judged, today, b, paths, rule.level) for b in (held, traded)]
    return HedgedAccount(held, traded, found, present, _exposures(traded, greeks, market), *risks)


def _bounds(
    held: Portfolio, greeks: dict[str, Floats], present: dict[str, Floats], asked: dict[str, Exposure | None]
) -> tuple[Floats, Floats, Floats]:
    """Rows and bounds on the change of every Greek that is not free, by asset."""
    rule = {name: Exposure() for name in GREEKS} | asked
    rows, low, high = [], [], []
    for name, exposure in rule.items():
        for a in range(len(held.assets)):
            unit = np.where(held.asset_index == a, greeks[name], 0.0)
            if exposure is None or not unit.any():
                continue
            is_now = float(present[name][a])
            slack = exposure.within * abs(is_now)
            rows.append(unit)
            low.append(-slack if exposure.low is None else exposure.low - is_now)
            high.append(slack if exposure.high is None else exposure.high - is_now)
    return np.array(rows).reshape(-1, held.quantity.shape[1]), np.array(low), np.array(high)


def _risk(period: MarginPeriod, today: Today, book: Portfolio, paths, level: float) -> Risk:
    loss = period.losses(book, paths)[0, ~paths.failed]
    required = period.initial(today.model, book, paths)[0, ~paths.failed]
    return Risk(share((loss > required).astype(np.float64)), expected_shortfall(loss, level))


def unit_greeks(book: Portfolio, market: MarketSnapshot) -> dict[str, Floats]:
    """Greeks in USD of a coin of each instrument, shape (M,), mean over lanes; units as in `HedgedAccount`."""
    out = {name: np.zeros(len(book.instruments)) for name in GREEKS}
    own = book.asset_index[book.perpetuals]
    mark = np.where(book.inverse[book.perpetuals, None], market.spot[own], market.perpetual[own])
    out["delta"][book.perpetuals] = mark.mean(axis=1)
    if book.dated.size:
        out["delta"][book.dated] = dated_values(book, market)[0].mean(axis=1)
    if book.options.size:
        e = book.option_expiry
        tau, rate = market.tau[e][:, None], np.asarray(market.rate)[e][:, None]
        forward = market.forward[e]
        # on the forward, discounted: Black-76 as Black-Scholes with a dividend equal to the rate
        own = black_scholes(forward, book.strikes[:, None], tau, market.volatility, book.call_sign[:, None], rate, rate)
        out["delta"][book.options] = (own.delta * forward).mean(axis=1)
        out["gamma"][book.options] = 0.01 * (own.gamma * forward**2).mean(axis=1)
        out["vega"][book.options] = 0.01 * (own.vega * np.sqrt(_MONTH / tau)).mean(axis=1)
    return out


def _coins(book: Portfolio, market: MarketSnapshot, asset: int) -> float:
    """USD in coins held as collateral, less those that contracts quoted in them owe."""
    return float(book.coins[0, asset] * market.spot[asset].mean())


def _exposures(book: Portfolio, greeks: dict[str, Floats], market: MarketSnapshot) -> dict[str, Floats]:
    out = {}
    for name, unit in greeks.items():
        per = [float((unit * book.quantity[0])[book.asset_index == a].sum()) for a in range(len(book.assets))]
        if name == "delta":
            per = [x + _coins(book, market, a) for a, x in enumerate(per)]
        out[name] = np.array(per)
    return out


def _alone(book: Portfolio, account: int, offered: tuple[Instrument, ...]) -> Portfolio:
    """The account by itself, with instruments that it may trade: those of the book and `offered`, on its assets."""
    mine = np.flatnonzero(book.quantity[account])
    assets = {book.instruments[m].asset for m in mine}
    kept = [m for m, x in enumerate(book.instruments) if x.asset in assets]
    new = [x for x in dict.fromkeys(offered) if x.asset in assets and x not in book.instruments]
    return replace(
        book,
        instruments=(*(book.instruments[m] for m in kept), *new),
        quantity=np.concatenate([book.quantity[account, kept], np.zeros(len(new))])[None],
        entry=np.concatenate([book.entry[account, kept], np.zeros(len(new))])[None],
        cash=book.cash[account][None],
        names=(book.names[account],),
        kinds=(book.kinds[account],),
    )


def _entered_at_marks(book: Portfolio, market: MarketSnapshot) -> Portfolio:
    """The same account with inverse contracts entered at the mark, so that trades add to them coin by coin.

    q coins entered at e are q e / M coins at the mark M, and q (1 - e / M) coins of profit: worth the same at any
    price.
    """
    quantity, entry, cash = book.quantity.copy(), book.entry.copy(), book.cash.copy()
    for m in np.flatnonzero(book.inverse):
        mark = mark_of(book, market, m).mean()
        kept = entry[0, m] / mark if quantity[0, m] else 1.0
        cash[0, 1 + book.asset_index[m]] += quantity[0, m] * (1.0 - kept)
        quantity[0, m], entry[0, m] = quantity[0, m] * kept, mark
    return replace(book, quantity=quantity, entry=entry, cash=cash)


def _trade(book: Portfolio, market: MarketSnapshot, found: Trades) -> Portfolio:
    """The account after the trades at the mark; what it is worth falls by their cost and by nothing else."""
    entry, cash = book.entry.copy(), book.cash.copy()
    before = account_values(book, market).mean()
    for m in np.flatnonzero(found.trades):
        terms, paid_in = book.instruments[m], book.quote_index[m]
        if isinstance(terms, (EuropeanOption, PrincipalToken)):
            continue
        mark = mark_of(book, market, m)
        entry[0, m] = mark.mean() if paid_in < 0 else (mark / market.spot[paid_in]).mean()
    after = replace(book, quantity=book.quantity + found.trades, entry=entry)
    cash[0, 0] += before - found.cost - account_values(after, market).mean()
    return replace(after, cash=cash)
