"""What one recorded chain says of implied volatility: marks inverted, the term structure at the money, the smile.

Nothing here looks at another day, so what is made of it may be used on the day itself.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from riskengine.arrays import Floats
from riskengine.market.chain import ChainSnapshot
from riskengine.market.grid import SECONDS_PER_YEAR
from riskengine.market.surface import FactorSurface
from riskengine.pricing.implied_vol import implied_or_nan

MONTH = 30.0 / 365.0
# shape of the smile between which the day's quotes are regressed: tenor over which it passes from short to long, years,
# and standardised moneyness at which it saturates
SMILE_TENOR, WING = 0.15, 4.0
_WIDEST = 3.0  # standardised moneyness beyond which quotes are dust
_LOWEST = 0.05  # least state, of the long variance


@dataclass(frozen=True, eq=False)
class Smile:
    """A snapshot with the implied volatility of every mark.

    Attributes
    ----------
    chain : ChainSnapshot
    """

    chain: ChainSnapshot

    @cached_property
    def forward(self) -> Floats:
        """Forward of each row: the one of its expiry."""
        return np.array([self.chain.forwards[e] for e in self.chain.expiry.tolist()])

    @cached_property
    def tau(self) -> Floats:
        """Years to expiry, not positive where it has passed."""
        return (self.chain.expiry - self.chain.seconds) / SECONDS_PER_YEAR

    @cached_property
    def log_moneyness(self) -> Floats:
        """log(K / F)."""
        return np.log(self.chain.strike / self.forward)

    @cached_property
    def volatility(self) -> Floats:
        """Implied volatility of each mark; NaN where it has none (no mark, at its bounds, expired)."""
        chain, out = self.chain, np.full(self.tau.shape, np.nan)
        live = (self.tau > 0) & (chain.mark > 0)
        out[live] = implied_or_nan(chain.mark[live], self.log_moneyness[live], self.tau[live], chain.sign[live])
        out[~(out > 0)] = np.nan
        return out

    @cached_property
    def delta(self) -> Floats:
        """Black-76 delta by the forward of each option; NaN where it has no volatility."""
        total = self.volatility * np.sqrt(np.maximum(self.tau, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            d1 = -self.log_moneyness / total + 0.5 * total
        return self.chain.sign * ndtr(self.chain.sign * d1)

    @cached_property
    def _quoted(self) -> np.ndarray:
        """Rows out of the money with a volatility: the smile, each strike once."""
        return np.isfinite(self.volatility) & (self.chain.sign * self.log_moneyness >= 0)

    def of_expiry(self, expiry: int) -> tuple[Floats, Floats]:
        """log(K / F), increasing, and volatility of the smile of an expiry."""
        rows = np.flatnonzero(self._quoted & (self.chain.expiry == expiry))
        rows = rows[np.argsort(self.log_moneyness[rows], kind="stable")]
        return self.log_moneyness[rows], self.volatility[rows]

    @cached_property
    def at_the_money(self) -> tuple[Floats, Floats]:
        """Years, and volatility at the forward, of the expiries that have quotes on both sides of it."""
        found = []
        for expiry in self.chain.forwards:
            k, v = self.of_expiry(expiry)
            if k.size >= 4 and k[0] <= 0.0 <= k[-1]:
                found.append(((expiry - self.chain.seconds) / SECONDS_PER_YEAR, float(np.interp(0.0, k, v))))
        return np.array([t for t, _ in found]), np.array([v for _, v in found])

    def variance(self, tau: float) -> float:
        """Variance per year at the money at a tenor, total variance linear between expiries; NaN without any."""
        years, vol = self.at_the_money
        if not years.size:
            return float("nan")
        if tau <= years[0] or tau >= years[-1]:
            return float(vol[0 if tau <= years[0] else -1] ** 2)
        return float(np.interp(tau, years, vol**2 * years) / tau)

    def shape(self) -> tuple[float, float, float, float]:
        """Skew short and long, curvature short and long, as of `FactorSurface`: least squares on the day's quotes.

        Zero where the day has too few quotes to tell, or they ask for a negative volatility somewhere.
        """
        years, vol = self.at_the_money
        own = np.isin(self.tau, years) & self._quoted
        level = np.interp(self.tau[own], years, vol) if years.size else np.empty(0)
        k, tau = self.log_moneyness[own], self.tau[own]
        scale = level * np.sqrt(tau)
        near = np.abs(k) < _WIDEST * scale
        if near.sum() < 12 or years.size < 2:
            return 0.0, 0.0, 0.0, 0.0
        k, tau, scale, ratio = k[near], tau[near], scale[near], self.volatility[own][near] / level[near] - 1.0
        t, short = k / np.sqrt(scale**2 + (k / WING) ** 2), np.exp(-tau / SMILE_TENOR)
        columns = np.column_stack([short * t, (1 - short) * t, short * t * t, (1 - short) * t * t])
        # each expiry counts alike, however many strikes it has
        _, member, size = np.unique(tau, return_inverse=True, return_counts=True)
        weight = np.sqrt(1.0 / size[member])
        found = np.linalg.lstsq(columns * weight[:, None], ratio * weight, rcond=None)[0]
        return tuple(float(x) for x in found) if _positive(found) else (0.0,) * 4


def _positive(shape: Floats) -> bool:
    """Whether a surface of this shape is one: `FactorSurface` refuses a smile that is negative somewhere."""
    one = (1.0,)
    try:
        FactorSurface(one, one, one, (0.0,), *((float(x),) for x in shape), (0.0,), (SMILE_TENOR,), (WING,))
    except ValueError:
        return False
    return True


def loading(speed: float, tau: float) -> float:
    """(1 - e^{-speed tau}) / (speed tau): how much of a move of the state reaches a tenor."""
    return float(-np.expm1(-speed * tau) / (speed * tau))


def long_variance(smile: Smile, speed: float) -> float:
    """Variance to which the state reverts, that of the longest expiry once the state's share of it is taken out.

    Solves atm(T)^2 = long + (v - long) L(T) and the same at 30 days for `long`; where that is not positive, or the
    chain is short, the longest expiry's own variance.
    """
    years, vol = smile.at_the_money
    far = float(vol[-1] ** 2)
    month, reach = loading(speed, MONTH), loading(speed, float(years[-1]))
    if month - reach < 0.2:
        return far
    found = (far * month - smile.variance(MONTH) * reach) / (month - reach)
    return found if found > 0.1 * far else far


def state(variance: Floats, long: float, speed: float) -> tuple[Floats, np.ndarray]:
    """Variance state that gives 30-day variances at the money, and where it had to be held at its least."""
    raw = long + (np.asarray(variance, dtype=np.float64) - long) / loading(speed, MONTH)
    low = raw < _LOWEST * long
    return np.where(low, _LOWEST * long, raw), low


def surface(smiles: tuple[Smile, ...], long: tuple[float, ...], speed: float) -> FactorSurface:
    """Surface of the day, one smile per asset; its variance state is `state`."""
    shapes = [s.shape() for s in smiles]
    skew_short, skew_long, curve_short, curve_long = zip(*shapes, strict=True)
    n = len(smiles)
    return FactorSurface(
        (speed,) * n, long, (1.0,) * n, (0.0,) * n, skew_short, skew_long, curve_short, curve_long, (0.0,) * n,
        (SMILE_TENOR,) * n, (WING,) * n,
    )  # fmt: skip
