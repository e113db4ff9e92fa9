"""SVI total variance to volatility."""

import numpy as np
import pytest

from riskengine.pricing.svi import svi_density_factor, svi_jump_wings, svi_total_variance, svi_volatility

SHAPE = {"a": 0.0245, "b": 0.109, "rho": -0.415, "m": -0.119, "sigma": 0.172}


def test_formula_and_clip():
    k = np.log(1800.0 / 2700.0)
    w = 0.0245 + 0.109 * (-0.415 * (k + 0.119) + np.sqrt((k + 0.119) ** 2 + 0.172**2))
    assert svi_volatility(1800.0, 2700.0, 0.1, **SHAPE) == pytest.approx(np.sqrt(w / 0.1), rel=1e-14)
    # beyond the reach of 4 sqrt(a + b sigma) the smile is flat
    far = svi_volatility([100.0, 10.0], 2700.0, 0.1, **SHAPE)
    assert far[0] == far[1]


def test_variance_is_capped():
    assert svi_volatility(1.0, 1.0, 1.0, a=200.0, b=0.0, rho=0.0, m=0.0, sigma=0.1) == 12.0


@pytest.mark.parametrize("change", [{"b": -0.1}, {"rho": 1.5}, {"a": -1.0}])
def test_bad_parameters_are_refused(change):
    with pytest.raises(ValueError, match="SVI needs"):
        svi_volatility(1800.0, 2700.0, 0.1, **(SHAPE | change))


def test_bad_market_is_refused():
    with pytest.raises(ValueError, match="must be positive"):
        svi_volatility([0.0], 2700.0, 0.1, **SHAPE)


VOGT = {"a": -0.041, "b": 0.1331, "rho": 0.306, "m": 0.3586, "sigma": 0.4153}


def test_jump_wings_of_vogt():
    """Gatheral and Jacquier (2014) print (0.01742625, -0.1752111, 0.6997381, 1.316798, 0.0116249)."""
    expected = (
        0.017426252555159123,
        -0.17521114080912506,
        0.6997381041168085,
        1.316798218986386,
        0.011624903235477876,
    )
    assert svi_jump_wings(**VOGT, tau=1.0) == pytest.approx(expected, abs=1e-9)
    with pytest.raises(ValueError, match="must be positive"):
        svi_jump_wings(**VOGT, tau=0.0)


def test_the_slice_of_vogt_has_a_butterfly():
    """Variance is positive everywhere, and call prices are not convex around k = 0.9."""
    k = np.linspace(-1.5, 1.5, 301)
    w, g = svi_total_variance(k, **VOGT), svi_density_factor(k, **VOGT)
    assert w.min() > 0
    assert g.min() < -0.03
    assert 0.6 < k[np.argmin(g)] < 1.1
    # the definition of g, by differences
    h = 1e-4
    low, high = svi_total_variance(k - h, **VOGT), svi_total_variance(k + h, **VOGT)
    first, second = (high - low) / (2 * h), (high - 2 * w + low) / h**2
    assert g == pytest.approx((1 - k * first / (2 * w)) ** 2 - first**2 / 4 * (1 / w + 0.25) + second / 2, abs=1e-6)
