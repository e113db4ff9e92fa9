"""Hedge ratios along one line: against the option desk, against a jump integral, against what variance they leave."""

import numpy as np
import pytest
from scipy.special import ndtr

from riskengine.errors import RunError
from riskengine.law.bates import BatesLaw
from riskengine.law.hedge_ratio import hedge_ratios, realised_variance, simple_variance
from riskengine.law.jump import NormalJump
from riskengine.law.kou import DoubleExponentialJump, KouLaw
from riskengine.law.merton import MertonLaw
from riskengine.law.options import OptionDesk
from riskengine.law.svcj import CoJump, SvcjLaw

DAYS = 7 / 365
MERTON = MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), DAYS)
HESTON = BatesLaw(0.0, 18.0, 0.29, 4.3, -0.4, (), DAYS, 0.29)
LAWS = {
    "merton": MERTON,
    "kou": KouLaw(0.0, 0.5, (DoubleExponentialJump(20.0, 0.4, 15.0, 10.0),), DAYS),
    "heston": HESTON,
    "bates": BatesLaw(0.0, 18.0, 0.29, 4.3, -0.2, (NormalJump(66.0, -0.001, 0.032),), DAYS, 0.29),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_price_and_delta_are_those_of_the_option_desk(law):
    k = np.linspace(-0.3, 0.3, 9)
    price, delta, least = hedge_ratios(law, k)
    desk = OptionDesk(law, 1.0)
    call = desk.price(np.exp(k), 1.0)
    np.testing.assert_allclose(price[0], call, atol=5e-15)
    np.testing.assert_allclose(delta[0], call + np.exp(k) * desk.digital(np.exp(k), 1.0), atol=5e-15)
    assert ((least[0] > 0.0) & (least[0] < 1.0) & (np.diff(least[0]) < 0.0).all()).all()


def test_without_jumps_every_hedge_is_the_black_scholes_delta():
    k = np.array([-0.1, 0.0, 0.2])
    law = MertonLaw(0.0, 0.6, (), DAYS)
    _, delta, least = hedge_ratios(law, k)
    total = 0.6 * np.sqrt(DAYS)
    np.testing.assert_allclose(delta[0], ndtr(-k / total + 0.5 * total), atol=1e-14)
    np.testing.assert_allclose(least, delta, atol=1e-14)
    assert realised_variance(law) == pytest.approx(0.36)


def test_least_variance_hedge_is_the_covariance_over_the_variance_of_diffusion_and_jumps():
    """The jump part by Gauss-Hermite over the size of the jump: prices alone, no transform of the hedge."""
    k, (jump,) = 0.03, MERTON.jumps
    price, delta, least = (part[0, 0] for part in hedge_ratios(MERTON, np.array([k])))
    node, weight = np.polynomial.hermite_e.hermegauss(80)
    size, weight = jump.mean + jump.sd * node, weight / weight.sum()
    after = np.exp(size) * hedge_ratios(MERTON, k - size)[0][0]
    covariance = 0.36 * delta + jump.intensity * (weight @ (np.expm1(size) * (after - price)))
    variance = 0.36 + jump.intensity * (weight @ np.expm1(size) ** 2)
    assert float(simple_variance(MERTON, np.array(0.36))) == pytest.approx(variance, rel=1e-12)
    assert least == pytest.approx(covariance / variance, abs=1e-12)


def test_heston_hedge_adds_vega_times_the_slope_of_variance_in_price():
    v, step = 0.4, 1e-4
    price, delta, least = hedge_ratios(HESTON, np.array([0.05]), np.array([v - step, v, v + step]))
    vega = (price[2, 0] - price[0, 0]) / (2 * step)
    assert least[1, 0] == pytest.approx(delta[1, 0] + HESTON.rho * HESTON.xi * vega, abs=1e-8)


def test_refusals():
    with pytest.raises(ValueError, match="Merton, Kou, Heston or Bates"):
        hedge_ratios(SvcjLaw(0.0, 5.0, 0.3, 1.0, 0.0, (CoJump(1.0, 0.0, 0.1),), DAYS), np.zeros(1))
    with pytest.raises(ValueError, match="drift of the pricing law must be 0"):
        hedge_ratios(MertonLaw(0.1, 0.6, (), DAYS), np.zeros(1))
    heavy = KouLaw(0.0, 0.5, (DoubleExponentialJump(1.0, 0.5, 1.8, 5.0),), DAYS)
    with pytest.raises(RunError, match="least variance"):
        hedge_ratios(heavy, np.zeros(1))
