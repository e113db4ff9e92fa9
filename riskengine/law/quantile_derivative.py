"""How a loss quantile and shortfall move with a parameter of the law, exactly: no simulation, no quantiles subtracted.

With F(x_p; theta) = p, implicit differentiation gives

    dx_p / dtheta = -(dF / dtheta)(x_p) / f(x_p),      dVaR / dtheta = loss'(x_p) dx_p / dtheta,

and, VaR being where VaR + E[(loss - VaR)^+] / p is least, the quantile stays where it is in

    dES / dtheta = d/dtheta E[(loss - VaR)^+] / p.

A derivative at the fixed point x_p is a central difference of fourth order of the exact cdf: the cdf carries 1e-14, so
at steps of a few thousandths of the parameter rounding and truncation both stay far below 1e-6 of the derivative.  The
test holds dF / dtheta against the analytic gradient of the characteristic function (`riskengine.law.affine_gradient`).

Reference: Hong, Operations Research 57 (2009), for the quantile as an implicit function.
"""

from collections.abc import Callable

from riskengine.arrays import Floats
from riskengine.law.exposure import HorizonLaw, UnitExposure

_WEIGHTS = ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0))


LawAt = Callable[[float], HorizonLaw]


def _derivative(of: Callable[[HorizonLaw], Floats], law_at: LawAt, value: float, step: float) -> Floats:
    """Derivative of a figure of the law at theta = `value`, by differences of +-`step` and twice that."""
    return sum(weight * of(law_at(value + k * step)) for k, weight in _WEIGHTS) / (12.0 * step)


def cdf_derivative(law_at: LawAt, value: float, step: float, x: Floats) -> Floats:
    """dF(x; theta) / dtheta at theta = `value`, shape of `x`."""
    return _derivative(lambda law: law.cdf(x), law_at, value, step)


def quantile_derivative(law_at: LawAt, value: float, step: float, unit: UnitExposure, levels: Floats) -> Floats:
    """d VaR / d theta of a unit exposure at theta = `value`, shape of `levels`.

    Parameters
    ----------
    law_at : callable
        The law of the log-return at a value of the parameter.
    value, step : float
        The parameter, and a step that leaves it legal when taken twice either way.
    unit : UnitExposure
    levels : ndarray, shape (L,)

    Returns
    -------
    ndarray, shape (L,)
        In units of loss per unit of the parameter; exactly 0 where the law does not depend on it.
    """
    law = law_at(value)
    x = law.quantile(1.0 - levels if unit.side == "long" else levels)
    return -unit.slope(x) * cdf_derivative(law_at, value, step, x) / law.pdf(x)


def shortfall_derivative(law_at: LawAt, value: float, step: float, unit: UnitExposure, levels: Floats) -> Floats:
    """d ES / d theta of a unit exposure at theta = `value`, shape of `levels`; parameters as in `quantile_derivative`.

    ValueError for a log exposure, whose ES needs more than a law tells.
    """
    x = law_at(value).quantile(1.0 - levels if unit.side == "long" else levels)
    worse = unit.loss(x)
    return _derivative(lambda law: unit.excess(law, x, worse), law_at, value, step) / (1.0 - levels)
