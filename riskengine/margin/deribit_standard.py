"""Deribit standard margin on lanes: each short option by itself, futures by a size ladder, no netting.

Per coin of a short option, as shares of spot, with mark in coin:
    call:  IM = max(rate - OTM/S, floor),   MM = maintenance;
    put:   MM = max(maintenance, maintenance mark),   IM = max(max(rate - OTM/S, floor), MM);
futures of n coins:  IM = (im_base + slope n) n F,   MM = (mm_base + slope n) n F,
with F the mark, and N USD of inverse ones N / F coins, whose requirement in coin is worth the index.

The venue states a short option's margin with the mark on top, against a balance that has no option values in it.  Here
a requirement is what is needed above liquidation value, so the mark of a short option is left out, and a long option,
which the balance does not count, requires its whole value: it can lose no more.  The figures of one position are those
of the calculator `venues.deribit_standard`.  Reference: support.deribit.com, margin articles.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.book.portfolio import Portfolio
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.black import black76
from riskengine.pricing.valuation import contract_coins
from riskengine.roles import LONG_OPTION_BOUNDED, Requirement


@dataclass(frozen=True)
class DeribitStandard:
    """Deribit standard margin; see the module for the rule.

    Attributes
    ----------
    rate, floor, maintenance : float
        Of short options, shares of spot.
    im_base, mm_base : float
        Of futures, shares of notional.
    slope : float
        Added to both per coin held.
    """

    rate: float = 0.15
    floor: float = 0.10
    maintenance: float = 0.075
    im_base: float = 0.02
    mm_base: float = 0.01
    slope: float = 5e-5
    kind = "deribit_standard"
    promises = frozenset({LONG_OPTION_BOUNDED})
    levels = ()

    def __post_init__(self) -> None:
        check_range("rate", self.rate, 0.0, 1.0, open_low=True)
        check_range("floor", self.floor, 0.0, self.rate)
        check_range("maintenance", self.maintenance, 0.0, self.floor)
        check_range("im_base", self.im_base, 0.0, 1.0, open_low=True)
        check_range("mm_base", self.mm_base, 0.0, self.im_base)
        check_range("slope", self.slope, 0.0, 1.0)

    def init(self, portfolio: Portfolio, surface: FactorSurface | None = None) -> Portfolio:
        """The book itself; ValueError where it has principal or pool tokens."""
        portfolio.refuse_tokens("options, perpetuals and futures")
        return portfolio

    def step(self, state: Portfolio, paths: MarketPaths | None = None, step: int = 0) -> Portfolio:
        """The rule has no memory: returns `state`."""
        return state

    def requirement(self, state: Portfolio, snapshot: MarketSnapshot) -> tuple[Requirement]:
        """Requirement of every account on every lane, one entry; its components are options and futures."""
        book = state
        held = book.quantity[:, book.options]
        value, initial, maintenance = self.option_units(book, snapshot)
        short, long = np.maximum(-held, 0.0), np.maximum(held, 0.0) @ value
        futures_initial, futures_maintenance = self._futures(book, snapshot)
        options = short @ initial + long
        parts = {"options": options, "futures": futures_initial}
        return (Requirement(options + futures_initial, short @ maintenance + long + futures_maintenance, parts),)

    def option_units(
        self, book: Portfolio, now: MarketSnapshot, value: Floats | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Value, initial and maintenance requirement of each option sold, USD per coin, shape (O, P).

        `value` is the value where it is known.
        """
        expiry, strike, sign = book.option_expiry, book.strikes[:, None], book.call_sign[:, None]
        if value is None:
            forward, tau = now.forward[expiry], now.tau[expiry][:, None]
            discount = np.exp(-np.asarray(now.rate)[expiry][:, None] * tau)
            value = black76(forward, strike, tau, now.volatility, sign, discount)
        spot = now.spot[book.asset_index[book.options]]
        out_of_money = np.maximum(sign * (strike - spot), 0.0) / spot
        initial = np.maximum(self.rate - out_of_money, self.floor)
        # only the maintenance of a put grows with its mark
        put = np.maximum(self.maintenance, self.maintenance * value / spot)
        maintenance = np.where(sign > 0, self.maintenance, put)
        return value, np.maximum(initial, maintenance) * spot, maintenance * spot

    def _futures(self, book: Portfolio, now: MarketSnapshot) -> tuple[Floats, Floats]:
        """Initial and maintenance requirement of futures, USD, (K, P): net perpetuals of an asset, and each expiry."""
        initial, maintenance = np.zeros((book.accounts, now.count)), np.zeros((book.accounts, now.count))
        nets = []
        for a in range(len(book.assets)):
            mine = book.perpetuals[book.asset_index[book.perpetuals] == a]
            nets.append((mine, now.perpetual[a], now.spot[a]))
        for e in np.unique(book.dated_expiry):
            nets.append((book.dated[book.dated_expiry == e], now.forward[e], now.spot[now.expiry_asset[e]]))
        for columns, mark, index in nets:
            linear, inverse = contract_coins(book, columns, mark)
            coins = linear + inverse
            # written so that nothing is added at the index
            notional = np.abs(coins * mark + inverse * (index - mark))
            coins = np.abs(coins)
            initial += (self.im_base + self.slope * coins) * notional
            maintenance += (self.mm_base + self.slope * coins) * notional
        return initial, maintenance
