"""A borrower with collateral in one asset and debt in a stablecoin.

With collateral C and debt D in USD now and liquidation threshold t, the health factor at the horizon is
HF(X) = C t e^X / D, X the log-return of the collateral, and what is lost is one of

    fall        HF(0) - HF(X)          in units of the health factor: what a buffer above 1 must hold,
    shortfall   max(0, D - C e^X) / D  the share of the debt that the collateral no longer covers.

Both fall with X, so VaR is the loss at the quantile of X and every figure is exact.  The shortfall is zero, with an
atom there, unless the collateral loses more than 1 - D / C: a level whose true VaR is zero has no relative error.
Interest over one horizon is left out.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.market.surface import FactorSurface
from riskengine.roles import ScenarioModel


@dataclass(frozen=True)
class BorrowerPosition:
    """Loss of the borrower as a function of the log-return of the collateral; see `riskengine.roles.Position`."""

    cover: float
    threshold: float
    measure: str
    side: Literal["long"] = "long"

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where the collateral just covers the debt."""
        return () if self.measure == "fall" else (-float(np.log(self.cover)),)

    def loss(self, x: ArrayLike) -> Floats:
        """Loss at log-returns `x`, shape of `x`."""
        x = np.asarray(x, dtype=np.float64)
        if self.measure == "fall":
            return -self.cover * self.threshold * np.expm1(x)
        return np.maximum(1.0 - self.cover * np.exp(x), 0.0)

    def worse(self, c: ArrayLike) -> tuple[Floats, Floats]:
        """Where the loss is greater than `c`: one interval from minus infinity."""
        c = np.asarray(c, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.measure == "fall":
                end = np.log1p(-c / (self.cover * self.threshold))
            else:
                # a loss below zero is exceeded everywhere
                end = np.where(c < 0.0, np.inf, np.log((1.0 - c) / self.cover))
        end = np.where(np.isnan(end), -np.inf, end)[None]
        return np.full_like(end, -np.inf), end


@dataclass(frozen=True)
class HealthFactorExposure:
    """Health factor of one borrower.

    Attributes
    ----------
    asset : str
        Of the collateral.
    collateral_usd, debt_usd : float
        Now.
    threshold : float
        Liquidation threshold, in (0, 1].
    measure : {"fall", "shortfall"}
        Fall of the health factor, or share of the debt not covered.
    kind : str
        ``health_factor``.
    """

    asset: str
    collateral_usd: float
    debt_usd: float
    threshold: float = 0.8
    measure: Literal["fall", "shortfall"] = "fall"
    kind: Literal["health_factor"] = "health_factor"

    def __post_init__(self) -> None:
        check_range("collateral_usd", self.collateral_usd, 0.0, 1e15, open_low=True)
        check_range("debt_usd", self.debt_usd, 0.0, 1e15, open_low=True)
        check_range("threshold", self.threshold, 0.0, 1.0, open_low=True)
        if self.collateral_usd * self.threshold < self.debt_usd:
            now = self.collateral_usd * self.threshold / self.debt_usd
            raise ValueError(f"the health factor must be at least 1 now, got {now:.4g}")

    @property
    def name(self) -> str:
        """For example ``BTC health factor 1.6, fall``."""
        return f"{self.asset} health factor {self.collateral_usd * self.threshold / self.debt_usd:.4g}, {self.measure}"

    def position(self, model: ScenarioModel, surface: FactorSurface, hours: float) -> BorrowerPosition:
        """The same in every world."""
        return BorrowerPosition(self.collateral_usd / self.debt_usd, self.threshold, self.measure)
