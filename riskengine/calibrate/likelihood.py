"""Maximum likelihood of jump-diffusions on returns of one step, with the spike kept out.

The likelihood of Merton's mixture is unbounded: centre the diffusion on one observation and let its volatility go to
zero, and that observation's density goes to infinity while jumps explain the rest (Kiefer 1978; Honore 1998).  So the
diffusive standard deviation of a step stays above `FLOOR` of the data's robust one.  What is reported is the best
maximum *inside*; a search that only ends on that floor is refused with the reason, and a result whose likelihood is
exceeded on the floor says so.

Errors come twice: from the observed information (the inverse Hessian of the log-likelihood) and from the profile
likelihood, { theta : max over the others of l >= l_max - 1.92 }, which needs no symmetry and stays open where the data
do not decide.  The profile curve of every parameter is kept, and the flattest direction is named.

A good likelihood at one step is no good law at another: Merton fitted to hourly returns takes clustered volatility for
thousands of small jumps a year (`riskengine.calibrate.returns` fits across horizons and says why).

References: Merton (1976); Kiefer, Econometrica 46 (1978), 427-434; Honore, Pitfalls in estimating jump-diffusion models
(1998); Venzon and Moolgavkar, Applied Statistics 37 (1988) for profile intervals.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln

from riskengine.arrays import Floats
from riskengine.calibrate.identified import flat_direction, not_identified
from riskengine.errors import RunError

MODELS = ("merton", "kou")
FLOOR = 0.1  # smallest diffusive sd of a step, in robust standard deviations of the data
_DROP = 1.9207294103470595  # half the 95 % quantile of chi-square with one degree of freedom
_CHUNK = 1 << 20
_NO_PART = 1e-6  # squared component below which a parameter has no part in a direction


@dataclass(frozen=True)
class ProfilePoint:
    """One point of a profile: the parameter's value and how far the log-likelihood lies below its maximum."""

    value: float
    drop: float


@dataclass(frozen=True)
class LikelihoodFit:
    """A maximum of the likelihood and what is known about it.

    Attributes
    ----------
    kind : str
    numbers : dict of str to float
        Parameters per year: drift (growth of the price, jumps compensated), volatility, intensity, then the jump sizes
        (of Kou: up_share and the rates eta_up and eta_down; the mean up-jump is one over its rate).
    standard_errors : dict of str to float
        By observed information; NaN where it is not positive in the parameter's direction.
    intervals : dict of str to (float, float)
        95 % by profile likelihood; an end at the edge of the search is infinite (or 0).  Without profiles those of the
        information, NaN where the standard error is.
    unidentified : dict of str to str
        Parameters that the data do not decide, with the reason (`riskengine.calibrate.identified`).
    flat : str
        The direction along which the likelihood is flattest, in words.
    profiles : dict of str to tuple of ProfilePoint
    log_likelihood : float
    spike : float or None
        Log-likelihood of the best point on the floor where that is higher: the spike is there, and was not taken.
    observations : int
    step_years : float
    """

    kind: str
    numbers: dict[str, float]
    standard_errors: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    unidentified: dict[str, str]
    flat: str
    profiles: dict[str, tuple[ProfilePoint, ...]]
    log_likelihood: float
    spike: float | None
    observations: int
    step_years: float


def merton_loglik(
    returns: Floats, step_years: float, drift: float, sigma: float, intensity: float, mean: float, sd: float
) -> float:
    """Log-likelihood of independent log-returns over `step_years` under Merton's law.

    Parameters
    ----------
    returns : ndarray, shape (N,)
    step_years : float
    drift : float
        Growth rate of the price per year: log-returns have mean
        (drift - sigma^2/2 - intensity k) step_years + intensity step_years mean, k = e^{mean + sd^2/2} - 1.
    sigma, intensity, mean, sd : float
        Per year; jumps in logs.
    """
    k = np.expm1(mean + 0.5 * sd * sd)
    location = (drift - 0.5 * sigma * sigma - intensity * k) * step_years
    value, _ = _mixture(
        np.asarray(returns, dtype=np.float64), location, sigma * sigma * step_years, intensity * step_years, mean, sd**2
    )
    return value


