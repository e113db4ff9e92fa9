"""crvUSD's monetary policy (``AggMonetaryPolicy2``): the rate rises where crvUSD is below its peg; integers and lanes.

    r = rate0 exp( (1 - p) / sigma - (D_pk / D_all) / target ) (0.9 + 0.1 / (1 - f)),   at most 300 % a year

p is crvUSD's price, D_pk / D_all the share of all debt that peg keepers owe, f = debt / ceiling of the market, at most
0.9999.  Nobody supplies crvUSD, it is minted: all interest is the protocol's, and a market may lend its ceiling.

References: lending mechanics of crvUSD; behaviour of ``AggMonetaryPolicy2.vy`` re-implemented from its formulas.
"""

from dataclasses import dataclass
from math import log1p
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.pricing.fixed_point import SECONDS_PER_YEAR, WAD, check_integers, div_to_zero
from riskengine.pricing.rational_exp import rational_exp
from riskengine.rates.pool import Balances, share

# 300 % a year: e^(MAX_RATE year) = 4
MAX_RATE = 43_959_106_799
MAX_EXP = 1000 * WAD
_REMAINDER = WAD // 10
_MOST_FILLED = WAD - _REMAINDER // 1000
_LOWEST_POWER, _HIGHEST_POWER = -41_446_531_673_892_821_376, 135_305_999_368_893_231_589


def policy_rate(
    rate0: int,
    sigma: int,
    target_debt_fraction: int,
    price: int,
    peg_keeper_debt: int,
    total_debt: int,
    market_debt: int = 0,
    ceiling: int = 0,
) -> int:
    """Rate per second of a market, WAD, from WAD inputs; a `ceiling` of 0 is none."""
    check_integers(1, sigma=sigma, target_debt_fraction=target_debt_fraction)
    power = div_to_zero((WAD - price) * WAD, sigma)
    if peg_keeper_debt > 0:
        if total_debt == 0:
            return 0
        power -= peg_keeper_debt * WAD // total_debt * WAD // target_debt_fraction
    if power <= _LOWEST_POWER:
        factor = 0
    elif power >= _HIGHEST_POWER:
        factor = MAX_EXP
    else:
        factor = min(rational_exp(power), MAX_EXP)
    rate = rate0 * factor // WAD
    if ceiling > 0:
        filled = min(market_debt * WAD // ceiling, _MOST_FILLED)
        rate = min(rate * (WAD - _REMAINDER + _REMAINDER * WAD // (WAD - filled)) // WAD, MAX_RATE)
    return rate


@dataclass(frozen=True)
class CrvusdPolicy:
    """The policy of a market of which the debt is minted, in place of a curve of utilisation.

    Attributes
    ----------
    rate0 : float
        Per year, compounded: what is charged at the peg, without peg keepers, by an empty market (0.1 is 10 %).
    sigma : float
        Distance from the peg over which the rate changes by a factor e.
    target_debt_fraction : float
        Peg keepers' share of all debt that divides the rate by e.
    peg_keeper_fraction : float
        That share on every path.
    """

    rate0: float
    sigma: float = 0.02
    target_debt_fraction: float = 0.1
    peg_keeper_fraction: float = 0.0
    kink: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        check_range("rate0", self.rate0, 0.0, 3.0)
        check_range("sigma", self.sigma, 1e-4, 1.0)
        check_range("target_debt_fraction", self.target_debt_fraction, 0.0, 1.0, open_low=True)
        check_range("peg_keeper_fraction", self.peg_keeper_fraction, 0.0, 1.0)

    def start(self, lanes: int) -> Floats:
        """Price of crvUSD on every lane: at the peg."""
        return np.ones(lanes)

    def see(self, price: Floats) -> Floats:
        """What is remembered: the price at which the policy was last asked."""
        return np.array(price)

    def utilisation(self, pool: Balances) -> Floats:
        """Debt as a share of the ceiling, for which `supply` stands; the interest owed counts."""
        return share(pool.debt, pool.supply)

    def per_second(self, used: Floats, price: Floats) -> Floats:
        """Rate per second, whole numbers of 1e-18."""
        rate0 = round(log1p(self.rate0) / SECONDS_PER_YEAR * WAD)
        power = (1.0 - price) / self.sigma - self.peg_keeper_fraction / self.target_debt_fraction
        base = np.floor(rate0 * np.minimum(np.exp(np.minimum(power, 135.0)), MAX_EXP / WAD))
        filled = np.minimum(used, _MOST_FILLED / WAD)
        return np.minimum(np.floor(base * (0.9 + 0.1 / (1.0 - filled))), MAX_RATE)

    def rates(self, used: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Borrow rate per year at the price seen, and none for suppliers."""
        rate = self.per_second(used, state) * (SECONDS_PER_YEAR / WAD)
        return rate, np.zeros_like(rate)

    def accrue(self, pool: Balances, used: Floats, state: Floats, seconds: int) -> tuple[Floats, Floats, Floats]:
        """(growth factor of debt, nothing for suppliers, state): simple interest within an accrual."""
        rate = self.per_second(used, state) / WAD
        return 1.0 + rate * seconds, np.zeros_like(pool.debt), state
