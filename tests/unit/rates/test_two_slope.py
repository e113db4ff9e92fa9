"""Two-slope rates: the floating curve against the integer one, bounds, and index growth."""

import numpy as np
import pytest

from riskengine.pricing.fixed_point import RAY
from riskengine.rates.two_slope import TwoSlope, exact_rates, growth

CURVE = TwoSlope(0.8, 0.01, 0.04, 0.6, 0.1)


@pytest.mark.parametrize("debt", [0, 1, 10_000, 799_999, 800_000, 800_001, 990_000, 1_000_000])
def test_float_curve_is_the_integer_curve(debt):
    exact = exact_rates(8000, 100, 400, 6000, 1000, debt, 1_000_000 - debt)
    u = debt / 1e6
    assert CURVE.borrow_rate(u) == pytest.approx(exact.borrow_rate / RAY, rel=1e-12)
    assert CURVE.supply_rate(u) == pytest.approx(exact.liquidity_rate / RAY, rel=1e-9, abs=1e-26)


def test_kink_and_shape():
    u = np.array([0.0, 0.4, 0.8, 0.9, 1.0])
    np.testing.assert_allclose(CURVE.borrow_rate(u), [0.01, 0.03, 0.05, 0.35, 0.65], rtol=1e-14)


def test_growth_is_one_interval_of_each_index():
    exact = exact_rates(8000, 100, 400, 6000, 0, 10**6, 0, 0, 7 * 86_400)
    borrow, supply = growth(0.65, 7 / 365)
    assert borrow == pytest.approx(exact.borrow_index_factor / RAY, rel=1e-15)
    assert supply == pytest.approx(exact.supply_index_factor / RAY, rel=1e-15)


@pytest.mark.parametrize(
    "wrong",
    [
        {"optimal_usage": 0.0},
        {"optimal_usage": 1.0},
        {"base": -0.01},
        {"slope2": 10.0},
        {"reserve_factor": 1.2},
        {"slope1": float("nan")},
    ],
)
def test_refuses(wrong):
    good = {"optimal_usage": 0.8, "base": 0.01, "slope1": 0.04, "slope2": 0.6, "reserve_factor": 0.1}
    with pytest.raises(ValueError, match="must lie in"):
        TwoSlope(**{**good, **wrong})
