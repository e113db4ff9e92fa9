"""Market state beyond prices: what a world with it samples, how its parts look at paths, what they refuse."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.market.grid import TimeGrid
from riskengine.market.surface import FactorSurface
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.overlay import BasisShock, OracleFreeze, Overlay, Surge
from riskengine.scenario.state.borrow_rate import BorrowRate
from riskengine.scenario.state.depth import Depth
from riskengine.scenario.state.oracle import OracleFeed
from riskengine.scenario.state.perpetual import FundingFormula, PerpetualMarket
from riskengine.scenario.world import World

KEYS = DrawKeys(4)
GRID = TimeGrid(3_600, 12)
ONE = ((1.0,),)
FLAT = FactorSurface.flat((0.6,))
GBM = Gbm(("BTC",), (3e4,), (0.0,), (0.6,), ONE)
BATES = Bates(("BTC",), (3e4,), (0.0,), (5.0,), (0.36,), (1.5,), (-0.5,), "stationary", ONE, ONE)
DEPTH = Depth((0.36,), (1.2,), (0.2,), (4.0,), (10.0,), (0.01,))
PERPETUAL = PerpetualMarket((0.0,), (5e-4,), (48.0,), (0.002,), (1e-4,), (1.0,), (0.5,), (0.36,))
BORROW = BorrowRate((0.03,), (0.4,), (72.0,), (0.5,), (0.36,))
ALL = (DEPTH, PERPETUAL, BORROW, OracleFeed(1.0, 5.0, 3.0))
STILL = (
    replace(DEPTH, elasticity=(0.0,)),
    replace(PERPETUAL, elasticity=(0.0,)),
    replace(BORROW, elasticity=(0.0,)),
)


def world(model, *state):
    return World("one", "one", "P", model, FLAT, state=state)


def lanes(paths):
    names = ("depth_lanes", "funding_lanes", "basis_lanes", "borrow_rate_lanes", "oracle_lanes")
    return {n: getattr(paths, n) for n in names if getattr(paths, n) is not None}


@pytest.mark.parametrize("state", [(), ALL])
def test_state_moves_no_price(state):
    grid = TimeGrid(3_600, 12, 86_400, 5)
    bare, full = BATES.sample(grid, 3, 40, KEYS), world(BATES, *state).sample(grid, 3, 40, KEYS)
    for name in ("spot_lanes", "variance_lanes", "history_spot_lanes", "history_variance_lanes", "failed"):
        np.testing.assert_array_equal(getattr(full, name), getattr(bare, name))
    assert len(lanes(full)) == len(world(BATES, *state).filled)


@pytest.mark.parametrize("model", [GBM, BATES], ids=["gbm", "bates"])
def test_any_split_and_any_horizon_give_the_same_bits(model):
    made = world(model, *(ALL if model is BATES else STILL))
    whole = lanes(made.sample(GRID, 0, 300, KEYS))
    longer = lanes(made.sample(TimeGrid(3_600, 17), 0, 300, KEYS))
    for first, count in ((0, 77), (77, 223), (150, 1)):
        part = lanes(made.sample(GRID, first, count, KEYS))
        for name, found in part.items():
            np.testing.assert_array_equal(found, whole[name][..., first : first + count])
    for name, found in longer.items():
        np.testing.assert_array_equal(found[: GRID.steps + 1], whole[name])


def test_parts_do_not_share_their_draws():
    """Each part alone has the bits that it has beside the others, and no two move together."""
    together = lanes(world(BATES, *ALL).sample(GRID, 0, 50, KEYS))
    for part in ALL:
        alone = lanes(world(BATES, part).sample(GRID, 0, 50, KEYS))
        for name, found in alone.items():
            np.testing.assert_array_equal(found, together[name])
    quiet = world(GBM, *(replace(p, sd=(0.3,)) if p.kind != "perpetual" else p for p in STILL))
    found = lanes(quiet.sample(TimeGrid(3_600, 1), 0, 20_000, KEYS))
    start = [np.log(found["depth_lanes"][0, 0]), found["basis_lanes"][0, 0], np.log(found["borrow_rate_lanes"][0, 0])]
    # six standard errors of a correlation of 20,000 independent pairs
    assert np.abs(np.corrcoef(start) - np.eye(3)).max() < 6 / np.sqrt(20_000)


def test_a_fall_drains_depth_and_it_refills_with_its_half_life():
    paths = GBM.sample(TimeGrid(3_600, 9), 0, 1, KEYS)
    spot = np.full((10, 1, 1), 3e4)
    spot[1:] *= np.exp(-0.11)
    drained = Depth((0.36,), (0.0,), (0.0,), (4.0,), (10.0,), (0.01,)).fill(replace(paths, spot_lanes=spot), KEYS)
    got = np.log(drained["depth_lanes"][:, 0, 0])
    np.testing.assert_allclose(got, [0.0, *(-10 * 0.10 * 0.5 ** (np.arange(9) / 4))], rtol=1e-9)


def test_depth_falls_with_variance_and_stays_bounded_without_any():
    paths = BATES.sample(TimeGrid(3_600, 3), 0, 1, KEYS)
    v = np.array([0.0, 0.36, 0.72, 36.0])[:, None, None]
    got = Depth((0.36,), (2.0,), (0.0,), (4.0,), (0.0,), (0.0,)).fill(replace(paths, variance_lanes=v), KEYS)
    np.testing.assert_allclose(got["depth_lanes"][:, 0, 0], [4.0, 1.0, 1 / 2.25, (2 / 101) ** 2], rtol=1e-12)


def test_funding_formula_of_a_venue():
    """Worked by hand: premium 0.20 % less the band, interest inside the band, and the cap on either side."""
    premium = np.array([0.0020, 0.0006, 0.0001, -0.0004, -0.0010, 0.02, -0.02])
    rate = FundingFormula().rate(premium)
    np.testing.assert_allclose(rate, [0.0015, 0.0001, 0.0001, 0.0001, -0.0005, 0.003, -0.003], atol=1e-15)


def test_funding_follows_the_premium_and_not_the_noise():
    quiet = world(GBM, replace(STILL[1], noise_sd=(0.0,))).sample(GRID, 0, 64, KEYS)
    noisy = world(GBM, STILL[1]).sample(GRID, 0, 64, KEYS)
    np.testing.assert_array_equal(quiet.funding_lanes, noisy.funding_lanes)
    assert (quiet.basis_lanes != noisy.basis_lanes).all()
    np.testing.assert_allclose(quiet.funding_lanes, 1095 * FundingFormula().rate(quiet.basis_lanes), rtol=1e-12)


def test_oracle_is_late_and_freezes():
    feed = OracleFeed(delay_hours=1.0, frozen_from_hours=5.0, frozen_hours=3.0)
    assert feed.source(GRID).tolist() == [0, 0, 1, 2, 3, 4, 4, 4, 7, 8, 9, 10, 11]
    paths = world(GBM, feed).sample(GRID, 0, 5, KEYS)
    np.testing.assert_array_equal(paths.oracle_lanes[8], paths.spot_lanes[7])
    np.testing.assert_array_equal(world(GBM, OracleFeed()).sample(GRID, 0, 5, KEYS).oracle_lanes, paths.spot_lanes)


def test_state_follows_an_overlay_and_the_overlay_has_the_last_word():
    """Depth thins with the variance that the overlay sets, and its own factor, basis and freeze come on top."""
    surge = Overlay(2.0, variance=Surge(9.0, 1e6))
    more = replace(
        surge,
        depth=Surge(0.5, 1e6),
        basis={"BTC": BasisShock(-0.02, 1e6)},
        oracle_freeze=OracleFreeze(("BTC",), 1.0, 4.0),
    )
    made = world(BATES, DEPTH, PERPETUAL, OracleFeed())
    plain, under, over = (replace(made, overlay=o).sample(GRID, 0, 30, KEYS) for o in (None, surge, more))
    np.testing.assert_array_equal(under.spot_lanes, over.spot_lanes)
    quiet = world(BATES, replace(DEPTH, drain=(0.0,)))
    ratio = (
        replace(quiet, overlay=surge).sample(GRID, 0, 30, KEYS).depth_lanes[2:]
        / quiet.sample(GRID, 0, 30, KEYS).depth_lanes[2:]
    )
    v = plain.variance_lanes[2:] / 0.36
    np.testing.assert_allclose(ratio, ((1 + 9 * v) / (1 + v)) ** -1.2, rtol=1e-4)
    np.testing.assert_allclose(over.depth_lanes[2:], 0.5 * under.depth_lanes[2:], rtol=1e-4)
    np.testing.assert_allclose(over.basis_lanes[2:] - under.basis_lanes[2:], -0.02, rtol=1e-4)
    np.testing.assert_array_equal(over.oracle_lanes[3:8], np.broadcast_to(over.spot_lanes[3], (5, 1, 30)))
    assert set(replace(made, overlay=more, state=()).filled) == {"depth_lanes", "basis_lanes", "oracle_lanes"}


def test_a_state_that_is_no_number_fails_its_path():
    paths = world(GBM, replace(STILL[0], sd=(400.0,))).sample(GRID, 0, 64, KEYS)
    bad = ~np.isfinite(paths.depth_lanes).all(axis=(0, 1))
    assert bad.any()
    assert not bad.all()
    np.testing.assert_array_equal(paths.failed, bad)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ((DEPTH,), "state depth: elasticity must be 0 on a world without a variance state, and kind gbm has none"),
        ((STILL[0], STILL[0]), "state must fill each kind of lanes once, got depth_lanes more than once"),
        (
            (Depth(*((x, x) for x in (0.36, 0.0, 0.2, 4.0, 0.0, 0.0))),),
            r"state depth: must have one number per asset \(1\), got 2",
        ),
    ],
)
def test_a_world_refuses_state_that_does_not_fit(state, message):
    with pytest.raises(ValueError, match=message):
        world(GBM, *state)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        (DEPTH, {"half_life_hours": (0.0,)}, r"half_life_hours must hold numbers in \(0, inf\), got 0.0"),
        (DEPTH, {"sd": (-0.1,), "drain": (-1.0,)}, r"sd must hold .* got -0.1; drain must hold .* got -1.0"),
        (DEPTH, {"sd": (0.1, 0.2)}, "sd must hold 1 numbers, one per asset, got 2"),
        (PERPETUAL, {"premium_mean": (float("nan"),)}, "premium_mean must hold numbers in .* got nan"),
        (BORROW, {"usual_rate": (0.0,)}, r"usual_rate must hold numbers in \(0, inf\), got 0.0"),
        (OracleFeed(), {"delay_hours": -1.0}, r"delay_hours must lie in \[0, 8760\], got -1.0"),
        (FundingFormula(), {"cap": 0.0}, r"cap must lie in \(0, 1\], got 0.0"),
    ],
)
def test_bad_parameters_are_named(part, change, message):
    with pytest.raises(ValueError, match=message):
        replace(part, **change)
