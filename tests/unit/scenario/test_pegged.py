"""Pegged assets beside a base world: bits, prices, laws, refusals."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.law.peg import Dislocation, PegNoise
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.pegged import Peg, Pegged, deviations

KEYS = DrawKeys(8)
ONE = ((1.0,),)
GBM = Gbm(("ETH",), (1_800.0,), (0.0,), (0.7,), ONE)
BATES = Bates(("ETH",), (1_800.0,), (0.0,), (5.0,), (0.5,), (1.5,), (-0.5,), "stationary", ONE, ONE)
SHOTS = (Dislocation(900.0, -0.01, 3.0), Dislocation(30.0, 0.02, 24.0, 0.3))
COIN = Peg("USDC", "USD", (PegNoise(0.001, 4.0), PegNoise(0.0005, 0.5)), SHOTS)
TOKEN = Peg("wstETH", "ETH", (PegNoise(0.004, 40.0),), SHOTS, par=1.2, growth=0.03, level=-0.01)
WORLD = Pegged(BATES, (COIN, TOKEN))
GRID = TimeGrid(7_200, 30, 86_400, 6)


def lanes(paths):
    names = ("spot_lanes", "variance_lanes", "history_spot_lanes", "history_variance_lanes", "failed")
    return {name: getattr(paths, name) for name in names}


def test_base_prices_keep_their_bits_and_pegs_theirs():
    base, both = BATES.sample(GRID, 2, 70, KEYS), WORLD.sample(GRID, 2, 70, KEYS)
    alone = Pegged(BATES, (COIN,)).sample(GRID, 2, 70, KEYS)
    for name, found in lanes(both).items():
        if name != "failed":
            np.testing.assert_array_equal(found[:, :1], lanes(base)[name])
            np.testing.assert_array_equal(found[:, :2], lanes(alone)[name])
    np.testing.assert_array_equal(both.variance_lanes[:, 1], 0.0)
    np.testing.assert_array_equal(both.variance_lanes[:, 2], base.variance_lanes[:, 0])
    assert both.assets == WORLD.assets == ("ETH", "USDC", "wstETH")
    assert not both.failed.any()


def test_any_split_gives_the_same_bits_and_a_longer_path_extends():
    whole = lanes(WORLD.sample(GRID, 0, 300, KEYS))
    for first, count in ((0, 77), (77, 223), (111, 1)):
        for name, found in lanes(WORLD.sample(GRID, first, count, KEYS)).items():
            np.testing.assert_array_equal(found, whole[name][..., first : first + count])
    longer = WORLD.sample(TimeGrid(7_200, 41, 86_400, 6), 0, 300, KEYS)
    np.testing.assert_array_equal(longer.spot_lanes[:31], whole["spot_lanes"])


def test_prices_are_par_times_the_asset_times_the_deviation():
    paths = WORLD.sample(GRID, 0, 9, KEYS)
    past, ahead = deviations(TOKEN, 1, GRID, 0, 9, KEYS)
    for spot, d, years in (
        (paths.spot_lanes, ahead, GRID.times),
        (paths.history_spot_lanes, past, GRID.history_dt * np.arange(-6, 1)),
    ):
        expected = 1.2 * np.exp(0.03 * years)[:, None] * spot[:, 0] * np.exp(d - 0.01)
        np.testing.assert_allclose(spot[:, 2], expected, rtol=1e-12)
    np.testing.assert_array_equal(paths.history_spot_lanes[-1], paths.spot_lanes[0])
    np.testing.assert_allclose(WORLD.spot, (1_800.0, 1.0, 1_800 * 1.2 * np.exp(-0.01)), rtol=1e-12)


def test_a_break_stays_and_the_rest_fades():
    """Nearly no noise: after the last arrival the deviation decays to the sum of the breaks."""
    quiet = replace(COIN, noise=(PegNoise(1e-9, 1.0),), dislocations=(Dislocation(60.0, -0.05, 6.0, 0.5),))
    _, d = deviations(quiet, 0, TimeGrid(3_600, 24 * 60), 0, 200, KEYS)
    step = np.diff(d, axis=0)
    fading = d[1:] - d[:-1] * 0.5 ** (1 / 6)
    held = [p for p in range(200) if (step[-96:, p] > -1e-6).all() and d[-1, p] < -0.02]
    assert len(held) > 10
    # four days of 16 half-lives later only breaks are left, and nothing moves
    assert np.abs(step[-1, held]).max() < 1e-4
    assert (fading.min(axis=0) < -0.001).mean() > 0.9


def test_laws():
    eth, coin, token = (WORLD.law(a, 1 / 365) for a in WORLD.assets)
    assert eth == BATES.law("ETH", 1 / 365)
    np.testing.assert_allclose(
        token.cumulants()[1], eth.cumulants()[1] + Pegged(BATES, (replace(TOKEN, to="USD"),)).law("wstETH", 1 / 365)
        .cumulants()[1], rtol=1e-12,
    )  # fmt: skip
    assert coin.quantile(0.001) < -0.01
    # given the variance of the base
    assert WORLD.law("wstETH", 1 / 365, 4.0).quantile(0.01) < token.quantile(0.01) < 0


def test_lab_is_told_that_there_is_no_law_given_the_state():
    for asset in ("USDC", "wstETH"):
        with pytest.raises(ValueError, match="exposures must be in assets whose law given a path's state is known"):
            WORLD.law(asset, 1 / 365).lanes()


class Lawless:
    """A base world that is resampled, say."""

    kind = "lawless"
    assets, spot, starts_stationary = GBM.assets, GBM.spot, True

    def sample(self, *arguments):
        """Paths of the diffusion."""
        return GBM.sample(*arguments)


def test_no_law_without_that_of_the_base():
    world = Pegged(Lawless(), (COIN, TOKEN))
    with pytest.raises(
        ValueError, match="the law of wstETH must rest on a base world with a law, and lawless has none"
    ):
        world.law("wstETH", 1 / 365)
    assert world.law("USDC", 1 / 365).cdf(0.0) > 0


def test_numerical_trouble_marks_the_path():
    wild = replace(COIN, dislocations=(Dislocation(20_000.0, 0.9, 1e5),))
    assert Pegged(GBM, (wild,)).sample(TimeGrid(3_600, 24 * 30), 0, 8, KEYS).failed.all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pegged(GBM, ()), "pegs must hold at least one pegged asset"),
        (lambda: Pegged(GBM, (COIN, COIN)), "pegs must name assets that are new, each once, got USDC twice"),
        (
            lambda: Pegged(GBM, (replace(TOKEN, to="BTC"), replace(COIN, asset="ETH"))),
            "got ETH twice; pegs must be to one of USD, ETH, got 'BTC' for wstETH",
        ),
        (lambda: replace(COIN, noise=()), "noise must hold 1 to 8 parts, got 0"),
        (lambda: replace(COIN, par=0.0), r"par must lie in \(0, 1e\+09\], got 0.0"),
        (lambda: replace(COIN, asset="USD"), "asset must be a name other than USD"),
        (lambda: WORLD.law("BTC", 1.0), "asset must be one of ETH, USDC, wstETH, got 'BTC'"),
    ],
)
def test_bad_worlds_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
