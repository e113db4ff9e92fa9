"""An account and what may be traded in it, as `hedge.least_margin` reads them."""

from dataclasses import dataclass, replace

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio
from riskengine.engine.today import Today
from riskengine.instrument.terms import EuropeanOption, Future, Instrument
from riskengine.market.snapshot import MarketSnapshot
from riskengine.pricing.greeks import black_scholes
from riskengine.pricing.valuation import CostRates, account_values, close_costs, future_values
from riskengine.tune.hedge import Limits, Trades, least_margin

GREEKS = ("delta", "gamma", "vega")


@dataclass(frozen=True)
class Exposure:
    """Bounds on one Greek of every asset after the trades, USD; None keeps it within `within` of what it is."""

    low: float | None = None
    high: float | None = None
    within: float = 0.1


@dataclass(frozen=True)
class HedgedAccount:
    """An account before and after the best trades.

    Attributes
    ----------
    book : Portfolio
        The one account with every instrument that could be traded.
    after : Portfolio
        The same after the trades: profit of traded perpetuals so far, premiums and costs are in its USD cash.
    trades : Trades
    greeks_before, greeks_after : dict of str to ndarray, shape (A,)
        ``delta``: USD per 100 % of the price; ``gamma``: change of that per 1 %; ``vega``: USD per volatility point.
    """

    book: Portfolio
    after: Portfolio
    trades: Trades
    greeks_before: dict[str, Floats]
    greeks_after: dict[str, Floats]


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
        As in `hedge.Limits`.
    rates : CostRates, optional
        What a trade costs.

    Raises
    ------
    ValueError
        Where the account holds nothing, an option offered has expired, bounds do not allow not to trade, or the model
        cannot take the book.
    """
    held = _alone(book, account, offered)
    if not held.quantity.any():
        raise ValueError(f"account must hold positions, got none in {held.names[0]}")
    market = today.market(held)
    now = held.quantity[0]
    size = np.array([np.abs(now[held.asset_index == a]).max(initial=0.0) for a in range(len(held.assets))])
    units = replace(
        held,
        quantity=np.eye(now.size),
        entry=np.zeros((now.size, now.size)),
        cash=np.zeros((now.size, 1 + len(held.assets))),
        names=tuple(x.name for x in held.instruments),
        kinds=("unit",) * now.size,
    )
    cost = close_costs(units, market, CostRates() if rates is None else rates).mean(axis=1)
    greeks = unit_greeks(held, market)
    rule = {name: Exposure() for name in GREEKS} | ({} if exposures is None else exposures)
    rows, low, high = [], [], []
    for name, exposure in rule.items():
        for a in range(len(held.assets)):
            unit = np.where(held.asset_index == a, greeks[name], 0.0)
            if exposure is None or not unit.any():
                continue
            present = float(unit @ now) + (_coins(held, market, a) if name == "delta" else 0.0)
            slack = exposure.within * abs(present)
            rows.append(unit)
            low.append(-slack if exposure.low is None else exposure.low - present)
            high.append(slack if exposure.high is None else exposure.high - present)
            if low[-1] > 0 or high[-1] < 0:
                raise ValueError(
                    f"bounds of {name} must hold what it is without trades, got {present:,.0f} USD in {held.assets[a]}"
                )
    limits = Limits(
        most * size[held.asset_index], cost, np.array(rows).reshape(-1, now.size), np.array(low), np.array(high), spend,
        worth,
    )  # fmt: skip

    def margin(trades: Floats) -> Floats:
        return today.initial(_repeated(held, trades))

    found = least_margin(margin, limits)
    traded = _trade(held, market, found)
    exposures_of = [_exposures(b, greeks, market) for b in (held, traded)]
    return HedgedAccount(held, traded, found, *exposures_of)


def unit_greeks(book: Portfolio, market: MarketSnapshot) -> dict[str, Floats]:
    """Greeks in USD of a coin of each instrument, shape (M,), mean over lanes; units as in `HedgedAccount`."""
    out = {name: np.zeros(len(book.instruments)) for name in GREEKS}
    out["delta"][book.perpetuals] = market.perpetual[book.asset_index[book.perpetuals]].mean(axis=1)
    if book.futures.size:
        out["delta"][book.futures] = future_values(book, market)[0].mean(axis=1)
    if book.options.size:
        e = book.option_expiry
        tau, rate = market.tau[e][:, None], np.asarray(market.rate)[e][:, None]
        forward = market.forward[e]
        # on the forward, discounted: Black-76 as Black-Scholes with a dividend equal to the rate
        own = black_scholes(forward, book.strikes[:, None], tau, market.volatility, book.call_sign[:, None], rate, rate)
        out["delta"][book.options] = (own.delta * forward).mean(axis=1)
        out["gamma"][book.options] = 0.01 * (own.gamma * forward**2).mean(axis=1)
        out["vega"][book.options] = 0.01 * own.vega.mean(axis=1)
    return out


def _coins(book: Portfolio, market: MarketSnapshot, asset: int) -> float:
    """USD in coins held as collateral."""
    return float(book.cash[0, 1 + asset] * market.spot[asset].mean())


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
    # an entry must be positive whether or not anything is held
    return replace(
        book,
        instruments=(*(book.instruments[m] for m in kept), *new),
        quantity=np.concatenate([book.quantity[account, kept], np.zeros(len(new))])[None],
        entry=np.concatenate([book.entry[account, kept], np.zeros(len(new))])[None],
        cash=book.cash[account][None],
        names=(book.names[account],),
        kinds=(book.kinds[account],),
    )


def _repeated(book: Portfolio, trades: Floats) -> Portfolio:
    """The one account of `book` after each of n sets of trades."""
    count = trades.shape[0]
    return replace(
        book,
        quantity=np.ascontiguousarray(book.quantity + trades),
        entry=np.repeat(book.entry, count, axis=0),
        cash=np.repeat(book.cash, count, axis=0),
        names=tuple(f"{book.names[0]} {n}" for n in range(count)),
        kinds=book.kinds * count,
    )


def _trade(book: Portfolio, market: MarketSnapshot, found: Trades) -> Portfolio:
    """The account after the trades at the mark; what it is worth falls by their cost and by nothing else."""
    entry, cash = book.entry.copy(), book.cash.copy()
    before = account_values(book, market).mean()
    for m in np.flatnonzero(found.trades):
        terms = book.instruments[m]
        if isinstance(terms, Future):
            expiry = book.expiries.index((terms.asset, terms.expiry_hours))
            entry[0, m] = market.forward[expiry].mean()
        elif not isinstance(terms, EuropeanOption):
            entry[0, m] = market.perpetual[book.asset_index[m]].mean()
    after = replace(book, quantity=book.quantity + found.trades, entry=entry)
    cash[0, 0] += before - found.cost - account_values(after, market).mean()
    return replace(after, cash=cash)
