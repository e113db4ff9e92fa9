"""Bands on data of a known law, and the verdict."""

import numpy as np
import pytest

from riskengine.calibrate.bands import Band, Bands, check_fit, loss_bands, model_losses
from riskengine.calibrate.sample import ReturnSample
from riskengine.scenario.gbm import Gbm

ONE = ((1.0,),)


@pytest.fixture(scope="module")
def iid():
    """Three years of hourly normal returns of 60 % volatility."""
    x = np.random.default_rng(11).normal(-0.36 / 17520, 0.6 / np.sqrt(8760), 26_280)
    return ReturnSample(("A",), np.arange(x.size), np.exp(np.cumsum(x))[:, None])


@pytest.fixture(scope="module")
def bands(iid):
    return loss_bands(iid, horizons_hours=(1, 24), levels=(0.95, 0.99), block_hours=240, replicates=300)


def test_cells_cover_both_sides_and_contain_the_data(bands):
    assert len(bands.cells) == 8 and {c.side for c in bands.cells} == {"long", "short"}
    assert all(0 < c.lower <= c.data <= c.upper < 1 for c in bands.cells)


def test_width_on_iid_data_is_that_of_theory(bands):
    cell = next(c for c in bands.cells if (c.side, c.horizon_hours, c.level) == ("long", 1, 0.99))
    scale = 0.6 / np.sqrt(8760)
    density = np.exp(-0.5 * 2.3263**2) / np.sqrt(2 * np.pi) / scale
    expected = 2 * 1.645 * np.sqrt(0.01 * 0.99 / 26_280) / density
    assert cell.upper - cell.lower == pytest.approx(expected, rel=0.3)  # 110 blocks: the width itself has 10 % error


def test_true_law_fits_and_a_wrong_one_is_stamped(bands):
    assert check_fit(Gbm(("A",), (1.0,), (0.0,), (0.6,), ONE), bands).verdict == "FIT"
    report = check_fit(Gbm(("A",), (1.0,), (0.0,), (0.8,), ONE), bands)
    assert report.verdict == "UNFIT"
    assert {r.band.horizon_hours for r in report.outside} == {1, 24}
    assert all(r.band.side == "long" and not r.inside for r in report.outside)


def test_model_losses_are_exact_quantiles():
    cells = tuple(Band("A", side, 24, 0.99, 0.1, 0.0, 1.0) for side in ("long", "short"))
    sd = 0.6 / np.sqrt(365)
    drop, rise = -sd * sd / 2 - 2.3263478740408408 * sd, -sd * sd / 2 + 2.3263478740408408 * sd
    got = model_losses(Gbm(("A",), (1.0,), (0.0,), (0.6,), ONE), cells)
    assert got == pytest.approx([-np.expm1(drop), np.expm1(rise)], rel=1e-10)


def test_short_side_does_not_decide():
    cells = (Band("A", "long", 24, 0.99, 0.07, 0.0, 1.0), Band("A", "short", 24, 0.99, 0.5, 0.4, 0.6))
    report = check_fit(Gbm(("A",), (1.0,), (0.0,), (0.6,), ONE), Bands(cells, 0.9, 240, 10, 1))
    assert report.verdict == "FIT" and [r.inside for r in report.rows] == [True, False]


def test_too_few_observations_are_refused(iid):
    with pytest.raises(ValueError, match="at least 10 observations"):
        loss_bands(iid, levels=(0.9999,), block_hours=240, replicates=10)
