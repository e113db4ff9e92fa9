"""Realised measures, the daily ratio test and the test of every bar, against figures known by hand."""

import numpy as np
import pytest
from scipy.special import gamma, ndtri

from riskengine.calibrate.jumps import (
    bipower_variation,
    jump_report,
    lee_mykland,
    lee_mykland_threshold,
    mancini_threshold,
    med_rv,
    ratio_test,
    realised_variance,
)


def test_measures_of_a_few_returns():
    x = np.array([0.01, -0.02, 0.03, -0.01])
    assert realised_variance(x) == pytest.approx(0.0015)
    assert bipower_variation(x) == pytest.approx(np.pi / 2 * 4 / 3 * (0.0002 + 0.0006 + 0.0003))
    # medians of (1, 2, 3) and (2, 3, 1) hundredths
    assert med_rv(x) == pytest.approx(np.pi / (6 - 4 * np.sqrt(3) + np.pi) * 4 / 2 * 2 * 0.0004)
    mu = 2 ** (2 / 3) * gamma(7 / 6) / gamma(1 / 2)
    quarticity = 4 * mu**-3 * 4 / 2 * 2 * (0.01 * 0.02 * 0.03) ** (4 / 3)
    bv = bipower_variation(x)
    z = (1 - bv / 0.0015) / np.sqrt((np.pi**2 / 4 + np.pi - 5) / 4 * max(1, quarticity / bv**2))
    assert ratio_test(x)[0] == pytest.approx(z)


def test_measures_are_unbiased_for_a_diffusion_and_bipower_does_not_see_a_jump():
    n = 200_000
    x = np.random.default_rng(1).normal(0, 0.01, n)
    z = ndtri(1 - 1e-4 / 3 / 2)
    # variances of the three in units of sigma^4 n: 2, 2.61 and 2.96 (Andersen, Dobrev, Schaumburg 2012)
    for measure, spread in ((realised_variance, 2.0), (bipower_variation, 2.61), (med_rv, 2.96)):
        assert abs(measure(x) / (n * 1e-4) - 1) < z * np.sqrt(spread / n)
    jumped = x.copy()
    jumped[n // 2] += 5.0
    assert realised_variance(jumped) > 2 * realised_variance(x)
    assert med_rv(jumped) == pytest.approx(med_rv(x), rel=1e-3)


def test_ratio_test_keeps_its_level_and_finds_a_jump():
    rng = np.random.default_rng(2)
    days = rng.normal(0, 0.001, (4000, 288))
    p = np.array([ratio_test(d)[1] for d in days])
    # Huang and Tauchen report sizes slightly above the level at 288 bars: 0.01 is met within a quarter of it and noise
    hits = (p < 0.01).sum()
    assert 40 - 4 * np.sqrt(40) < hits < 50 + 4 * np.sqrt(50)
    days[0, 100] += 0.015
    assert ratio_test(days[0])[1] < 1e-6
    assert ratio_test(np.zeros(50)) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("bars", "threshold"), [(288, 5.395026675085253), (1440, 5.77747760631933), (8760, 6.20065163227872)]
)
def test_threshold_of_lee_and_mykland(bars, threshold):
    """C_n + S_n 4.6001 of their Lemma 1, evaluated directly; 4.6001 for 1 % is printed in the paper."""
    assert lee_mykland_threshold(bars, 0.01) == pytest.approx(threshold, abs=1e-9)


def test_local_statistic_uses_only_the_bars_before():
    x = np.random.default_rng(3).normal(0, 0.01, 40)
    found = lee_mykland(x, 10)
    assert np.isnan(found[:10]).all()
    i = 25
    product = [abs(x[j]) * abs(x[j - 1]) for j in range(i - 9, i)]
    assert found[i] == pytest.approx(x[i] / np.sqrt(np.mean(product)))
    x[i] += 1.0
    again = lee_mykland(x, 10)
    assert again[:i] == pytest.approx(found[:i], nan_ok=True) and again[i] > 50


