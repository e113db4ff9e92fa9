"""Sampled pegs against their exact law: the whole distribution, moments, breaks; family-wise 1e-4."""

import numpy as np
from scipy.stats import kstest

from riskengine.law.peg import Dislocation, PegNoise
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.pegged import Peg, Pegged, deviations

ONE = ((1.0,),)
BATES = Bates(("ETH",), (1_800.0,), (0.0,), (20.0,), (0.5,), (4.0,), (-0.3,), "stationary", ONE, ONE)
SHOTS = (Dislocation(900.0, -0.01, 3.0), Dislocation(150.0, 0.02, 20.0, 0.3))
COIN = Peg("USDC", "USD", (PegNoise(0.002, 12.0), PegNoise(0.001, 0.5)), SHOTS)
TOKEN = Peg("stETH", "ETH", (PegNoise(0.004, 40.0),), SHOTS, growth=0.04, level=-0.01)
WORLD = Pegged(BATES, (COIN, TOKEN))
PATHS = 20_000
TESTS = 16


def ks(sample, law):
    """Kolmogorov-Smirnov p-value against an exact law, read from a fine table of its distribution function."""
    x = np.linspace(sample.min(), sample.max(), 4_001)
    table = law.cdf(x)
    assert kstest(sample, lambda y: np.interp(y, x, table)).pvalue > 1e-4 / TESTS


def test_change_over_a_horizon_has_its_law_at_any_step():
    for step, seed in ((7_200, 1), (43_200, 2)):
        paths = WORLD.sample(TimeGrid(step, 86_400 // step), 0, PATHS, DrawKeys(seed))
        for asset in ("USDC", "stETH"):
            i = WORLD.assets.index(asset)
            x = np.log(paths.spot_lanes[-1, i] / paths.spot_lanes[0, i])
            law = WORLD.law(asset, 1 / 365)
            ks(x, law)
            mean, variance, _, fourth = law.cumulants()
            assert abs(x.mean() - mean) < 6 * np.sqrt(variance / PATHS)
            assert abs(x.var() - variance) < 6 * np.sqrt((fourth + 2 * variance**2) / PATHS)
            for p in (0.001, 0.01, 0.99, 0.999):
                assert abs((x <= law.quantile(p)).mean() - p) < 6 * np.sqrt(p * (1 - p) / PATHS)


def test_start_is_stationary_with_and_without_a_history():
    for grid in (TimeGrid(3_600, 6), TimeGrid(3_600, 6, 43_200, 8)):
        past, ahead = deviations(COIN, 0, grid, 0, PATHS, DrawKeys(3))
        law = WORLD.deviation_law("USDC")
        ks(ahead[0], law)
        if past is not None:
            np.testing.assert_array_equal(past[-1], ahead[0])
            ks(past[4] - past[0], Pegged(BATES, (COIN,)).law("USDC", 2 / 365))


def test_steps_that_forget_have_the_stationary_law_and_no_memory():
    """A day is 72 half-lives of these: what is open is drawn anew at each step, in place of thousands of arrivals."""
    peg = Peg("X", "USD", (PegNoise(1e-4, 0.2),), (Dislocation(9_000.0, 0.004, 1 / 3),))
    _, d = deviations(peg, 0, TimeGrid(86_400, 3), 0, PATHS, DrawKeys(5))
    world = Pegged(BATES, (peg,))
    for t in (0, 2):
        ks(d[t], world.deviation_law("X"))
    ks(d[3] - d[2], world.law("X", 1 / 365))
    assert abs(np.corrcoef(d[2], d[3])[0, 1]) < 6 / np.sqrt(PATHS)
    _, often = deviations(peg, 0, TimeGrid(43_200, 6), 0, PATHS, DrawKeys(6))
    ks(often[2] - often[0], world.law("X", 1 / 365))


def test_breaks_arrive_as_a_poisson_process():
    """Share of paths without a break over a year, and the mean of what stays."""
    peg = Peg("X", "USD", (PegNoise(1e-9, 1.0),), (Dislocation(4.0, -0.05, 1.0, 0.5),))
    _, d = deviations(peg, 0, TimeGrid(5 * 86_400, 73), 0, PATHS, DrawKeys(4))
    # an arrival that recovers is seen for at most 20 half-lives: it fades from 0.05 to below 1e-6
    fading = 2.0 * 20 / 8760
    expected = np.exp(-2.0)
    assert abs((d[-1] > -1e-6).mean() - expected) < 6 * np.sqrt(expected / PATHS) + fading
    # compound Poisson with rate 2 and exponential sizes: mean 2 m, variance 4 m^2
    assert abs(d[-1].mean() + 2 * 0.05) < 6 * 0.05 * np.sqrt(4 / PATHS) + 0.05 * fading
