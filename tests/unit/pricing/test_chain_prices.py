"""Prices of a chain against the exact laws of the project and published figures; their slopes against differences."""

import numpy as np
import pytest

from riskengine.law.bates import BatesLaw
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.pricing.black import black76
from riskengine.pricing.chain_prices import FAMILIES, ChainPricer

TAU = np.array([1, 3, 8, 30, 90, 330]) / 365.0
K = np.log(np.linspace(0.6, 1.4, 41))
EXPIRY, MONEYNESS = np.repeat(np.arange(6), 41), np.tile(K, 6)
HESTON = (0.2, 5.0, 0.25, 2.5, -0.3)
BATES = (0.15, 6.0, 0.2, 2.0, -0.3, 5.0, -0.05, 0.08)
MERTON = (0.35, 20.0, -0.02, 0.06)
POINTS = {
    "black": (0.5,),
    "merton": MERTON,
    "kou": (0.4, 3.0, 0.4, 12.0, 9.0),
    "heston": HESTON,
    "bates": BATES,
    "svcj": (*BATES, 0.1, -0.2),
}


def pricer(level=0.45, sign=-1.0):
    return ChainPricer(TAU, EXPIRY, MONEYNESS, np.full(MONEYNESS.size, sign), np.full(6, level))


def laws(family, p):
    if family == "merton":
        return [MertonLaw(0.0, p[0], (NormalJump(*p[1:]),), t) for t in TAU]
    return [BatesLaw(0.0, *p[1:5], (NormalJump(*p[5:]),) if len(p) > 5 else (), t, p[0]) for t in TAU]


@pytest.mark.parametrize("level", [0.3, 0.45, 0.7])
@pytest.mark.parametrize(("family", "p"), [("heston", HESTON), ("bates", BATES), ("merton", MERTON)])
def test_prices_are_those_of_the_exact_law(family, p, level):
    """Whatever the volatility of the control, and for one day as for a year."""
    exact = np.concatenate([np.exp(K) * law.cdf(K) - law.lower_expectation(K, 1.0) for law in laws(family, p)])
    assert np.abs(pricer(level).prices(family, np.array(p)) - exact).max() < 1e-11


def test_strikes_dozens_of_deviations_away():
    """A one-day law of 14 % volatility at strikes 40 % away: the control is widened, and the price is still zero."""
    p = (0.02, 2.0, 0.3, 0.3, -0.8)
    exact = np.concatenate([np.exp(K) * law.cdf(K) - law.lower_expectation(K, 1.0) for law in laws("heston", p)])
    assert np.abs(pricer(0.15).prices("heston", np.array(p)) - exact).max() < 1e-6


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_slopes(family):
    p, shift = np.array(POINTS[family]), np.linspace(1e-4, 0.02, 6)
    chain = pricer()
    _, slope, shift_slope = chain.evaluate(family, p, shift)
    for i in range(p.size):
        step = 1e-3 * abs(p[i])
        moved = [chain.prices(family, p + d * step * (np.arange(p.size) == i), shift) for d in (-2, -1, 1, 2)]
        numeric = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / (12 * step)
        assert np.abs(numeric - slope[:, i]).max() < 1e-9 * max(1.0, np.abs(slope[:, i]).max())
    moved = [chain.prices(family, p, shift + d * 1e-6) for d in (-2, -1, 1, 2)]
    numeric = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / 12e-6
    assert np.abs(numeric - shift_slope).max() < 1e-8


def test_parity_and_black():
    put, call = pricer(sign=-1.0).prices("svcj", np.array(POINTS["svcj"])), pricer(sign=1.0)
    assert np.abs(call.prices("svcj", np.array(POINTS["svcj"])) - put - 1.0 + np.exp(MONEYNESS)).max() < 1e-14
    flat = call.prices("black", np.array([0.6]))
    assert np.abs(flat - black76(1.0, np.exp(MONEYNESS), TAU[EXPIRY], 0.6, 1)).max() < 1e-13


def test_a_shift_is_more_variance():
    """A Black law with a shift is Black at the summed variance."""
    shift = 0.1 * TAU
    got = pricer().prices("black", np.array([0.5]), shift)
    assert np.abs(got - black76(1.0, np.exp(MONEYNESS), TAU[EXPIRY], np.sqrt(0.35), -1)).max() < 1e-13


def test_broadie_kaya_and_fang_oosterlee():
    """Published figures: 5.785155434376189 (T = 1) and 22.31894579115449 (T = 10)."""
    tau = np.array([1.0, 10.0])
    chain = ChainPricer(tau, np.arange(2), np.zeros(2), np.ones(2), np.full(2, 0.2))
    got = 100 * chain.prices("heston", np.array([0.0175, 1.5768, 0.0398, 0.5751, -0.5711]))
    assert got == pytest.approx([5.785155434376189, 22.31894579115449], abs=1e-8)
    growth = np.exp(0.0319 * 5)
    strikes = np.array([70.0, 100.0, 130.0])
    chain = ChainPricer(np.array([5.0]), np.zeros(3), np.log(strikes / (100 * growth)), np.ones(3), np.array([0.2]))
    p = np.array([0.008836, 3.99, 0.014, 0.27, -0.79, 0.11, np.log(0.88) - 0.5 * 0.15**2, 0.15])
    expected = [41.0528959528242, 20.164154582244254, 7.136234437823634]
    assert 100 * chain.prices("bates", p) == pytest.approx(expected, abs=1e-7)


def test_kou_2002():
    """Kou's example, 0.5 years: 9.14732 for K = 98, further digits by a 25-digit quadrature."""
    growth, strikes = np.exp(0.05 * 0.5), np.array([80.0, 90.0, 98.0, 110.0, 130.0])
    chain = ChainPricer(np.array([0.5]), np.zeros(5), np.log(strikes / (100 * growth)), np.ones(5), np.array([0.25]))
    expected = [23.246178134561358, 14.8118905451871, 9.147317303936926, 3.599649814547521, 0.6499053913053795]
    assert 100 * chain.prices("kou", np.array([0.16, 1.0, 0.4, 10.0, 5.0])) == pytest.approx(expected, abs=1e-7)


def test_refusals():
    with pytest.raises(ValueError, match="tau and level must hold positive numbers"):
        ChainPricer(np.array([0.0]), np.zeros(1), np.zeros(1), np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match="parameters must have shape"):
        pricer().prices("bates", np.array(HESTON))
