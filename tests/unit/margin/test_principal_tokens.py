"""Zero-coupon principal tokens: par at maturity, the curve before it, the rate of options from their prices."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.book.portfolio import Portfolio
from riskengine.config.book import dump_portfolio, load_book
from riskengine.config.dump import to_yaml
from riskengine.errors import InputError
from riskengine.instrument.terms import EuropeanOption, Perpetual, PrincipalToken
from riskengine.margin.deribit_standard import DeribitStandard
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.market.curve import Curve
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import CostRates, account_values, close_costs, option_values, snapshot
from riskengine.tune.hedge import unit_greeks

ASSETS = ("BTC", "USDC")
# prices of claims on one dollar in one and three months
CURVE = Curve((720.0, 2160.0), zero_coupon=(0.996, 0.985))
SURFACE = replace(FactorSurface.flat((0.6, 0.1)), carry=(CURVE, CURVE))
SPOT = np.array([[30_000.0, 24_000.0], [1.0, 0.95]])


def book(terms, quantity, coins=(0.0, 0.0)):
    quantity = np.array([quantity], dtype=float)
    return Portfolio(ASSETS, terms, quantity, np.zeros_like(quantity), np.array([[0.0, *coins]]), ("a",), ("x",))


def market(held, hours=0.0):
    return snapshot(held, SURFACE, SPOT, None, hours)


def test_a_claim_is_worth_its_quote_and_par_at_maturity():
    held = book((PrincipalToken("USDC", 2160.0), PrincipalToken("USDC", 720.0)), [1000.0, -500.0])
    assert account_values(held, market(held))[0] == pytest.approx((985.0 - 498.0) * SPOT[1], rel=1e-12)
    # a month on the longer claim has two months left; the other is one coin, exactly
    left = 1000.0 * CURVE.discount(1440.0 / 8760.0)
    assert account_values(held, market(held, 720.0))[0] == pytest.approx((left - 500.0) * SPOT[1], rel=1e-12)
    one = book((PrincipalToken("USDC", 2160.0),), [1.0])
    assert np.array_equal(account_values(one, market(one, 2160.0))[0], SPOT[1])


@settings(deadline=None, max_examples=30)
@given(price=st.floats(0.5, 0.999), hours=st.floats(24.0, 9000.0), strike=st.floats(15_000.0, 60_000.0))
def test_the_rate_of_options_is_that_of_the_claims(price, hours, strike):
    """Call less put and a claim on the strike are worth a forward paid for today: S, whatever the claim costs."""
    curve = Curve((hours,), zero_coupon=(price,))
    terms = (EuropeanOption("BTC", strike, hours, "call"), EuropeanOption("BTC", strike, hours, "put"))
    held = book((*terms, PrincipalToken("USDC", hours)), [1.0, -1.0, strike])
    now = snapshot(held, replace(SURFACE, carry=(curve, curve)), SPOT, None, 0.0)
    call, put = option_values(held, now)
    assert call - put + strike * price == pytest.approx(SPOT[0], rel=1e-10)


def test_models_see_the_coins_that_a_claim_is_worth():
    held = book((PrincipalToken("BTC", 720.0),), [2.0])
    coins = book((Perpetual("BTC"),), [0.0], (2.0 * 0.996, 0.0))
    need = [GreeksGrid().requirement(b, market(b))[0].initial for b in (held, coins)]
    np.testing.assert_allclose(*need, rtol=1e-12)
    assert unit_greeks(held, market(held))["delta"] == pytest.approx([0.996 * SPOT[0].mean()])
    cost = close_costs(held, market(held), CostRates(perpetual=0.5, coin=0.001))
    np.testing.assert_allclose(cost[0], 0.001 * 2.0 * 0.996 * SPOT[0], rtol=1e-12)


def test_venues_that_list_none_refuse_them_by_name():
    held = book((PrincipalToken("USDC", 2160.0),), [1.0])
    with pytest.raises(
        ValueError, match="must be options, perpetuals and futures, as the venue lists, got PT-USDC-90d"
    ):
        DeribitStandard().init(held)


def test_claims_in_files(tmp_path):
    text = """\
assets: [BTC, USDC]
accounts:
  - name: a
    positions:
      - {instrument: principal, asset: USDC, expiry_days: 90, quantity: 5000}
"""
    (tmp_path / "book.yaml").write_text(text)
    held = load_book(tmp_path / "book.yaml")
    assert held.instruments == (PrincipalToken("USDC", 2160.0),) and held.quantity.tolist() == [[5000.0]]
    (tmp_path / "again.yaml").write_text(to_yaml(dump_portfolio(held)))
    assert load_book(tmp_path / "again.yaml").instruments == held.instruments
    (tmp_path / "book.csv").write_text("account,instrument,asset,expiry_days,quantity\na,principal,USDC,90,5000\n")
    assert load_book(tmp_path / "book.csv").instruments == held.instruments
    for old, new, words in (
        ("expiry_days: 90, ", "", "a principal must have one of expiry_days, expiry_hours, got none"),
        ("quantity: 5000", "quantity: 5000, entry: 0.9", "entry must not be given for a principal"),
        ("quantity: 5000", "quantity: 5000, settlement: inverse", "settlement and quote must not be given"),
    ):
        (tmp_path / "wrong.yaml").write_text(text.replace(old, new))
        with pytest.raises(InputError, match=words):
            load_book(tmp_path / "wrong.yaml")
