"""Option prices by two routes: printed figures, parity, coin settlement under its own measure."""

from dataclasses import replace

import numpy as np
import pytest
from kou_stub import KouStub
from scipy.special import ndtr

from riskengine.errors import RunError
from riskengine.law.bates import BatesLaw
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.law.options import OptionDesk
from riskengine.pricing.black import black76
from riskengine.pricing.strip import implied_strip

JUMP = (NormalJump(1.0, -0.1, 0.15),)
MERTON = MertonLaw(0.03, 0.2, JUMP, 0.5)
BATES = BatesLaw(0.03, 1.5768, 0.0398, 0.5751, -0.5711, JUMP, 0.5, 0.0175)
KOU = KouStub(0.03, 0.16, 1.0, 0.4, 10.0, 5.0, 0.5)
STRIKES = np.array([60.0, 90.0, 100.0, 115.0, 170.0])


@pytest.mark.parametrize("law", [MERTON, BATES, KOU], ids=["merton", "bates", "kou"])
def test_parity_between_sides_that_are_priced_apart(law):
    desk = OptionDesk(law, 100.0, np.exp(-0.05 * 0.5))
    difference = desk.price(STRIKES, 1) - desk.price(STRIKES, -1)
    assert desk.forward == pytest.approx(100.0 * np.exp(0.03 * 0.5), rel=1e-12)
    np.testing.assert_allclose(difference, desk.discount * (desk.forward - STRIKES), atol=1e-11, rtol=0)
    np.testing.assert_allclose(desk.digital(STRIKES, 1) + desk.digital(STRIKES, -1), desk.discount, rtol=1e-12)


@pytest.mark.parametrize("law", [MERTON, BATES, KOU], ids=["merton", "bates", "kou"])
def test_digital_is_the_slope_of_the_price(law):
    desk = OptionDesk(law, 100.0, 0.97)
    h = 0.05
    for sign in (1, -1):
        shifted = [desk.price(STRIKES + i * h, sign) for i in (-2, -1, 1, 2)]
        slope = (shifted[0] - 8 * shifted[1] + 8 * shifted[2] - shifted[3]) / (12 * h)
        # h^4 times the fifth derivative over 30: below 1e-8 for densities of width 10
        np.testing.assert_allclose(-sign * slope, desk.digital(STRIKES, sign), atol=2e-7)


def test_coin_price_is_an_expectation_under_the_coin_measure():
    # dQ^S/dQ = e^X / E e^X turns Merton into Merton: drift + sigma^2 + ..., intensity lam e^{m + d^2/2}, mean m + d^2
    growth, q, horizon = 0.03, 0.02, 0.5
    j = JUMP[0]
    tilted = NormalJump(j.intensity * np.exp(j.mean + 0.5 * j.sd**2), j.mean + j.sd**2, j.sd)
    trend = growth - 0.5 * 0.2**2 - j.intensity * j.relative_mean + 0.2**2
    coin_law = MertonLaw(trend + 0.5 * 0.2**2 + tilted.intensity * tilted.relative_mean, 0.2, (tilted,), horizon)
    inverse = OptionDesk(MERTON, 100.0, np.exp(-(growth + q) * horizon), "inverse")
    k = np.log(STRIKES / 100.0)
    # (1 - e^{k - X})^+ is e^k times the upper excess of power -1 with its sign turned
    direct = -np.exp(k) * coin_law.upper_excess(k, -1.0) * np.exp(-q * horizon)
    np.testing.assert_allclose(inverse.price(STRIKES, 1), direct, rtol=1e-9)
    np.testing.assert_allclose(inverse.digital(STRIKES, 1), np.exp(-q * horizon) * coin_law.survival(k), rtol=1e-9)
    np.testing.assert_allclose(inverse.digital(STRIKES, -1), np.exp(-q * horizon) * coin_law.cdf(k), rtol=1e-9)


def test_normal_law_is_black():
    law = MertonLaw(0.0, 0.8, (), 7.0 / 365.0)
    desk = OptionDesk(law, 100.0)
    for sign in (1, -1):
        expected = black76(100.0, STRIKES, 7.0 / 365.0, 0.8, sign)
        np.testing.assert_allclose(desk.price(STRIKES, sign), expected, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(implied_strip(desk, STRIKES, 7.0 / 365.0), 0.8, rtol=1e-9)
    total = 0.8 * np.sqrt(7.0 / 365.0)
    np.testing.assert_allclose(desk.digital(STRIKES, 1), ndtr(-np.log(STRIKES / 100) / total - total / 2), rtol=1e-9)


def test_strip_smiles_where_jumps_fall():
    desk = OptionDesk(BATES, 100.0, 0.98)
    strip = implied_strip(desk, STRIKES, BATES.horizon)
    assert (np.diff(strip[:3]) < 0).all()
    coin = implied_strip(replace(desk, settlement="inverse"), STRIKES, BATES.horizon)
    np.testing.assert_allclose(coin, strip, rtol=1e-10)


def test_what_cannot_be_priced_is_named():
    with pytest.raises(RunError, match="must exist, got an infinite moment for power 1"):
        OptionDesk(KouStub(0.0, 0.2, 1.0, 0.4, 0.9, 5.0, 0.5), 100.0).price(100.0, 1)
    with pytest.raises(ValueError, match="strike must hold positive finite numbers, got -1"):
        OptionDesk(MERTON, 100.0).price([100.0, -1.0], 1)
    with pytest.raises(ValueError, match=r"sign must hold \+1"):
        OptionDesk(MERTON, 100.0).price(100.0, 0)
    with pytest.raises(ValueError, match="spot must be positive and finite, got 0"):
        OptionDesk(MERTON, 0.0)
    with pytest.raises(ValueError, match="settlement must be linear or inverse, got 'cash'"):
        OptionDesk(MERTON, 1.0, settlement="cash")


def test_kou_calls_through_the_characteristic_function():
    # Kou (2002) prints 9.14732 at 98; the others by Lewis quadrature in 25 digits
    law = KouStub(0.05, 0.16, 1.0, 0.4, 10.0, 5.0, 0.5)
    found = OptionDesk(law, 100.0, np.exp(-0.05 * 0.5)).price([80, 90, 98, 110, 130], 1)
    expected = [23.246178134561358, 14.8118905451871, 9.147317303936926, 3.599649814547521, 0.6499053913053795]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
