"""Paths given how many jumps they have: the counts, the times of the jumps, and the weights that go with them."""

import math
from dataclasses import fields

import numpy as np
import pytest
from scipy.stats import chi2, kstest, poisson

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.cojumps import CommonCoJumps
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.heston import Heston
from riskengine.scenario.jump_counts import count_probabilities, draw_counts
from riskengine.scenario.jumps import CommonJumps, OwnJumps
from riskengine.scenario.kou import Kou, KouCommonJumps, KouOwnJumps
from riskengine.scenario.merton import Merton
from riskengine.scenario.proposal import Proposal, Tilt
from riskengine.scenario.svcj import Svcj

PAIR = ((1.0, 0.8), (0.8, 1.0))
COMMON, OWN = CommonJumps(300.0, (-0.02, -0.03), (0.04, 0.05), 0.9), OwnJumps((200.0, 100.0), (0.0, 0.01), (0.02, 0.03))
MERTON = Merton(("A", "B"), (10.0, 20.0), (0.0, 0.0), (0.5, 0.7), PAIR, COMMON, OWN)
KOU = Kou(
    ("A", "B"), (10.0, 20.0), (0.0, 0.0), (0.5, 0.7), PAIR,
    KouCommonJumps(300.0, (0.4, 0.3), (40.0, 30.0), (30.0, 25.0), 0.9),
    KouOwnJumps((200.0, 100.0), (0.5, 0.5), (50.0, 50.0), (40.0, 40.0)),
)  # fmt: skip
BATES = Bates(
    ("A", "B"), (10.0, 20.0), (0.0, 0.0), (20.0, 20.0), (0.3, 0.5), (4.5, 5.8), (-0.4, 0.1), "stationary", PAIR,
    ((1.0, 1.0), (1.0, 1.0)), COMMON, OWN,
)  # fmt: skip
SVCJ = Svcj(
    *(getattr(BATES, f.name) for f in fields(Heston)),
    CommonCoJumps(600.0, (-0.02, -0.03), (0.04, 0.05), 0.7, variance_mean=(0.2, 0.3), slope=(0.0, 0.0)),
)
WORLDS = [MERTON, KOU, BATES, SVCJ]
GRID = TimeGrid(3_600, 24)
KEYS = DrawKeys(21)
STRATA = Proposal(
    tuple(Tilt(count=c) for c in ((0, 0), (1, 1), (2, 3), (4, math.inf))), (0.2, 0.3, 0.15, 0.15)
)  # fmt: skip


def total(world, paths, hours=None):
    return world.tilt_space(paths.grid, hours).total_arrivals(paths.tilt_statistics)


@pytest.mark.parametrize(
    ("expected", "low", "high"), [(0.08, 0, 0), (0.3, 2, 4), (0.3, 3, math.inf), (250.0, 200, 260)]
)
def test_probabilities_are_those_of_poisson(expected, low, high):
    found = count_probabilities(expected, low, high)
    np.testing.assert_allclose(found, poisson.pmf(low + np.arange(found.size), expected), rtol=1e-11)
    assert found.sum() == pytest.approx(poisson.cdf(high, expected) - poisson.cdf(low - 1, expected), rel=1e-11)


def test_a_clock_that_never_rings_has_no_count_but_zero():
    np.testing.assert_array_equal(count_probabilities(0.0, 0, math.inf)[:2], [1.0, 0.0])
    assert count_probabilities(0.0, 1, math.inf).sum() == 0.0


def test_counts_have_the_law_of_poisson_clocks_given_their_sum():
    """Sum: Poisson given its range; clocks: multinomial given the sum."""
    n, expected = 60_000, np.array([[1.0, 0.0, 0.5]])
    found = draw_counts(expected, np.array([1.0]), np.array([math.inf]), np.zeros(n, np.int64), 0, KEYS)
    assert (found[1] == 0.0).all()
    assert found.sum(axis=0).min() == 1.0
    p = poisson.pmf(np.arange(1, 7), 1.5) / -math.expm1(-1.5)
    seen = np.bincount(found.sum(axis=0).astype(int), minlength=7)[1:7]
    assert ((seen - n * p) ** 2 / (n * p)).sum() < chi2.isf(1e-5, 5)
    three = found[0, found.sum(axis=0) == 3]
    q = np.array([1, 6, 12, 8]) / 27.0
    seen = np.bincount(three.astype(int), minlength=4)
    assert ((seen - three.size * q) ** 2 / (three.size * q)).sum() < chi2.isf(1e-5, 3)


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.kind)
@pytest.mark.parametrize("hours", [None, 6.0])
def test_every_path_has_the_count_it_was_given(world, hours):
    proposal = Proposal(STRATA.tilts, STRATA.shares, hours)
    paths = world.sample(GRID, 0, 4096, KEYS, proposal)
    low, high = (ends[proposal.component(0, 4096)] for ends in proposal.counts)
    found = total(world, paths, hours)
    assert ((low <= found) & (found <= high)).all()
    # and its weight is that of its stratum
    expected = float(world.tilt_space(GRID, hours).arrivals.sum())
    ratio = np.full(4096, proposal.plain_share)
    for tilt, share in zip(proposal.tilts, proposal.shares, strict=True):
        inside = (tilt.count[0] <= found) & (found <= tilt.count[1])
        ratio[inside] += share / count_probabilities(expected, int(tilt.count[0]), tilt.count[1]).sum()
    np.testing.assert_allclose(np.exp(paths.log_weight), 1.0 / ratio, rtol=1e-11)


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.kind)
def test_weighted_tails_are_those_of_plain_paths(world):
    n = 32_768
    plain, given = world.sample(GRID, 0, n, KEYS), world.sample(GRID, 0, n, DrawKeys(22), STRATA)
    weight = np.exp(given.log_weight)
    assert abs(weight.mean() - 1.0) < 4.5 * weight.std() / math.sqrt(n)
    for asset in range(2):
        a, b = (np.log(p.spot_lanes[-1, asset] / world.spot[asset]) for p in (plain, given))
        for sign in (-1.0, 1.0):
            hit = weight * (sign * b > np.quantile(sign * a, 0.98))
            assert abs(hit.mean() - 0.02) < 4.5 * np.hypot(hit.std(), math.sqrt(0.02 * 0.98)) / math.sqrt(n)


