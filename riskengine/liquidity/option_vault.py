"""A vault that sells options at Black-Scholes, and what a buyer who knows the law takes from it.

The vault asks, per coin of the option and with q coins of it sold,

    s(q) = volatility + spread + wing |z| + impact q       (z: standard deviations of the strike from the spot),
    price of the next coin = Black-Scholes at s(q),        at most `limit` coins of a strike.

Who knows the true price C, whose implied volatility is i, buys until the next coin costs C, which is q* = min(limit,
(i - s(0)) / impact), and expects

    q* C - int_0^{q*} Black-Scholes(s(q)) dq

from holding to expiry: exact.  The edge of the first coin is gone at the spread i - volatility - wing |z|.  What the
vault may lose is the payoff less the premiums: the sum of the strikes of the puts at most where no call was sold, else
without bound.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.pricing.black import black76

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


@dataclass(frozen=True)
class OptionVault:
    """How a vault quotes.

    Attributes
    ----------
    spread : float
        Added to its one volatility, points of 1.00 a year.
    wing : float
        Added per standard deviation of the strike from the spot, either side: its only notion of a smile.
    impact : float
        Added per coin sold of a strike.
    limit : float
        Most coins of a strike that it sells.
    """

    spread: float = 0.03
    wing: float = 0.0
    impact: float = 0.001
    limit: float = 100.0

    def __post_init__(self) -> None:
        check_range("spread", self.spread, 0.0, 5.0)
        check_range("wing", self.wing, 0.0, 5.0)
        check_range("impact", self.impact, 0.0, 5.0, open_low=True)
        check_range("limit", self.limit, 0.0, 1e9, open_low=True)

    def ask(self, volatility: float, z: Floats, sold: Floats = 0.0) -> Floats:
        """Volatility of the next coin at strikes `z` standard deviations from the spot; shape of `z` and `sold`."""
        return volatility + self.spread + self.wing * np.abs(z) + self.impact * np.asarray(sold)

    def break_even_spread(self, volatility: float, z: Floats, implied: Floats) -> Floats:
        """Spread at which the first coin has no edge; negative where it has none at any."""
        return implied - volatility - self.wing * np.abs(z)

    def bought(self, volatility: float, z: Floats, implied: Floats) -> Floats:
        """Coins that who knows the implied volatility of the true price buys; NaN (no price to speak of) buys none."""
        room = (np.where(np.isnan(implied), -np.inf, implied) - self.ask(volatility, z)) / self.impact
        return np.clip(room, 0.0, self.limit)

    def premium(self, volatility: float, z: Floats, strike: Floats, sign: Floats, tau: float, coins: Floats) -> Floats:
        """What the vault takes for `coins` of each option, per unit of spot; all arrays (N,)."""
        sold = 0.5 * coins[:, None] * (_NODES + 1.0)
        marginal = black76(1.0, strike[:, None], tau, self.ask(volatility, z[:, None], sold), sign[:, None])
        return 0.5 * coins * (marginal @ _WEIGHTS)


def worst_loss(strike: Floats, sign: Floats, coins: Floats, premium: float) -> float:
    """Most that the vault can lose at expiry, per unit of spot; infinite where it has sold a call."""
    if (coins[sign > 0] > 0.0).any():
        return float("inf")
    return float((coins * strike).sum() - premium)
