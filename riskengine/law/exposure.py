"""VaR, ES and breach probability of one unit of a one-asset position, exactly, from the law of its log-return.

Loss per unit of spot: linear long 1 - e^X, linear short e^X - 1 (currency); inverse long e^{-X} - 1, inverse short
1 - e^{-X} (coin; a long inverse loses more than a long linear); log: -X long, X short.  Each is monotone in X, so with
tail probability p
    long:   VaR = loss(x_p),      ES = E[loss 1{X <= x_p}] / p,
    short:  VaR = loss(x_{1-p}),  ES = E[loss 1{X >= x_{1-p}}] / p,
and E[e^{+-X} 1{X <= x}] comes from the law itself.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats


class HorizonLaw(Protocol):
    """What an exposure needs of a law: `MertonLaw` and `BatesLaw` have it."""

    def cdf(self, x: ArrayLike) -> Floats:
        """P(X <= x)."""

    def quantile(self, probability: ArrayLike) -> Floats:
        """Smallest x with P(X <= x) >= probability."""

    def lower_expectation(self, x: ArrayLike, power: float = 1.0) -> Floats:
        """E[e^{power X} 1{X <= x}]."""

    def expectation(self, power: float = 1.0) -> float:
        """E[e^{power X}]."""


def _tail(level: ArrayLike) -> Floats:
    level = np.asarray(level, dtype=np.float64)
    if not ((level > 0) & (level < 1)).all():
        raise ValueError(f"level must lie in (0, 1), got {level!r}")
    return 1.0 - level


@dataclass(frozen=True)
class UnitExposure:
    """A long or short position, linear or inverse, worth one unit of spot at the start.

    Attributes
    ----------
    side : {"long", "short"}
    contract : {"linear", "inverse"}
        Losses are in currency per unit of spot, or in coin per coin of notional.
    """

    kinks: ClassVar[tuple[float, ...]] = ()

    side: Literal["long", "short"] = "long"
    contract: Literal["linear", "inverse"] = "linear"

    def __post_init__(self) -> None:
        if self.side not in ("long", "short") or self.contract not in ("linear", "inverse"):
            raise ValueError(
                f"side must be long or short and contract linear or inverse, got {self.side!r}, {self.contract!r}"
            )

    @property
    def _power(self) -> float:
        return 1.0 if self.contract == "linear" else -1.0

    @property
    def _sign(self) -> float:
        """Sign of e^{power X} in the loss; the constant has the other sign."""
        return -1.0 if (self.side == "long") == (self.contract == "linear") else 1.0

    def loss(self, x: ArrayLike) -> Floats:
        """Loss at log-return `x`, shape of `x`."""
        return self._sign * np.expm1(self._power * np.asarray(x, dtype=np.float64))

    def slope(self, x: Floats) -> Floats:
        """Derivative of the loss in the log-return at `x`, shape of `x`."""
        return self._sign * self._power * np.exp(self._power * x)

    def return_at(self, loss: ArrayLike) -> Floats:
        """Log-return at which the position loses `loss`; infinite where no return loses as much (or as little)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            x = self._power * np.log1p(self._sign * np.asarray(loss, dtype=np.float64))
        # 1 + sign loss <= 0: a loss of 100 % or more of a bounded side, or a gain beyond a bounded one
        return np.where(np.isnan(x), -self._power * np.inf, x)

    def worse(self, c: ArrayLike) -> tuple[Floats, Floats]:
        """Where the loss is greater than `c`: both ends of one interval of the log-return, each (1, *shape of `c`)."""
        end = self.return_at(c)[None]
        return (np.full_like(end, -np.inf), end) if self.side == "long" else (end, np.full_like(end, np.inf))

    def var(self, law: HorizonLaw, level: ArrayLike) -> Floats:
        """Value at risk at `level`, shape of `level`."""
        tail = _tail(level)
        return self.loss(law.quantile(tail if self.side == "long" else 1.0 - tail))

    def expected_shortfall(self, law: HorizonLaw, level: ArrayLike) -> Floats:
        """Mean of the losses beyond VaR at `level`, shape of `level`.

        A difference of moments: `law.checked.checked_expected_shortfall` keeps the digits that it loses where
        the losses are small beside the notional, or E[e^{-X}] is large beside them.
        """
        tail = _tail(level)
        if self.side == "long":
            moment = law.lower_expectation(law.quantile(tail), self._power)
        else:
            moment = law.expectation(self._power) - law.lower_expectation(law.quantile(1.0 - tail), self._power)
        return self._sign * (moment / tail - 1.0)

    def excess(self, law: HorizonLaw, x: Floats, c: Floats) -> Floats:
        """E[(loss - c) 1{X on the losing side of x}], shape of `x`: the mean excess, where `c` is what `x` loses."""
        moment, below = law.lower_expectation(x, self._power), law.cdf(x)
        if self.side == "short":
            moment, below = law.expectation(self._power) - moment, 1.0 - below
        return self._sign * (moment - below) - c * below

    def breach_probability(self, law: HorizonLaw, var: ArrayLike) -> Floats:
        """P(loss > var), shape of `var`: the exact breach probability of an estimate."""
        x = self.return_at(var)
        return self.from_cdf(law.cdf(np.clip(x, -700.0, 700.0)))

    def from_cdf(self, below: ArrayLike) -> Floats:
        """Breach probability from P(X <= return_at(var)): itself for a long, one less it for a short."""
        below = np.asarray(below, dtype=np.float64)
        return below if self.side == "long" else np.maximum(1.0 - below, 0.0)


@dataclass(frozen=True)
class LogExposure(UnitExposure):
    """A position whose loss is the log-return itself: -X long, X short.  What papers on estimators measure.

    Its ES needs E[X 1{X <= x}], which a law does not give: `expected_shortfall` is refused.
    """

    contract: Literal["log"] = "log"

    def __post_init__(self) -> None:
        if self.side not in ("long", "short") or self.contract != "log":
            raise ValueError(f"side must be long or short and contract log, got {self.side!r}, {self.contract!r}")

    def loss(self, x: ArrayLike) -> Floats:
        """Loss at log-return `x`, shape of `x`."""
        x = np.asarray(x, dtype=np.float64)
        return -x if self.side == "long" else x

    def slope(self, x: Floats) -> Floats:
        """Derivative of the loss in the log-return at `x`, shape of `x`."""
        return np.full(np.shape(x), -1.0 if self.side == "long" else 1.0)

    def return_at(self, loss: ArrayLike) -> Floats:
        """Log-return at which the position loses `loss`."""
        return self.loss(loss)

    def expected_shortfall(self, law: HorizonLaw, level: ArrayLike) -> Floats:
        """Refused."""
        raise ValueError("expected shortfall of a log exposure must come from another route, got a law without E[X]")

    def excess(self, law: HorizonLaw, x: Floats, c: Floats) -> Floats:
        """Refused, as `expected_shortfall` is."""
        return self.expected_shortfall(law, x)