def jump_steps(count, hours, n=16_384):
    """Steps (n, 240) with the arrivals of a world of nothing but jumps of +10 %, `count` before `hours`, 240 h."""
    world = Merton(("A",), (1.0,), (0.0,), (1e-7,), ((1.0,),), None, OwnJumps((60.0,), (0.1,), (0.0,)))
    grid = TimeGrid(3_600, 240)
    proposal = Proposal((Tilt(count=(count, count)),), (0.9,), hours)
    paths = world.sample(grid, 0, n, KEYS, proposal)
    x = np.diff(np.log(paths.spot_lanes[:, 0]), axis=0)[:, proposal.component(0, n) == 1]
    return np.round((x - np.median(x)) / 0.1).astype(int).T


def test_given_their_number_jumps_come_at_ordered_uniform_times():
    steps = jump_steps(3, 160.0)
    assert (steps[:, :160].sum(axis=1) == 3).all()
    seen = steps[:, :160].sum(axis=0)
    expected = 3 * steps.shape[0] / 160
    assert ((seen - expected) ** 2 / expected).sum() < chi2.isf(1e-5, 159)
    # the first of three: P(T > t) = (1 - t)^3; the last: t^3; both made uniform, jittered within their step
    rng = np.random.default_rng(1)
    first = (np.argmax(steps[:, :160] > 0, axis=1) + rng.uniform(size=steps.shape[0])) / 160
    last = (159 - np.argmax(steps[:, 159::-1] > 0, axis=1) + rng.uniform(size=steps.shape[0])) / 160
    assert kstest((1.0 - first) ** 3, "uniform").pvalue > 1e-5
    assert kstest(last**3, "uniform").pvalue > 1e-5
    # beyond the hours the clock is the plain one, whatever was given before
    after = steps[:, 160:].sum(axis=1)
    mean = 60.0 * 80.0 / 8760.0
    assert abs(after.mean() - mean) < 4.5 * math.sqrt(mean / after.size)
    assert abs(after.var() - mean) < 4.5 * math.sqrt((mean + 2 * mean**2) / after.size)


def test_none_given_is_none_seen():
    steps = jump_steps(0, 160.0, 2048)
    assert not steps[:, :160].any()
    assert steps[:, 160:].any()


@pytest.mark.parametrize("world", [MERTON, BATES], ids=lambda w: w.kind)
def test_draws_are_a_function_of_the_path(world):
    whole = world.sample(GRID, 0, 1500, KEYS, STRATA)
    part = world.sample(GRID, 777, 300, KEYS, STRATA)
    np.testing.assert_array_equal(part.spot_lanes, whole.spot_lanes[:, :, 777:1077])
    np.testing.assert_array_equal(part.log_weight, whole.log_weight[777:1077])
    plain = world.sample(GRID, 0, 1500, KEYS)
    own = STRATA.component(0, 1500) == 0
    np.testing.assert_array_equal(whole.spot_lanes[:, :, own], plain.spot_lanes[:, :, own])


def test_a_tilt_and_a_count_go_together():
    """Given three jumps or more under tilted intensities and sizes: unbiased, and clocks as the tilt shares them."""
    tilt = Tilt(price=(-0.2, 0.0), intensity=(3.0, 2.0, 1.0), common_size=(-0.5, 0.0), count=(3, math.inf))
    proposal, n = Proposal((tilt,), (0.5,)), 32_768
    paths = MERTON.sample(GRID, 0, n, KEYS, proposal)
    weight = np.exp(paths.log_weight)
    assert abs(weight.mean() - 1.0) < 4.5 * weight.std() / math.sqrt(n)
    space = MERTON.tilt_space(GRID)
    own = proposal.component(0, n) == 1
    arrivals = paths.tilt_statistics[space.sections["intensity"]][:, own]
    share = arrivals[0].sum() / arrivals.sum()
    assert abs(share - 900.0 / 1400.0) < 4.5 * math.sqrt(share * (1.0 - share) / arrivals.sum())
    x = np.log(paths.spot_lanes[-1, 0] / 10.0)
    exact = MERTON.law("A", 24 / 8760)
    level = float(exact.quantile(np.array([0.01]))[0])
    hit = weight * (x < level)
    assert abs(hit.mean() - 0.01) < 4.5 * hit.std() / math.sqrt(n)


def test_faults():
    with pytest.raises(ValueError, match="tilt count must hold two whole numbers 0 <= least <= largest"):
        Tilt(count=(2, 1))
    with pytest.raises(ValueError, match="tilt count must hold two whole numbers"):
        Tilt(count=(0.5, 1))
    gbm = Gbm(("A",), (1.0,), (0.0,), (0.5,), ((1.0,),))
    with pytest.raises(ValueError, match="must have a chance, got 1 to 1 jumps where 0 are expected"):
        gbm.sample(GRID, 0, 8, KEYS, Proposal((Tilt(count=(1, 1)),), (0.5,)))
    with pytest.raises(ValueError, match="must have a chance"):
        MERTON.sample(GRID, 0, 8, KEYS, Proposal((Tilt(count=(900, math.inf)),), (0.5,)))
