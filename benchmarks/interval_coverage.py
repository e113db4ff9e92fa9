"""Coverage of every interval method against a known truth: `python benchmarks/interval_coverage.py [--seeds 1000]`.

World: one-day Merton law (sigma 0.6, 30 jumps a year of mean -2 % and sd 6 %), losses of one long linear unit.  Each
seed draws one sample, forms the interval, and asks whether it holds the exact value.  Guaranteed methods must cover at
least the nominal 95 % less 3 standard errors of the measurement; asymptotic ones must cover 95 % +- 3 of them where
they give an interval at all (at least 100 effective tail hits).  The script exits 1 where one does not.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riskengine.estimate import Estimate
from riskengine.estimator.ewma import EwmaEstimator
from riskengine.estimator.normal import NormalEstimator
from riskengine.law.exposure import UnitExposure
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.stats.bounded import share, share_difference
from riskengine.stats.exceedance import exceedance_curve
from riskengine.stats.mean import conditional_severity, mean, paired_difference, ratio_of_means
from riskengine.stats.proportion import clopper_pearson, clopper_pearson_upper
from riskengine.stats.quantile import expected_shortfall, value_at_risk

WORLD = MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1.0 / 365.0)
CALM = MertonLaw(0.0, 0.6, (), 1.0 / 365.0)  # log-returns normal: what the model-based intervals assume
LONG = UnitExposure("long", "linear")
CONFIDENCE = 0.95


def sample_losses(generator: np.random.Generator, n: int) -> np.ndarray:
    """`n` independent one-day losses of the long unit, drawn by count and normal, not from the law under test."""
    jump = WORLD.jumps[0]
    count = generator.poisson(jump.intensity * WORLD.horizon, n)
    drift = (WORLD.drift - 0.5 * WORLD.sigma**2 - jump.intensity * jump.relative_mean) * WORLD.horizon
    sd = np.sqrt(WORLD.sigma**2 * WORLD.horizon + count * jump.sd**2)
    return -np.expm1(drift + count * jump.mean + sd * generator.standard_normal(n))


def sample_calm_log_losses(generator: np.random.Generator, n: int) -> np.ndarray:
    """`n` independent normal log-losses."""
    drift = (CALM.drift - 0.5 * CALM.sigma**2) * CALM.horizon
    return -(drift + CALM.sigma * np.sqrt(CALM.horizon) * generator.standard_normal(n))


def stop_loss(strike: float) -> float:
    """E[(L - strike)+], exactly."""
    x = LONG.return_at(strike)
    return float((1.0 - strike) * WORLD.cdf(x) - WORLD.lower_expectation(x))


@dataclass(frozen=True)
class Case:
    """One row: a method, its sample size, the truth, and what makes the interval from one generator."""

    method: str
    kind: str  # guaranteed, asymptotic or assumes normal
    figure: str
    n: int
    truth: float
    interval: Callable[[np.random.Generator], Estimate]


def cases() -> list[Case]:
    """Every interval method of `riskengine.stats` and of the estimators."""
    var = {level: float(LONG.var(WORLD, level)) for level in (0.9, 0.95, 0.99, 0.995, 0.999)}
    es = {level: float(LONG.expected_shortfall(WORLD, level)) for level in var}
    rows: list[Case] = []

    def add(method, kind, figure, n, truth, interval):
        rows.append(Case(method, kind, figure, n, truth, interval))

    for level, n in ((0.95, 250), (0.99, 250), (0.99, 1000), (0.99, 10_000), (0.999, 10_000)):
        k = var[level]
        add(
            "Clopper-Pearson", "guaranteed", f"P(L > {level:.1%} VaR)", n, 1 - level,
            lambda g, n=n, k=k: clopper_pearson(int((sample_losses(g, n) > k).sum()), n, CONFIDENCE),
        )  # fmt: skip
    add(
        "Clopper-Pearson, upper bound", "guaranteed", "P(L > 99.0% VaR)", 1000, 0.01,
        lambda g: clopper_pearson_upper(int((sample_losses(g, 1000) > var[0.99]).sum()), 1000, CONFIDENCE),
    )  # fmt: skip
    for level, n in (
        (0.95, 250), (0.95, 1000), (0.99, 250), (0.99, 1000), (0.99, 10_000), (0.995, 10_000), (0.999, 1000),
        (0.999, 10_000),
    ):  # fmt: skip
        add(
            "order statistics", "guaranteed", f"VaR {level:.1%}", n, var[level],
            lambda g, n=n, level=level: value_at_risk(sample_losses(g, n), (level,), CONFIDENCE)[0],
        )  # fmt: skip
    grid = np.array([var[0.9], var[0.99], var[0.999]])
    for i, level in enumerate((0.9, 0.99, 0.999)):
        add(
            "exceedance curve", "guaranteed", f"P(L > {level:.1%} VaR)", 2000, 1 - level,
            lambda g, i=i: exceedance_curve(sample_losses(g, 2000), threshold=grid).estimates()[i],
        )  # fmt: skip

    def both(g, n, low, high):
        loss = sample_losses(g, n)
        return share_difference((loss > low).astype(float), (loss > high).astype(float), CONFIDENCE)

    for kind, level, n in (("guaranteed", 0.99, 2000), ("asymptotic", 0.95, 5000)):
        add(
            "share" + (", few paths" if kind == "guaranteed" else ""), kind, f"P(L > {level:.1%} VaR)", n, 1 - level,
            lambda g, n=n, k=var[level]: share((sample_losses(g, n) > k).astype(float), CONFIDENCE),
        )  # fmt: skip
    add(
        "difference of shares, few paths", "guaranteed", "P(L > 99.0%) - P(L > 99.5%)", 2000, 0.005,
        lambda g: both(g, 2000, var[0.99], var[0.995]),
    )  # fmt: skip
    add(
        "difference of shares", "asymptotic", "P(L > 95.0%) - P(L > 99.0%)", 5000, 0.04,
        lambda g: both(g, 5000, var[0.95], var[0.99]),
    )  # fmt: skip
    for level, n in ((0.9, 1000), (0.95, 2000), (0.95, 10_000), (0.99, 10_000), (0.99, 50_000), (0.99, 5000)):
        add(
            "expected shortfall, influence function", "asymptotic", f"ES {level:.1%}", n, es[level],
            lambda g, n=n, level=level: expected_shortfall(sample_losses(g, n), level, CONFIDENCE),
        )  # fmt: skip
    add("mean", "asymptotic", "E[L]", 1000, 0.0, lambda g: mean(sample_losses(g, 1000), CONFIDENCE))
    for level, n in ((0.9, 2000), (0.95, 2500), (0.95, 5000), (0.99, 12_000), (0.99, 5000)):
        add(
            "mean", "asymptotic", f"E[(L - {level:.1%} VaR)+]", n, stop_loss(var[level]),
            lambda g, n=n, k=var[level]: mean(np.maximum(sample_losses(g, n) - k, 0.0), CONFIDENCE),
        )  # fmt: skip
    for level, n in ((0.9, 1250), (0.95, 2500), (0.95, 5000), (0.99, 12_000), (0.99, 5000)):
        add(
            "conditional severity", "asymptotic", f"E[L - q given L > q], q = {level:.1%} VaR", n,
            stop_loss(var[level]) / (1 - level),
            lambda g, n=n, k=var[level]: conditional_severity(sample_losses(g, n) - k, CONFIDENCE),
        )  # fmt: skip

    def ratio(g, n, k):
        loss = sample_losses(g, n)
        return ratio_of_means(np.maximum(loss - k, 0.0), np.maximum(loss, 0.0), CONFIDENCE)

    add(
        "ratio of means, delta method", "asymptotic", "E[(L - 95.0% VaR)+] / E[L+]", 5000,
        stop_loss(var[0.95]) / stop_loss(0.0), lambda g: ratio(g, 5000, var[0.95]),
    )  # fmt: skip

    def paired(g, n):
        loss = sample_losses(g, n)
        return paired_difference(np.maximum(loss - var[0.9], 0.0), np.maximum(loss - var[0.95], 0.0), CONFIDENCE)

    add(
        "paired difference", "asymptotic", "E[(L - 90%)+] - E[(L - 95%)+]", 5000,
        stop_loss(var[0.9]) - stop_loss(var[0.95]), lambda g: paired(g, 5000),
    )  # fmt: skip
    calm = -float(CALM.quantile(0.01))
    for estimator, n in ((NormalEstimator(), 250), (EwmaEstimator(0.97), 250)):
        add(
            f"estimator {estimator.kind}, normal world", "assumes normal", "VaR 99.0%", n, calm,
            lambda g, e=estimator, n=n: e.fit(sample_calm_log_losses(g, n), 0.99, CONFIDENCE)[0],
        )  # fmt: skip
        add(
            f"estimator {estimator.kind}, Merton world", "assumption broken", "VaR 99.0%", n, var[0.99],
            lambda g, e=estimator, n=n: e.fit(sample_losses(g, n), 0.99, CONFIDENCE)[0],
        )  # fmt: skip
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1000)
    seeds = parser.parse_args().seeds
    error = np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / seeds)
    failed = 0
    print(f"{seeds} seeds; one standard error of a coverage of 95 % is {error:.2%}.\n")
    print("| method | kind | figure | n | coverage | median relative width | one-sided or refused | verdict |")
    print("|---|---|---|---:|---:|---:|---:|---|")
    start = time.perf_counter()
    for case in cases():
        held = bounded = open_ended = refused = 0
        widths = []
        for seed in range(seeds):
            e = case.interval(np.random.default_rng([seed, case.n]))
            if np.isinf(e.lower) and np.isinf(e.upper):
                refused += 1
                continue
            bounded += 1
            open_ended += bool(np.isinf(e.upper) or np.isinf(e.lower))
            held += e.lower <= case.truth <= e.upper
            widths.append(e.upper - e.lower)
        coverage = held / bounded if bounded else float("nan")
        if case.kind == "assumption broken":
            verdict = "not claimed"
        elif not bounded:
            verdict = "refused"
        else:
            limit = 3 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / bounded)
            good = coverage >= CONFIDENCE - limit and (case.kind == "guaranteed" or coverage <= CONFIDENCE + limit)
            failed += not good
            verdict = "ok" if good else "FAIL"
        scale = abs(case.truth)
        width = f"{np.median(widths) / scale:.3g}" if widths and scale and np.isfinite(np.median(widths)) else "-"
        notes = f"{open_ended} / {refused}"
        print(
            f"| {case.method} | {case.kind} | {case.figure} | {case.n:,} | "
            f"{'-' if not bounded else f'{coverage:.1%}'} | {width} | {notes} | {verdict} |",
            flush=True,
        )
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
