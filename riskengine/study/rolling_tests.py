"""Tests of one series of forecasts, with the power that stands beside each verdict.

Coverage tests see breaches alone, so under the null they depend on the number of days and the level only: their
p-values are exact, any-time valid, or ranked among histories drawn under the null, which are made once for each number
of days and level.  Tests of expected shortfall are asymptotic or a bootstrap and are formed where at least ten breaches
are expected.  A test that the data cannot form is left out of its family, never counted as passed.

Power is stated against two alternatives: breaches `rate_multiple` times as frequent as promised and independent, losses
of a t law with four degrees of freedom whose forecasts are too low by one factor; and breaches as frequent as promised
of which a stated share is followed by another the next day.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from riskengine.arrays import Floats
from riskengine.backtest.binomial import binomial_test
from riskengine.backtest.conditional_calibration import conditional_calibration, conditional_calibration_one_sided
from riskengine.backtest.e_process import EProcess, e_process, e_statistics
from riskengine.backtest.es_regression import LEAST_TAIL, es_regression, es_regression_intercept
from riskengine.backtest.expected_shortfall import mcneil_frey
from riskengine.backtest.kupiec import kupiec
from riskengine.backtest.lane_kernels import betting_lanes, shortfall_betting_lanes, weibull_lanes
from riskengine.backtest.lanes import (
    BreachLanes,
    berkowitz_tail_lanes,
    calibration_lanes,
    chi_squared_p,
    christoffersen_lanes,
    du_escanciano_conditional_lanes,
    du_escanciano_lanes,
    dynamic_quantile_lanes,
    gmm_lanes,
    mcneil_frey_p_lanes,
)
from riskengine.backtest.multiplicity import holm
from riskengine.backtest.power import count_power
from riskengine.backtest.result import ranked_p_value
from riskengine.estimate import Estimate, exact
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.rolling_law import law_tests

RANKED = ("christoffersen_independence", "christoffersen", "gmm_duration", "weibull_duration", "dynamic_quantile")
COVERAGE = ("binomial", "kupiec_exact", *RANKED, "e_var", "e_var_overstated")
SHORTFALL = (
    "conditional_calibration",
    "conditional_calibration_one_sided",
    "mcneil_frey",
    "es_regression_strict",
    "es_regression_auxiliary",
    "es_regression_intercept",
    "e_es",
)
# too large a size to be judged by: 14 % of right forecasts at 1,000 days and 2.5 %; shown, not counted
NOT_COUNTED = ("conditional_calibration", "du_escanciano_conditional")
_POWER_DAYS = (250, 500, 1_000, 2_000, 4_000, 8_000)  # power of tests of ES is stated for the next smaller of these
_POWER_HISTORIES = 2_000
_FREEDOM = 4.0


@dataclass(frozen=True)
class Verdict:
    """What the tests of one family say of one series of forecasts.

    Attributes
    ----------
    p_values : dict of str to float
        By test, those that could be formed.
    p_value : float
        Smallest of those that are counted after Holm's adjustment within the family, a p-value itself; NaN without any.
    """

    p_values: dict[str, float]

    @cached_property
    def p_value(self) -> float:
        """Of the family."""
        counted = [p for test, p in self.p_values.items() if test not in NOT_COUNTED]
        return float(holm(counted).min()) if counted else float("nan")


def _sparse(n: int, depth: int, gaps) -> BreachLanes:
    """Histories of `n` days from gaps between breaches, drawn `depth` at a time until all are past the end."""
    at = np.cumsum(gaps(depth), axis=0) - 1
    while at[-1].min() < n:
        at = np.concatenate([at, at[-1] + np.cumsum(gaps(depth), axis=0)])
    deep = max(int((at < n).sum(axis=0).max()), 1)
    none = np.full((deep, at.shape[1]), np.nan)
    return BreachLanes(n, at[:deep], none, none)


def independent(n: int, rate: float, histories: int, random: np.random.Generator) -> BreachLanes:
    """Histories of independent breaches."""
    depth = int(n * rate + 6.0 * np.sqrt(n * rate) + 8.0)
    return _sparse(n, depth, lambda d: random.geometric(rate, (d, histories)))


def clustered(n: int, rate: float, share: float, histories: int, random: np.random.Generator) -> BreachLanes:
    """Histories of a Markov chain: a breach follows a breach with probability `share`, and the rate is `rate`."""
    quiet = rate * (1.0 - share) / (1.0 - rate)
    depth = int(n * rate + 8.0 * np.sqrt(n * rate) + 8.0)

    def gaps(d: int) -> np.ndarray:
        return np.where(random.random((d, histories)) < share, 1, 1 + random.geometric(quiet, (d, histories)))

    return _sparse(n, depth, gaps)


def ranked_statistics(b: BreachLanes, p: float) -> dict[str, Floats]:
    """Statistics of the tests whose p-values are ranked, (P,) each, large against the null; NaN where not formed."""
    independence, coverage = christoffersen_lanes(b, p)
    return {
        "christoffersen_independence": np.where(b.count > 0, independence, np.nan),
        "christoffersen": coverage,
        "gmm_duration": gmm_lanes(b, p),
        "weibull_duration": weibull_lanes(b),
        "dynamic_quantile": dynamic_quantile_lanes(b, p)[0],
    }


@dataclass
class Tables:
    """Null draws and power, made once for each number of days and tail probability.

    Attributes
    ----------
    seed, draws : int
    significance, rate_multiple, cluster_share, confidence : float
    regressions : int
        Histories behind the power of a regression of ES.
    """

    seed: int
    draws: int
    significance: float
    rate_multiple: float
    cluster_share: float
    confidence: float
    regressions: int = 100
    _null: dict[tuple[int, float], dict[str, Floats]] = field(default_factory=dict)
    _power: dict[tuple[int, float], dict[str, tuple[Estimate, Estimate | None]]] = field(default_factory=dict)
    _shortfall: dict[tuple[int, float], dict[str, tuple[Estimate, Estimate]]] = field(default_factory=dict)
    _rate: dict[tuple[int, float], float] = field(default_factory=dict)

    def random(self, what: int, n: int, p: float) -> np.random.Generator:
        """Generator of one table."""
        return np.random.default_rng((self.seed, what, n, round(p * 1e9)))

    def null(self, n: int, p: float) -> dict[str, Floats]:
        """Draws of each statistic under the null, those that could be formed."""
        if (n, p) not in self._null:
            found = ranked_statistics(independent(n, p, self.draws, self.random(1, n, p)), p)
            self._null[n, p] = {name: np.sort(v[~np.isnan(v)]) for name, v in found.items()}
        return self._null[n, p]

    def rate_power(self, n: int, p: float) -> float:
        """Exact power of Kupiec's exact test against the multiplied rate."""
        if (n, p) not in self._rate:
            other = min(self.rate_multiple * p, 0.5)
            self._rate[n, p] = count_power("kupiec_exact", n, p, other, self.significance).power
        return self._rate[n, p]

    def coverage_power(self, n: int, p: float) -> dict[str, tuple[Estimate, Estimate | None]]:
        """Power of each coverage test against (multiplied rate, clusters), at the significance of one test."""
        if (n, p) in self._power:
            return self._power[n, p]
        other = min(self.rate_multiple * p, 0.5)
        random = self.random(2, n, p)
        cases = (
            independent(n, other, _POWER_HISTORIES, random),
            clustered(n, p, self.cluster_share, _POWER_HISTORIES, random),
        )
        found: dict[str, list[Estimate]] = {name: [] for name in (*RANKED, "e_var", "e_var_overstated")}
        for b in cases:
            for name, value in ranked_statistics(b, p).items():
                null = self.null(n, p)[name]
                above = null.size - np.searchsorted(null, np.nan_to_num(value, nan=-np.inf), side="left")
                hits = ((above + 1.0) / (null.size + 1.0) <= self.significance).sum()
                found[name].append(clopper_pearson(int(hits), _POWER_HISTORIES, self.confidence))
            for name, under in (("e_var", True), ("e_var_overstated", False)):
                best = betting_lanes(b, p, (n,), understated=under)[0]
                hits = int((best >= 1.0 / self.significance).sum())
                found[name].append(clopper_pearson(hits, _POWER_HISTORIES, self.confidence))
        out: dict[str, tuple[Estimate, Estimate | None]] = {k: (v[0], v[1]) for k, v in found.items()}
        out["kupiec_exact"] = exact(self.rate_power(n, p), "exact by enumeration"), None
        self._power[n, p] = out
        return out

    def shortfall_power(self, n: int, p: float) -> tuple[int, dict[str, tuple[Estimate, Estimate]]]:
        """Days that it is stated for, and (power against forecasts too low by one factor, size) of each test of ES."""
        days = max((d for d in _POWER_DAYS if d <= n), default=n)
        if (days, p) not in self._shortfall:
            self._shortfall[days, p] = {}
            if days * p >= LEAST_TAIL:
                power = self._simulate_shortfall(days, p, min(self.rate_multiple * p, 0.4))
                size = self._simulate_shortfall(days, p, p)
                self._shortfall[days, p] = {test: (power[test], size[test]) for test in power}
        return days, self._shortfall[days, p]

    def _simulate_shortfall(self, n: int, p: float, other: float) -> dict[str, Estimate]:
        """Share of histories rejected whose forecasts are such that they breach at the rate `other`."""
        random = self.random(3, n, p)
        right = float(-stdtrit(_FREEDOM, p))
        height = np.exp(-0.5 * (_FREEDOM + 1.0) * np.log1p(right * right / _FREEDOM)) * 0.375
        var = float(-stdtrit(_FREEDOM, other))
        es = height * (_FREEDOM + right * right) / ((_FREEDOM - 1.0) * p) * var / right
        b = independent(n, other, _POWER_HISTORIES, random)
        loss = np.where(b.mask, -stdtrit(_FREEDOM, other * random.random(b.at.shape)), np.nan)
        # the forecast law is the t law times var / right
        b = BreachLanes(n, b.at, loss, np.where(b.mask, stdtr(_FREEDOM, -loss * right / var), np.nan))
        two, one = calibration_lanes(b, var, es, p)
        p_values = {
            "conditional_calibration": chi_squared_p(2, two),
            "conditional_calibration_one_sided": one,
            "mcneil_frey": mcneil_frey_p_lanes(b, var, es),
            "du_escanciano": 2.0 * ndtr(-np.abs(du_escanciano_lanes(b, p))),
            "du_escanciano_conditional": chi_squared_p(5, du_escanciano_conditional_lanes(b, p)),
            "berkowitz_tail": chi_squared_p(2, berkowitz_tail_lanes(b, p)),
            "e_es": 1.0 / np.maximum(shortfall_betting_lanes(b, var, es, p, (n,))[0], 1.0),
        }
        regressions: dict[str, list[float]] = {name: [] for name in SHORTFALL if name.startswith("es_regression")}
        for _ in range(self.regressions):
            scale = np.exp(_volatility(n, random))
            x = random.standard_t(_FREEDOM, n) * scale
            for name, test in _regressions(x, var * scale, es * scale, p):
                regressions[name].append(test.p_value)
        p_values |= {name: np.array(found) for name, found in regressions.items()}
        return {
            name: clopper_pearson(int((found <= self.significance).sum()), found.size, self.confidence)
            for name, found in p_values.items()
        }


