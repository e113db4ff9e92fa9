"""European options under any law, by two routes; linear and coin-settled.

With X = log(S_T / S_0) under a pricing law (drift r - q), k = log(K / S_0) and D = e^{-rT}:
    put     = D S_0 E[(e^k - e^X) 1{X <= k}],           call    = D S_0 E[(e^X - e^k) 1{X > k}],
    digital = D P(X > k) (call) or D P(X <= k) (put).
The first route is the law's own excess: the cosine series integrated term by term (Fang, Oosterlee 2008), or the
Poisson mixture.  The second is the contour integral, of which Lewis (2001) is one line.  Calls are never got from puts
by parity: both sides keep their digits in the wings.

A coin-settled (inverse) option pays (S_T - K)^+ / S_T coins.  A coin paid at T is worth S_T then, so in USD it is the
same option, and its price in coin is that divided by the spot of now:
    call in coin = call / S_0 = e^{-qT} E^S[(1 - K / S_T)^+],   dQ^S / dQ = e^X / E[e^X],
where E^S is the expectation under the measure that has the coin (with its yield q) as numeraire.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.law import contour
from riskengine.law.checked import FLOOR, CheckedLaw, agree, tails


@dataclass(frozen=True)
class OptionDesk:
    """Prices of European options on one asset and expiry from the pricing law of its log-return.

    Attributes
    ----------
    law : CheckedLaw
        Law of log(S_T / S_0) under the pricing measure.  Its drift is r - q.
    spot : float
        S_0 in USD, > 0.
    discount : float
        D = e^{-rT}, > 0.
    settlement : {"linear", "inverse"}
        USD per coin, or coin per coin of notional.
    tolerance : float
        Relative agreement asked of the two routes; see `price`.

    Examples
    --------
    >>> from riskengine.law.merton import MertonLaw
    >>> float(OptionDesk(MertonLaw(0.05, 0.2, (), 1.0), 100.0, np.exp(-0.05)).price(100.0, 1).round(10))
    10.4505835722
    """

    law: CheckedLaw
    spot: float
    discount: float = 1.0
    settlement: Literal["linear", "inverse"] = "linear"
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        for name in ("spot", "discount", "tolerance"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive and finite, got {value!r}")
        if self.settlement not in ("linear", "inverse"):
            raise ValueError(f"settlement must be linear or inverse, got {self.settlement!r}")

    @property
    def forward(self) -> float:
        """E[S_T] in USD."""
        return self.spot * float(np.exp(self.law.log_mgf(np.array([1.0]))[0]))

    def price(self, strike: ArrayLike, sign: ArrayLike) -> Floats:
        """Prices of calls (`sign` 1) and puts (-1), broadcast shape of `strike` and `sign`.

        RunError where the routes differ by more than `tolerance` of the price, or, for a price below 1e-4 of the spot,
        by more than `tolerance` of that.
        """
        k, call = self._moneyness(strike, sign)
        unit, scale = self.discount * self._coin, self._coin * self.spot
        own, other = np.empty(k.shape), np.empty(k.shape)
        for side, mine, contours in (
            (call, self.law.upper_excess, contour.upper_excess),
            (~call, self.law.lower_excess, contour.lower_excess),
        ):
            if side.any():
                own[side], other[side] = mine(k[side]), contours(self.law, k[side])
        value = unit * self.spot * other
        allowed = self.tolerance * np.maximum(np.abs(value), FLOOR * scale)
        return agree("the price at log-moneyness", k, unit * self.spot * own, value, allowed)

    def digital(self, strike: ArrayLike, sign: ArrayLike) -> Floats:
        """Prices of options that pay one unit if S_T > K (`sign` 1) or S_T <= K (-1); shape as in `price`.

        For inverse settlement the unit is a coin, and the price in coin is e^{-qT} times the probability under the
        coin measure.
        """
        k, call = self._moneyness(strike, sign)
        if self.settlement == "linear":
            below, above = tails(self.law, k, self.tolerance)
            return self.discount * np.where(call, above, below)
        # E[e^X 1{X > k}] = e^k P(X > k) + E[(e^X - e^k) 1{X > k}], and below with the other sign
        below, above = tails(self.law, k, self.tolerance)
        grown = np.exp(k)
        upper, lower = contour.upper_excess(self.law, k), contour.lower_excess(self.law, k)
        value = self.discount * np.where(call, grown * above + upper, grown * below - lower)
        own_above = grown * (1.0 - self.law.cdf(k)) + self.law.upper_excess(k)
        own_below = grown * self.law.cdf(k) - self.law.lower_excess(k)
        allowed = self.tolerance * np.maximum(np.abs(value), FLOOR)
        return agree(
            "the digital at log-moneyness", k, self.discount * np.where(call, own_above, own_below), value, allowed
        )

    @property
    def _coin(self) -> float:
        """Units of settlement per USD of now."""
        return 1.0 if self.settlement == "linear" else 1.0 / self.spot

    def _moneyness(self, strike: ArrayLike, sign: ArrayLike) -> tuple[Floats, np.ndarray]:
        strikes, signs = np.broadcast_arrays(np.asarray(strike, dtype=np.float64), np.asarray(sign, dtype=np.float64))
        if not (np.isfinite(strikes) & (strikes > 0)).all():
            raise ValueError(f"strike must hold positive finite numbers, got {float(strikes.min())!r}")
        if not (np.abs(signs) == 1.0).all():
            raise ValueError(f"sign must hold +1 (call) or -1 (put), got {np.unique(signs).tolist()}")
        return np.log(strikes / self.spot), signs > 0
