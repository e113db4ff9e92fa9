"""Accounts margined apart: what goes where, nothing lost, and what the loss of netting costs."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from riskengine.book.isolation import isolated
from riskengine.book.portfolio import Portfolio
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import account_values, snapshot

FLAT = FactorSurface(
    (3.0, 4.0), (0.16, 0.25), (0.0, 0.0), (0.16, 0.25), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0),
    (0.3, 0.2), (4.0, 3.0),
)  # fmt: skip
INSTRUMENTS = (Perpetual("BTC"), EuropeanOption("BTC", 110.0, 700.0, "call"), Perpetual("ETH"))
SPOT = np.array([100.0, 10.0])


def _book(quantity, cash) -> Portfolio:
    quantity, k = np.array(quantity, dtype=float), len(quantity)
    entry = np.where(quantity != 0.0, np.array([90.0, 0.0, 11.0]), 0.0)
    names = tuple(f"a{i}" for i in range(k))
    return Portfolio(("BTC", "ETH"), INSTRUMENTS, quantity, entry, np.array(cash, dtype=float), names, names)


def test_parts_of_an_account():
    book = _book(
        [[2.0, -1.0, 0.0], [1.0, -2.0, -10.0], [1.0, 0.0, 0.0]], [[90.0, 0, 5.0], [800.0, 3.0, 0], [7.0, 1, 0]]
    )
    by_position = isolated(book, ("position",) * 3, SPOT)
    assert by_position.names == (
        "a0 BTC-PERP", "a0 BTC-29.1667d-110-C", "a0 ETH coins",
        "a1 BTC-PERP", "a1 BTC-29.1667d-110-C", "a1 ETH-PERP", "a2",
    )  # fmt: skip
    assert by_position.kinds == ("a0",) * 3 + ("a1",) * 3 + ("a2",)
    # 300 USD of positions and coins without any: cash by notional; BTC coins by size of the BTC positions
    np.testing.assert_allclose(by_position.cash[:3], [[60.0, 0, 0], [30.0, 0, 0], [0.0, 0, 5.0]])
    np.testing.assert_allclose(by_position.cash[3:6], [[200.0, 1.0, 0], [400.0, 2.0, 0], [200.0, 0, 0]])
    by_asset = isolated(book, ("cross", "asset", "asset"), SPOT)
    assert by_asset.names == ("a0", "a1 BTC", "a1 ETH", "a2")
    np.testing.assert_array_equal(by_asset.quantity[1:3], [[1.0, -2.0, 0.0], [0.0, 0.0, -10.0]])
    np.testing.assert_allclose(by_asset.cash[1:3], [[600.0, 3.0, 0.0], [200.0, 0.0, 0.0]])
    np.testing.assert_array_equal(by_asset.entry[1:3], [[90.0, 0.0, 0.0], [0.0, 0.0, 11.0]])


sizes = hnp.arrays(np.float64, (2, 3), elements=st.floats(-5, 5).map(lambda x: round(x, 3)))
cashes = hnp.arrays(np.float64, (2, 3), elements=st.floats(0, 9).map(lambda x: round(x, 3)))


@settings(max_examples=40, deadline=None)
@given(quantity=sizes, cash=cashes, choice=st.sampled_from(["asset", "position"]))
def test_nothing_is_lost_and_netting_is(quantity, cash, choice):
    """Parts add up to the account in size and value; a model that nets asks no less of them than of the whole."""
    book = _book(quantity, cash)
    parts = isolated(book, (choice, choice), SPOT)
    owner = np.array([name.split()[0] for name in parts.names])
    found = []
    for one in (book, parts):
        now = snapshot(one, FLAT, SPOT[:, None], None, 0.0)
        (need,) = GreeksGrid().requirement(GreeksGrid().init(one), now)
        found.append((one.quantity, one.cash, account_values(one, now), need.initial))
    for k, name in enumerate(book.names):
        mine = owner == name
        for whole, split in list(zip(*found, strict=True))[:3]:
            np.testing.assert_allclose(split[mine].sum(axis=0), whole[k], rtol=1e-12, atol=1e-9)
        assert found[1][3][mine].sum() >= found[0][3][k].sum() - 1e-9
    same = isolated(book, ("cross", "cross"), SPOT)
    assert np.array_equal(same.quantity, book.quantity) and same.names == book.names


def test_a_contract_of_dollars_counts_as_its_dollars():
    """2 coins entered at 50 are 100 USD: as much as one coin at 100, so cash is halved."""
    terms = (Perpetual("BTC"), Perpetual("BTC", "inverse"))
    held = Portfolio(
        ("BTC", "ETH"),
        terms,
        np.array([[1.0, -2.0]]),
        np.array([[90.0, 50.0]]),
        np.array([[60.0, 3.0, 0.0]]),
        ("a",),
        ("a",),
    )
    np.testing.assert_allclose(isolated(held, ("position",), SPOT).cash, [[30.0, 1.5, 0.0], [30.0, 1.5, 0.0]])
