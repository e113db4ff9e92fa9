"""Where utilisation settles: closed forms, and no answer where there is no elasticity."""

from dataclasses import replace

import pytest
from scipy.optimize import brentq

from riskengine.rates.equilibrium import settled
from riskengine.rates.two_slope import TwoSlope

NOW = TwoSlope(0.9, 0.0, 0.035, 0.6, 0.1)


def test_without_elasticity_and_without_a_change_nothing_moves():
    assert settled(NOW, replace(NOW, slope1=0.2), 0.85, 0.0, 0.0) == (0.85, 1.0)
    assert settled(NOW, NOW, 0.85, 0.7, 0.4) == (0.85, 1.0)


def test_below_the_kink_the_answer_has_a_closed_form():
    # r = s1 u / u*: with e_b alone u^(1 + e) = u0^(1 + e) (s1 / s1')^e
    u, debt = settled(NOW, replace(NOW, slope1=0.07), 0.8, 0.5, 0.0)
    assert u == pytest.approx(0.8 * 2.0 ** (-0.5 / 1.5), rel=1e-14)
    # the pool is as large as it was, so debt falls as utilisation does
    assert debt == pytest.approx(u / 0.8, rel=1e-14)
    # suppliers earn s1 u^2 / u* (1 - RF): u^(1 + 2 e_s) = u0^(1 + 2 e_s) (s1 / s1')^e_s
    u, debt = settled(NOW, replace(NOW, slope1=0.07), 0.8, 0.0, 0.4)
    assert (u, debt) == (pytest.approx(0.8 * 2.0 ** (-0.4 / 1.8), rel=1e-14), 1.0)


def test_across_the_kink_against_a_root_finder():
    new = replace(NOW, base=0.01, slope2=2.0, optimal_usage=0.7, reserve_factor=0.2)
    r0, s0 = NOW.borrow_rate(0.95), NOW.supply_rate(0.95)
    u, debt = settled(NOW, new, 0.95, 0.3, 0.6)
    root = brentq(
        lambda x: x * (new.borrow_rate(x) / r0) ** 0.3 * (new.supply_rate(x) / s0) ** 0.6 - 0.95, 1e-6, 1.0, xtol=1e-15
    )
    assert u == pytest.approx(root, rel=1e-12) and debt == pytest.approx((new.borrow_rate(u) / r0) ** -0.3, rel=1e-12)


def test_a_curve_too_cheap_to_hold_anyone_back_lends_everything_out():
    assert settled(NOW, TwoSlope(0.9, 0.0, 0.0, 0.001, 0.1), 0.9, 0.5, 0.0)[0] == 1.0


def test_an_elasticity_of_a_rate_of_zero_is_refused():
    with pytest.raises(ValueError, match="rates must be above 0 today"):
        settled(TwoSlope(0.9, 0.0, 0.0, 0.5), NOW, 0.5, 0.5, 0.0)
