"""Bands on data of a known law, and the verdict."""

import numpy as np
import pytest
from scipy.special import betaincinv

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


def resampled_count(marked, block):
    """Exact law of how many marked hours a circular block resample holds: a sum of independent blocks."""
    total = np.concatenate([[0], np.cumsum(np.concatenate([marked, marked[: block - 1]]))])
    one = np.bincount(total[block:] - total[:-block]) / marked.size
    blocks = -(-marked.size // block)
    size = blocks * (one.size - 1) + 1
    return np.maximum(np.fft.irfft(np.fft.rfft(one, 2 * size) ** blocks, 2 * size)[:size], 0.0)


@pytest.mark.parametrize("block", [1, 240])
def test_edges_are_quantiles_of_the_exact_bootstrap_law(iid, block):
    """Given the data, the bootstrap quantile is at least x where a resample holds more losses >= x than the cut."""
    replicates = 400
    found = loss_bands(iid, horizons_hours=(1,), levels=(0.9505, 0.9901), block_hours=block, replicates=replicates)
    values, exist = iid.returns(1)
    # the last hour has no return; the levels are such that up to 16 draws of it do not move the cut
    assert (~exist).sum() == 1
    drawn = -(-values.shape[0] // block) * block
    losses = {"long": -np.expm1(values[:, 0]), "short": np.expm1(values[:, 0])}

    def below(side, level, x):
        """Probability that the bootstrap quantile is less than `x`."""
        cut = int(np.floor((1 - level) * drawn))
        return resampled_count(((losses[side] >= x) & exist).astype(np.int64), block)[: cut + 1].sum()

    # numpy's quantile at 5 % of 400 lies between the 20th and the 21st replicate, and in between by mirroring at 95 %;
    # the probability below the k-th of n is Beta(k, n + 1 - k).  8 edges per block, family-wise 1e-4 over 2 blocks
    alpha = 1e-4 / 16 / 2
    for cell in found.cells:
        for edge, k in ((cell.lower, 20), (cell.upper, 380)):
            low, high = betaincinv(k, replicates + 1 - k, alpha), betaincinv(k + 1, replicates - k, 1 - alpha)
            assert below(cell.side, cell.level, edge) < high
            assert below(cell.side, cell.level, np.nextafter(edge, np.inf)) > low


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
