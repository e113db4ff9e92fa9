"""Closed forms for one loan: touch probability, bad debt of a loan nobody liquidates, and the SmartLTV rule.

They validate simulations; none knows liquidity, keepers or an oracle.
"""

from math import exp, log, pi, sqrt

from scipy.special import ndtr

from riskengine.arrays import check_range
from riskengine.roles import Law


def touch_probability(health: float, drift: float, sigma: float, horizon: float) -> float:
    """Probability that the health factor touches 1 within `horizon` years under geometric Brownian motion.

    With b = 1 / health and nu = drift - sigma^2 / 2,

        P = N((ln b - nu T) / (sigma sqrt T)) + b^(2 nu / sigma^2) N((ln b + nu T) / (sigma sqrt T)),

    collateral in one asset, debt in the numeraire (reflection principle; continuous monitoring).
    """
    check_range("health", health, 0.0, float("inf"))
    check_range("sigma", sigma, 0.0, 100.0, open_low=True)
    check_range("horizon", horizon, 0.0, 100.0, open_low=True)
    if health <= 1.0:
        return 1.0
    barrier = -log(health)
    nu = drift - 0.5 * sigma * sigma
    scale = sigma * sqrt(horizon)
    down = ndtr((barrier - nu * horizon) / scale)
    return float(down + exp(2.0 * nu * barrier / sigma**2) * ndtr((barrier + nu * horizon) / scale))


def unliquidated_bad_debt(collateral: float, debt: float, law: Law) -> tuple[float, float]:
    """(expected bad debt, probability of insolvency) of a loan left alone until the horizon of `law`.

    E[(D - C e^X)^+] = D P(X <= k) - C E[e^X 1{X <= k}],   k = ln(D / C): an undiscounted put on the collateral.
    """
    edge = log(debt / collateral)
    insolvent = float(law.cdf(edge))
    return debt * insolvent - collateral * float(law.lower_expectation(edge)), insolvent


def smart_ltv(sigma_daily: float, liquidity: float, debt_cap: float, bonus: float, confidence_factor: float) -> float:
    """Risk DAO's loan-to-value exp(-c sigma / sqrt(liquidity / debt cap)) - bonus, c the `confidence_factor`.

    It assumes normal returns and that liquidations do not move the price: a baseline column, not the truth.
    """
    for name, value in (("liquidity", liquidity), ("debt_cap", debt_cap)):
        check_range(name, value, 0.0, float("inf"), open_low=True)
    return exp(-confidence_factor * sigma_daily / sqrt(liquidity / debt_cap)) - bonus


def smart_risk_level(sigma_daily: float, liquidity: float, debt_cap: float, bonus: float, ltv: float) -> float:
    """The risk level 1 / c at which SmartLTV recommends `ltv`."""
    return sigma_daily / (log(1.0 / (ltv + bonus)) * sqrt(liquidity / debt_cap))


def twice_monitored_bad_debt(
    collateral: float, debt: float, threshold: float, bonus: float, sigma: float, step: float
) -> float:
    """Probability that a loan monitored at two times leaves bad debt, every call closing it whole and without delay.

    Geometric Brownian motion without drift, `sigma` a year, `step` years between the times, collateral and debt in USD
    at the start.  A call leaves bad debt where the collateral is worth less than debt times 1 + bonus; with
    b = ln((1 + bonus) D / C) and a = ln(D / (C LT)) >= b, X and Y the log-returns of the two steps,

        P = P(X < b) + P(X >= a, X + Y < b),

    the first a call too late, the second a loan that was healthy at the first time.  It rises in the threshold.
    """
    from scipy.integrate import quad

    if threshold * (1.0 + bonus) > 1.0 + 1e-12:
        raise ValueError(f"threshold times (1 + bonus) must be at most 1, got {threshold * (1.0 + bonus):g}")
    mean, sd = -0.5 * sigma * sigma * step, sigma * sqrt(step)
    low, call = log((1.0 + bonus) * debt / collateral), log(debt / (collateral * threshold))
    start = (call - mean) / sd

    def later(z: float) -> float:
        return exp(-0.5 * z * z) / sqrt(2.0 * pi) * float(ndtr((low - (mean + sd * z) - mean) / sd))

    healthy = quad(later, start, start + 40.0, epsabs=1e-15, epsrel=1e-11, points=[start + 1.0, start + 4.0], limit=200)
    return float(ndtr((low - mean) / sd)) + healthy[0]
