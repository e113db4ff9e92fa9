"""Figures of a backtest on option chains: exceptions and their tests, cost, size, procyclicality, comparisons.

Accounts of one day move together, so rates pooled over accounts take the day as their unit, by a design effect, and
comparisons the error of a stationary bootstrap of days that keeps all models and accounts of a day together.  Few days
carry either, so both take Student's t with as many degrees of freedom as such days, less one.  Requirements hardly
change from day to day and few exceptions tell a mean size: what these cost and were is told of this one history.  A
cell (model, asset, account) has one figure a day, so its count is binomial under a right model, its p-values exact.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import bdtrc, ndtri, stdtr, stdtrit

from riskengine.arrays import Floats
from riskengine.backtest.alternatives import stated
from riskengine.backtest.binomial import binomial_test
from riskengine.backtest.christoffersen import christoffersen
from riskengine.backtest.kupiec import kupiec
from riskengine.backtest.multiplicity import benjamini_hochberg, holm
from riskengine.engine.chain_replay import Replay
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.margin.procyclicality import largest_ratio, peak_to_trough
from riskengine.score.confidence_set import resampling_counts
from riskengine.stats.proportion import clustered_proportion
from riskengine.stats.tracking import newey_west_error
from riskengine.study.chain_spec import ChainBacktestStudy
from riskengine.study.result import Row
from riskengine.study.rolling_scores import by_day

LEAST_DAYS_HIT = 10  # days that must carry a difference before it gets an interval
RISES = (1, 5, 30)
_NO_POWER = "not stated: a comparison, not a test of a promise; the interval of the difference says what could be seen"
_CELL = ("days", "exceptions", "expected", "rate", "rate_lower", "rate_upper", "binomial_p", "too_many_p", "kupiec_p",
         "kupiec_exact_p", "independence_p", "too_many_p_bh", "too_many_p_holm", "power", "power_adjusted",
         "margin_share", "uncovered_mean", "uncovered_peak", "peak_to_trough", *(f"rise_{d}" for d in RISES),
         "equal_exceptions")  # fmt: skip


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
        self.block = max(1.0, min(study.block_days * 24.0 / study.margin_period_hours, n))
        self.drawn = resampling_counts(n, self.block, study.replicates, study.seed)
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
        adjusted = benjamini_hochberg(p)
        # the p-value that the adjustment asks of a cell, given how many it rejects
        cut = self.study.significance * max(1, int((adjusted <= self.study.significance).sum())) / len(p)
        for c, bh, strict in zip(tested, adjusted, holm(p), strict=True):
            tail = float(self.tails[self.settings.index((c["model"], c["level"]))])
            c |= {"too_many_p_bh": float(bh), "too_many_p_holm": float(strict)}
            c |= {"power_adjusted": self.power(c["days"], tail, cut)}
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
        out |= {
            "exceptions": x, "expected": n * tail, "rate": test.rate.value, "rate_lower": test.rate.lower,
            "rate_upper": test.rate.upper, "binomial_p": test.p_value, "too_many_p": test.p_value_more,
            "kupiec_p": ratio.p_value, "kupiec_exact_p": ratio.exact_p_value,
            "independence_p": christoffersen(hit, tail, follows).p_value_independence if x > 1 else None,
            "power": self.power(n, tail, self.study.significance), "margin_share": float(share.mean()),
            "uncovered_peak": float(self.uncovered[m, days, k].max()),
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

    def power(self, n: int, tail: float, size: float) -> float:
        """Probability that the one-sided exact test of `size` rejects at `rate_multiple` times the promised rate."""
        counts = np.arange(1, n + 1)
        rejected = bdtrc(counts - 1, n, tail) <= size
        if not rejected.any():
            return 0.0
        return float(bdtrc(counts[rejected][0] - 1, n, self.study.rate_multiple * tail))

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
            power = next(e for measure, _, e in figures if measure == "account_power_adjusted")
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
        note = "of this one history"
        yield "margin_share", "share", exact(self.share[m][:, columns][known].mean(), note)
        size = self.uncovered[m][:, columns]
        mean = exact(size.sum() / x, note) if x else undetermined(n, "no exception")
        yield "uncovered_mean", "share", mean
        peak = exact(float(size.max()), "the largest of these days") if x else undetermined(n, "no exception")
        yield "uncovered_peak", "share", peak
        series = self.share[m][:, columns]
        series = np.where(known, series, np.nan)
        path = np.nanmean(series[known.any(axis=1)], axis=1)
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
        counts = {
            "observations": n,
            "exceptions": self.breach[m][:, self.pool].sum(),
            "expected_exceptions": n * self.tails[m],
            "exception_days": self.breach[m][:, self.pool].any(axis=1).sum(),
        }
        for measure, value in counts.items():
            said = "observations times the promised rate" if measure == "expected_exceptions" else "count"
            yield measure, "count", exact(value, said)
        rejected = sum(c["too_many_p_bh"] <= self.study.significance for c in own)
        yield "accounts_rejected_bh", "count", replace(exact(rejected, "count of accounts"), n=len(own))
        for name in ("power", "power_adjusted"):
            mean = float(np.mean([c[name] for c in own]))
            yield f"account_{name}", "probability", exact(mean, "exact, mean of accounts")
        yield "equal_multiplier", "number", exact(self.multiplier[m], "of this one history")
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
        pooled = known.sum(axis=1)
        weight = self.drawn @ pooled
        others = [m for m in range(len(self.settings)) if m != self.base]
        tested = {}
        for name, breach in (("exception_rate", self.breach), ("equal_exception_rate", self.equal)):
            daily = breach[:, :, self.pool].sum(axis=2)
            found = []
            for m in others:
                gap = daily[m] - daily[self.base]
                drawn = self.drawn @ gap if breach is self.breach else self._rescaled(m) - self._rescaled(self.base)
                value = float(gap.sum() / pooled.sum())
                found.append(self._interval(value, drawn / weight, gap, "days on which the counts differ"))
            tested[name] = list(zip(found, _p_values(found), strict=True))
        for i, m in enumerate(others):
            model, level = self.settings[m]
            key = {"account": "all", "level": level}
            for name, pairs in tested.items():
                difference, p = pairs[i]
                yield Row("chain_paired", model, key, f"{name}_difference", "probability", difference)
                power = undetermined(0, _NO_POWER)
                yield Row("chain_paired", model, key, f"{name}_difference_p", "number", p, power=power)
            gap = (self.share[m] - self.share[self.base])[:, self.pool][known]
            cost = exact(gap.mean(), "of this one history")
            yield Row("chain_paired", model, key, "margin_share_difference", "share", cost)

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
        """Share of observations that are exceptions; where few days have any, the day counts as one trial.

        Else the design effect is that of the greater of two errors, with and without dependence between days, and is
        widened by (t / z)^2, after Korn and Graubard (1998).
        """
        hits, count = by_day([(seconds, hit.astype(np.float64))])
        n, x, days, carried = hit.size, int(hits.sum()), hits.size, int((hits > 0).sum())
        confidence = self.study.confidence
        if carried < LEAST_DAYS_HIT or x == n:
            return clustered_proportion(x, n, n / days, confidence)
        gap = hits - x / n * count
        error = max(newey_west_error(gap), float(gap.std(ddof=1)) / math.sqrt(days)) * days / n
        side = 0.5 + 0.5 * confidence
        wider = float(stdtrit(carried - 1, side) / ndtri(side))
        effect = (wider * error) ** 2 / (x / n * (1.0 - x / n) / n)
        found = clustered_proportion(x, n, min(effect, n), confidence)
        return replace(found, std_error=error, method=f"{found.method}, student's t")

    def _interval(self, value: float, drawn: Floats, daily: Floats, what: str) -> Estimate:
        """`value` with the error of its resamples and Student's t, refused where few days carry it.

        Parameters
        ----------
        value : float
        drawn : ndarray, shape (replicates,)
        daily : ndarray, shape (N,)
            What each day brings; days of size d count as (sum |d|)^2 / sum d^2 equal ones.
        what : str
            Names the days that bring something.
        """
        confidence, n, days = self.study.confidence, len(self.replay.seconds), int(np.count_nonzero(daily))
        drawn = drawn[np.isfinite(drawn)]  # a resample of days without any account says nothing
        # the variance that a stationary bootstrap gives of n independent days is short by (2 b - 1) / n
        short = min(0.5, (2.0 * self.block - 1.0) / n)
        error = float(drawn.std(ddof=1)) / math.sqrt(1.0 - short) if drawn.size > 1 else math.nan
        if days < LEAST_DAYS_HIT:
            said = f"interval refused: {days} {what}, {LEAST_DAYS_HIT} needed"
            return Estimate(value, error, -math.inf, math.inf, confidence, n, float(days), said)
        equal = float(np.abs(daily).sum() ** 2 / np.square(daily).sum())
        half = float(stdtrit(equal - 1.0, 0.5 + 0.5 * confidence)) * error
        said = f"stationary bootstrap of days, mean block {self.study.block_days:g}, student's t"
        return Estimate(value, error, value - half, value + half, confidence, n, equal, said)

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


def _p_values(differences: list[Estimate]) -> list[Estimate]:
    """Two-sided p-value of each difference by the t of its interval, Holm over those that have one."""
    formed = [e for e in differences if math.isfinite(e.lower)]
    if not formed:
        return [undetermined(e.n, e.method) for e in differences]
    p = iter(holm([2.0 * stdtr(e.n_effective - 1.0, -abs(e.value) / e.std_error) for e in formed]).tolist())
    said = "approximate: student's t of the bootstrap error, Holm over models"
    return [exact(next(p), said) if math.isfinite(e.lower) else undetermined(e.n, e.method) for e in differences]


def _digits(value: Any) -> Any:
    if isinstance(value, float):
        return None if not np.isfinite(value) else float(f"{value:.6g}")
    return value
