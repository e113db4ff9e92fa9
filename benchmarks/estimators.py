"""Every estimator against two worlds of known truth: independent one-day Merton losses, and GARCH losses.

    python benchmarks/estimators.py [--replications 2000]

First table: relative bias, standard deviation and mean exact breach probability of the estimate, share of intervals
that hold the true quantile, share of lanes refused, milliseconds a lane (both levels together).  Second table: the same
task where volatility moves; the truth is the conditional quantile, and the sd is that of log(estimate / truth).
"""

import argparse
import time

import numpy as np
from scipy.special import ndtr, ndtri

from riskengine import registry
from riskengine.estimator.cornish_fisher import CornishFisherEstimator
from riskengine.estimator.historical import HistoricalEstimator
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw

SEED = 20240310
LEVELS = (0.99, 0.999)


def merton_losses(law, n, count, generator):
    """Independent one-day log-losses, shape (n, count)."""
    jump = law.jumps[0]
    k = generator.poisson(jump.intensity * law.horizon, (n, count))
    sd = np.sqrt(law.sigma**2 * law.horizon + k * jump.sd**2)
    drift = (-0.5 * law.sigma**2 - jump.intensity * jump.relative_mean) * law.horizon
    return -(drift + k * jump.mean + sd * generator.standard_normal((n, count)))


def garch_losses(n, count, generator, alpha=0.1, beta=0.87):
    """Losses of a GARCH(1,1) with normal shocks, long-run variance 1, and the standard deviation of the next."""
    variance, out = np.ones(count), np.empty((n, count))
    for t in range(-300, n):
        loss = np.sqrt(variance) * generator.standard_normal(count)
        variance = (1 - alpha - beta) + alpha * loss**2 + beta * variance
        if t >= 0:
            out[t] = loss
    return out, np.sqrt(variance)


def estimators():
    """(name, estimator) of every registered one, and two variants."""
    yield "historical, linear", HistoricalEstimator("linear")
    for kind in registry.MODELS["estimators"]:
        yield kind, registry.load("estimators", kind)()
    yield "cornish_fisher, formula", CornishFisherEstimator("formula")


def fit(estimator, losses, levels):
    """(value, lower, upper, seconds a lane), or the words of the refusal."""
    try:
        estimator.fit_lanes(losses[:, :2], levels)  # compile
        start = time.perf_counter()
        found = estimator.fit_lanes(losses, levels).var
    except ValueError as error:
        return str(error)
    return *found, (time.perf_counter() - start) / losses.shape[1]


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--replications", type=int, default=2000)
    count = parser.parse_args().replications
    law = MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1 / 365)
    print("| estimator | n | level | bias | sd | breach | interval holds | refused | ms |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for n in (250, 1000):
        losses = merton_losses(law, n, count, np.random.default_rng([SEED, n]))
        for name, estimator in estimators():
            lanes = losses[:, : max(50, count // 10)] if name == "isotonic_recalibration" else losses
            for levels in (LEVELS, LEVELS[:1]):
                found = fit(estimator, lanes, levels)
                if not isinstance(found, str):
                    break
            if isinstance(found, str):
                print(f"| {name} | {n} | | | | | | {found} | |")
                continue
            value, lower, upper, seconds = found
            for i, level in enumerate(levels):
                truth = -float(law.quantile(1 - level))
                kept = np.isfinite(value[i])
                v, holds = value[i][kept], (lower[i] <= truth) & (truth <= upper[i])
                if v.size == 0:
                    print(f"| {name} | {n} | {100 * level:g} % | | | | | 100 % | {1e3 * seconds:.2f} |")
                    continue
                print(
                    f"| {name} | {n} | {100 * level:g} % | {100 * (v.mean() / truth - 1):+.1f} % | {v.std():.4f} "
                    f"| {100 * law.cdf(-v).mean():.2f} % | {100 * holds[kept].mean():.1f} % "
                    f"| {100 * (1 - kept.mean()):.1f} % | {1e3 * seconds:.2f} |"
                )
    losses, sd = garch_losses(1000, count // 2, np.random.default_rng([SEED, 1]))
    print("\n| estimator | level | sd of log(estimate / truth) | breach | interval holds |\n|---|---:|---:|---:|---:|")
    for name, estimator in estimators():
        lanes = slice(None, 100) if name == "isotonic_recalibration" else slice(None)
        value, lower, upper, _ = fit(estimator, losses[:, lanes], (0.95, 0.99))
        for i, level in enumerate((0.95, 0.99)):
            truth = sd[lanes] * ndtri(level)
            kept = np.isfinite(value[i]) & (value[i] > 0)
            v, t = value[i][kept], truth[kept]
            holds = (lower[i][kept] <= t) & (t <= upper[i][kept])
            breach = ndtr(-v / sd[lanes][kept]).mean()
            print(
                f"| {name} | {100 * level:g} % | {np.log(v / t).std():.3f} | {100 * breach:.2f} % "
                f"| {100 * holds.mean():.1f} % |"
            )


if __name__ == "__main__":
    main()
