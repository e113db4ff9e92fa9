"""Sampled `svcj` and `heston` worlds against exact laws, and the bias of the scheme by step size.

A comparison fails at five standard errors; the comparisons of this file number under 150, so that a true sampler fails
the file with probability below 1e-4.  Seeds are fixed.
"""

import dataclasses

import numpy as np
import pytest
from scipy.special import bdtr, bdtrc, ndtr

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.cojumps import CommonCoJumps, OwnCoJumps
from riskengine.scenario.heston import Heston
from riskengine.scenario.svcj import Svcj

Z = 5.0
ONE = ((1.0,),)
# Feller is violated by both; one own clock rings without moving variance
PAIR = Svcj(
    ("BTC", "ETH"), (6e4, 3e3), (0.3, -0.2), (8.0, 6.0), (0.3, 0.5), (2.5, 3.0), (-0.4, -0.5), "stationary",
    ((1.0, 0.75), (0.75, 1.0)), ((1.0, 0.8), (0.8, 1.0)),
    CommonCoJumps(6.0, (-0.03, -0.04), (0.05, 0.06), 0.7, variance_mean=(0.4, 0.6), slope=(-0.1, -0.08)),
    OwnCoJumps((8.0, 5.0), (0.01, -0.01), (0.03, 0.04), variance_mean=(0.3, 0.0), slope=(-0.05, 0.0)),
)  # fmt: skip


def within(sample, exact, known_to=0.0):
    """The mean of `sample` lies within Z standard errors of `exact`, which has a standard error `known_to` itself."""
    error = np.hypot(sample.std(ddof=1) / np.sqrt(sample.size), known_to)
    assert abs(sample.mean() - exact) < Z * error, f"{sample.mean()} against {exact} +- {error}"


def check_counts(hits, n, p):
    """Counts are not less likely under their exact binomial law than Z standard errors under a normal one."""
    assert (np.minimum(bdtr(hits, n, p), bdtrc(hits - 1, n, p)) > ndtr(-Z)).all(), f"{hits} of {n} at {p}"


@pytest.mark.parametrize("step_seconds", [3_600, 86_400, 7 * 86_400])
def test_growth_is_exact_at_any_step(step_seconds):
    grid = TimeGrid(step_seconds, 8)
    paths = PAIR.sample(grid, 0, 100_000, DrawKeys(1))
    assert not paths.failed.any()
    for i in range(2):
        within(paths.spot_lanes[-1, i] / PAIR.spot[i] * np.exp(-PAIR.drift[i] * grid.times[-1]), 1.0)


def test_variance_starts_in_its_stationary_law_and_stays_there():
    paths = PAIR.sample(TimeGrid(43_200, 40, 86_400, 20), 0, 40_000, DrawKeys(3))
    for i, asset in enumerate(PAIR.assets):
        law = PAIR.law(asset, 1.0)
        level = PAIR.theta[i] + sum(j.intensity * j.variance_mean for j in law.jumps) / PAIR.kappa[i]
        for state in (paths.history_variance_lanes[0, i], paths.variance_lanes[0, i], paths.variance_lanes[-1, i]):
            within(state, level)
            for s in (0.5, 2.0, 8.0):
                within(np.exp(-s * state), np.exp(law._stationary_exponent(np.array([-s + 0j])))[0].real)


def test_variance_from_a_fixed_start_has_its_mean():
    world = dataclasses.replace(PAIR, initial_variance=(0.6, 0.1))
    grid = TimeGrid(3 * 86_400, 8)
    v = world.sample(grid, 0, 50_000, DrawKeys(2)).variance_lanes
    for i, asset in enumerate(world.assets):
        extra = sum(j.intensity * j.variance_mean for j in world.law(asset, 1.0).jumps) / world.kappa[i]
        for t in (1, 8):
            decay = np.exp(-world.kappa[i] * grid.times[t])
            level = world.theta[i] + extra
            within(v[t, i], level + (world.initial_variance[i] - level) * decay)


@pytest.mark.parametrize("start", ["stationary", (0.02, 1.2)])
def test_distribution_function_and_cumulants(start):
    world = dataclasses.replace(PAIR, initial_variance=start)
    grid, count = TimeGrid(7_200, 36), 60_000
    paths = world.sample(grid, 0, count, DrawKeys(4))
    probability = np.array([1e-3, 1e-2, 0.1, 0.5, 0.9, 0.99, 0.999])
    for i, asset in enumerate(world.assets):
        law = world.law(asset, grid.times[-1])
        x = np.log(paths.spot_lanes[-1, i] / world.spot[i])
        check_counts((x <= law.quantile(probability)[:, None]).sum(axis=1), count, probability)
        mean, second = law.cumulants()[:2]
        within(x, mean)
        within((x - mean) ** 2, second)


