"""Prices of a whole option chain under a pricing law known by its characteristic function, with their gradient.

Lewis's integral on the line Im u = -1/2, with Black-76 at a fixed volatility as control variate.  In units of the
forward F, with k = log(K / F) and phi(u) = E[e^{(1/2 + iu) X}], X = log(S_T / F):

    call / F = black(k) - e^{k/2} / pi int_0^inf Re[e^{-iuk} (phi(u) - phi_black(u))] / (u^2 + 1/4) du.

Both characteristic functions are 1 at u = +-i/2, so the control removes the two poles next to the path of integration
and the trapezoidal rule converges as fast as the law has exponential moments.  Its nodes u = c sinh(x) are dense where
phi lives and reach far where it dies slowly; c scales with 1 / (volatility sqrt(T)) of the expiry, so a one-day chain
is as exact as a one-year chain.  Nodes, waves e^{-iuk} and control depend on the chain alone: one evaluation of a law
is one characteristic function per node and expiry, shared by all strikes, and one small matrix product.

The price of an inverse option in coin is its price in units of the forward of its own expiry.

References: Lewis, "A simple option formula for general jump-diffusion and other exponential Levy processes" (2001);
Andersen and Andreasen, Review of Derivatives Research 4 (2000) for the control variate.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from riskengine.arrays import Floats, Ints, as_floats, check_shape
from riskengine.jit import kernel
from riskengine.law.affine_gradient import AFFINE_NAMES, KOU_NAMES, MERTON_NAMES, affine_lanes, levy_lanes
from riskengine.pricing.black import black76

NODES = 128
_DENSE = 4.0  # c in units of 1 / (volatility sqrt(T))
_REACH = 45.0  # highest frequency in the same units
_WIDEST = 15.0  # the furthest strike in units of the control's standard deviation

# family -> (names, number handed to the kernel)
FAMILIES: dict[str, tuple[tuple[str, ...], int]] = {
    "heston": (AFFINE_NAMES[:5], 0),
    "bates": (AFFINE_NAMES[:8], 1),
    "svcj": (AFFINE_NAMES, 2),
    "merton": (MERTON_NAMES, 3),
    "kou": (KOU_NAMES, 4),
    "black": (("volatility",), 5),
}


@dataclass(frozen=True)
class ChainPricer:
    """What is the same for every law on one chain.

    Attributes
    ----------
    tau : ndarray, shape (E,)
        Years to each expiry, positive.
    expiry : ndarray of int, shape (Q,)
        Expiry of each option.
    log_moneyness : ndarray, shape (Q,)
        log(K / F) with the forward of the expiry.
    sign : ndarray, shape (Q,)
        +1 call, -1 put.
    level : ndarray, shape (E,)
        Volatility of the control variate, rough: that at the money; raised where a strike is further out than 15 of
        its standard deviations.
    """

    tau: Floats
    expiry: Ints
    log_moneyness: Floats
    sign: Floats
    level: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "expiry", np.ascontiguousarray(self.expiry, dtype=np.int64))
        for name in ("tau", "log_moneyness", "sign", "level"):
            object.__setattr__(self, name, as_floats(name, getattr(self, name), 1))
        check_shape("level", self.level, self.tau.shape)
        check_shape("log_moneyness", self.log_moneyness, self.expiry.shape)
        check_shape("sign", self.sign, self.expiry.shape)
        if not ((self.tau > 0).all() and (self.level > 0).all()):
            raise ValueError("tau and level must hold positive numbers, got one that is not")
        widest = np.zeros(self.tau.size)
        np.maximum.at(widest, self.expiry, np.abs(self.log_moneyness))
        # a strike far out in units of the standard deviation turns e^{-iuk} faster than the nodes are dense
        object.__setattr__(self, "level", np.maximum(self.level, widest / (_WIDEST * np.sqrt(self.tau))))

    @cached_property
    def _nodes(self) -> Floats:
        """Frequencies, shape (E, N)."""
        x = (np.arange(NODES) + 0.5) * (np.arcsinh(_REACH / _DENSE) / NODES)
        return np.multiply.outer(1.0 / (self.level * np.sqrt(self.tau)), _DENSE * np.sinh(x))

    @cached_property
    def _control(self) -> Floats:
        """phi of the control, real, shape (E, N)."""
        return np.exp(-0.5 * (self.level**2 * self.tau)[:, None] * (self._nodes**2 + 0.25))

    @cached_property
    def _rows(self) -> tuple[Ints, ...]:
        """Options of each expiry."""
        return tuple(np.flatnonzero(self.expiry == e) for e in range(self.tau.size))

    @cached_property
    def _waves(self) -> tuple[Floats, ...]:
        """Per expiry the matrix that turns (Re phi, Im phi) at the nodes into prices, shape (options, 2 N)."""
        step = np.arcsinh(_REACH / _DENSE) / NODES
        out = []
        for e, rows in enumerate(self._rows):
            u = self._nodes[e]
            # du = c cosh(x) dx
            scale = 1.0 / (self.level[e] * np.sqrt(self.tau[e]))
            weight = step * np.hypot(u, _DENSE * scale) / (np.pi * (u * u + 0.25))
            k = self.log_moneyness[rows]
            angle = np.multiply.outer(k, u)
            out.append(-np.exp(0.5 * k)[:, None] * np.hstack([weight * np.cos(angle), weight * np.sin(angle)]))
        return tuple(out)

    @cached_property
    def _base(self) -> Floats:
        """Prices of the control in units of the forward, shape (Q,)."""
        return black76(1.0, np.exp(self.log_moneyness), self.tau[self.expiry], self.level[self.expiry], self.sign)

    def evaluate(self, family: str, parameters: Floats, shift: Floats | None = None) -> tuple[Floats, Floats, Floats]:
        """Prices and their derivatives.

        Parameters
        ----------
        family : str
            Name in `FAMILIES`.
        parameters : ndarray
            In the order of the names of the family.
        shift : ndarray, shape (E,), optional
            Deterministic integrated variance that is added up to each expiry; 0 by default.

        Returns
        -------
        price : ndarray, shape (Q,)
            In units of the forward: the coin price of an inverse option.
        slope : ndarray, shape (Q, parameters)
        shift_slope : ndarray, shape (Q,)
            Derivative in the shift of the option's own expiry.
        """
        count, number = len(FAMILIES[family][0]), FAMILIES[family][1]
        out = np.empty((self.tau.size, count + 2, 2 * NODES))
        point = np.ascontiguousarray(parameters, dtype=np.float64)
        check_shape("parameters", point, (count,))
        moved = np.zeros(self.tau.size) if shift is None else np.ascontiguousarray(shift, dtype=np.float64)
        _characteristic(self._nodes, self.tau, self._control, point, number, moved, out)
        result = np.empty((self.expiry.size, count + 2))
        for e, rows in enumerate(self._rows):
            result[rows] = self._waves[e] @ out[e].T
        return self._base + result[:, 0], result[:, 1:-1], result[:, -1]

    def prices(self, family: str, parameters: Floats, shift: Floats | None = None) -> Floats:
        """Prices in units of the forward, shape (Q,)."""
        return self.evaluate(family, parameters, shift)[0]


@kernel(scratch=True)
def _characteristic(nodes, tau, control, p, family, shift, out):
    """phi - control, its derivatives and that in the shift, at all nodes of all expiries: shape (E, P + 2, 2 N)."""
    count = p.size
    n = nodes.shape[1]
    s = np.empty(n, np.complex128)
    value = np.empty(n, np.complex128)
    slope = np.empty((10, n), np.complex128)
    full = np.zeros(10)
    full[:count] = p
    for e in range(tau.size):
        for j in range(n):
            s[j] = 0.5 + 1j * nodes[e, j]
        if family <= 2:
            affine_lanes(s, tau[e], full, family, value, slope)
        elif family <= 4:
            levy_lanes(s, tau[e], p, family - 3, value, slope)
        else:
            for j in range(n):
                q = 0.25 + nodes[e, j] ** 2
                value[j] = -0.5 * q * tau[e] * p[0] * p[0]
                slope[0, j] = -q * tau[e] * p[0]
        for j in range(n):
            half = 0.5 * (0.25 + nodes[e, j] ** 2)
            phi = np.exp(value[j] - half * shift[e])
            out[e, 0, j] = phi.real - control[e, j]
            out[e, 0, n + j] = phi.imag
            for i in range(count):
                d = phi * slope[i, j]
                out[e, 1 + i, j] = d.real
                out[e, 1 + i, n + j] = d.imag
            out[e, 1 + count, j] = -half * phi.real
            out[e, 1 + count, n + j] = -half * phi.imag
