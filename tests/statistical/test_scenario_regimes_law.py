"""Sampled `regime_switching` worlds against exact laws.

A comparison fails at five standard errors, or where a count is less likely than that under its exact binomial law; the
comparisons of this file number under 160, so that a true sampler fails the file with probability below 1e-4.
"""

import dataclasses

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import bdtr, bdtrc, ndtr

from riskengine.law.markov import stationary_law
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.jumps import CommonJumps, OwnJumps
from riskengine.scenario.regime_switching import RegimeSwitching

Z = 5.0
CALM, STRESS = ((1.0, 0.6), (0.6, 1.0)), ((1.0, 0.9), (0.9, 1.0))
WORLD = RegimeSwitching(
    ("BTC", "ETH"),
    (6e4, 3e3),
    ("calm", "stress", "panic"),
    ((-12.0, 12.0, 0.0), (60.0, -80.0, 20.0), (100.0, 50.0, -150.0)),
    ((0.1, -0.2), (-1.0, 0.5), (2.0, -3.0)),
    ((0.4, 0.5), (1.2, 1.0), (2.0, 3.0)),
    (CALM, STRESS, STRESS),
    "stationary",
    CommonJumps(10.0, (-0.02, -0.03), (0.05, 0.04), 0.7),
    OwnJumps((20.0, 5.0), (0.01, 0.0), (0.03, 0.05)),
    (1.0, 3.0, 0.0),
)
GENERATOR = np.array(WORLD.generator)
PI = stationary_law(GENERATOR)
GRID = TimeGrid(21_600, 40, 86_400, 10)
T = GRID.times[-1]
COUNT = 100_000
PATHS = WORLD.sample(GRID, 0, COUNT, DrawKeys(21))
PROBABILITY = np.array([1e-3, 1e-2, 0.1, 0.5, 0.9, 0.99, 0.999])


def within(sample, exact):
    error = sample.std(ddof=1) / np.sqrt(sample.size)
    assert abs(sample.mean() - exact) < Z * error, f"{sample.mean()} against {exact} with standard error {error}"


def check_counts(hits, n, p):
    """Counts are not less likely under their exact binomial law than Z standard errors under a normal one."""
    assert (np.minimum(bdtr(hits, n, p), bdtrc(np.asarray(hits) - 1, n, p)) > ndtr(-Z)).all(), f"{hits} of {n} at {p}"


def regime(variance_lanes):
    """Number of the regime that a variance of the first asset shows."""
    return np.searchsorted([0.5, 2.5], variance_lanes[..., 0, :])


def check_margin(x, law):
    check_counts((x <= law.quantile(PROBABILITY)[:, None]).sum(axis=1), x.size, PROBABILITY)
    c1, c2, c3, c4 = law.cumulants()
    within(np.exp(x), law.expectation())
    within(x, c1)
    within((x - c1) ** 2, c2)
    within((x - c1) ** 3, c3)
    within((x - c1) ** 4, c4 + 3.0 * c2**2)


@pytest.mark.parametrize("part", ["forward", "history"])
def test_margins_from_the_stationary_start(part):
    spot = PATHS.spot_lanes if part == "forward" else PATHS.history_spot_lanes
    assert not PATHS.failed.any()
    x = np.log(spot[-1] / spot[0])
    for i, asset in enumerate(WORLD.assets):
        check_margin(x[i], WORLD.law(asset, T))


def test_margins_given_the_variance_at_time_0():
    """What the estimator lab takes for the truth of a path: the law given the regime in which its history ends."""
    start = regime(PATHS.variance_lanes[0])
    x = np.log(PATHS.spot_lanes[-1] / PATHS.spot_lanes[0])
    for k in range(3):
        here = start == k
        check_counts(here.sum(), COUNT, PI[k])
        for i, asset in enumerate(WORLD.assets):
            law = WORLD.law(asset, T, WORLD.volatility[k][i] ** 2)
            p = PROBABILITY[1:-1]
            check_counts((x[i, here] <= law.quantile(p)[:, None]).sum(axis=1), here.sum(), p)


def test_one_step_from_a_given_regime():
    """Increments are exact at any step: ten days at once, with several changes inside."""
    world = dataclasses.replace(WORLD, initial_regime="panic", drift=(0.3, -0.2))
    paths = world.sample(TimeGrid(864_000, 1), 0, COUNT, DrawKeys(22))
    x = np.log(paths.spot_lanes[-1] / paths.spot_lanes[0])
    assert (regime(paths.variance_lanes[0]) == 2).all()
    for i, asset in enumerate(world.assets):
        law = world.law(asset, T)
        check_margin(x[i], law)
        assert law.expectation() == pytest.approx(np.exp(world.drift[0][i] * T), rel=1e-12)
    ends = np.bincount(regime(paths.variance_lanes[-1]), minlength=3)
    check_counts(ends, COUNT, expm(GENERATOR * T)[2])


