"""Statistics on many histories at once are, lane by lane, those of the single-sample functions."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from riskengine.backtest.berkowitz import berkowitz, berkowitz_tail
from riskengine.backtest.christoffersen import christoffersen
from riskengine.backtest.conditional_calibration import conditional_calibration, conditional_calibration_one_sided
from riskengine.backtest.cumulative_violations import du_escanciano, du_escanciano_conditional
from riskengine.backtest.duration import gmm_duration, weibull_duration
from riskengine.backtest.dynamic_quantile import dynamic_quantile
from riskengine.backtest.e_process import e_process, e_statistics
from riskengine.backtest.expected_shortfall import mcneil_frey, z1, z2
from riskengine.backtest.lane_kernels import betting_lanes, shortfall_betting_lanes, weibull_lanes
from riskengine.backtest.lanes import (
    BreachLanes,
    berkowitz_lanes,
    berkowitz_tail_lanes,
    calibration_lanes,
    christoffersen_lanes,
    du_escanciano_conditional_lanes,
    du_escanciano_lanes,
    dynamic_quantile_lanes,
    gmm_lanes,
    mcneil_frey_lanes,
    mcneil_frey_p_lanes,
    z1_lanes,
    z2_lanes,
)

DAYS, CUT, P = 160, 120, 0.025
VAR = float(ndtri(1 - P))
ES = float(np.exp(-0.5 * VAR * VAR) / np.sqrt(2 * np.pi) / P)


@pytest.fixture(scope="module")
def dense():
    """Losses (n, P) from no breach to a breach on most days, alone, in clusters and at both ends."""
    random = np.random.default_rng(4)
    loss = random.standard_normal((DAYS, 60)) * np.repeat([0.3, 0.8, 1.0, 1.5, 2.5, 8.0], 10)
    loss[:, 20:30] *= np.exp(np.cumsum(random.standard_normal((DAYS, 10)), axis=0) * 0.2)
    loss[[0, DAYS - 1, CUT - 1], 50] = 5.0
    loss[:, 51] = 0.0
    loss[[CUT - 1, CUT - 2], 51] = 3.0
    loss[:, 52] = -1.0
    loss[[3, 4, 5], 52] = 4.0, 3.0, 2.5
    loss[:, 53] = -1.0
    loss[CUT - 1, 53] = 3.0
    loss[:, 54] = 2.0 + random.random(DAYS) * 3.0
    return loss


@pytest.fixture(scope="module")
def lanes(dense):
    """The first CUT days as a prefix of longer histories."""
    return BreachLanes.of(dense > VAR, dense, ndtr(-dense)).first(CUT)


def each(dense, function):
    return np.array([function(dense[:CUT, i]) for i in range(dense.shape[1])])


def same(found, wanted, tolerance=1e-9):
    assert np.isfinite(wanted).any()
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def test_counts_and_prefixes(dense, lanes):
    assert (lanes.count == (dense[:CUT] > VAR).sum(axis=0)).all()
    whole = BreachLanes.of(dense[:CUT] > VAR, dense[:CUT], ndtr(-dense[:CUT]))
    for name in ("at", "loss", "survival"):
        np.testing.assert_array_equal(
            np.where(whole.mask, getattr(whole, name), 0), np.where(lanes.mask, getattr(lanes, name), 0)
        )


def test_christoffersen(dense, lanes):
    independence, coverage = christoffersen_lanes(lanes, P)
    same(independence, each(dense, lambda x: christoffersen(x > VAR, P).likelihood_ratio_independence))
    same(coverage, each(dense, lambda x: christoffersen(x > VAR, P).likelihood_ratio_coverage))


def test_durations(dense, lanes):
    # a shape at the edge of its range is where scipy's search stops short of it
    same(weibull_lanes(lanes), each(dense, lambda x: weibull_duration(x > VAR, P, 99).statistic), 2e-5)
    for order in (1, 3):
        same(gmm_lanes(lanes, P, order), each(dense, lambda x, o=order: gmm_duration(x > VAR, P, o, 99).statistic))


@pytest.mark.parametrize("moving", [False, True])
def test_dynamic_quantile(dense, lanes, moving):
    var = None
    if moving:
        var = 2.0 + np.cumsum(np.random.default_rng(5).standard_normal(dense.shape), axis=0)
        var[:, ::7] = 2.0  # a forecast that stands still is no regressor
    found, rank = dynamic_quantile_lanes(lanes, P, var)
    singles = [
        dynamic_quantile(dense[:CUT, i] > VAR, P, None if var is None else var[:CUT, i], replicates=None)
        for i in range(dense.shape[1])
    ]
    same(found, np.array([s.statistic for s in singles]), 1e-8)
    assert [f"asymptotic chi-squared({k})" for k in rank] == [s.method for s in singles]


def test_shortfall(dense, lanes):
    same(z1_lanes(lanes, ES), each(dense, lambda x: z1(x, VAR, ES)))
    same(z2_lanes(lanes, ES, P), each(dense, lambda x: z2(x, VAR, ES, P)))
    found = mcneil_frey_lanes(lanes, VAR, ES)
    some = ~np.isnan(found)
    wanted = each(dense, lambda x: mcneil_frey(x, VAR, ES, 99).statistic)
    same(found[some], wanted[some])
    p = mcneil_frey_p_lanes(lanes, VAR, ES, 999)
    np.testing.assert_allclose(p[some], each(dense, lambda x: mcneil_frey(x, VAR, ES, 999).p_value)[some], atol=2e-3)
    assert (p[np.isnan(found)] == 1.0).all()


def test_conditional_calibration(dense, lanes):
    two, one = calibration_lanes(lanes, VAR, ES, P)
    same(two, each(dense, lambda x: conditional_calibration(x, VAR, ES, P).statistic), 1e-7)
    same(one, each(dense, lambda x: conditional_calibration_one_sided(x, VAR, ES, P).p_value))


def test_cumulative_violations(dense, lanes):
    same(du_escanciano_lanes(lanes, P), each(dense, lambda x: du_escanciano(ndtr(-x), P).statistic))
    same(
        du_escanciano_conditional_lanes(lanes, P),
        each(dense, lambda x: du_escanciano_conditional(ndtr(-x), P).statistic),
    )


def test_berkowitz(dense, lanes):
    scores = np.clip(dense, -8.0, 8.0)
    moving = np.ptp(scores[: CUT - 1], axis=0) > 0
    found = berkowitz_lanes(scores[:CUT, moving])
    same(found, each(scores[:, moving], lambda x: berkowitz(ndtr(x)).statistic), 2e-3)
    middle = np.abs(dense[:CUT]).max(axis=0) < 5.0  # beyond it ndtr loses the digits of a score
    same(found[middle[moving]], each(scores[:, middle & moving], lambda x: berkowitz(ndtr(x)).statistic), 1e-7)
    tail = berkowitz_tail_lanes(lanes, P)
    wanted = each(dense, lambda x: berkowitz_tail(1.0 - ndtr(-x), P).statistic)
    same(tail[middle], wanted[middle], 2e-6)


def test_berkowitz_tail_is_never_below_the_single_search(dense, lanes):
    """Newton's maximum is at least that of the simplex on any lane, deep losses included."""
    z = np.clip(dense, None, 8.0)
    found = berkowitz_tail_lanes(BreachLanes.of(z[:CUT] > VAR, z[:CUT], ndtr(-z[:CUT])), P)
    wanted = each(z, lambda x: berkowitz_tail(1.0 - ndtr(-x), P).statistic)
    assert (found >= wanted * (1 - 1e-3) - 1e-3).all()


def test_betting(dense):
    whole = BreachLanes.of(dense > VAR, dense)
    sizes = (40, CUT, DAYS)
    for understated, against in ((True, "understated"), (False, "overstated")):
        found = betting_lanes(whole, P, sizes, understated=understated)
        for row, n in zip(found, sizes, strict=True):
            wanted = [
                e_process(e_statistics(dense[:n, i], VAR, P, against=against)).wealth.max()
                for i in range(0, dense.shape[1], 3)
            ]
            same(row[::3], np.array(wanted), 1e-9)
    found = shortfall_betting_lanes(whole, VAR, ES, P, sizes)
    for row, n in zip(found, sizes, strict=True):
        wanted = [e_process(e_statistics(dense[:n, i], VAR, P, ES)).wealth.max() for i in range(0, dense.shape[1], 3)]
        same(row[::3], np.array(wanted), 1e-8)
