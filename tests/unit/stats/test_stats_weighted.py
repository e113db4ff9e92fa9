"""Weighted figures: what they give back exactly, and when they refuse."""

import math

import numpy as np
import pytest

from riskengine.stats.exceedance import exceedance_curve
from riskengine.stats.figures import PlainFigures, WeightedFigures
from riskengine.stats.quantile import expected_shortfall, value_at_risk
from riskengine.stats.weighted import (
    PathWeights,
    effective_hits,
    weighted_difference,
    weighted_exceedance,
    weighted_mean,
    weighted_quantiles,
    weighted_ratio,
    weighted_severity,
    weighted_share,
    weighted_shortfall,
)

N = 8192


def equal():
    """A sample in which every weight is one: a mixture of the plain law with itself."""
    return PathWeights(np.ones(N), np.arange(N) % 4, 4.0)


def shifted(n=N, shift=3.0, seed=5):
    """Standard normals from a mixture of a quarter plain and three quarters shifted, with their weights."""
    rng = np.random.default_rng(seed)
    stratum = (np.arange(n) % 4 > 0).astype(np.int64)
    z = rng.standard_normal(n) + shift * stratum
    weight = 1.0 / (0.25 + 0.75 * np.exp(shift * z - 0.5 * shift * shift))
    return z, PathWeights(weight, stratum, 4.0)


def test_equal_weights_give_the_plain_figures():
    loss = np.random.default_rng(1).standard_t(4, N)
    w = equal()
    levels = (0.9, 0.97)
    for a, b in zip(weighted_quantiles(loss, levels, w), value_at_risk(loss, levels), strict=True):
        assert a.value == b.value
        assert abs(a.upper - b.upper) < 0.1 * (b.upper - b.lower)
        assert abs(a.lower - b.lower) < 0.1 * (b.upper - b.lower)
    es = weighted_shortfall(loss, 0.97, w)
    plain = expected_shortfall(loss, 0.97)
    assert es.value == pytest.approx(plain.value, rel=2e-3)
    assert es.std_error == pytest.approx(plain.std_error, rel=1e-2)
    assert weighted_mean(loss, w).value == pytest.approx(loss.mean())
    curve, exact = weighted_exceedance(loss, w), exceedance_curve(loss)
    np.testing.assert_allclose(curve.probability, exact.probability, atol=1e-12)
    assert w.effective == pytest.approx(N)


def test_constants_are_exact_and_shares_add_up():
    """The control makes calibrated weights: a constant has no error, and P(A) + P(not A) = 1."""
    z, w = shifted()
    assert w.calibrated.sum() == pytest.approx(N, abs=1e-9)
    constant = weighted_mean(np.full(N, 7.0), w)
    assert constant.value == pytest.approx(7.0)
    assert constant.std_error < 1e-12
    hit = (z > 1.0).astype(float)
    here, there = weighted_share(hit, w, severity=z), weighted_share(1.0 - hit, w, severity=-z)
    assert here.value + there.value == pytest.approx(1.0)
    assert here.upper + there.lower == pytest.approx(1.0)
    lifted, base = weighted_mean(z + 1e6, w), weighted_mean(z, w)
    assert lifted.value - base.value == pytest.approx(1e6, rel=1e-12)
    assert lifted.std_error == pytest.approx(base.std_error, rel=1e-4)


def test_tail_figures_of_a_normal():
    from scipy.special import ndtr, ndtri

    z, w = shifted(4 * N)
    q = ndtri(0.999)
    found = weighted_quantiles(z, (0.999,), w)[0]
    assert abs(found.value - q) < 4.5 * found.std_error
    assert found.std_error < 0.006  # 200 plain tail hits would give 0.06
    es = weighted_shortfall(z, 0.999, w)
    assert abs(es.value - math.exp(-0.5 * q * q) / math.sqrt(2 * math.pi) / 0.001) < 4.5 * es.std_error
    rare = weighted_share((z > 4.0).astype(float), w, severity=z)
    assert abs(rare.value - ndtr(-4.0)) < 4.5 * rare.std_error
    assert rare.std_error < 0.05 * rare.value
    ratio = weighted_ratio(np.maximum(z - 3.0, 0.0), (z > 3.0).astype(float), w)
    assert ratio.value == pytest.approx(weighted_severity(z - 3.0, w).value)
    assert abs(ratio.value - (math.exp(-4.5) / math.sqrt(2 * math.pi) / ndtr(-3.0) - 3.0)) < 4.5 * ratio.std_error