def _mixture(x: Floats, location: float, v0: float, rate: float, mean: float, d2: float) -> tuple[float, Floats]:
    """Log-likelihood of the Poisson mixture of normals and its gradient in (location, v0, log rate, mean, d2)."""
    n = np.arange(int(rate + 12.0 * np.sqrt(rate) + 20.0) + 1, dtype=np.float64)
    log_weight = n * np.log(rate) - rate - gammaln(n + 1.0)
    variance = v0 + n * d2
    constant = log_weight - 0.5 * np.log(2.0 * np.pi * variance)
    total, slope = 0.0, np.zeros(5)
    rows = max(1, _CHUNK // n.size)
    for i in range(0, x.size, rows):
        away = x[i : i + rows, None] - location - n * mean
        scaled = away / variance
        log_part = constant - 0.5 * away * scaled
        largest = log_part.max(axis=1, keepdims=True)
        share = np.exp(log_part - largest)
        density = share.sum(axis=1, keepdims=True)
        share /= density
        total += float((largest + np.log(density)).sum())
        first = (share * scaled).sum(axis=0)
        second = 0.5 * (share * (scaled * scaled - 1.0 / variance)).sum(axis=0)
        slope += [first.sum(), second.sum(), (share.sum(axis=0) * (n - rate)).sum(), first @ n, second @ n]
    return total, slope


@dataclass(frozen=True)
class Problem:
    """A log-likelihood in free numbers: logarithms of positive parameters, the others as they are.

    ``value(point)`` gives the log-likelihood and its gradient.  ``unit`` is a rough size of a change of each number.
    """

    names: tuple[str, ...]
    positive: tuple[bool, ...]
    low: Floats
    high: Floats
    unit: Floats
    starts: tuple[Floats, ...]
    value: Callable[[Floats], tuple[float, Floats]]

    def shown(self, i: int, x: float) -> float:
        """Free number `i` as it is published."""
        return float(np.exp(x)) if self.positive[i] else float(x)


def fit_likelihood(returns: Floats, step_years: float, model: str = "merton", profile: bool = True) -> LikelihoodFit:
    """Fit `model` to one-step log-returns by maximum likelihood.

    Parameters
    ----------
    returns : ndarray, shape (N,)
        Log-returns over disjoint steps; overlapping ones are not independent and make every error too small.
    step_years : float
    model : {"merton", "kou"}
    profile : bool
        Whether to compute profile intervals; those of the information stand in where not.

    Raises
    ------
    ValueError
        Fewer than 100 returns, values that are not finite, or a series most of whose values are equal.
    RunError
        The likelihood runs to its spike: no maximum inside.
    """
    if model not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}, got {model!r}")
    x = _checked(returns)
    problem = _problem(model, x, step_years)
    point, top, spike = _maximum(problem, x)
    sd, flat = _information(problem, point)
    # a profile starts its steps from the error, and from ten units where there is none
    steps = np.clip(np.nan_to_num(sd, nan=np.inf), 0.1 * problem.unit, 10.0 * problem.unit)
    numbers, errors, intervals, profiles, reasons = {}, {}, {}, {}, {}
    for i, name in enumerate(problem.names):
        value = numbers[name] = problem.shown(i, point[i])
        errors[name] = float(sd[i] * (value if problem.positive[i] else 1.0))
        low, high, curve = point[i] - 1.96 * sd[i], point[i] + 1.96 * sd[i], []
        if profile:
            low, high, curve = _profile(problem, point, top, i, steps)
        intervals[name] = (problem.shown(i, low), problem.shown(i, high))
        profiles[name] = tuple(ProfilePoint(problem.shown(i, v), drop) for v, drop in curve)
    for i, name in enumerate(problem.names):
        if np.isnan(sd[i]):
            reasons[name] = f"{name} has no standard error: the likelihood does not curve down where the search ended"
            continue
        reason = not_identified(name, numbers, intervals[name])
        reasons |= {name: reason} if reason else {}
    return LikelihoodFit(model, numbers, errors, intervals, reasons, flat, profiles, top, spike, x.size, step_years)