def _volatility(n: int, random: np.random.Generator) -> Floats:
    """Log-volatility of a day: autoregressive with 0.97, standard deviation 0.4."""
    out, now = np.empty(n), 0.4 * random.standard_normal()
    noise = 0.4 * np.sqrt(1.0 - 0.97**2) * random.standard_normal(n)
    for t in range(n):
        out[t] = now
        now = 0.97 * now + noise[t]
    return out


def _regressions(loss: Floats, var: Floats, es: Floats, p: float):
    yield "es_regression_strict", es_regression(loss, es, p)
    yield "es_regression_auxiliary", es_regression(loss, es, p, var)
    yield "es_regression_intercept", es_regression_intercept(loss, es, p)


def coverage(breach: np.ndarray, p: float, tables: Tables) -> tuple[Verdict, EProcess, EProcess]:
    """Coverage tests of one series (n,) of breaches, and its e-processes against VaR too low and too high."""
    n, hits = breach.size, int(breach.sum())
    low = e_process(e_statistics(breach.astype(np.float64), 0.5, p), tables.significance)
    high = e_process(e_statistics(breach.astype(np.float64), 0.5, p, against="overstated"), tables.significance)
    found = {"binomial": binomial_test(hits, n, p).p_value, "kupiec_exact": kupiec(hits, n, p).exact_p_value}
    null, random = tables.null(n, p), tables.random(4, n, p)
    for name, value in ranked_statistics(BreachLanes.of(breach[:, None]), p).items():
        if not np.isnan(value[0]):
            found[name] = ranked_p_value(float(value[0]), null[name], random)[0]
    found |= {"e_var": low.p_value, "e_var_overstated": high.p_value}
    return Verdict({name: found[name] for name in COVERAGE if name in found}), low, high


