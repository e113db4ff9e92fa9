"""The curve: every quote is met exactly, forward rates are constant between nodes, and wrong quotes are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskengine.market.curve import Curve

YEAR = 8760.0
nodes = st.lists(st.integers(1, 40_000), min_size=1, max_size=8, unique=True).map(sorted)


@given(hours=nodes, data=st.data())
def test_futures_and_zero_coupons_are_met_exactly(hours, data):
    quotes = data.draw(st.lists(st.floats(0.3, 3.0), min_size=len(hours), max_size=len(hours)))
    tau = np.array(hours) / YEAR
    futures, claims = (Curve(tuple(hours), **{n: tuple(quotes)}) for n in ("forward_over_spot", "zero_coupon"))
    assert np.exp(futures.rate_to(tau) * tau) == pytest.approx(quotes, rel=1e-12)
    assert claims.discount(tau) == pytest.approx(quotes, rel=1e-12)


def test_forward_rates_are_constant_between_nodes_and_go_on_beyond():
    """By hand: 5 % to half a year, then 7 % for a year on: 6.333 % to a year and a half, and 7 % from there."""
    curve = Curve((0.5 * YEAR, 1.5 * YEAR), (0.05, (0.5 * 0.05 + 0.07) / 1.5))
    times = np.array([0.0, 1e-9, 0.25, 0.5, 1.0, 1.5, 3.5])
    grown = [0.0, 5e-11, 0.0125, 0.025, 0.06, 0.095, 0.235]
    assert curve.rate_to(times) * times == pytest.approx(grown, abs=1e-15)
    assert curve.rate_to(0.0) == 0.05
    assert -np.log(curve.discount(times)) == pytest.approx(grown, abs=1e-15)


def test_the_quotes_are_kept_as_rates():
    one = Curve((8760.0,), zero_coupon=(0.9,))
    assert one == Curve((8760.0,), (-float(np.log(0.9)),)) and one.zero_coupon == ()


def test_the_basis_leaves_a_forward_before_it_expires():
    assert Curve((24.0,), (0.0,)).basis_share(np.array([0.0, 1.0])).tolist() == [0.0, 0.0]
    share = Curve((24.0,), (0.0,), basis_hours=48.0).basis_share(np.array([0.0, 48.0, 4800.0]) / YEAR)
    assert share == pytest.approx([0.0, 1.0 - np.exp(-1.0), 1.0])


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"hours": (), "rate": ()}, "hours must be positive and increase"),
        ({"hours": (24.0, 24.0), "rate": (0.1, 0.1)}, "hours must be positive and increase"),
        ({"hours": (0.0,), "rate": (0.1,)}, "hours must be positive"),
        ({"hours": (24.0,)}, "one of rate, forward_over_spot, zero_coupon must be given, got none"),
        ({"hours": (24.0,), "rate": (0.1,), "zero_coupon": (0.9,)}, "must be given, got rate, zero_coupon"),
        ({"hours": (24.0, 48.0), "rate": (0.1,)}, "rate must hold a number for each of 2 hours"),
        ({"hours": (24.0,), "zero_coupon": (0.0,)}, r"zero_coupon must be positive, got \[0.0\]"),
        ({"hours": (24.0,), "rate": (float("nan"),)}, "rate must hold a number"),
        ({"hours": (24.0,), "rate": (0.1,), "basis_hours": -1.0}, "basis_hours must lie in"),
    ],
)
def test_wrong_curves(fields, words):
    with pytest.raises(ValueError, match=words):
        Curve(**fields)
