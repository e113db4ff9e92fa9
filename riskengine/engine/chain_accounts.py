"""Accounts on a recorded chain: struck from templates, valued, marked to a later chain, and as a book that models read.

Options are inverse: a mark of m coins is worth m S USD, S the index, so a model sees the forward F of each expiry with
the discount S / F under which Black-76 in USD is the mark times S.  Losses are in USD, or in coin times S at the start,
as a coin-settled account bears them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from riskengine.book.portfolio import Portfolio
from riskengine.book.templates import AccountTemplate, Leg
from riskengine.engine.chain_rules import Rules
from riskengine.engine.chain_smile import Smile
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.market.grid import SECONDS_PER_YEAR
from riskengine.market.snapshot import MarketSnapshot
from riskengine.pricing.black import black76

DAY = 86_400
_FAR_TENOR, _FAR_DELTA, _FAR_STRIKE = 2.0, 0.1, 0.05  # a leg struck further off is none: factor, delta, log strike


@dataclass(frozen=True, eq=False)
class Position:
    """A leg that has been struck.

    Attributes
    ----------
    quantity : float
        Coins.
    expiry, strike, sign : int, float, float, or None
        Of an option.
    coin : bool
        Whether it is the coin itself; else what is no option is a perpetual.
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
    if any(leg.instrument == "future" for leg in template.legs):
        raise NotStruck("a chain lists no futures")
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
    """Value of one coin of an option on its own chain, coin: the mark or the mid; NaN where there is none.

    A bid or an ask of 0 is none, and half of the other is no mid.
    """
    chain, row = smile.chain, smile.chain.row(*p.option)
    if row is None:
        return float("nan")
    if price == "mark":
        return float(chain.mark[row])
    bid, ask = chain.bid[row], chain.ask[row]
    return float(0.5 * (bid + ask)) if bid > 0 and ask > 0 else float("nan")


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
    if price == "mid" and not np.isfinite(seen):
        seen = coins_of(p, smile, "mark")
        counts["marked, as bid or ask was gone"] += int(np.isfinite(seen))
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
