"""Choosing a proposal on pilot paths."""

import numpy as np
import pytest

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.cross_entropy import fit_proposal
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.pilot import PILOT_GROUP, PilotSettings

WORLD = Gbm(("A",), (1.0,), (0.0,), (0.6,), ((1.0,),))
GRID = TimeGrid(86_400, 4)
SMALL = PilotSettings(0.25, 6, 2048, 0.999)


def fall(paths):
    return -np.log(paths.spot_lanes[-1])


def both(paths):
    move = np.log(paths.spot_lanes[-1, 0])
    return np.stack([-move, move, np.abs(move)])


def test_one_tail_of_a_normal():
    """The best shift of 4 steps for the 99.9 % tail is 3.37 standard deviations in all; variance falls 100-fold."""
    pilot = fit_proposal(WORLD, GRID, fall, 1, SMALL)
    total = sum(s * t.price[0] for s, t in zip(pilot.proposal.shares, pilot.proposal.tilts, strict=True)) * 2.0
    assert total / (1.0 - pilot.proposal.plain_share) == pytest.approx(-3.37, abs=0.15)
    assert pilot.gains[0] > 60.0
    assert pilot.proposal.plain_share == 0.25
    assert pilot.paths == 2048 * len(SMALL.tails)


def test_every_figure_gains():
    """Falls, rises, and either: shares are set for the one that gains least, and all of them gain."""
    pilot = fit_proposal(WORLD, GRID, both, 1, SMALL)
    signs = np.array([t.price[0] for t in pilot.proposal.tilts])
    assert (signs > 0.5).any()
    assert (signs < -0.5).any()
    assert pilot.gains.min() > 30.0
    assert pilot.gains.max() < 2.0 * pilot.gains.min()


def test_the_same_question_has_the_same_proposal_and_its_own_draws():
    first, again = fit_proposal(WORLD, GRID, both, 1, SMALL), fit_proposal(WORLD, GRID, both, 1, SMALL)
    assert first.proposal == again.proposal
    assert fit_proposal(WORLD, GRID, both, 2, SMALL).proposal != first.proposal
    pilot, study = (WORLD.sample(GRID, 0, 4, DrawKeys(1, group)).spot_lanes[1:] for group in (PILOT_GROUP, 0))
    assert (pilot != study).all()


def test_figures_without_a_tail():
    def flat(paths):
        return np.stack([np.zeros(paths.count), fall(paths)[0]])

    pilot = fit_proposal(WORLD, GRID, flat, 1, SMALL)
    assert np.isnan(pilot.gains[0])
    assert pilot.gains[1] > 30.0
    with pytest.raises(ValueError, match="figures must have tails"):
        fit_proposal(WORLD, GRID, lambda p: np.zeros((2, p.count)), 1, SMALL)


def test_rounds_go_to_the_tail_by_steps():
    assert PilotSettings(level=0.999).tails == pytest.approx([0.05, 0.005, 0.001, 0.001])
    for bad in ({"plain_share": 0.01}, {"components": 0}, {"paths": 10}, {"level": 0.5}):
        with pytest.raises(ValueError, match="must lie in"):
            PilotSettings(**bad)
