"""Variance jumps: what is refused, what a user is told, and that superposition keeps prices a martingale."""

import dataclasses

import numpy as np
import pytest

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.cojumps import CommonCoJumps, OwnCoJumps, cojump_table
from riskengine.scenario.heston import Heston
from riskengine.scenario.jumps import OwnJumps, mean_relative_jump
from riskengine.scenario.superpose import grow
from riskengine.scenario.svcj import Svcj

ONE = ((1.0,),)
OWN = OwnCoJumps((6.0,), (-0.03,), (0.05,), variance_mean=(0.5,), slope=(-0.1,))
WORLD = Svcj(("X",), (1.0,), (0.0,), (5.0,), (0.36,), (1.5,), (-0.5,), (0.36,), ONE, ONE, None, OWN)


def test_all_faults_of_a_component_are_named_at_once():
    with pytest.raises(ValueError) as error:
        OwnCoJumps((6.0, 1.0), (0.0, 0.0), (-0.1, 0.1), variance_mean=(0.5, 1e-20), slope=(2.0, 0.0))
    text = str(error.value)
    assert "own jump sd must hold numbers in [0, inf), got -0.1" in text
    assert "own jump slope * variance_mean must be below 1" in text and "got 2 * 0.5 = 1" in text
    assert "own jump variance_mean must be 0 or at least 1e-12, got 1e-20" in text
    with pytest.raises(
        ValueError, match="common jump variance_mean must hold 2 numbers.*; common jump slope must hold"
    ):
        CommonCoJumps(1.0, (0.0, 0.0), (0.1, 0.1), variance_mean=(0.1,), slope=(0.0, float("inf")))


def test_a_component_for_other_assets_is_refused_with_the_other_faults():
    with pytest.raises(ValueError, match=r"kappa must hold .*; jumps_own must hold 1 numbers, one per asset, got 2"):
        two = OwnCoJumps((1.0, 1.0), (0.0, 0.0), (0.1, 0.1), variance_mean=(0.1, 0.1), slope=(0.0, 0.0))
        dataclasses.replace(WORLD, kappa=(-1.0,), jumps_own=two)


def test_compensator_is_the_mean_relative_jump():
    table = cojump_table(1, None, OWN)
    mixed = (1.0 + mean_relative_jump(-0.03, 0.05)) / (1.0 + 0.1 * 0.5) - 1.0
    assert table.compensator[0] == pytest.approx(6.0 * mixed, rel=1e-13)
    assert WORLD.law("X", 0.1).jumps[0].relative_mean == pytest.approx(mixed, rel=1e-13)


@pytest.mark.parametrize("cls", [Heston, Bates, Svcj])
def test_a_variance_that_reaches_zero_is_said(cls):
    fields = {f.name: getattr(WORLD, f.name) for f in dataclasses.fields(Heston)}
    extra = {Bates: {"jumps_own": OwnJumps((1.0,), (0.0,), (0.1,))}, Svcj: {"jumps_own": OWN}}.get(cls, {})
    assert cls(**fields, **extra).notes == ()
    (note,) = cls(**{**fields, "xi": (2.5,)}, **extra).notes
    assert note.startswith("variance of X reaches zero: 2 kappa theta = 3.6 is below xi^2 = 6.25")


@pytest.mark.parametrize("extent", [1e-9, 0.01, 0.5, 3.0])
@pytest.mark.parametrize("gone", [0.0, 0.5, 0.999999])
def test_what_a_jump_becomes_has_its_mean_and_keeps_the_price(extent, gone):
    """Over its driving normal, U_h has mean z e^{-kappa h}, and the price grows by e^{slope z}."""
    mark = WORLD._marks(1 / 12)[0][1, 0].copy()
    node = np.linspace(-9.0, 9.0, 40_001)
    weight = np.exp(-0.5 * node**2) * (node[1] - node[0]) / np.sqrt(2.0 * np.pi)
    n = node.size
    time, size = np.full(n, 7.0 + gone), np.full(n, extent / mark[0])
    grown, moved, spread = np.empty((3, n))
    grow(time, size, node, grown, moved, spread, n, mark)
    h = (1.0 - gone) / 12.0
    assert weight @ grown == pytest.approx(extent * np.exp(-5.0 * h), rel=1e-4)
    variance = extent * 1.5**2 / 5.0 * np.exp(-5.0 * h) * -np.expm1(-5.0 * h)
    assert weight @ (grown - weight @ grown) ** 2 == pytest.approx(variance, rel=1e-3)
    # the normal of the step averages e^{sqrt(spread) Z} to e^{spread / 2}
    assert weight @ np.exp(moved + 0.5 * spread) == pytest.approx(np.exp(-0.1 * extent), rel=1e-6)
    assert (grown >= 0.0).all() and (spread >= 0.0).all()


@pytest.mark.parametrize("start", [(0.36,), "stationary"])
def test_jumps_that_leave_variance_alone_have_the_bits_of_bates(start):
    still = OwnCoJumps((60.0,), (-0.03,), (0.05,), variance_mean=(0.0,), slope=(0.3,))
    fields = {f.name: getattr(WORLD, f.name) for f in dataclasses.fields(Heston)} | {"initial_variance": start}
    grid, keys = TimeGrid(86_400, 40, 43_200, 20), DrawKeys(2)
    a = Svcj(**fields, jumps_own=still).sample(grid, 3, 200, keys)
    b = Bates(**fields, jumps_own=OwnJumps((60.0,), (-0.03,), (0.05,))).sample(grid, 3, 200, keys)
    for name in ("spot_lanes", "variance_lanes", "history_spot_lanes", "history_variance_lanes"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