def _checked(returns: Floats) -> Floats:
    x = np.asarray(returns, dtype=np.float64).ravel()
    if x.size < 100:
        raise ValueError(f"returns must hold at least 100 values, got {x.size}")
    if not np.isfinite(x).all():
        at = int(np.flatnonzero(~np.isfinite(x))[0])
        raise ValueError(f"returns must be finite, got {x[at]!r} at position {at}")
    value, count = np.unique(x, return_counts=True)
    if robust_sd(x) <= 0.0:
        raise ValueError(
            f"returns must vary: {count.max()} of {x.size} are exactly {value[count.argmax()]:g}, which a diffusion "
            "never is (stale prices, or a constant series?)"
        )
    return x


def robust_sd(x: Floats) -> float:
    """Standard deviation of a normal law with the interquartile range of `x`."""
    low, high = np.quantile(x, [0.25, 0.75])
    return float((high - low) / 1.3489795003921634)


def _merton_problem(x: Floats, step: float) -> Problem:
    core, total = robust_sd(x), float(x.std())
    yearly = core / np.sqrt(step)

    def value(point: Floats) -> tuple[float, Floats]:
        drift, mean = point[0], point[3]
        sigma, intensity, sd = np.exp(point[[1, 2, 4]])
        relative = np.expm1(mean + 0.5 * sd * sd)
        location = (drift - 0.5 * sigma * sigma - intensity * relative) * step
        total, g = _mixture(x, location, sigma * sigma * step, intensity * step, mean, sd * sd)
        pull = g[0] * step  # of the drift, and of all that moves the location against it
        slope = np.array(
            [
                pull,
                2.0 * sigma * sigma * step * g[1] - pull * sigma * sigma,
                g[2] - pull * intensity * relative,
                g[3] - pull * intensity * (relative + 1.0),
                2.0 * sd * sd * g[4] - pull * intensity * (relative + 1.0) * sd * sd,
            ]
        )
        return total, slope

    starts = []
    for rate, width in ((0.005, 8.0), (0.05, 4.0), (0.4, 2.0)):  # few large jumps to many small ones
        starts.append([0.0, np.log(yearly), np.log(rate / step), 0.0, np.log(width * core)])
    low = [-20.0, np.log(FLOOR * yearly), np.log(1e-5 / step), -10.0 * total, np.log(0.05 * core)]
    high = [20.0, np.log(3.0 * total / np.sqrt(step)), np.log(5.0 / step), 10.0 * total, np.log(100.0 * total)]
    return Problem(
        ("drift", "volatility", "intensity", "mean", "sd"),
        (False, True, True, False, True),
        np.array(low),
        np.array(high),
        np.array([1.0, 0.1, 0.3, core, 0.2]),
        tuple(np.array(s) for s in starts),
        value,
    )


def _problem(model: str, x: Floats, step: float) -> Problem:
    if model == "merton":
        return _merton_problem(x, step)
    from riskengine.calibrate.likelihood_kou import kou_problem

    return kou_problem(x, step)


def _climb(problem: Problem, start: Floats, fixed: int | None = None) -> tuple[Floats, float]:
    """Local maximum from `start`, with free number `fixed` held where given."""
    from scipy.optimize import minimize

    free = np.array([i for i in range(start.size) if i != fixed])

    def objective(scaled: Floats) -> tuple[float, Floats]:
        point = start.copy()
        point[free] = start[free] + scaled * problem.unit[free]
        value, slope = problem.value(point)
        return -value, -slope[free] * problem.unit[free]

    bounds = list(
        zip(
            (problem.low[free] - start[free]) / problem.unit[free],
            (problem.high[free] - start[free]) / problem.unit[free],
            strict=True,
        )
    )
    found = minimize(
        objective, np.zeros(free.size), jac=True, bounds=bounds, method="L-BFGS-B",
        options={"maxiter": 200, "ftol": 1e-10, "gtol": 1e-2},
    )  # fmt: skip
    point = start.copy()
    point[free] = start[free] + found.x * problem.unit[free]
    return point, -float(found.fun)