def test_a_tail_that_no_tilt_reaches_is_refused():
    """The mixture is tilted up; the figure also has a lower tail, which plain paths of weight 4 stand for.

    This sample has not met it beyond 2.8, so everything it knows of the tail looks precise.
    """
    z, w = shifted()
    both = np.abs(np.maximum(z, -2.8))
    blind = weighted_share((z > 3.2).astype(float), w, severity=z)
    assert blind.std_error < 0.05 * blind.value
    found = weighted_quantiles(both, (0.999,), w)[0]
    assert not math.isfinite(found.upper)
    assert "interval refused" in found.method
    assert "plain paths deepest in this tail have a mean weight" in found.method
    rare = weighted_share((both > 3.5).astype(float), w, severity=both)
    assert "chernoff-hoeffding for weights up to 4" in rare.method
    assert rare.lower <= rare.value
    assert rare.upper > 5e-4
    observed = w.weight[both > 3.5]
    assert observed.sum() ** 2 / (observed**2).sum() > 500.0 > 100.0 > rare.n_effective


def test_without_a_severity_few_plain_hits_cannot_bear_witness():
    z, w = shifted()
    hit = z > 3.7
    hits, reason = effective_hits(hit, w)
    assert hits < 40
    assert "40 needed to see whether the tilts cover it" in reason
    better, none = effective_hits(hit, w, z)
    assert better > hits
    assert effective_hits(np.zeros(N, bool), w) == (0.0, "")
    assert none == "" or "mean weight" in none


def test_differences():
    z, w = shifted()
    a, b = (z > 2.0).astype(float), (z > 2.2).astype(float)
    found = weighted_difference(a, b, w, share=True)
    assert found.value == pytest.approx(float(w.calibrated @ (a - b)) / N)
    assert 0.0 < found.lower < found.value < found.upper
    rare = weighted_difference((z > 4.5).astype(float), (z > 4.6).astype(float), w, share=True)
    assert "chernoff-hoeffding of rises and falls" in rare.method
    assert -1.0 <= rare.lower <= rare.value <= rare.upper <= 1.0
    money = weighted_difference(1e4 * a, 1e4 * b, w)
    assert money.value == pytest.approx(1e4 * found.value)


def test_faults():
    with pytest.raises(ValueError, match="one length"):
        PathWeights(np.ones(3), np.zeros(2, int), 2.0)
    with pytest.raises(ValueError, match=r"lie in \[0, 2\]"):
        PathWeights(np.array([1.0, 3.0]), np.zeros(2, int), 2.0)
    with pytest.raises(ValueError, match="one value per weight"):
        weighted_mean(np.ones(5), equal())
    with pytest.raises(ValueError, match="values must lie in"):
        weighted_share(np.full(N, 2.0), equal())
    assert math.isnan(weighted_ratio(np.zeros(N), np.zeros(N), equal()).value)
    assert math.isnan(weighted_severity(np.zeros(N), equal()).value)


def test_plain_and_weighted_figures_have_the_same_verbs():
    z, w = shifted()
    names = {n for n in vars(PlainFigures) if not n.startswith("_")}
    assert names <= {n for n in vars(WeightedFigures) if not n.startswith("_")}
    hit, flag = z > 2.0, z > 2.5
    for figures in (PlainFigures(), WeightedFigures(w)):
        assert figures.at(0.9).confidence == 0.9
        found = figures.probability_given(flag, hit)
        assert 0.0 <= found.lower <= found.value <= found.upper <= 1.0
        assert figures.probability_given(flag, np.zeros(N, bool)) is None
        assert math.isnan(figures.mean_given(z, np.zeros(N, bool)).value)
        assert figures.mean_given(z, hit).value > 2.0
        assert figures.quantile_with_error(z, 0.95).std_error > 0.0
    assert WeightedFigures(w).probability(hit, z).method.startswith("mean over paths, importance weights")
    assert PlainFigures().probability(hit, z).method == "clopper-pearson"
