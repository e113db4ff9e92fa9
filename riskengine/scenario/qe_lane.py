"""One lane of Andersen's quadratic-exponential step: next variance and martingale correction, branch-free.

A next variance with mean m and variance s^2, psi = s^2 / m^2, is drawn as a (b + Z)^2 for psi <= 1.5 and from a point
mass at zero with an exponential tail above; beside it stands -log M, M = E[exp(A v')].  The stages of
`riskengine.scenario.qe` call these with one step for all lanes, those of `riskengine.scenario.superpose` with a step
of its own for every jump.
"""

import numpy as np

from riskengine.jit import kernel
from riskengine.vecmath import bits_float, float_bits, fma, log, normal_cdf, root

_LOG2 = 0.6931471805599453
NEAR = 0.2  # the ratio stays in (0.8, 1.2), well inside the factors sqrt(1/2) and sqrt(2) at which powers of 2 leave


@kernel(inline=True)
def two_atanh(t):
    """log((1 + t) / (1 - t)); relative error 5e-16 for abs(t) < 0.17, 3e-14 at 0.21 (coefficients from fdlibm)."""
    y = t * t
    r = fma(y, 1.479819860510658591e-01, 1.531383769920937332e-01)
    r = fma(y, r, 1.818357216161805012e-01)
    r = fma(y, r, 2.222219843214978396e-01)
    r = fma(y, r, 2.857142874366239149e-01)
    r = fma(y, r, 3.999999999940941908e-01)
    r = fma(y, r, 6.666666666666735130e-01)
    return fma(t * y, r, 2.0 * t)


@kernel(inline=True)
def near_two_atanh(t):
    """log((1 + t) / (1 - t)) for abs(t) <= 1/9; relative error 6e-16 (interpolated at five Chebyshev points in t^2)."""
    y = t * t
    r = fma(y, 0.18665030553815634448, 0.22216973290613573356)
    r = fma(y, r, 0.28571451772484636548)
    r = fma(y, r, 0.3999999996415561375)
    r = fma(y, r, 0.66666666666675519028)
    return fma(t * y, r, 2.0 * t)


@kernel(inline=True)
def quadratic_lane(m, s2, z, tilt):
    """(next variance, -log M) by the quadratic branch, `s2` capped where it ends; NaN where M is infinite."""
    s = min(s2, 1.5 * m * m)
    # b^2 = top / s, 1 + b^2 = whole / s, 1 - 2 A a = shrunk / whole
    twice = 2.0 * m * m
    top = twice - s + root(twice * (twice - s))
    whole = s + top
    shrunk = fma(-2.0 * tilt * m, s, whole)
    # log(shrunk / whole) = k log 2 + 2 atanh(t), t = (near - whole) / (near + whole), |t| < 0.21
    k = (float_bits(shrunk) - float_bits(whole) + np.int64(1 << 51)) >> np.int64(52)
    near = bits_float(float_bits(shrunk) - (k << np.int64(52)))
    # the three divisors share one division
    first = s * whole
    third = near + whole
    inverse = 1.0 / (first * (shrunk * third))
    bz = fma(z, s, root(top * s))
    following = m * bz * bz * (inverse * (shrunk * third))
    t = (near - whole) * (inverse * (first * shrunk))
    log_q = fma(np.float64(k), _LOG2, two_atanh(t))
    value = fma(0.5, log_q, -(tilt * top * m) * (inverse * (first * third)))
    return following, value if shrunk > 0.0 else np.nan


@kernel(inline=True)
def near_top(m, s2):
    """(s, top) of the short form of `quadratic_lane`: `s2` capped where the branch ends, and b^2 s."""
    mm = m * m
    twice = mm + mm
    limit = 1.5 * mm
    # the comparison that the caller counts by: computed once
    s = limit if s2 > limit else s2
    rest = twice - s
    return s, rest + root(twice * rest)


@kernel(inline=True)
def near_lane(m, s, top, z, tilt):
    """(next variance, t, r) with -log M = atanh(t) + r: `quadratic_lane` to the last digit, where 2 A a stays below
    `NEAR` and no power of 2 leaves the logarithm; `s` and `top` from `near_top`."""
    whole = s + top
    shrunk = fma(-2.0 * tilt * m, s, whole)
    first = s * whole
    third = shrunk + whole
    pair = shrunk * third
    inverse = 1.0 / (first * pair)
    bz = fma(z, s, root(top * s))
    following = m * bz * bz * (inverse * pair)
    t = (shrunk - whole) * (inverse * (first * shrunk))
    return following, t, -(tilt * top * m) * (inverse * (first * third))


@kernel(inline=True)
def exponential_lane(m, s2, z, tilt):
    """(next variance, -log M) by the exponential branch, U = N(z); NaN where M is infinite."""
    mm = m * m
    # p = (s2 - mm) / total, 1 - p = 2 mm / total, beta = 2 m / total, beta - A = room / total
    total = s2 + mm
    room = 2.0 * m - tilt * total
    inverse = 1.0 / (total * room * m)
    beyond = 2.0 * mm * (inverse * room * m) / normal_cdf(-z)
    following = log(max(beyond, 1.0)) * (0.5 * total * total * room * inverse)
    moment = fma(s2 - mm, room, 4.0 * m * mm) * (inverse * m)
    value = -log(max(moment, 1e-300))
    return following, value if room > 0.0 else np.nan