def shortfall(loss: Floats, var: Floats, es: Floats, p: float, seed: int) -> Verdict:
    """Tests of ES on one series; empty where fewer than ten breaches are expected."""
    if loss.size * p < LEAST_TAIL:
        return Verdict({})
    tests = {
        "conditional_calibration": conditional_calibration(loss, var, es, p),
        "conditional_calibration_one_sided": conditional_calibration_one_sided(loss, var, es, p),
        "mcneil_frey": mcneil_frey(loss, var, es, 999, seed),
        **dict(_regressions(loss, var, es, p)),
    }
    found = {name: test.p_value for name, test in tests.items() if np.isfinite(test.statistic)}
    if (es > var).all():
        found["e_es"] = e_process(e_statistics(loss, var, p, es)).p_value
    return Verdict({name: found[name] for name in SHORTFALL if name in found})


def whole_tail(loss: Floats, es: Floats, law: Floats, p: float, seed: int) -> Verdict:
    """Tests of the tail of the forecast law, `law` its quantiles; empty where `shortfall` is, and for `p` above 5 %."""
    if loss.size * p < LEAST_TAIL or p > 0.05:
        return Verdict({})
    tests = law_tests(loss, es, law, p, 499, seed)
    return Verdict({name: test.p_value for name, test in tests.items() if np.isfinite(test.statistic)})
