"""Sampled `kou` worlds against exact laws.

A comparison fails at five standard errors, or where a count is less likely than that under its exact binomial law; the
comparisons of this file number under 120, so that a true sampler fails the file with probability below 1e-4.
"""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import bdtr, bdtrc, ndtr, ndtri

from riskengine.law.lanes import lanes
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.jumps import CommonJumps
from riskengine.scenario.kou import Kou, KouCommonJumps, KouOwnJumps
from riskengine.scenario.merton import Merton

Z = 5.0
PAIR = {"assets": ("BTC", "ETH"), "spot": (6e4, 3e3), "drift": (0.3, -0.2), "correlation": ((1.0, 0.6), (0.6, 1.0))}
COMMON = KouCommonJumps(15.0, (0.4, 0.3), (25.0, 30.0), (20.0, 15.0), 0.8)
OWN = KouOwnJumps((20.0, 10.0), (0.5, 0.0), (30.0, 40.0), (25.0, 20.0))
WORLD = Kou(**PAIR, volatility=(0.5, 0.7), jumps_common=COMMON, jumps_own=OWN)
GRID = TimeGrid(21_600, 40, 86_400, 10)
T = GRID.times[-1]
COUNT = 100_000
PATHS = WORLD.sample(GRID, 0, COUNT, DrawKeys(12))


def within(sample, exact):
    error = sample.std(ddof=1) / np.sqrt(sample.size)
    assert abs(sample.mean() - exact) < Z * error, f"{sample.mean()} against {exact} with standard error {error}"


def check_counts(hits, n, p):
    """Counts are not less likely under their exact binomial law than Z standard errors under a normal one."""
    assert (np.minimum(bdtr(hits, n, p), bdtrc(np.asarray(hits) - 1, n, p)) > ndtr(-Z)).all(), f"{hits} of {n} at {p}"


@pytest.mark.parametrize("part", ["forward", "history"])
def test_margins(part):
    spot = PATHS.spot_lanes if part == "forward" else PATHS.history_spot_lanes
    assert not PATHS.failed.any()
    x = np.log(spot[-1] / spot[0])
    probability = np.array([1e-3, 1e-2, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999])
    for i, asset in enumerate(WORLD.assets):
        law = WORLD.law(asset, T)
        c1, c2, c3, c4 = law.cumulants()
        check_counts((x[i] <= law.quantile(probability)[:, None]).sum(axis=1), COUNT, probability)
        within(np.exp(x[i] - WORLD.drift[i] * T), 1.0)
        within(x[i], c1)
        within((x[i] - c1) ** 2, c2)
        within((x[i] - c1) ** 3, c3)
        within((x[i] - c1) ** 4, c4 + 3.0 * c2**2)


def test_one_step_has_the_same_law_as_many():
    """Increments are exact at any step: ten days at once."""
    x = np.log(WORLD.sample(TimeGrid(864_000, 1), 0, COUNT, DrawKeys(13)).spot_lanes[-1] / [[6e4], [3e3]])
    probability = np.array([1e-3, 0.05, 0.5, 0.95, 0.999])
    for i, asset in enumerate(WORLD.assets):
        check_counts((x[i] <= WORLD.law(asset, T).quantile(probability)[:, None]).sum(axis=1), COUNT, probability)


def copula(a, b, r):
    """P(U_1 <= a, U_2 <= b) of a Gaussian copula with correlation r."""

    def integrand(z):
        return np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) * ndtr((ndtri(b) - r * z) / np.sqrt(1 - r * r))

    return quad(integrand, -12.0, ndtri(a), epsabs=1e-13)[0]


