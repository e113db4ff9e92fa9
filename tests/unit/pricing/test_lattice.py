"""American options on a lattice: limits with a closed form, published prices, symmetry, and the inverse."""

import numpy as np
import pytest

from riskengine.pricing.black import black76
from riskengine.pricing.lattice import STEPS, lattice_implied_volatility, lattice_price

STRIKES = np.array([70.0, 90.0, 100.0, 115.0, 140.0])


@pytest.mark.parametrize("sign", [1, -1])
def test_european_price_converges_to_black_scholes(sign):
    exact = black76(100.0 * np.exp(0.03 * 0.7), STRIKES, 0.7, 0.3, sign, np.exp(-0.05 * 0.7))
    errors = [
        np.abs(lattice_price(100.0, STRIKES, 0.7, 0.05, 0.02, 0.3, sign, n, american=False) - exact).max()
        for n in (51, 101, 201)
    ]
    assert errors[2] < 2e-5
    # second order: four times smaller at twice the steps
    assert errors[0] > 3.5 * errors[1] > 3.5 * 3.5 * errors[2]


def test_a_call_without_dividends_is_never_exercised():
    american = lattice_price(100.0, STRIKES, 0.7, 0.05, 0.0, 0.3, 1)
    european = lattice_price(100.0, STRIKES, 0.7, 0.05, 0.0, 0.3, 1, american=False)
    np.testing.assert_allclose(american, european, rtol=1e-12)


def test_call_put_symmetry():
    """C(S, K, r, q) = P(K, S, q, r), with early exercise too (McDonald, Schroder 1998)."""
    call = lattice_price(100.0, STRIKES, 0.7, 0.05, 0.03, 0.3, 1)
    put = lattice_price(STRIKES, 100.0, 0.7, 0.03, 0.05, 0.3, -1)
    np.testing.assert_allclose(call, put, atol=1e-10)


@pytest.mark.parametrize(
    "spot, sigma, years, bermudan",
    [
        (36, 0.2, 1, 4.478), (36, 0.2, 2, 4.840), (36, 0.4, 1, 7.101), (36, 0.4, 2, 8.508),
        (38, 0.2, 1, 3.250), (40, 0.2, 1, 2.314), (42, 0.2, 1, 1.617), (44, 0.2, 1, 1.110),
    ],
)  # fmt: skip
def test_published_puts(spot, sigma, years, bermudan):
    """Longstaff and Schwartz (2001), table 1, finite differences: strike 40, r 6 %, 50 exercise dates a year, so a
    little below the price with exercise at any time."""
    price = float(lattice_price(spot, 40.0, years, 0.06, 0.0, sigma, -1))
    assert bermudan < price < bermudan + 0.012


def test_price_is_at_least_intrinsic_and_the_european_price():
    price = lattice_price(100.0, STRIKES, 0.7, 0.08, 0.0, 0.25, -1)
    # node prices are rounded
    assert (price >= np.maximum(STRIKES - 100.0, 0.0) - 1e-11).all()
    assert (price >= lattice_price(100.0, STRIKES, 0.7, 0.08, 0.0, 0.25, -1, american=False)).all()
    # far in the money a put is exercised at once
    assert float(lattice_price(100.0, 300.0, 0.7, 0.08, 0.0, 0.25, -1)) == pytest.approx(200.0, rel=1e-13)


def test_almost_no_volatility_and_a_great_deal():
    assert float(lattice_price(100.0, 90.0, 1.0, 0.05, 0.0, 1e-5, 1)) == pytest.approx(100.0 - 90.0 * np.exp(-0.05))
    assert float(lattice_price(100.0, 90.0, 1.0, 0.05, 0.0, 30.0, 1)) == pytest.approx(100.0, rel=1e-6)


def test_implied_volatility_inverts_the_price():
    sigma = np.array([0.05, 0.2, 0.6, 1.5, 3.0])
    sign = np.array([1.0, -1.0, -1.0, 1.0, -1.0])
    price = lattice_price(100.0, [100.0, 95.0, 110.0, 150.0, 60.0], 0.3, 0.05, 0.02, sigma, sign)
    found = lattice_implied_volatility(price, 100.0, [100.0, 95.0, 110.0, 150.0, 60.0], 0.3, 0.05, 0.02, sign)
    np.testing.assert_allclose(found, sigma, rtol=1e-7)


def test_bad_input_is_refused_by_name():
    good = dict(spot=100.0, strike=100.0, tau=0.5, rate=0.05, dividend=0.0, volatility=0.2, sign=1)
    for name, value in (("spot", 0.0), ("strike", -1.0), ("tau", 0.0), ("volatility", float("nan")), ("sign", 2),
                        ("rate", float("inf"))):  # fmt: skip
        with pytest.raises(ValueError, match=f"{name} must hold"):
            lattice_price(**(good | {name: value}))
    for steps in (2, STEPS + 1, -3):
        with pytest.raises(ValueError, match="steps must be an odd number"):
            lattice_price(**good, steps=steps)
    with pytest.raises(ValueError, match=r"price must lie in \[10, .* got 9.5 for strike 110"):
        lattice_implied_volatility([5.0, 9.5], 100.0, [100.0, 110.0], 0.5, 0.05, 0.0, -1)
