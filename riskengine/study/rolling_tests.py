"""Tests of one series of forecasts; `riskengine.study.rolling_power` has the power that stands beside each verdict.

Coverage tests see breaches alone, so under the null they depend on the number of days and the level only: their
p-values are exact, any-time valid, or ranked among histories drawn under the null, which are made once for each number
of days and level.  Tests of expected shortfall are asymptotic or a bootstrap and are formed where at least ten breaches
are expected.  A test that the data cannot form is left out of its family, never counted as passed.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from riskengine.arrays import Floats
from riskengine.backtest.alternatives import independent
from riskengine.backtest.binomial import binomial_test
from riskengine.backtest.conditional_calibration import conditional_calibration, conditional_calibration_one_sided
from riskengine.backtest.e_process import EProcess, e_process, e_statistics
from riskengine.backtest.es_regression import LEAST_TAIL, es_regression, es_regression_intercept
from riskengine.backtest.expected_shortfall import mcneil_frey
from riskengine.backtest.kupiec import kupiec
from riskengine.backtest.lane_kernels import weibull_lanes
from riskengine.backtest.lanes import (
    BreachLanes,
    christoffersen_lanes,
    dynamic_quantile_lanes,
    gmm_lanes,
)
from riskengine.backtest.multiplicity import holm
from riskengine.backtest.result import ranked_p_value
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
class NullTables:
    """Draws of statistics under the null, made once for each number of days and tail probability.

    Attributes
    ----------
    seed, draws : int
    significance : float
        Of the alarms.
    """

    seed: int
    draws: int
    significance: float
    _null: dict[tuple[int, float], dict[str, Floats]] = field(default_factory=dict)

    def random(self, what: int, n: int, p: float) -> np.random.Generator:
        """Generator of one table."""
        return np.random.default_rng((self.seed, what, n, round(p * 1e9)))

    def null(self, n: int, p: float) -> dict[str, Floats]:
        """Draws of each statistic under the null, those that could be formed."""
        if (n, p) not in self._null:
            found = ranked_statistics(independent(n, p, self.draws, self.random(1, n, p)), p)
            self._null[n, p] = {name: np.sort(v[~np.isnan(v)]) for name, v in found.items()}
        return self._null[n, p]


def _regressions(loss: Floats, var: Floats, es: Floats, p: float):
    yield "es_regression_strict", es_regression(loss, es, p)
    yield "es_regression_auxiliary", es_regression(loss, es, p, var)
    yield "es_regression_intercept", es_regression_intercept(loss, es, p)


def coverage(breach: np.ndarray, p: float, tables: NullTables) -> tuple[Verdict, EProcess, EProcess]:
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


def whole_tail(loss: Floats, es: Floats, law: Floats, p: float, seed: int, draws: int = 499) -> Verdict:
    """Tests of the tail of the forecast law, `law` its quantiles; empty where `shortfall` is, and for `p` above 5 %."""
    if loss.size * p < LEAST_TAIL or p > 0.05:
        return Verdict({})
    tests = law_tests(loss, es, law, p, draws, seed)
    return Verdict({name: test.p_value for name, test in tests.items() if np.isfinite(test.statistic)})