def single_sizes():
    """Sizes of common arrivals that came alone in their step, both assets, shape (2, N).

    A world of normal jumps of exactly one has the same arrivals and counts them.
    """
    rate, quiet, grid = 2_000.0, (1e-9, 1e-9), TimeGrid(21_600, 8)
    base = {"assets": ("A", "B"), "spot": (1.0, 1.0), "drift": (0.0, 0.0), "correlation": ((1.0, 0.0), (0.0, 1.0))}
    up, eta_up, eta_down = (0.4, 0.3), (25.0, 30.0), (20.0, 15.0)
    sized = Kou(**base, volatility=quiet, jumps_common=KouCommonJumps(rate, up, eta_up, eta_down, 0.8))
    counter = Merton(**base, volatility=quiet, jumps_common=CommonJumps(rate, (1.0, 1.0), (0.0, 0.0)))
    steps = [np.diff(np.log(w.sample(grid, 0, 60_000, DrawKeys(14)).spot_lanes), axis=0) for w in (sized, counter)]
    count = np.round(steps[1] + rate * grid.dt * np.expm1(1.0))[:, 0]
    compensator = [rate * (p / (u - 1.0) - (1.0 - p) / (d + 1.0)) for p, u, d in zip(up, eta_up, eta_down, strict=True)]
    jump = steps[0] + np.array(compensator)[:, None] * grid.dt
    # a step without arrivals moves by the drift alone: the count is the count
    assert np.abs(jump.transpose(1, 0, 2)[:, count == 0]).max() < 1e-6
    return jump.transpose(1, 0, 2)[:, count == 1]


def test_common_sizes_and_their_joint_tails():
    sizes = single_sizes()
    n = sizes.shape[1]
    assert n > 100_000
    level = np.array([1e-3, 0.01, 0.1, 0.4, 0.6, 0.9, 0.99, 0.999])
    edge = []
    for i, (up, eta_up, eta_down) in enumerate(((0.4, 25.0, 20.0), (0.3, 30.0, 15.0))):
        down = 1.0 - up
        quantile = np.where(level < down, np.log(level / down) / eta_down, -np.log((1 - level) / up) / eta_up)
        check_counts((sizes[i] <= quantile[:, None]).sum(axis=1), n, level)
        edge.append(quantile)
    for a in (0, 1, 2):
        both_down = ((sizes[0] <= edge[0][a]) & (sizes[1] <= edge[1][a])).sum()
        both_up = ((sizes[0] > edge[0][-1 - a]) & (sizes[1] > edge[1][-1 - a])).sum()
        exact = copula(level[a], level[a], 0.8)
        assert exact > 5 * level[a] ** 2
        check_counts(both_down, n, exact)
        check_counts(both_up, n, exact)
    # the stated fall of the tail dependence: 0.38 at 1 %, 0.26 at 0.1 %
    assert copula(0.01, 0.01, 0.8) / 0.01 == pytest.approx(0.3769, abs=1e-4)
    assert copula(1e-3, 1e-3, 0.8) / 1e-3 == pytest.approx(0.2635, abs=1e-4)


def test_jump_counts_are_poisson():
    # up-jumps of rate 1e9 are too small to see, so what is seen are the down-jumps: a thinned Poisson count
    rate, share, grid, paths = 400.0, 0.7, TimeGrid(86_400, 5), 20_000
    jumps = KouOwnJumps((rate,), (1.0 - share,), (1e9,), (0.1,))
    world = Kou(("X",), (1.0,), (0.0,), (1e-9,), ((1.0,),), None, jumps)
    sampled = world.sample(grid, 0, paths, DrawKeys(15))
    assert not sampled.failed.any()
    steps = np.diff(np.log(sampled.spot_lanes[:, 0]), axis=0)
    moved = steps - rate * share / 1.1 * grid.dt
    # sizes of 10 on average: one in a million hides below 1e-5
    check_counts((np.abs(moved) < 1e-5).sum(axis=1), paths, np.exp(-rate * share * grid.dt))
    # given the count the sum of sizes is Gamma: mean and variance of the compound
    within(moved.ravel(), -rate * share * grid.dt * 10.0)
    within((moved.ravel() + rate * share * grid.dt * 10.0) ** 2, rate * share * grid.dt * 200.0)


def test_breach_of_an_order_statistic_is_what_it_must_be():
    """For any continuous law the k-th largest of n losses is breached with probability k / (n + 1): sampler, law and
    lanes together, by 100 days of history and the conditional law of the next day."""
    history = WORLD.sample(TimeGrid(3_600, 1, 86_400, 100), 0, 20_000, DrawKeys(16)).history_spot_lanes
    returns = np.sort(np.diff(np.log(history), axis=0), axis=0)
    for i, asset in enumerate(WORLD.assets):
        day = lanes(WORLD.law(asset, 1.0 / 365.0))
        for k in (1, 5):
            within(day.cdf(returns[k - 1, i], np.zeros(20_000)), k / 101.0)
