"""Power that stands beside each verdict on rolling forecasts: of every test, and of the family that they form.

Coverage tests see breaches alone: `riskengine.backtest.alternatives` has what power is stated against.  For tests of ES
and of the forecast law the same rate of too many breaches comes from losses of a t law with four degrees of freedom
whose forecasts, VaR and ES and law, are too low by one factor.  A family's verdict is made by the functions that judge
real forecasts, on histories with a volatility that moves and forecasts that know it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from riskengine.arrays import Floats
from riskengine.backtest.alternatives import HISTORIES, Power, breach_power, independent, multiplied, stated
from riskengine.backtest.battery import count_p_values, rank_p_values
from riskengine.backtest.es_regression import LEAST_TAIL
from riskengine.backtest.lane_kernels import betting_lanes, shortfall_betting_lanes
from riskengine.backtest.lanes import (
    BreachLanes,
    berkowitz_tail_lanes,
    calibration_lanes,
    chi_squared_p,
    du_escanciano_conditional_lanes,
    du_escanciano_lanes,
    mcneil_frey_p_lanes,
    z1_lanes,
    z2_lanes,
)
from riskengine.backtest.power import count_power
from riskengine.estimate import Estimate, undetermined
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.rolling_law import (
    GRID,
    LAW_TESTS,
    expected_weights,
    law_of,
    mean_weights,
    smallest_uniforms,
    worst_of,
)
from riskengine.study.rolling_tests import COVERAGE, SHORTFALL, NullTables, ranked_statistics, shortfall, whole_tail

NO_POWER = {
    "in_set": "not stated: a comparison, not a test of a promise",
    "set_p": "not stated: a comparison, not a test of a promise; *_detectable is the difference that would be seen",
}
_DAYS = (250, 500, 1_000, 2_000, 4_000, 8_000)  # power of tests of ES is stated for the next smaller of these
_FREEDOM = 4.0


@dataclass
class PowerTables:
    """Power, made once for each number of days and tail probability.

    Attributes
    ----------
    null : NullTables
    rate_multiple, cluster_share, confidence : float
    histories : int
        Behind the power of the regressions of ES, and of the families of tests of ES and of the law.
    """

    null: NullTables
    rate_multiple: float
    cluster_share: float
    confidence: float
    histories: int = 100
    _coverage: dict[tuple[int, float], dict[str, Power]] = field(default_factory=dict)
    _tail: dict[tuple[int, float], dict[str, Power]] = field(default_factory=dict)
    _rate: dict[tuple[int, float], float] = field(default_factory=dict)

    def rate_power(self, n: int, p: float) -> float:
        """Exact power of Kupiec's exact test against the multiplied rate."""
        if (n, p) not in self._rate:
            other = multiplied(p, self.rate_multiple)
            self._rate[n, p] = count_power("kupiec_exact", n, p, other, self.null.significance).power
        return self._rate[n, p]

    def coverage(self, n: int, p: float) -> dict[str, Power]:
        """Power of each coverage test, of the traffic light's zone, and of the family ``coverage``."""
        if (n, p) not in self._coverage:
            counts = count_p_values(n, p)
            by_count = {"binomial": "binomial", "kupiec": "kupiec_exact", "traffic_light": "zone"}
            self._coverage[n, p] = breach_power(
                lambda b: self._coverage_p(b, p), n, p, self.null.significance, self.null.random(2, n, p),
                self.rate_multiple, self.cluster_share, ("e_var_overstated",), self.confidence,
                {name: counts[test, "exact"] for test, name in by_count.items()},
            )  # fmt: skip
        return self._coverage[n, p]

    def _coverage_p(self, b: BreachLanes, p: float) -> dict[str, Floats]:
        """p-values that `riskengine.study.rolling_tests.coverage` gives, and the family's, (P,) each."""
        null, random, counts = self.null.null(b.n, p), self.null.random(5, b.n, p), count_p_values(b.n, p)
        found = {"binomial": counts["binomial", "exact"][b.count], "kupiec_exact": counts["kupiec", "exact"][b.count]}
        unformed = np.zeros(b.count.size)
        for name, value in ranked_statistics(b, p).items():
            found[name] = rank_p_values(value, null[name], random.random(value.size))
            unformed += np.isnan(value)
        for name, under in (("e_var", True), ("e_var_overstated", False)):
            found[name] = np.minimum(1.0, 1.0 / betting_lanes(b, p, (b.n,), understated=under)[0])
        least = np.min(list(found.values()), axis=0)
        return {n: v for n, v in found.items() if n not in ("binomial", "kupiec_exact")} | {
            "coverage": np.minimum(1.0, least * (len(COVERAGE) - unformed))
        }

    def days(self, n: int, p: float) -> int:
        """Days that power of tests of ES is stated for at `n`: a standard number, or the fewest they are formed for."""
        least = math.ceil(LEAST_TAIL / p - 1e-9)
        return max((d for d in _DAYS if least <= d <= n), default=min(least, n))

    def tail(self, n: int, p: float) -> tuple[int, dict[str, Power]]:
        """Days that it is stated for, and power and size of each test of ES and of the law, and of their families."""
        days = self.days(n, p)
        if days * p < LEAST_TAIL - 1e-9:
            return n, {}
        if (days, p) not in self._tail:
            other = min(multiplied(p, self.rate_multiple), 0.4)
            power, size = self._simulate(days, p, other), self._simulate(days, p, p)
            said = f"{stated(other / p)}, {days:,} days"
            formed = [t for t in power if p <= 0.05 or t not in (*LAW_TESTS, "law")]
            self._tail[days, p] = {t: Power(replace(power[t], method=said), None, size[t]) for t in formed}
        return days, self._tail[days, p]

    def _simulate(self, n: int, p: float, other: float) -> dict[str, Estimate]:
        """Share of histories rejected whose forecasts are such that they breach at the rate `other`."""
        random = self.null.random(3, n, p)
        right = float(-stdtrit(_FREEDOM, p))
        height = np.exp(-0.5 * (_FREEDOM + 1.0) * np.log1p(right * right / _FREEDOM)) * 0.375
        var = float(-stdtrit(_FREEDOM, other))
        es = height * (_FREEDOM + right * right) / ((_FREEDOM - 1.0) * p) * var / right
        law = -stdtrit(_FREEDOM, 1.0 - GRID) * var / right
        p_values = self._lanes(n, p, other, var, es, law, random)
        families: dict[str, list[float]] = {"shortfall": [], "law": []}
        regressions: dict[str, list[float]] = {name: [] for name in SHORTFALL if name.startswith("es_regression")}
        for _ in range(self.histories):
            scale = np.exp(_volatility(n, random))
            x = random.standard_t(_FREEDOM, n) * scale
            judged = shortfall(x, var * scale, es * scale, p, self.null.seed)
            families["shortfall"].append(judged.p_value)
            for name, found in regressions.items():
                found.append(judged.p_values.get(name, 1.0))
            families["law"].append(whole_tail(x, es * scale, law[:, None] * scale, p, self.null.seed, 199).p_value)
        p_values |= {name: np.array(found) for name, found in (families | regressions).items()}
        return {
            name: clopper_pearson(int((found <= self.null.significance).sum()), found.size, self.confidence)
            for name, found in p_values.items()
        }

    def _lanes(
        self, n: int, p: float, other: float, var: float, es: float, law: Floats, random: np.random.Generator
    ) -> dict[str, Floats]:
        """p-values of the tests that can be made on many histories at once."""
        right = float(-stdtrit(_FREEDOM, p))

        def histories(rate: float, count: int, loss_of: Callable[[Floats], Floats]) -> BreachLanes:
            b = independent(n, rate, count, random)
            loss = np.where(b.mask, loss_of(rate * random.random(b.at.shape)), np.nan)
            return BreachLanes(n, b.at, loss, np.where(b.mask, stdtr(_FREEDOM, -loss * right / var), np.nan))

        # the forecast law is the t law times var / right
        b = histories(other, HISTORIES, lambda u: -stdtrit(_FREEDOM, u))
        two, one = calibration_lanes(b, var, es, p)
        out = {
            "conditional_calibration": chi_squared_p(2, two),
            "conditional_calibration_one_sided": one,
            "mcneil_frey": mcneil_frey_p_lanes(b, var, es),
            "du_escanciano": 2.0 * ndtr(-np.abs(du_escanciano_lanes(b, p))),
            "du_escanciano_conditional": chi_squared_p(5, du_escanciano_conditional_lanes(b, p)),
            "berkowitz_tail": chi_squared_p(2, berkowitz_tail_lanes(b, p)),
            "e_es": 1.0 / np.maximum(shortfall_betting_lanes(b, var, es, p, (n,))[0], 1.0),
        }
        draws, null = self.null.draws, histories(p, self.null.draws, lambda u: -stdtrit(_FREEDOM, u) * var / right)
        worst = worst_of(n, p)
        points = law_of(law[:, None], np.array([es]), p)[:, 0]
        expected = points @ expected_weights(n, worst)

        def ranks(survival: Floats) -> Floats:
            return points @ mean_weights(survival) / expected

        true = smallest_uniforms(n, worst, HISTORIES, random)
        seen = {
            "z1": (-z1_lanes(b, es), -z1_lanes(null, es)),
            "z2": (-z2_lanes(b, es, p), -z2_lanes(null, es, p)),
            "z3": (
                ranks(stdtr(_FREEDOM, stdtrit(_FREEDOM, true) * right / var)),
                ranks(smallest_uniforms(n, worst, draws, random)),
            ),
        }
        for name, (value, drawn) in seen.items():
            out[name] = rank_p_values(value, np.sort(drawn[np.isfinite(drawn)]), random.random(HISTORIES))
        return out


def power_of(tables: PowerTables, n: int, p: float) -> dict[str, Estimate]:
    """Power of every test and family at `n` days: what stands beside its verdict, or why nothing does."""
    found = tables.coverage(n, p) | tables.tail(n, p)[1]
    none = undetermined(0, f"not formed: fewer than {LEAST_TAIL} breaches are expected")
    names = (*COVERAGE, "zone", "coverage", *SHORTFALL, "shortfall", *LAW_TESTS, "law")
    return {name: found[name].beside(name) if name in found else none for name in names}


def _volatility(n: int, random: np.random.Generator) -> Floats:
    """Log-volatility of a day: autoregressive with 0.97, standard deviation 0.4."""
    out, now = np.empty(n), 0.4 * random.standard_normal()
    noise = 0.4 * np.sqrt(1.0 - 0.97**2) * random.standard_normal(n)
    for t in range(n):
        out[t] = now
        now = 0.97 * now + noise[t]
    return out
