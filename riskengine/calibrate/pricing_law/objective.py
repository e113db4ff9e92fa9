"""What a fit to a chain minimises: errors of price in units of a scale per quote, and a pull towards a centre.

Scales.  ``spread``: half the bid-ask spread, kept within half and twice its median over the chain, so that neither a
quote with a one-tick spread nor one nobody quotes seriously decides; an error below 1 is inside the market.  ``vega``:
the change of price for one volatility point, so that errors are those of implied volatility; vega is kept above a
tenth of the largest of its expiry.  ``coin``: the median half spread for every quote.
"""

from dataclasses import dataclass, field

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.pricing_law.levenberg import LOSSES
from riskengine.calibrate.pricing_law.parameters import Coordinates
from riskengine.calibrate.pricing_law.quotes import YEAR_SECONDS, Chain

WEIGHTS = ("spread", "vega", "coin")
_CAPS = (0.5, 2.0)
_LARGEST_RATE = 9.0


@dataclass(frozen=True)
class FitRules:
    """How a law is fitted.

    Attributes
    ----------
    loss : {"huber", "square", "cauchy", "inside"}
        See `riskengine.calibrate.pricing_law.levenberg`.
    weights : {"spread", "vega", "coin"}
    shift : bool
        Whether variance has a deterministic shift (`riskengine.calibrate.pricing_law.law`).
    pull : float
        Weight of the pull: a parameter that is one unit of its coordinate (a factor e, for positive ones) from its
        centre costs `pull`^2, in units of one quote that is off by its scale.
    shift_pull : float
        The same for the shift, towards 0: per unit of variance per year.
    """

    loss: str = "huber"
    weights: str = "spread"
    shift: bool = False
    pull: float = 0.3
    shift_pull: float = 0.3

    def __post_init__(self) -> None:
        for name, known in (("loss", LOSSES), ("weights", WEIGHTS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        for name in ("pull", "shift_pull"):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be a number that is not negative, got {getattr(self, name)!r}")


def scales(chain: Chain, weights: str) -> Floats:
    """Scale of every quote in units of the forward, shape (Q,)."""
    middle = float(np.median(chain.half_spread))
    if weights == "spread":
        return np.clip(chain.half_spread, _CAPS[0] * middle, _CAPS[1] * middle)
    if weights == "coin":
        return np.full(chain.count, middle)
    level, tau = chain.at_the_money[chain.expiry], chain.tau[chain.expiry]
    total = np.where(np.isfinite(chain.volatility) & (chain.volatility > 0), chain.volatility, level) * np.sqrt(tau)
    d1 = -chain.log_moneyness / total + 0.5 * total
    vega = np.exp(-0.5 * d1 * d1) * np.sqrt(tau / (2.0 * np.pi))
    return 0.01 * np.maximum(vega, 0.1 * np.sqrt(tau / (2.0 * np.pi)))


@dataclass(frozen=True)
class Objective:
    """Residuals and Jacobian of one family on one chain; the vector is the family's coordinates, then the shift rates.

    Attributes
    ----------
    chain : Chain
    coordinates : Coordinates
    rules : FitRules
    centre : ndarray, shape (P + E,) or (P,)
        Where the pull is to.
    weight : ndarray, shape of `centre`
        Weight of each pull.
    """

    chain: Chain
    coordinates: Coordinates
    rules: FitRules
    centre: Floats
    weight: Floats
    scale: Floats = field(init=False)
    _step: Floats = field(init=False)
    _before: Floats = field(init=False)

    def __post_init__(self) -> None:
        edges = np.concatenate([[self.chain.quotes.seconds], self.chain.expiries])
        step = np.diff(edges) / YEAR_SECONDS
        object.__setattr__(self, "scale", scales(self.chain, self.rules.weights))
        object.__setattr__(self, "_step", step)
        # years that each rate counts for each quote
        before = np.tril(np.ones((step.size, step.size)))[self.chain.expiry] * step
        object.__setattr__(self, "_before", before)

    @property
    def parameters(self) -> int:
        """Number of parameters of the family."""
        return len(self.coordinates.names)

    @property
    def size(self) -> int:
        """Length of the vector."""
        return self.parameters + (self._step.size if self.rules.shift else 0)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Lower and upper bounds of the vector."""
        rates = self.size - self.parameters
        low = np.concatenate([self.coordinates.low, np.zeros(rates)])
        return low, np.concatenate([self.coordinates.high, np.full(rates, _LARGEST_RATE)])

    def errors(self, x: Floats) -> tuple[Floats, Floats]:
        """Errors of all quotes in units of their scale, shape (Q,), and the Jacobian, shape (Q, size)."""
        values = self.coordinates.values(x[: self.parameters])
        rates = x[self.parameters :]
        shift = np.cumsum(rates * self._step) if rates.size else None
        price, slope, shift_slope = self.chain.pricer.evaluate(self.coordinates.family, values, shift)
        jacobian = np.empty((price.size, x.size))
        jacobian[:, : self.parameters] = slope * self.coordinates.scale(values)
        if rates.size:
            jacobian[:, self.parameters :] = shift_slope[:, None] * self._before
        return (price - self.chain.mid) / self.scale, jacobian / self.scale[:, None]

    def __call__(self, x: Floats) -> tuple[Floats, Floats]:
        """Errors and the pull, shape (Q + size,), and their Jacobian."""
        r, jacobian = self.errors(x)
        pull = self.weight * (x - self.centre)
        return np.concatenate([r, pull]), np.vstack([jacobian, np.diag(self.weight)])