def _maximum(problem: Problem, x: Floats) -> tuple[Floats, float, float | None]:
    """Best maximum inside, its log-likelihood, and that of a point on the floor of volatility where it is higher."""
    at = problem.names.index("volatility")
    # the spike is looked for where it would be: on the value that occurs most often, or the one nearest the median
    spiked = problem.starts[0].copy()
    spiked[at] = problem.low[at]
    ends = [_climb(problem, start) for start in problem.starts]
    on_floor = [e for e in (*ends, _climb(problem, spiked, at)) if e[0][at] < problem.low[at] + 1e-3]
    inside = [e for e in ends if e[0][at] >= problem.low[at] + 1e-3]
    if not inside:
        value, count = np.unique(x, return_counts=True)
        raise RunError(
            "the likelihood must have a maximum inside, got one that runs to its spike: the diffusion shrinks onto its "
            f"floor of {FLOOR:g} robust standard deviations while jumps explain the rest ({count.max()} of {x.size} "
            f"returns are exactly {value[count.argmax()]:g}); fit across horizons instead, or clean repeated prices"
        )
    point, top = max(inside, key=lambda e: e[1])
    highest = max((e[1] for e in on_floor), default=-np.inf)
    return point, top, highest if highest > top else None


def _information(problem: Problem, point: Floats) -> tuple[Floats, str]:
    """Standard errors by the observed information, shape (P,), and its flattest direction in words.

    Where the information is not positive definite, a parameter that takes part in a direction of no or wrong curvature
    has no error: NaN.
    """
    step = 1e-3 * problem.unit
    rows = [
        (problem.value(point + s)[1] - problem.value(point - s)[1]) / (2 * h)
        for s, h in zip(np.diag(step), step, strict=True)
    ]
    information = -0.5 * (np.array(rows) + np.array(rows).T)
    judged = [i for i, name in enumerate(problem.names) if name != "drift"]
    # a direction is compared with others in the unit of each number
    scaled = information * np.multiply.outer(problem.unit, problem.unit)
    vector = np.linalg.eigh(np.linalg.pinv(scaled, hermitian=True)[np.ix_(judged, judged)])[1][:, -1]
    size, directions = np.linalg.eigh(scaled)
    wrong = size <= 1e-12 * np.abs(size).max()
    part = directions[:, wrong]
    variance = (directions[:, ~wrong] ** 2 / size[~wrong]).sum(axis=1)
    known = (part**2).sum(axis=1) <= _NO_PART
    sd = np.where(known, np.sqrt(variance), np.nan) * problem.unit
    words = flat_direction([problem.names[i] for i in judged], vector)
    return sd, words


def _profile(
    problem: Problem, point: Floats, top: float, i: int, errors: Floats
) -> tuple[float, float, list[tuple[float, float]]]:
    """Where the profile of free number `i` has fallen by `_DROP` on either side, and the points computed on the way."""
    problem = replace(problem, unit=errors)
    sd = errors[i]
    curve, ends = [(float(point[i]), 0.0)], []
    for side in (-1.0, 1.0):
        edge = problem.low[i] if side < 0 else problem.high[i]
        inner, inner_drop, at = float(point[i]), 0.0, point.copy()
        step, end = min(1.96 * sd, 2.0 * abs(edge - point[i])), None
        for _ in range(12):
            x = inner + side * step
            if (x - edge) * side >= 0.0:
                x = float(edge)
            trial = at.copy()
            trial[i] = x
            trial, value = _climb(problem, trial, i)
            drop = max(top - value, 0.0)
            curve.append((x, drop))
            if drop >= _DROP:
                end = (x, drop)
                break
            if x == edge:
                break
            inner, inner_drop, at = x, drop, trial
            step *= 1.0 if drop > 0.5 * _DROP else 2.0
        if end is None:
            ends.append(side * np.inf)
            continue
        # roots of the drop are nearly linear in the distance: two secant steps on sqrt(drop)
        for _ in range(3):
            a, b = np.sqrt(inner_drop), np.sqrt(end[1])
            x = inner + (end[0] - inner) * (np.sqrt(_DROP) - a) / (b - a)
            trial = at.copy()
            trial[i] = x
            trial, value = _climb(problem, trial, i)
            drop = max(top - value, 0.0)
            curve.append((float(x), drop))
            if abs(drop - _DROP) < 0.02:
                end = (x, drop)
                break
            if drop < _DROP:
                inner, inner_drop, at = x, drop, trial
            else:
                end = (x, drop)
        ends.append(float(end[0]))
    return ends[0], ends[1], sorted(curve)
