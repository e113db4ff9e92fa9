"""What a maker of options holds on a block of paths: its inventory along the paths, and its profit."""

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio
from riskengine.liquidation.venue_state import CHARGED, MADE, Life, Now
from riskengine.liquidity.execution import MAKER
from riskengine.liquidity.option_maker import OptionMaker


class MakerBook:
    """Inventory of one maker, which starts with none.

    Parameters
    ----------
    maker : OptionMaker
    book : Portfolio
        What is traded.
    hours : float
        Length of a step.
    """

    def __init__(self, maker: OptionMaker, book: Portfolio, hours: float):
        self._maker, self._assets = maker, book.assets
        self._options, self._of = book.options, book.asset_index[book.options]
        self._keep = 0.5 ** (hours / maker.half_life_hours)
        self._marked: Floats | None = None
        self._gained: Floats | float = 0.0

    def quote(self) -> Floats:
        """How it quotes each asset: the rows of `Life.quote` from the third on, shape (5, A)."""
        m = self._maker
        # vega of one point is a hundredth of that of 1.00
        vega = np.array([100.0 * m.vega_limit_usd[a] for a in self._assets])
        delta = np.array([m.delta_limit_usd[a] for a in self._assets])
        return np.stack([np.full_like(vega, m.spread), vega, m.vega_widening / vega, delta, m.delta_widening / delta])

    def carry(self, life: Life, now: Now) -> None:
        """Mark what is held at the prices of a new step, sell on a share of it, and read its vega and delta."""
        value = now.price[-len(life.asset) :][self._options]
        held = life.inventory[self._options]
        if self._marked is not None:
            self._gained = self._gained + (held * (value - self._marked)).sum(axis=0)
            held = held * self._keep
            life.inventory[self._options] = held
        self._marked = value
        for a in range(len(self._assets)):
            own = self._of == a
            for row, unit in enumerate((now.vega, now.exposure)):
                life.taken[MAKER, row, a] = (held[own] * unit[self._options[own]]).sum(axis=0)

    def columns(self, life: Life) -> dict[str, Floats]:
        """Measure -> column (P,): what it gained and charged, what it charged, and the notional that it took."""
        charged = life.made[CHARGED]
        return {
            "maker_profit": self._gained + charged,
            "maker_charge": charged.copy(),
            "maker_notional": life.made[MADE].copy(),
        }
