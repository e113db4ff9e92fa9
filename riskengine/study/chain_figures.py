"""Figures of a backtest on option chains: exceptions and their tests, cost, size, procyclicality, comparisons.

Accounts of one day move together, so whatever is pooled over accounts takes the day as its unit: rates by a design
effect from Newey and West's error over days, means by that error itself, ratios and comparisons by a stationary
bootstrap of days that keeps all models and accounts of a day together.  A cell (model, asset, account) has one figure a
day, so its count is binomial under a right model and its p-values are exact.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import bdtrc

from riskengine.arrays import Floats
from riskengine.backtest.alternatives import stated
from riskengine.backtest.binomial import binomial_test
from riskengine.backtest.christoffersen import christoffersen
from riskengine.backtest.kupiec import kupiec
from riskengine.backtest.multiplicity import benjamini_hochberg, holm
from riskengine.backtest.sign_flip import sign_flip_p
from riskengine.engine.chain_replay import Replay
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.margin.procyclicality import largest_ratio, peak_to_trough
from riskengine.score.confidence_set import resampling_counts
from riskengine.stats.proportion import clustered_proportion
from riskengine.study.chain_spec import ChainBacktestStudy
from riskengine.study.result import Row
from riskengine.study.rolling_scores import pooled_difference, pooled_rate

LEAST_DAYS_HIT = 10  # days that must carry a ratio or a difference before it gets an interval
RISES = (1, 5, 30)
_NO_POWER = "not stated: a comparison, not a test of a promise; the interval of the difference says what could be seen"
_CELL = ("days", "exceptions", "expected", "rate", "rate_lower", "rate_upper", "binomial_p", "too_many_p", "kupiec_p",
         "kupiec_exact_p", "independence_p", "too_many_p_bh", "too_many_p_holm", "power", "margin_share",
         "margin_share_lower", "margin_share_upper", "uncovered_mean", "uncovered_peak", "peak_to_trough",
         *(f"rise_{d}" for d in RISES), "equal_exceptions")  # fmt: skip


class ChainFigures:
    """Figures of a replay.

    Parameters
    ----------
    study : ChainBacktestStudy
    seen : Replay
    """

    def __init__(self, study: ChainBacktestStudy, seen: Replay):
        self.study, self.replay = study, seen
        self.settings = study.settings
        self.tails = np.array([1.0 - (study.coverage_target if v is None else v) for _, v in self.settings]).round(12)
        self.known = np.isfinite(seen.loss)
        self.share = np.where(self.known, seen.required / seen.unit, np.nan)  # (M, N, K)
        excess = seen.loss - seen.required
        with np.errstate(invalid="ignore"):
            self.breach = (excess > seen.rounding) & self.known
        self.uncovered = np.where(self.breach, excess / seen.unit, 0.0)
        self.base = next(m for m, (name, _) in enumerate(self.settings) if name == study.reference)
        n = len(seen.seconds)
        block = min(study.block_days * 24.0 / study.margin_period_hours, n)
        self.drawn = resampling_counts(n, max(block, 1.0), study.replicates, study.seed)
        self.pool = np.array([k for k, (_, name) in enumerate(seen.names) if name not in study.apart], dtype=np.int64)
        self.cost = np.nansum(self.share[:, :, self.pool], axis=2)  # (M, N): of all pooled accounts of a day
        self.multiplier = self.cost[self.base].sum() / self.cost.sum(axis=1)
        self.equal = self._exceeds(self.multiplier)

    def _exceeds(self, multiplier: Floats) -> np.ndarray:
        """Breaches where every model's requirement is multiplied, (M, N, K)."""
        seen = self.replay
        with np.errstate(invalid="ignore"):
            return (seen.loss > multiplier[:, None, None] * seen.required + seen.rounding) & self.known

    # one cell

    @cached_property
    def cells(self) -> list[dict[str, Any]]:
        """Every (model, level, asset, account), in order; adjusted p-values are over all of them."""
        out = [self._cell(m, k) for m in range(len(self.settings)) for k in range(len(self.replay.names))]
        tested = [c for c in out if c["days"]]
        p = [c["too_many_p"] for c in tested]
        for c, bh, strict in zip(tested, benjamini_hochberg(p), holm(p), strict=True):
            c |= {"too_many_p_bh": float(bh), "too_many_p_holm": float(strict)}
        return out

    def _cell(self, m: int, k: int) -> dict[str, Any]:
        (model, level), (asset, account) = self.settings[m], self.replay.names[k]
        days = self.known[:, k]
        n, tail = int(days.sum()), float(self.tails[m])
        out: dict[str, Any] = {"model": model, "level": level, "asset": asset, "account": account, "days": n}
        if not n:
            return out
        hit, share = self.breach[m, days, k], self.share[m, days, k]
        x = int(hit.sum())
        test, ratio = binomial_test(x, n, tail, self.study.confidence), kupiec(x, n, tail)
        follows = self._follows(days)
        margin = self._mean(self.replay.seconds[days], share)
        out |= {
            "exceptions": x, "expected": n * tail, "rate": test.rate.value, "rate_lower": test.rate.lower,
            "rate_upper": test.rate.upper, "binomial_p": test.p_value, "too_many_p": test.p_value_more,
            "kupiec_p": ratio.p_value, "kupiec_exact_p": ratio.exact_p_value,
            "independence_p": christoffersen(hit, tail, follows).p_value_independence if x > 1 else None,
            "power": self.power(n, tail), "margin_share": margin.value, "margin_share_lower": margin.lower,
            "margin_share_upper": margin.upper, "uncovered_peak": float(self.uncovered[m, days, k].max()),
            "uncovered_mean": float(self.uncovered[m, days, k].sum() / x) if x else None,
            "equal_exceptions": int(self.equal[m, days, k].sum()),
        }  # fmt: skip
        if (share > 0).all():
            out["peak_to_trough"] = float(peak_to_trough(share))
            out |= {f"rise_{d}": float(largest_ratio(share, d)) for d in RISES if d < n}
        return out

    def _follows(self, days: np.ndarray) -> np.ndarray:
        """Whether each period but the first starts a margin period after the one before it."""
        gap = np.diff(self.replay.seconds[days]) / 3600.0 - self.study.margin_period_hours
        return np.abs(gap) <= self.study.tolerance_hours + 1e-9

    def power(self, n: int, tail: float) -> float:
        """Probability that the one-sided exact test rejects where exceptions are `rate_multiple` times as frequent."""
        counts = np.arange(1, n + 1)
        rejected = bdtrc(counts - 1, n, tail) <= self.study.significance
        if not rejected.any():
            return 0.0
        return float(bdtrc(counts[rejected][0] - 1, n, min(self.study.rate_multiple * tail, 0.5)))

    def table(self) -> dict[str, Any]:
        """Cells, compact; figures to six digits."""
        columns = ["model", "level", "asset", "account", *_CELL]
        return {"columns": columns, "rows": [[_digits(c.get(name)) for name in columns] for c in self.cells]}

    # pooled

    def rows(self) -> Iterator[Row]:
        """Figures of each model over all accounts, of each kind of account, and against the benchmark."""
        names = [t.name for t in self.study.accounts]
        for m, (model, level) in enumerate(self.settings):
            key = {"account": "all", "level": level}
            figures = [*self._group(m, self.pool), *self._whole(m)]
            power = next(e for measure, _, e in figures if measure == "account_power")
            power = replace(power, method=stated(self.study.rate_multiple, "exact, mean of accounts"))
            for measure, unit, estimate in figures:
                beside = power if measure == "accounts_rejected_bh" else None
                yield Row("chain", model, key, measure, unit, estimate, power=beside)
        for name in names:
            columns = np.array([k for k, (_, account) in enumerate(self.replay.names) if account == name])
            for m, (model, level) in enumerate(self.settings):
                for measure, unit, estimate in self._group(m, columns):
                    yield Row("chain_accounts", model, {"account": name, "level": level}, measure, unit, estimate)
        yield from self._against()

    def _group(self, m: int, columns: np.ndarray) -> Iterator[tuple[str, str, Estimate]]:
        """Figures of one model over some accounts."""
        known, when = self.known[:, columns], self.replay.seconds
        n = int(known.sum())
        if not n:
            yield "exception_rate", "probability", undetermined(0, "the account could be struck on no day")
            return
        day = np.nonzero(known)[0]
        hit = self.breach[m][:, columns]
        x = int(hit.sum())
        yield "exception_rate", "probability", self._rate(when[day], hit[known])
        yield "margin_share", "share", self._mean(when[day], self.share[m][:, columns][known])
        size = self.uncovered[m][:, columns]
        yield "uncovered_mean", "share", self._ratio(size.sum(axis=1), hit.sum(axis=1), "exceptions")
        peak = exact(float(size.max()), "the largest of these days") if x else undetermined(n, "no exception")
        yield "uncovered_peak", "share", peak
        series = self.share[m][:, columns]
        series = np.where(known, series, np.nan)
        path = np.nanmean(series[known.any(axis=1)], axis=1)
        note = "of this one history"
        if not (path > 0).all():
            yield "margin_peak_to_trough", "number", undetermined(n, "no requirement on some days")
            return
        yield "margin_peak_to_trough", "number", exact(float(peak_to_trough(path)), note)
        for d in RISES:
            value = float(largest_ratio(path, d))
            said = exact(value, note) if math.isfinite(value) else undetermined(n, f"fewer than {d + 1} periods")
            yield f"margin_rise_{d}", "number", said

    def _whole(self, m: int) -> Iterator[tuple[str, str, Estimate]]:
        """What is told of a model over all accounts only."""
        model, level = self.settings[m]
        own = [
            c
            for c in self.cells
            if (c["model"], c["level"]) == (model, level) and c["days"] and c["account"] not in self.study.apart
        ]
        known = self.known[:, self.pool]
        n, when = int(known.sum()), self.replay.seconds[np.nonzero(known)[0]]
        yield "observations", "count", exact(n, "count")
        yield "exceptions", "count", exact(int(self.breach[m][:, self.pool].sum()), "count")
        yield "expected_exceptions", "count", exact(n * self.tails[m], "observations times the promised rate")
        yield "exception_days", "count", exact(int(self.breach[m][:, self.pool].any(axis=1).sum()), "count")
        rejected = sum(c["too_many_p_bh"] <= self.study.significance for c in own)
        yield (
            "accounts_rejected_bh",
            "count",
            Estimate(
                float(rejected),
                0.0,
                float(rejected),
                float(rejected),
                1.0,
                len(own),
                float(len(own)),
                "count of accounts",
            ),
        )
        yield (
            "account_power",
            "probability",
            exact(float(np.mean([c["power"] for c in own])), "exact, mean of accounts"),
        )
        drawn = self._multipliers[m]
        yield "equal_multiplier", "number", self._interval(float(self.multiplier[m]), drawn, len(self.drawn[0]), "")
        with np.errstate(invalid="ignore"):
            deep = self.replay.loss > self.replay.maintenance[m] + self.replay.rounding
        yield "maintenance_exception_rate", "probability", self._rate(when, deep[:, self.pool][known])
        yield "equal_exception_rate", "probability", self._rate(when, self.equal[m][:, self.pool][known])

    @cached_property
    def _multipliers(self) -> Floats:
        """Multiplier of each model to the benchmark's mean requirement in each resample of days, (M, replicates)."""
        sums = self.cost @ self.drawn.T
        return sums[self.base] / sums

    def _against(self) -> Iterator[Row]:
        """Each model against the benchmark, as it stands and at equal mean requirement, on the same days."""
        known = self.known[:, self.pool]
        pooled, when = known.sum(axis=1), self.replay.seconds[np.nonzero(known)[0]]
        daily, rescaled = (x[:, :, self.pool].sum(axis=2) for x in (self.breach, self.equal))
        weight = self.drawn @ pooled
        others = [m for m in range(len(self.settings)) if m != self.base]
        p_values = {
            name: holm([sign_flip_p(x[m] - x[self.base]) for m in others]) if others else []
            for name, x in (("exception_rate", daily), ("equal_exception_rate", rescaled))
        }
        for i, m in enumerate(others):
            model, level = self.settings[m]
            key = {"account": "all", "level": level}
            for name, x in (("exception_rate", daily), ("equal_exception_rate", rescaled)):
                gap = x[m] - x[self.base]
                drawn = self.drawn @ gap if name == "exception_rate" else self._rescaled(m) - self._rescaled(self.base)
                moved = int((gap != 0).sum())
                value = float(gap.sum() / pooled.sum())
                found = self._interval(value, drawn / weight, moved, "days on which the counts differ")
                yield Row("chain_paired", model, key, f"{name}_difference", "probability", found)
                yield Row("chain_paired", model, key, f"{name}_difference_p", "number", exact(
                    float(p_values[name][i]), "exact sign-flip test over days, Holm over models"
                ), power=undetermined(0, _NO_POWER))  # fmt: skip
            gap = (self.share[m] - self.share[self.base])[:, self.pool][known]
            yield Row("chain_paired", model, key, "margin_share_difference", "share", self._mean(when, gap))

    def _rescaled(self, m: int) -> Floats:
        """Exceptions of each resample where the multiplier is that of the resample, (replicates,)."""
        seen, out = self.replay, np.zeros(len(self.drawn))
        for day in range(len(seen.seconds)):
            own = self.pool[self.known[day, self.pool]]
            with np.errstate(divide="ignore", invalid="ignore"):
                # multiplier at which each account is just covered; none covers a loss where nothing is required
                need = (seen.loss[day, own] - seen.rounding[day, own]) / seen.required[m, day, own]
            need = np.where(np.isnan(need), -np.inf, need)
            out += self.drawn[:, day] * (len(own) - np.searchsorted(np.sort(need), self._multipliers[m], side="right"))
        return out

    # intervals

    def _rate(self, seconds: np.ndarray, hit: np.ndarray) -> Estimate:
        """Share of observations that are exceptions; where few days have any, the day counts as one trial."""
        if len(np.unique(seconds[hit])) < LEAST_DAYS_HIT:
            days = len(np.unique(seconds))
            return clustered_proportion(int(hit.sum()), hit.size, hit.size / days, self.study.confidence)
        return pooled_rate([(seconds, hit.astype(np.float64))], self.study.confidence)

    def _mean(self, seconds: np.ndarray, values: Floats) -> Estimate:
        return pooled_difference([(seconds, values)], self.study.confidence)

    def _ratio(self, top: Floats, bottom: Floats, what: str) -> Estimate:
        """Ratio of two daily sums."""
        days = int((bottom > 0).sum())
        if not days:
            return undetermined(int(len(top)), f"no {what}")
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = (self.drawn @ top) / (self.drawn @ bottom)
        return self._interval(float(top.sum() / bottom.sum()), drawn, days, f"days with {what}")

    def _interval(self, value: float, drawn: Floats, days: int, what: str) -> Estimate:
        """`value` with the percentile interval of its resamples, refused where few days carry it."""
        confidence, n = self.study.confidence, len(self.replay.seconds)
        drawn = drawn[np.isfinite(drawn)]
        error = float(drawn.std()) if drawn.size else math.nan
        if days < LEAST_DAYS_HIT:
            said = f"interval refused: {days} {what}, {LEAST_DAYS_HIT} needed"
            return Estimate(value, error, -math.inf, math.inf, confidence, n, float(days), said)
        low, high = np.quantile(drawn, (0.5 - 0.5 * confidence, 0.5 + 0.5 * confidence))
        said = f"stationary bootstrap of days, mean block {self.study.block_days:g}"
        return Estimate(value, error, min(float(low), value), max(float(high), value), confidence, n, float(days), said)

    def curves(self) -> list[dict[str, Any]]:
        """Requirement over time: mean over all accounts as a share of spot notional, one curve for each model."""
        out = []
        for m, (model, level) in enumerate(self.settings):
            path = np.nanmean(np.where(self.known, self.share[m], np.nan)[:, self.pool], axis=1)
            out.append(
                {
                    "name": "chain_margin",
                    "title": model,
                    "parameters": {"model": model, "level": level},
                    "x": [int(s) for s in self.replay.seconds],
                    "y": [_digits(float(v)) for v in path],
                    "lower": None,
                    "upper": None,
                    "n": int(self.known[:, self.pool].sum(axis=1).max()),
                }
            )
        return out


def _digits(value: Any) -> Any:
    if isinstance(value, float):
        return None if not np.isfinite(value) else float(f"{value:.6g}")
    return value
