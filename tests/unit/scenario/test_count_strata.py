"""Strata of jump counts: which there are, how many paths each gets, and what a pilot expects of them."""

import math

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import poisson

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.count_strata import count_ranges, fit_strata, stated_strata
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.merton import Merton
from riskengine.scenario.pilot import PILOT_GROUP, PilotSettings
from riskengine.stats.weighted import PathWeights, weighted_share

ONE = ((1.0,),)
WORLD = Merton(("A",), (1.0,), (0.0,), (0.6,), ONE, None, OwnJumps((30.0,), (-0.02,), (0.06,)))
GBM = Gbm(("A",), (1.0,), (0.0,), (0.6,), ONE)
GRID = TimeGrid(86_400, 1)
SETTINGS = PilotSettings(0.2, 40, 4096, 0.999)
LEVEL = -float(WORLD.law("A", 1 / 365).quantile(np.array([0.001]))[0])


def fall(paths):
    return -np.log(paths.spot_lanes[-1])


def both(paths):
    x = np.log(paths.spot_lanes[-1])
    return np.concatenate([-x, x])


def exact():
    """(p_s, q_s) of the counts 0 to 5: chance, and chance of a fall beyond the 99.9 % one given the count."""
    n, rate = np.arange(6), 30.0 / 365.0
    drift = -(0.18 / 365.0) - rate * math.expm1(-0.02 + 0.5 * 0.06**2)
    return poisson.pmf(n, rate), ndtr((-LEVEL - drift + 0.02 * n) / np.sqrt(0.36 / 365.0 + 0.06**2 * n))


@pytest.mark.parametrize(("expected", "most"), [(0.08, 40), (0.3, 40), (0.3, 3), (12.0, 40), (250.0, 40)])
def test_strata_are_all_counts_once(expected, most):
    ranges = count_ranges(expected, 0.999, most)
    assert len(ranges) <= most
    assert ranges[0][0] == 0.0
    assert ranges[-1][1] == math.inf
    assert all(a[1] + 1.0 == b[0] for a, b in zip(ranges, ranges[1:], strict=False))
    if most == 40:
        assert poisson.sf(ranges[-1][0] - 1, expected) < 1e-3 * 0.1 or expected > 100.0


def test_one_figure_gets_the_allocation_of_neyman():
    """Beyond its floor of plain paths, each stratum has paths in proportion to p_s sqrt(q_s (1 - q_s))."""
    proposal = fit_strata(WORLD, GRID, fall, 3, PilotSettings(0.2, 40, 16_384, 0.999)).proposal
    p, q = exact()
    wanted = p * np.sqrt(q * (1.0 - q))
    share = {int(t.count[0]): s + proposal.plain_share * p[int(t.count[0])]
             for t, s in zip(proposal.tilts, proposal.shares, strict=True)}  # fmt: skip
    assert 0 not in share  # plain paths alone see more of it than it needs
    assert share[2] / share[1] == pytest.approx(wanted[2] / wanted[1], rel=0.15)
    assert share[3] / share[2] == pytest.approx(wanted[3] / wanted[2], rel=0.5)


def test_the_stated_error_is_the_exact_one():
    """Variance of the stratified estimate from the exact chances of each stratum: the ratio to plain paths is 11."""
    pilot = fit_strata(WORLD, GRID, fall, 3, SETTINGS)
    proposal, n = pilot.proposal, 65_536
    p, q = exact()
    weight = np.full(6, proposal.plain_share)
    for tilt, share in zip(proposal.tilts, proposal.shares, strict=True):
        weight[int(tilt.count[0])] += share / p[int(tilt.count[0])]
    weight = 1.0 / weight
    between = proposal.plain_share * (p @ (weight * q) ** 2 - (p @ (weight * q)) ** 2)
    variance = p @ (q * (1.0 - q) * weight) + between
    assert 9.0 < 0.000999 / variance < 12.5
    assert pilot.gains[0] == pytest.approx(0.000999 / variance, rel=0.25)
    paths = WORLD.sample(GRID, 0, n, DrawKeys(5), proposal)
    found = weighted_share(
        (fall(paths)[0] > LEVEL).astype(float),
        PathWeights(np.exp(paths.log_weight), proposal.component(0, n), proposal.bound),
        severity=fall(paths)[0],
    )
    assert found.std_error**2 * n == pytest.approx(variance, rel=0.15)
    assert abs(found.value - 0.001) < 4.5 * found.std_error


def test_the_figure_that_gains_least_gains_most():
    """A rise needs the counts in other shares than a fall: what serves both serves each less than its own."""
    fall_alone = fit_strata(WORLD, GRID, fall, 3, SETTINGS).gains
    together = fit_strata(WORLD, GRID, both, 3, SETTINGS).gains
    assert 1.0 < together.min() <= together[0] * 1.05
    assert together[0] <= fall_alone[0] * 1.1


def test_the_choice_is_a_pure_function_of_the_seed_and_draws_apart(monkeypatch):
    first, again = (fit_strata(WORLD, GRID, fall, 1, SETTINGS) for _ in range(2))
    assert first.proposal == again.proposal
    assert first.paths == 2 * 4096
    groups = set()
    sample = Merton.sample

    def spy(self, grid, start, count, keys, proposal=None):
        groups.add(keys.group)
        return sample(self, grid, start, count, keys, proposal)

    monkeypatch.setattr(Merton, "sample", spy)
    fit_strata(WORLD, GRID, fall, 1, SETTINGS)
    assert groups == {PILOT_GROUP}


def test_stated_strata():
    proposal = stated_strata(WORLD, GRID, (0.25, 0.0, 0.5))
    assert [t.count for t in proposal.tilts] == [(0.0, 0.0), (2.0, math.inf)]
    assert (proposal.shares, proposal.plain_share) == ((0.25, 0.5), 0.25)


def test_a_world_without_jumps_has_no_strata():
    for make in (lambda: stated_strata(GBM, GRID, (0.5, 0.2)), lambda: fit_strata(GBM, GRID, fall, 1, SETTINGS)):
        with pytest.raises(ValueError, match="need a world that jumps"):
            make()
    with pytest.raises(ValueError, match="figures must have tails"):
        fit_strata(WORLD, GRID, lambda p: np.zeros((2, p.count)), 1, SETTINGS)
