"""The joint cumulant of a shipped world against the exponent of its combinations, and the tilted variance state."""

import numpy as np
import pytest

from riskengine.config.study import load_world
from riskengine.law.joint import joint_law

MODEL = load_world("btc_eth").model
LAW = joint_law(MODEL)
DAY = 1.0 / 365.0
TILTS = np.array([[0.0, 0.0], [1.0, 0.0], [-5.0, -3.0], [-15.0, 2.0], [10.0, 10.0], [-8.0, 8.0]])


def test_cumulant_is_the_exponent_of_the_combination():
    wanted = [LAW.exponent(tilt, 1.0, DAY).real for tilt in TILTS]
    np.testing.assert_allclose(LAW.cumulant(TILTS, DAY), wanted, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(
        LAW.cumulant(np.array([[-10.0, 0.0]]), DAY)[0], MODEL.law("BTC", DAY).log_mgf(-10.0), rtol=1e-4
    )


def test_driver_has_mean_one_and_grows_where_prices_fall():
    """Under the law E[V_T] = 1; d/dw is checked against the covariance of V_T and X by the mixed difference."""
    w = 1e-5
    slope = (LAW.cumulant(TILTS, DAY, w) - LAW.cumulant(TILTS, DAY, -w)) / (2 * w)
    assert slope[0] == pytest.approx(1.0, abs=1e-8)
    assert slope[2] > 1.0


def test_variance_of_the_driver():
    """d2K/dw2 at 0 is the stationary variance xi0^2 / (2 kappa)."""
    w = 1e-3
    zero = TILTS[:1]
    second = (LAW.cumulant(zero, DAY, w) - 2 * LAW.cumulant(zero, DAY) + LAW.cumulant(zero, DAY, -w)) / w**2
    assert second[0] == pytest.approx(LAW.xi0**2 / (2 * LAW.kappa), rel=1e-4)


def test_infinite_moments_are_nan():
    assert np.isnan(LAW.cumulant(np.array([[-50.0, 0.0]]), DAY)).all()
    assert MODEL.law("BTC", DAY).log_mgf(-50.0) == np.inf


@pytest.mark.parametrize("world", ["btc_eth_gbm", "btc_eth_merton"])
def test_worlds_without_a_variance_state(world):
    model = load_world(world).model
    law = joint_law(model)
    tilt = np.array([[-7.0, 0.0], [0.0, 3.0]])
    wanted = [model.law("BTC", DAY).log_mgf(-7.0), model.law("ETH", DAY).log_mgf(3.0)]
    np.testing.assert_allclose(law.cumulant(tilt, DAY), wanted, rtol=1e-10)
