"""SVI total variance to volatility."""

import numpy as np
import pytest

from riskengine.pricing.svi import svi_volatility

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
