"""Price, delta and minimum-variance hedge of an option on very many strikes and states, along one line.

With M(s) = E[e^{sX}] of the log-return X to expiry and k = log(K / S), a call per unit of spot is
    c(k) = 1 + (1 / pi) int_0^inf Re[M(s) e^{(1-s)k} / (s (s - 1))] du,   s = 1/2 + iu,
(Lewis 2001; 1 is the residue at s = 1).  Its delta has s, and the hedge that leaves least variance over the next
instant has g(s) as a factor under the integral (Hubalek, Kallsen, Krawczyk 2006), where, with the characteristics at
the present variance v, the jump transform f(s) = intensity (E[e^{sJ}] - 1) and B(s) of an affine law,

    g(s) = [v (s + rho xi B(s)) + f(s + 1) - f(s) - f(1)] / [v + f(2) - 2 f(1)] = d<C, S> / d<S> on S^s.

The same integral of a lognormal law, known in closed form, is taken off first: its poles at 0 and 1 are those of every
law, so that what is left is entire between the moments' ends and the trapezoidal rule needs few points.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from riskengine.arrays import Floats
from riskengine.errors import RunError
from riskengine.law.bates import BatesLaw
from riskengine.law.inversion import dead_from
from riskengine.law.jump import jump_exponent
from riskengine.law.kou import KouLaw
from riskengine.law.merton import MertonLaw

HedgedLaw = MertonLaw | KouLaw | BatesLaw
_MOST = 1 << 16


def jump_transform(law: HedgedLaw) -> Callable[[np.ndarray], np.ndarray]:
    """f(s) = sum of intensity (E[e^{sJ}] - 1) per year, of real or complex s."""
    if isinstance(law, KouLaw):
        return lambda s: sum((j.intensity * j.excess(s) for j in law.jumps), np.zeros_like(s))
    return lambda s: jump_exponent(s, law.jumps)


def diffusive_variance(law: HedgedLaw) -> float:
    """Instantaneous variance of the diffusion per year, its long-run mean where it moves."""
    return law.theta if isinstance(law, BatesLaw) else law.sigma**2


def realised_variance(law: HedgedLaw) -> float:
    """Expected quadratic variation of the log-price per year, from the long-run mean variance."""
    return diffusive_variance(law) + sum(j.intensity * j.mean_square for j in law.jumps)


def simple_variance(law: HedgedLaw, variance: Floats) -> Floats:
    """d<S> / (S^2 dt): `variance` plus what jumps of the simple return add; shape of `variance`."""
    f = jump_transform(law)
    return variance + float(f(np.array(2.0)) - 2.0 * f(np.array(1.0)))


def hedge_ratios(
    law: HedgedLaw, k: Floats, variance: Floats | None = None, tolerance: float = 1e-11
) -> tuple[Floats, Floats, Floats]:
    """Call per unit of spot, its delta, and the hedge of least instantaneous variance, in coins; each (V, N).

    A put has the same less 1 - e^k, and one less of either hedge.

    Parameters
    ----------
    law : MertonLaw, KouLaw or BatesLaw
        Of the log-return to expiry under the pricing measure with drift 0; the start variance that it holds is not
        used.
    k : ndarray, shape (N,)
        log(K / S).
    variance : ndarray, shape (V,), optional
        Present variances per year; the law's own (V = 1) where left out: sigma^2, or the long-run mean.
    tolerance : float
        Change at which halving the step ends; the error left is about its square.

    Raises
    ------
    ValueError
        Where the law has a drift, or is of another kind.
    RunError
        Where E[S^2] is infinite, so that no hedge has least variance, or the integral does not settle.
    """
    if type(law) not in (MertonLaw, KouLaw, BatesLaw):
        raise ValueError(f"law must be of Merton, Kou, Heston or Bates, got {type(law).__name__}")
    if law.drift != 0.0:
        raise ValueError(f"drift of the pricing law must be 0, got {law.drift!r}")
    v = np.array([diffusive_variance(law)]) if variance is None else np.asarray(variance, dtype=np.float64)
    if not np.isfinite(law.log_mgf(np.array([2.0]))).all():
        raise RunError("E[S^2] must be finite for a hedge of least variance to exist, got an infinite moment")
    k = np.asarray(k, dtype=np.float64)
    total = diffusive_variance(law) * law.horizon
    jump = max((np.sqrt(j.mean_square) for j in law.jumps), default=0.0)
    width = 2.0 * np.abs(k).max() + 10.0 * (law.scale + jump)
    limit = dead_from(lambda u: np.abs(_integrands(law, v, total, u)).max(axis=(0, 1)), 4.0 / law.scale, 1e9)
    nodes = max(32, int(np.ceil(limit * width / (2.0 * np.pi))))
    u = np.linspace(0.0, limit, nodes + 1)
    weight = np.full(u.size, 1.0)
    weight[0] = 0.5
    found = _sum(law, v, k, total, u, weight) * (limit / nodes)
    while nodes <= _MOST:
        u = (np.arange(nodes) + 0.5) * (limit / nodes)
        last, found = found, 0.5 * found + _sum(law, v, k, total, u, np.ones(nodes)) * (0.5 * limit / nodes)
        nodes *= 2
        if np.abs(found - last).max() <= tolerance:
            price, delta, least = found / np.pi
            d1 = -k / np.sqrt(total) + 0.5 * np.sqrt(total)
            near = ndtr(d1)
            return price + near - np.exp(k) * ndtr(d1 - np.sqrt(total)), delta + near, least + near
    raise RunError(f"the hedge integral must settle within {_MOST} nodes, got {nodes} that did not do")


def _integrands(law: HedgedLaw, v: Floats, total: float, u: Floats) -> np.ndarray:
    """Price, delta and hedge less those of the lognormal law of total variance `total`, at k = 0: (3, V, U)."""
    s = 0.5 + 1j * u
    f = jump_transform(law)
    if isinstance(law, BatesLaw):
        a, b = law.exponents(s)
        exponent, leverage = a + b * v[:, None], law.rho * law.xi * b
    else:
        exponent, leverage = np.broadcast_to(law.exponent(s), (v.size, s.size)), 0.0
    one = float(f(np.array(1.0)))
    ratio = (v[:, None] * (s + leverage) + f(s + 1.0) - f(s) - one) / simple_variance(law, v)[:, None]
    pole = s * (s - 1.0)
    own, normal = np.exp(exponent) / pole, np.exp(0.5 * total * pole) / pole
    return np.stack([own - normal, s * (own - normal), ratio * own - s * normal])


def _sum(law: HedgedLaw, v: Floats, k: Floats, total: float, u: Floats, weight: Floats) -> Floats:
    """Sums over nodes of Re[integrand e^{(1-s)k}]: (3, V, N)."""
    parts = (_integrands(law, v, total, u) * weight).reshape(-1, u.size)
    phase = np.multiply.outer(u, k)
    summed = parts.real @ np.cos(phase) + parts.imag @ np.sin(phase)
    return np.exp(0.5 * k) * summed.reshape(3, v.size, k.size)