def test_long_run_occupation_and_transitions():
    v = regime(WORLD.sample(TimeGrid(86_400, 730), 0, 2_000, DrawKeys(23)).variance_lanes)
    # two years of a path are one observation of its occupation
    for k in range(3):
        within((v == k).mean(axis=0), PI[k])
    day = expm(GENERATOR / 365.0)
    for a in range(3):
        for b in range(3):
            # every tenth day: pairs further apart than the memory of the chain; given the first, a multinomial draw
            first, second = v[:-1:10].ravel(), v[1::10].ravel()
            check_counts(((first == a) & (second == b)).sum(), (first == a).sum(), day[a, b])


def test_covariance_of_the_assets_in_each_regime():
    """With no change of regime the increments of an hour have the correlation of theirs."""
    quiet = dataclasses.replace(WORLD, jumps_common=None, jumps_own=None, pace=None)
    paths = quiet.sample(TimeGrid(3_600, 4), 0, COUNT, DrawKeys(24))
    steps, k, dt = np.diff(np.log(paths.spot_lanes), axis=0), regime(paths.variance_lanes), 1.0 / 8760.0
    for r in range(3):
        # the chain is exogenous: keeping a regime at both ends of an hour says little, a second change is rare
        stayed = (k[:-1] == r) & (k[1:] == r)
        sigma, drift = np.array(quiet.volatility[r]), np.array(quiet.drift[r])
        z = (steps.transpose(0, 2, 1)[stayed] - (drift - 0.5 * sigma**2) * dt) / (sigma * np.sqrt(dt))
        within(z[:, 0] * z[:, 1], quiet.correlations[r][0][1])


def test_covariance_over_changes_of_regime():
    quiet = dataclasses.replace(WORLD, jumps_common=None, jumps_own=None, pace=None, drift=(0.0, 0.0))
    x = np.log(quiet.sample(TimeGrid(864_000, 1), 0, COUNT, DrawKeys(25)).spot_lanes[-1] / [[6e4], [3e3]])
    law = quiet.law("BTC", T)
    # E[x y] = E[integral of the covariance] + E[product of the drifts' integrals], the second from the chain's own
    share = law.occupation
    sigma = np.array(quiet.volatility)
    mixed = share @ (sigma[:, 0] * sigma[:, 1] * np.array([c[0][1] for c in quiet.correlations]))
    # integral of d_i(r_s) d_j(r_t) over s, t < T, under the stationary chain: trapezoid of its covariance function
    lag = np.linspace(0.0, T, 2_001)
    step = expm(GENERATOR * lag[1])
    slope, weight, total = -0.5 * sigma**2, np.diag(PI), np.zeros(lag.size)
    for n in range(lag.size):
        total[n] = slope[:, 0] @ weight @ slope[:, 1] + slope[:, 1] @ weight @ slope[:, 0]
        weight = weight @ step
    product = np.trapezoid((T - lag) * total, lag)
    within(x[0] * x[1], mixed + product)


def test_jumps_come_at_the_pace_of_the_regime():
    # jumps of exactly one on a diffusion too small to see: the price counts them
    rate = 300.0
    world = RegimeSwitching(
        ("X",), (1.0,), ("slow", "fast"), ((-50.0, 50.0), (100.0, -100.0)), (0.0,), ((1e-9,), (2e-9,)), ((1.0,),),
        "stationary", None, OwnJumps((rate,), (1.0,), (0.0,)), (0.0, 2.0),
    )  # fmt: skip
    paths = world.sample(TimeGrid(21_600, 40), 0, 20_000, DrawKeys(26))
    steps = np.diff(np.log(paths.spot_lanes[:, 0]), axis=0)
    dt, comp = 0.25 / 365.0, rate * np.expm1(1.0)
    fast = paths.variance_lanes[:, 0] > 2.5e-18
    # a step that begins and ends slow has no jump and no drift, but for a visit to the fast regime in between
    slow = ~fast[:-1] & ~fast[1:]
    assert (np.abs(steps[slow]) < 1e-6).mean() > 1.0 - 50.0 * dt * 100.0 * dt
    # compensated jumps: the mean of e^x is 1, and the mean number of jumps is rate times twice the time in the fast one
    law = world.law("X", 40 * dt)
    jumps = np.log(paths.spot_lanes[-1, 0])
    within(jumps, law.cumulants()[0])
    assert law.cumulants()[0] == pytest.approx(2.0 * law.occupation[1] * (rate - comp), rel=1e-6)
    within((jumps - law.cumulants()[0]) ** 2, law.cumulants()[1])
