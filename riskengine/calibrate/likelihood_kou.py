"""Kou's log-likelihood of one step: the density by a cosine series on a grid laid out once, read by a spline.

The exponent of `riskengine.law.kou` gives the coefficients; window and frequencies come from the data and from the
floor of the diffusion (`riskengine.calibrate.likelihood`), so that the value is smooth in the parameters.  Log-density
is tabulated at points that crowd where the data do and interpolated by a cubic spline; the gradient comes from the
derivative of the characteristic function in each parameter.  A density below 1e-11 of its peak is below the rounding of
the series and is taken as that: such a point is an outlier under any law near the maximum.
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.likelihood import FLOOR, Problem, robust_sd
from riskengine.law.kou import DoubleExponentialJump, KouLaw

_POINTS = 801
_NOISE = 1e-11


def kou_law(point: Floats, step: float) -> KouLaw:
    """Law of one step at a free vector (drift, log volatility, log intensity, up share, log rates)."""
    sigma, intensity, eta_up, eta_down = np.exp(point[[1, 2, 4, 5]])
    jump = DoubleExponentialJump(float(intensity), float(point[3]), float(eta_up), float(eta_down))
    return KouLaw(float(point[0]), float(sigma), (jump,), step)


def kou_problem(x: Floats, step: float) -> Problem:
    """The likelihood of `x` as a function of free numbers, with starts and bounds."""
    from scipy.interpolate import CubicSpline

    core, total, largest = robust_sd(x), float(x.std()), float(np.abs(x).max())
    yearly, width = core / np.sqrt(step), 4.0 * largest
    u = np.arange(int(np.ceil(6.5 / (FLOOR * core) * width / np.pi)) + 1) * (np.pi / width)
    # sinh spacing: 2 % of a standard deviation in the centre, wider in the tails
    top = np.arcsinh(1.02 * largest / core)
    grid = core * np.sinh(np.linspace(-top, top, _POINTS))
    wave = np.cos(np.multiply.outer(grid + 0.5 * width, u))
    shift = np.exp(0.5j * u * width) * (2.0 / width)
    shift[0] *= 0.5
    unit = np.array([1.0, 0.1, 0.3, 0.05, 0.2, 0.2])

    def value(point: Floats) -> tuple[float, Floats]:
        phi = np.exp(kou_law(point, step).exponent(1j * u))
        columns = [phi]
        for i, h in enumerate(1e-5 * unit):
            moved = np.zeros(6)
            moved[i] = h
            rise = kou_law(point + moved, step).exponent(1j * u) - kou_law(point - moved, step).exponent(1j * u)
            columns.append(phi * rise / (2.0 * h))
        table = wave @ (np.array(columns) * shift).real.T
        floor = _NOISE * table[:, 0].max()
        density = np.maximum(table[:, 0], floor)
        slopes = np.where(table[:, :1] > floor, table[:, 1:], 0.0) / density[:, None]
        read = CubicSpline(grid, np.column_stack([np.log(density), slopes]))(x).sum(axis=0)
        return float(read[0]), read[1:]

    starts = [
        np.array([0.0, np.log(yearly), np.log(rate / step), 0.5, -np.log(size * core), -np.log(size * core)])
        for rate, size in ((0.005, 6.0), (0.05, 3.0), (0.4, 1.5))
    ]
    # rates above 1, or the mean of an up-jump is infinite
    low = [-20.0, np.log(FLOOR * yearly), np.log(1e-5 / step), 0.001, np.log(1.01), np.log(1.01)]
    steep = -np.log(0.05 * core)
    high = [20.0, np.log(3.0 * total / np.sqrt(step)), np.log(5.0 / step), 0.999, steep, steep]
    return Problem(
        ("drift", "volatility", "intensity", "up_share", "eta_up", "eta_down"),
        (False, True, True, False, True, True),
        np.array(low),
        np.array(high),
        unit,
        tuple(starts),
        value,
    )
