"""Perpetual market: premium of the perpetual over spot, the basis that is seen, and the funding that it makes.

    p = mean + y + u                           premium: y Ornstein-Uhlenbeck, u_{t+1} = a u_t + return_loading r_t
    basis = p + e ((1 + v / usual) / 2)^elasticity            log(mark / spot): e a short-lived noise, wider in a storm
    rate  = clip(p + clip(interest - p, -band, band), -cap, cap)         per funding interval, longs pay where positive
    funding = rate * 8760 / interval_hours                                per year

The venue's formula is that of the large exchanges: inside the band funding is the interest rate whatever the premium,
outside it the premium less the band, never beyond the cap.  The premium stands for its average over the interval,
which the venue takes; the noise is what the average takes out, so it moves the mark and not the funding.

Exact moments.  Without returns the premium is stationary normal, and with F(z) the rate at premium mean + sd z,
E[rate] = E[F(Z)] and Cov(rate_0, rate_t) = sum_n c_n^2 2^{-n t / half-life}, c_n the n-th Hermite coefficient of F.
References: Binance, "Introduction to Binance futures funding rates" (formula, interest 0.01 % and band 0.05 % per 8 h);
Mehler (1866) for the covariance of functions of a Gaussian pair.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.market.grid import HOURS_PER_YEAR
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys, Purpose
from riskengine.roles import ScenarioModel
from riskengine.scenario.parameters import ParameterCheck
from riskengine.scenario.state.lanes import (
    Vector,
    check_against,
    decay_of,
    echo,
    log_returns,
    log_stress,
    ou_lanes,
    per_asset,
)


@dataclass(frozen=True)
class FundingFormula:
    """How a venue turns a premium into funding.

    Attributes
    ----------
    interval_hours : float
        Between two payments.
    interest : float
        Rate per interval at a premium near zero.
    band : float
        Distance of the premium from the interest rate that changes nothing.
    cap : float
        Largest rate per interval, either way.

    Examples
    --------
    >>> FundingFormula().rate(np.array([-0.001, 0.0003, 0.0016])).round(4).tolist()
    [-0.0005, 0.0001, 0.0011]
    """

    interval_hours: float = 8.0
    interest: float = 0.0001
    band: float = 0.0005
    cap: float = 0.003

    def __post_init__(self) -> None:
        check_range("interval_hours", self.interval_hours, 0.0, 168.0, open_low=True)
        check_range("cap", self.cap, 0.0, 1.0, open_low=True)
        check_range("interest", self.interest, -self.cap, self.cap)
        check_range("band", self.band, 0.0, 1.0)

    def rate(self, premium: Floats) -> Floats:
        """Rate per interval, shape of `premium`."""
        return np.clip(premium + np.clip(self.interest - premium, -self.band, self.band), -self.cap, self.cap)

    @property
    def knots(self) -> Floats:
        """Premiums at which the slope of `rate` changes, increasing, shape (4,)."""
        return np.array(
            [-self.cap - self.band, self.interest - self.band, self.interest + self.band, self.cap + self.band]
        )


@dataclass(frozen=True)
class PerpetualMarket:
    """Basis and funding of every asset's perpetual; one number per asset in every field but `formula`.

    Attributes
    ----------
    premium_mean, premium_sd : tuple of float
        Of the premium, a fraction of spot per funding interval.
    premium_half_life_hours : tuple of float
    return_loading : tuple of float
        Premium gained per unit of log-return.
    noise_sd, noise_half_life_hours : tuple of float
        Of the short-lived part of the basis at the usual variance.
    elasticity : tuple of float
        Of that noise to variance when variance is high; 0 for none.
    usual_variance : tuple of float
        Variance per year at which the noise is usual; positive.
    formula : FundingFormula

    Examples
    --------
    >>> one = PerpetualMarket((0.0,), (5e-4,), (48.0,), (0.0,), (1e-4,), (1.0,), (0.0,), (0.36,))
    >>> one.fills
    ('funding_lanes', 'basis_lanes')
    """

    kind: ClassVar[str] = "perpetual"
    fills: ClassVar[tuple[str, ...]] = ("funding_lanes", "basis_lanes")

    premium_mean: Vector
    premium_sd: Vector
    premium_half_life_hours: Vector
    return_loading: Vector
    noise_sd: Vector
    noise_half_life_hours: Vector
    elasticity: Vector
    usual_variance: Vector
    formula: FundingFormula = FundingFormula()

    def __post_init__(self) -> None:
        check = ParameterCheck()
        positive = ("usual_variance", "premium_half_life_hours", "noise_half_life_hours")
        per_asset(check, self, positive, 0.0, closed=False)
        per_asset(check, self, ("premium_sd", "noise_sd", "elasticity"), 0.0)
        per_asset(check, self, ("premium_mean", "return_loading"))
        check.finish()

    def check(self, model: ScenarioModel) -> None:
        """ValueError where lengths differ from the model's assets, or an elasticity has no variance to follow."""
        check_against(model, len(self.usual_variance), any(self.elasticity))

    def fill(self, paths: MarketPaths, keys: DrawKeys) -> dict[str, Floats]:
        """``funding_lanes`` per year and ``basis_lanes`` log(mark / spot), shape (T + 1, A, P) each."""
        funding, basis = np.empty_like(paths.spot_lanes), np.empty_like(paths.spot_lanes)
        intervals = HOURS_PER_YEAR / self.formula.interval_hours
        for a in range(len(paths.assets)):
            slow = decay_of(paths.grid, self.premium_half_life_hours[a])
            premium = self.premium_mean[a] + ou_lanes(paths, keys, Purpose.PREMIUM, a, self.premium_sd[a], slow)
            if self.return_loading[a] != 0.0:
                premium += echo(self.return_loading[a] * log_returns(paths, a), slow)
            fast = decay_of(paths.grid, self.noise_half_life_hours[a])
            noise = ou_lanes(paths, keys, Purpose.BASIS_NOISE, a, self.noise_sd[a], fast)
            if self.elasticity[a] > 0.0:
                noise *= np.exp(self.elasticity[a] * log_stress(paths, a, self.usual_variance[a]))
            basis[:, a] = premium + noise
            funding[:, a] = intervals * self.formula.rate(premium)
        return {"funding_lanes": funding, "basis_lanes": basis}
