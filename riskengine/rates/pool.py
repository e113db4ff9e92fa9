"""What a pool charges and pays on lanes, curve by curve: the contracts' rules in float64, one number per path.

Every curve answers two questions about a pool with debt D, idle cash C, claims of suppliers S and claims of the
protocol Z: how far it is used, and what it charges over an interval in which that stays.

    curve            utilisation     growth of debt over t            suppliers earn
    TwoSlopePool     D / (D + C)     1 + x + x^2/2 + x^3/6, x = r t   S r t D / (D + C + deficit) (1 - reserve factor)
    CometPool        D / S           1 + r t                          S s t, with a curve s of their own
    AdaptivePool     D / (S + Z)     1 + x + x^2/2 + x^3/6, x = r t   the interest less a fee
    KinkPool         D / (D + C)     (1 + r per second)^t             the interest less a fee

What borrowers pay and suppliers do not earn is the protocol's; of a two-slope pool that is the reserve factor's share
and what compounding adds, which the contract leaves unassigned.  Interest accrues at rates per second that are whole
numbers of 1e-18 (Euler: of 1e-27, at a whole number of its 2^32 steps) as in the contracts, where 4 % a year has ten
digits; the rates that people answer are those before rounding.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from riskengine.arrays import Floats
from riskengine.pricing.fixed_point import RAY, SECONDS_PER_YEAR, WAD
from riskengine.rates import adaptive_curve
from riskengine.rates.comet import CometCurve
from riskengine.rates.linear_kink import LinearKink
from riskengine.rates.two_slope import TwoSlope, growth


@dataclass
class Balances:
    """A pool on lanes, whole tokens, each (P,).

    Attributes
    ----------
    debt, cash, supply, protocol, deficit : ndarray
        Owed by borrowers; idle; claims of suppliers; claims of the protocol; debt written off that suppliers still
        claim.
    """

    debt: Floats
    cash: Floats
    supply: Floats
    protocol: Floats
    deficit: Floats


class PoolCurve(Protocol):
    """A protocol's rates on lanes; `state` (P,) is what a curve remembers, if anything."""

    kink: float

    def start(self, lanes: int) -> Floats:
        """What the curve remembers at the start, (P,)."""

    def utilisation(self, pool: Balances) -> Floats:
        """How far the pool is lent out, (P,)."""

    def see(self, state: Floats, price: Floats) -> Floats:
        """What the curve remembers once it saw the `price` of its token in USD, (P,)."""

    def rates(self, used: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Borrow and supply rate per year at utilisation `used`, before they are rounded, (P,) each."""

    def accrue(self, pool: Balances, used: Floats, state: Floats, seconds: int) -> tuple[Floats, Floats, Floats]:
        """(growth factor of debt, tokens that suppliers earn, state at the end) of an interval at `used`."""


def share(part: Floats, whole: Floats) -> Floats:
    """`part` / `whole`, 0 where the whole is nothing."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


class Blind:
    """A curve that reads no price."""

    def see(self, state: Floats, price: Floats) -> Floats:
        """As it was."""
        return state


@dataclass(frozen=True)
class TwoSlopePool(Blind):
    """Aave v3."""

    curve: TwoSlope

    @property
    def kink(self) -> float:
        """Utilisation above which the second slope begins."""
        return self.curve.optimal_usage

    def start(self, lanes: int) -> Floats:
        """Nothing to remember."""
        return np.zeros(lanes)

    def utilisation(self, pool: Balances) -> Floats:
        """Share lent out of what is there."""
        return share(pool.debt, pool.debt + pool.cash)

    def rates(self, used: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Borrow and supply rate per year."""
        return np.asarray(self.curve.borrow_rate(used)), np.asarray(self.curve.supply_rate(used))

    def accrue(self, pool: Balances, used: Floats, state: Floats, seconds: int) -> tuple[Floats, Floats, Floats]:
        """(growth factor of debt, tokens that suppliers earn, state at the end)."""
        rate, years = np.asarray(self.curve.borrow_rate(used)), seconds / SECONDS_PER_YEAR
        diluted = share(pool.debt, pool.debt + pool.cash + pool.deficit)
        earned = pool.supply * rate * diluted * (1.0 - self.curve.reserve_factor) * years
        return growth(rate, years)[0], earned, state


@dataclass(frozen=True)
class CometPool(Blind):
    """Compound v3: one curve for borrowers, another for suppliers."""

    borrow: CometCurve
    supply: CometCurve

    @property
    def kink(self) -> float:
        """Of the borrow curve."""
        return self.borrow.kink / WAD

    def start(self, lanes: int) -> Floats:
        """Nothing to remember."""
        return np.zeros(lanes)

    def utilisation(self, pool: Balances) -> Floats:
        """Debt as a share of supply; above 1 where reserves are lent out too."""
        return share(pool.debt, pool.supply)

    def _per_second(self, curve: CometCurve, used: Floats) -> Floats:
        """Of one side, 1e-18 a second: the base, what comes below the kink, what comes above it."""
        base, low, high = (v // SECONDS_PER_YEAR for v in (curve.base, curve.slope_low, curve.slope_high))
        kink = curve.kink / WAD
        return np.array([base + 0.0 * used, low * np.minimum(used, kink), high * np.maximum(used - kink, 0.0)])

    def rates(self, used: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Borrow and supply rate per year."""
        parts = (self._per_second(c, used).sum(axis=0) for c in (self.borrow, self.supply))
        borrow, supply = (p * (SECONDS_PER_YEAR / WAD) for p in parts)
        return borrow, supply

    def accrue(self, pool: Balances, used: Floats, state: Floats, seconds: int) -> tuple[Floats, Floats, Floats]:
        """(growth factor of debt, tokens that suppliers earn, state at the end)."""
        paid, earned = (np.floor(self._per_second(c, used)).sum(axis=0) / WAD for c in (self.borrow, self.supply))
        return 1.0 + paid * seconds, pool.supply * earned * seconds, state


@dataclass(frozen=True)
class KinkPool(Blind):
    """Euler v2: a linear kink per second, compounded every second; `fee` is the protocol's share of interest."""

    curve: LinearKink
    fee: float

    @property
    def kink(self) -> float:
        """Utilisation above which the second slope begins."""
        return self.curve.kink / (2**32 - 1)

    def start(self, lanes: int) -> Floats:
        """Nothing to remember."""
        return np.zeros(lanes)

    def utilisation(self, pool: Balances) -> Floats:
        """Share lent out of what is there."""
        return share(pool.debt, pool.debt + pool.cash)

    def _per_second(self, steps: Floats) -> Floats:
        c = self.curve
        return (c.base + c.slope1 * np.minimum(steps, c.kink) + c.slope2 * np.maximum(steps - c.kink, 0.0)) / RAY

    def rates(self, used: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Borrow and supply rate per year."""
        rate = self._per_second(used * (2**32 - 1)) * SECONDS_PER_YEAR
        return rate, rate * used * (1.0 - self.fee)

    def accrue(self, pool: Balances, used: Floats, state: Floats, seconds: int) -> tuple[Floats, Floats, Floats]:
        """(growth factor of debt, tokens that suppliers earn, state at the end)."""
        more = np.expm1(seconds * np.log1p(self._per_second(np.floor(used * (2**32 - 1)))))
        return 1.0 + more, pool.debt * more * (1.0 - self.fee), state


@dataclass(frozen=True)
class AdaptivePool(Blind):
    """Morpho Blue: the adaptive curve; its state is the rate at target, 1e-18 a second, which utilisation moves."""

    rate_at_target: int
    fee: float
    kink: float = adaptive_curve.TARGET / WAD

    def start(self, lanes: int) -> Floats:
        """Rate at target, 1e-18 a second."""
        return np.full(lanes, float(self.rate_at_target))

    def utilisation(self, pool: Balances) -> Floats:
        """Debt as a share of supply, the fee's shares among it."""
        return share(pool.debt, pool.supply + pool.protocol)

    def _distance(self, used: Floats) -> Floats:
        return (used - self.kink) / np.where(used > self.kink, 1.0 - self.kink, self.kink)

    def _charged(self, used: Floats, at_target: Floats) -> Floats:
        steep = adaptive_curve.STEEPNESS / WAD
        far = self._distance(used)
        return at_target * (1.0 + np.where(far < 0, 1.0 - 1.0 / steep, steep - 1.0) * far)

    def rates(self, used: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Borrow and supply rate per year, now."""
        rate = self._charged(used, state) * (SECONDS_PER_YEAR / WAD)
        return rate, rate * used * (1.0 - self.fee)

    def accrue(self, pool: Balances, used: Floats, state: Floats, seconds: int) -> tuple[Floats, Floats, Floats]:
        """(growth factor of debt, tokens that suppliers earn, rate at target at the end)."""
        speed = self._distance(used) * (adaptive_curve.SPEED / WAD) * seconds
        low, high = adaptive_curve.LOWEST_RATE, adaptive_curve.HIGHEST_RATE
        middle, end = (np.clip(np.floor(state * contract_exp(x)), low, high) for x in (0.5 * speed, speed))
        # where nothing moves the contract keeps the rate at target as it is, within its bounds or not
        still = speed == 0.0
        end = np.where(still, state, end)
        average = np.where(still, state, np.floor(0.25 * (state + end + 2.0 * middle)))
        factor = growth(np.floor(self._charged(used, average)) / WAD, float(seconds))[0]
        return factor, pool.debt * (factor - 1.0) * (1.0 - self.fee), end


def contract_exp(x: Floats) -> Floats:
    """e^x as `riskengine.rates.adaptive_curve.wad_exp` has it: a second-order step after reduction by log 2."""
    log2 = 0.693_147_180_559_945_309
    q = np.trunc((x + np.where(x < 0, -0.5, 0.5) * log2) / log2)
    r = x - q * log2
    return np.ldexp(1.0 + r + 0.5 * r * r, q.astype(np.int64))