def test_arrivals_and_joint_sizes():
    """With a variance that only jumps move, its rise over T is compound Poisson, jointly for all assets:

    E[exp(-s_1 R_1 - s_2 R_2)] = exp(lam T (1 / (1 + s_1 m_1 + s_2 m_2) - 1) + sum_i lam_i T (1 / (1 + s_i n_i) - 1)).
    """
    world = Svcj(
        ("A", "B"), (1.0, 1.0), (0.0, 0.0), (1e-6, 1e-6), (0.1, 0.1), (1e-6, 1e-6), (0.0, 0.0), (0.1, 0.1),
        ((1.0, 0.0), (0.0, 1.0)), ((1.0, 0.0), (0.0, 1.0)),
        CommonCoJumps(4.0, (0.0, 0.0), (0.0, 0.0), variance_mean=(0.3, 0.6), slope=(0.0, 0.0)),
        OwnCoJumps((3.0, 0.0), (0.0, 0.0), (0.0, 0.0), variance_mean=(0.2, 0.0), slope=(0.0, 0.0)),
    )  # fmt: skip
    grid, count = TimeGrid(86_400, 100), 100_000
    horizon = grid.times[-1]
    v = world.sample(grid, 0, count, DrawKeys(5)).variance_lanes
    rise = v[-1] - v[0]
    # paths without an arrival keep their variance
    for i, rate in ((0, 7.0), (1, 4.0)):
        check_counts((np.abs(rise[i]) < 1e-4).sum(), count, np.exp(-rate * horizon))
    both = (np.abs(rise) < 1e-4).all(axis=0).sum()
    check_counts(both, count, np.exp(-7.0 * horizon))
    for s, t in ((1.0, 1.0), (3.0, 0.0), (0.0, 3.0), (0.5, 5.0)):
        exact = 4.0 * horizon * (1 / (1 + 0.3 * s + 0.6 * t) - 1) + 3.0 * horizon * (1 / (1 + 0.2 * s) - 1)
        within(np.exp(-s * rise[0] - t * rise[1]), np.exp(exact))


def test_common_arrivals_make_joint_tails():
    """Days on which both variances double: every one of them is a common arrival, so they come together."""
    alone = dataclasses.replace(
        PAIR, jumps_common=None, jumps_own=OwnCoJumps((6.0, 6.0), (-0.03, -0.04), (0.05, 0.06),
        variance_mean=(0.4, 0.6), slope=(-0.1, -0.08)),
    )  # fmt: skip
    together = dataclasses.replace(PAIR, jumps_own=None)
    share = []
    for world in (alone, together):
        spot = world.sample(TimeGrid(86_400, 30), 0, 20_000, DrawKeys(6)).spot_lanes
        falls = np.diff(np.log(spot), axis=0)
        low = np.quantile(falls, 0.001, axis=(0, 2))
        hit = falls < low[:, None]
        share.append(hit.all(axis=1).sum() / hit[:, 0].sum())
    # 600 days each: the standard error of a share is at most 0.02
    assert share[1] > share[0] + 0.2


def bias(world, years, steps, exact, seed):
    """Error of the at-the-money call on each path, with the price itself as a control variate."""
    grid = TimeGrid(years * 31_536_000 / steps, steps)
    price = np.concatenate(
        [world.sample(grid, n, 50_000, DrawKeys(seed)).spot_lanes[-1, 0] for n in range(0, 150_000, 50_000)]
    )
    control = price - 100.0 * np.exp(world.drift[0] * years)
    pay = np.maximum(price - 100.0, 0.0) - exact
    return pay - np.cov(pay, control)[0, 1] / control.var() * control


def exact_call(world, years):
    law = world.law("X", years)
    put = 100.0 * float(law.cdf(0.0) - law.lower_expectation(0.0))
    return put + 100.0 * np.exp(world.drift[0] * years) - 100.0


def one(cls, kappa, theta, xi, rho, start, drift, *jumps):
    return cls(("X",), (100.0,), (drift,), (kappa,), (theta,), (xi,), (rho,), (start,), ONE, ONE, *jumps)


ANDERSEN = one(Heston, 0.5, 0.04, 1.0, -0.9, 0.04, 0.0)
BROADIE_KAYA = one(
    Svcj, 3.46, 0.008, 0.14, -0.82, 0.007569, 0.0319, None,
    OwnCoJumps((0.47,), (np.log(0.9 * 1.019) - 5e-9,), (1e-4,), variance_mean=(0.05,), slope=(-0.38,)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("world", "years", "steps", "known", "known_to"),
    [
        (ANDERSEN, 10, 10, 0.2269, 0.0056),
        (ANDERSEN, 10, 20, 0.1233, 0.0059),
        (ANDERSEN, 10, 40, 0.0059, 0.0061),
        (BROADIE_KAYA, 1, 2, -0.0791, 0.0028),
        (BROADIE_KAYA, 1, 4, -0.0446, 0.0028),
        (BROADIE_KAYA, 1, 52, 0.0, 0.0),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
def test_bias_by_step_size(world, years, steps, known, known_to):
    """What `benchmarks/scheme_bias.py` measured on two million paths of another seed; zero is the exact law itself."""
    within(bias(world, years, steps, exact_call(world, years), 21), known, known_to)