def test_family_wise_level_of_the_local_test():
    """Without jumps a whole history trips the threshold with about the probability it states."""
    rng = np.random.default_rng(4)
    trips = 0
    for _ in range(400):
        statistic = lee_mykland(rng.normal(size=2000), 270)[270:]
        trips += np.abs(statistic).max() > lee_mykland_threshold(statistic.size, 0.05)
    # the Gumbel limit is slow and local volatility is estimated: between half and three times the level, and noise
    assert 0.025 * 400 - 4 * np.sqrt(10) < trips < 0.15 * 400 + 4 * np.sqrt(60)


def test_report_finds_the_jump_and_bridges_no_gap():
    rng = np.random.default_rng(5)
    x = rng.normal(0, 0.5 * np.sqrt(300 / 31_536_000), 288 * 12)
    x[2000] += 0.05
    seconds = np.arange(x.size + 1) * 300
    prices = 100 * np.exp(np.concatenate([[0.0], np.cumsum(x)]))
    report = jump_report(seconds, prices, 300)
    assert [j.seconds for j in report.jumps] == [seconds[2001]]
    assert report.jumps[0].log_return == pytest.approx(x[2000])
    assert report.volatility_median == pytest.approx(0.5, rel=0.1) and report.jump_share > 0.1
    assert report.jump_days == 1 and report.days == 11  # the first return of day 0 is missing
    # cut the history where it jumps: nothing is left to find
    keep = np.r_[0:2001, 2010 : x.size + 1]
    assert jump_report(seconds[keep], prices[keep], 300).jumps == ()
    assert report.bars_left_out == 0
    # truncation: three standard deviations, and a little more as bars get shorter
    step = 300 / 31_536_000
    assert mancini_threshold(bipower_variation(x), x.size, step) == pytest.approx(3 * 0.5 * step**0.49, rel=0.1)
    assert 1 <= report.bars_truncated < 15


def test_stretches_shorter_than_the_window_are_counted_and_stay_in_the_volatilities():
    """Half the history in pieces of 100 bars, four times as wild: no local test reaches them, the volatilities do."""
    rng = np.random.default_rng(6)
    step, sd = 300 / 31_536_000, np.repeat([0.2, 0.8], 2000) * np.sqrt(300 / 31_536_000)
    x = rng.normal(0, sd)
    seconds = np.arange(x.size + 1) * 300
    seconds[2001:] += 300 * (1 + np.arange(2000) // 100)  # twenty gaps
    prices = 100 * np.exp(np.concatenate([[0.0], np.cumsum(x)]))
    report = jump_report(seconds, prices, 300, window=270)
    # a return over each gap is lost
    assert (report.bars, report.bars_left_out) == (3980, 1980)
    level = np.sqrt((2000 * 0.2**2 + 1980 * 0.8**2) / 3980)
    got = (report.volatility, report.volatility_bipower, report.volatility_median)
    assert got == pytest.approx([level] * 3, rel=0.1)
    whole = np.diff(seconds) == 300
    assert report.volatility == pytest.approx(np.sqrt(realised_variance(x[whole]) / (3980 * step)), rel=1e-12)
    assert report.jumps == ()
    # a stretch of two bars has no median, and is counted
    keep = np.r_[0:2001, 2001:2004]
    report = jump_report(seconds[keep], prices[keep], 300, window=270)
    assert (report.bars, report.bars_left_out) == (2002, 2)
    assert report.volatility == pytest.approx(np.sqrt(realised_variance(x[:2000]) / (2000 * step)), rel=1e-12)


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        (np.ones(500), "constant"),
        (np.r_[np.ones(400), -1.0, np.ones(99)], "positive"),
        (np.ones(50), "unbroken stretch"),
    ],
)
def test_report_refuses(prices, message):
    with pytest.raises(ValueError, match=message):
        jump_report(np.arange(prices.size) * 3600, prices, 3600)
