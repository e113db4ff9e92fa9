"""A `FactorSurface` that stands in for a fitted pricing law, so that a world can revalue options along paths.

The law is priced on a grid of tenors, strikes and variance states; `fit_chain` gives the shape of the surface, and a
line through its fitted states against the law's gives premium and add.  The law is exact and needs an inversion per
option; the surface costs a few multiplications per path, and how far it is from the law is stated.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.chain import ChainSample, fit_chain
from riskengine.calibrate.pricing_law.law import PricingLaw
from riskengine.calibrate.pricing_law.quotes import YEAR_SECONDS
from riskengine.market.surface import FactorSurface
from riskengine.pricing.chain_prices import ChainPricer
from riskengine.pricing.implied_vol import implied_or_nan

TENOR_DAYS = (2, 5, 10, 20, 45, 90, 180, 350)
STATES = (0.25, 0.5, 1.0, 2.0, 4.0)  # in units of today's variance
_Z = np.linspace(-2.5, 2.5, 21)


@dataclass(frozen=True)
class LawSurface:
    """The surface of a pricing law.

    Attributes
    ----------
    surface : FactorSurface
        Of one asset; its variance state is the law's v.
    rmse_now, rmse_all : float
        Root-mean-square error in volatility on the grid within 2.5 standard deviations of the forward, 2 to 350 days:
        at today's state, and over states from a quarter of it to four times it.
    """

    surface: FactorSurface
    rmse_now: float
    rmse_all: float


def law_surface(law: PricingLaw) -> LawSurface:
    """Fit the surface of `law`; ValueError where its family has no variance state."""
    if "v0" not in law.values:
        raise ValueError(
            f"a surface that moves needs a law with a variance state (heston, bates, svcj), got {law.name}"
        )
    tau = np.array(TENOR_DAYS) / 365.0
    rows = [_smiles(law, scale, tau) for scale in STATES]
    k, volatility, expiry = (np.concatenate(columns) for columns in zip(*rows, strict=True))
    state = np.repeat(np.arange(len(STATES)), [r[0].size for r in rows])
    found = fit_chain(ChainSample(state, tau[expiry], k, volatility))
    variance = law.values["v0"] * np.array(STATES)
    premium, add = np.polyfit(variance, found.states, 1)
    if add < 0.0:
        premium, add = float(variance @ found.states / (variance @ variance)), 0.0
    numbers = {"reversion": found.reversion, "long_variance": found.long_variance, "premium": premium, "add": add}
    surface = FactorSurface(**{n: (float(f"{v:.6g}"),) for n, v in (numbers | found.smile).items()})
    lanes = np.zeros((k.size, 1))
    zero = np.zeros(k.size, dtype=np.int64)
    fitted = np.empty(k.size)
    for s in range(len(STATES)):
        lane = surface.volatility(zero, k, tau[expiry], lanes, np.full((1, 1), variance[s]))[:, 0]
        fitted[state == s] = lane[state == s]
    error = (fitted - volatility) ** 2
    now = state == STATES.index(1.0)
    return LawSurface(surface, float(np.sqrt(error[now].mean())), float(np.sqrt(error.mean())))


def _smiles(law: PricingLaw, scale: float, tau: Floats) -> tuple[Floats, Floats, np.ndarray]:
    """Log-moneyness, volatility and tenor number of the grid with the variance state scaled."""
    expiries = law.seconds + np.round(tau * YEAR_SECONDS).astype(np.int64)
    shift = law.shift(law.seconds, expiries)
    values = np.array(law.with_parameters(v0=scale * law.values["v0"]).parameters)
    count = tau.size
    forward = ChainPricer(tau, np.arange(count), np.zeros(count), np.ones(count), np.full(count, 0.5))
    level = implied_or_nan(forward.prices(law.family, values, shift), np.zeros(count), tau, np.ones(count))
    k = np.multiply.outer(level * np.sqrt(tau), _Z).ravel()
    expiry = np.repeat(np.arange(count), _Z.size)
    sign = np.where(k >= 0.0, 1.0, -1.0)
    price = ChainPricer(tau, expiry, k, sign, level).prices(law.family, values, shift)
    volatility = implied_or_nan(price, k, tau[expiry], sign)
    known = np.isfinite(volatility) & (volatility > 0.01)
    return k[known], volatility[known], expiry[known]
