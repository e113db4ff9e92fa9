"""Every kind of liquidity against brute force: proceeds are the integral of the marginal price."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.jit import kernel
from riskengine.liquidity.concentrated import Concentrated
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.liquidity.hybrid import Hybrid
from riskengine.liquidity.order_book import BookLadder
from riskengine.liquidity.sale_curve import curve_range, range_at_once, sale_on_lanes
from riskengine.liquidity.square_root import SquareRoot

PRICE = 2000.0
POOL = ConstantProduct({"ETH": 2e6}, 0.003, 2.0)
RANGES = Concentrated((0.0, 0.02, 0.1, 0.12, 0.5), {"ETH": (4e5, 6e5, 0.0, 3e5)}, 0.0005, 1.0)
BOOK = BookLadder((0.0002, 0.001, 0.004, 0.01, 0.05), {"ETH": (1e5, 0.0, 3e5, 2e5)}, 0.0004, 0.5)
ROOT = SquareRoot({"ETH": 2e8}, {"ETH": 0.04}, 0.8, fee=0.001)
KINDS = {
    "constant_product": POOL,
    "concentrated": RANGES,
    "order_book": BOOK,
    "hybrid": Hybrid(BOOK, POOL),
    "hybrid of ranges": Hybrid(BOOK, RANGES),
    "square_root": ROOT,
}


@kernel
def find_range(table, outstanding, cost, fixed, price, keep, found):
    low, high = curve_range(table, 0, outstanding, 0, cost, fixed, price, keep)
    found[0], found[1] = low, high


def fresh(liquidity):
    return np.zeros((liquidity.sources, 1))


def sell(liquidity, outstanding, coins, price=PRICE):
    paid = np.empty(1)
    args = np.array([coins]), np.array([price]), liquidity.keep, paid
    sale_on_lanes(liquidity.table(("ETH",)), 0, outstanding, *args)
    return paid[0]


def bounds(liquidity, outstanding, cost, fixed, price=PRICE):
    found = np.empty(2)
    find_range(liquidity.table(("ETH",)), outstanding.copy(), cost, fixed, price, liquidity.keep, found)
    return found


def marginal(liquidity, sold):
    """What the next USD pays after `sold` USD (an array), written down anew for every kind."""
    if isinstance(liquidity, ConstantProduct):
        keep, depth = 1 - liquidity.fee, liquidity.depth_usd["ETH"]
        return keep * (depth / (depth + keep * sold)) ** 2
    if isinstance(liquidity, SquareRoot):
        k = liquidity.impact * liquidity.daily_volatility["ETH"] * np.sqrt(1 / liquidity.daily_volume_usd["ETH"])
        return (1 - liquidity.fee) * np.maximum(1 - k * np.sqrt(sold), 0.0)
    # supply at every price down to the last: how much is bid at p or better, then read backwards
    p = np.linspace(1.0, 1e-4, 400_001)
    supply = supplied(liquidity, p)
    return np.where(sold < supply[-1], np.interp(sold, supply, p), 0.0)


def supplied(liquidity, p):
    """USD that can be sold at a marginal proceeds of `p` or better."""
    if isinstance(liquidity, Hybrid):
        return supplied(liquidity.book, p) + supplied(liquidity.pool, p)
    if isinstance(liquidity, ConstantProduct):
        keep, depth = 1 - liquidity.fee, liquidity.depth_usd["ETH"]
        return np.maximum(depth * (np.sqrt(keep / p) - 1), 0) / keep
    out = np.zeros_like(p)
    keep = 1 - liquidity.fee
    for high, low, usd in zip(
        1 - np.array(liquidity.distances[:-1]),
        1 - np.array(liquidity.distances[1:]),
        liquidity.depth_usd["ETH"],
        strict=True,
    ):
        at = np.clip(p / keep, low, high)
        if isinstance(liquidity, BookLadder):
            out += usd * (at**-0.5 - high**-0.5) / (low**-0.5 - high**-0.5)
        else:
            out += usd / (high**0.5 - low**0.5) * (at**-0.5 - high**-0.5) / keep
    return out


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("before", [0.0, 150.0])
def test_proceeds_are_the_integral_of_the_marginal_price(name, before):
    liquidity, outstanding = KINDS[name], fresh(KINDS[name])
    if before:
        sell(liquidity, outstanding, before)
    for coins in (0.01, 20.0, 300.0, 550.0):
        at = (before + np.linspace(0.0, coins, 200_001)) * PRICE
        density = marginal(liquidity, at)
        expected = np.sum(0.5 * (density[1:] + density[:-1]) * np.diff(at))
        # where the last bid is gone the price jumps: half a cell of the sum is open
        found, cell = sell(liquidity, outstanding.copy(), coins), coins * PRICE / 200_000
        assert found == pytest.approx(expected, rel=1e-6, abs=0.6 * cell)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=40, deadline=None)
@given(parts=st.lists(st.floats(1e-6, 200.0), min_size=2, max_size=6), price=st.floats(50.0, 1e5))
def test_splitting_a_sale_gains_nothing(name, parts, price):
    liquidity = KINDS[name]
    parts = [x * PRICE / price for x in parts]
    together, apart = fresh(liquidity), fresh(liquidity)
    whole = sell(liquidity, together, sum(parts), price)
    assert sum(sell(liquidity, apart, x, price) for x in parts) == pytest.approx(whole, rel=1e-11)
    # a part of a hybrid is known by its price, so to the rounding of its whole depth
    np.testing.assert_allclose(apart, together, rtol=1e-9, atol=1e-13 * 2e6 / price)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=60, deadline=None)
@given(
    before=st.sampled_from([0.0, 30.0, 120.0]),
    margin=st.floats(0.002, 0.2),
    fixed=st.sampled_from([0.0, 30.0, 2000.0]),
)
def test_profit_is_nil_at_both_ends_of_the_range_and_nowhere_positive_outside(name, before, margin, fixed):
    liquidity, outstanding = KINDS[name], fresh(KINDS[name])
    if before:
        sell(liquidity, outstanding, before)
    cost = PRICE * (1.0 - margin)

    def profit(coins):
        return sell(liquidity, outstanding.copy(), coins) - cost * coins - fixed

    low, high = bounds(liquidity, outstanding, cost, fixed)
    if low > high:
        assert max(profit(q) for q in np.geomspace(1e-4, 3e3, 120)) <= 1e-9
        return
    assert profit(low) == pytest.approx(0.0, abs=1e-7 + 1e-12 * cost * low)
    if name in ("concentrated", "order_book", "hybrid of ranges") and profit(high) > 1e-6:
        # all that there is was sold: more is paid nothing
        assert profit(1.01 * high) < profit(high)
    else:
        assert profit(high) == pytest.approx(0.0, abs=1e-7 + 1e-11 * cost * high)
    assert profit(0.5 * (low + high)) >= 0.0
    assert profit(1.02 * high + 1e-3) < profit(high) + 1e-9
    if fixed:
        assert profit(0.98 * low) < 0.0


def test_one_rung_to_zero_is_a_pool():
    """The ladder's algebra against the pool's own: proceeds, range and what is left of it."""
    fine = Hybrid(BookLadder((0.0, 0.1), {"ETH": (1e-9,)}, 0.0), POOL)
    for before in (0.0, 77.0):
        pool, ladder = fresh(POOL), fresh(fine)
        if before:
            assert sell(fine, ladder, before) == pytest.approx(sell(POOL, pool, before), rel=1e-12)
        found = bounds(fine, ladder, 1900.0, 40.0)
        np.testing.assert_allclose(found, bounds(POOL, pool, 1900.0, 40.0), rtol=1e-9)
        assert sell(fine, ladder, 12.0) == pytest.approx(sell(POOL, pool, 12.0), rel=1e-12)
        # coins of a pool count net of its fee there
        assert ladder[1, 0] * 0.997 == pytest.approx(pool[0, 0], rel=1e-12)


@pytest.mark.parametrize("coins", [0.5, 60.0, 250.0])
def test_a_hybrid_without_one_is_the_other_and_never_pays_less_than_either(coins):
    none = ConstantProduct({"ETH": 1e-6}, 0.003)
    empty = BookLadder(BOOK.distances, {"ETH": (1e-9, 0.0, 0.0, 0.0)}, BOOK.fee)
    book, pool = sell(BOOK, fresh(BOOK), coins), sell(POOL, fresh(POOL), coins)
    assert sell(Hybrid(BOOK, none), np.zeros((2, 1)), coins) == pytest.approx(book, rel=1e-9)
    assert sell(Hybrid(empty, POOL), np.zeros((2, 1)), coins) == pytest.approx(pool, rel=1e-9)
    both = sell(Hybrid(BOOK, POOL), np.zeros((2, 1)), coins)
    assert both >= max(book, pool) - 1e-9
    # no split of the sale between the two pays more
    shares = np.linspace(0.0, 1.0, 401)
    best = max(sell(BOOK, fresh(BOOK), x * coins) + sell(POOL, fresh(POOL), (1 - x) * coins) for x in shares)
    assert best <= both + 1e-9 and best == pytest.approx(both, rel=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_deeper_never_pays_less_and_bottomless_pays_the_market_less_fee(name):
    def scaled(x, factor):
        if isinstance(x, Hybrid):
            return Hybrid(scaled(x.book, factor), scaled(x.pool, factor))
        if isinstance(x, SquareRoot):
            return replace(x, daily_volume_usd={"ETH": x.daily_volume_usd["ETH"] * factor})
        depth = x.depth_usd["ETH"]
        scale = tuple(d * factor for d in depth) if isinstance(depth, tuple) else depth * factor
        return replace(x, depth_usd={"ETH": scale})

    liquidity = KINDS[name]
    for coins in (1.0, 90.0, 400.0):
        paid = [sell(scaled(liquidity, f), fresh(liquidity), coins) for f in (0.1, 0.5, 1.0, 3.0, 100.0)]
        assert all(a <= b + 1e-9 for a, b in zip(paid, paid[1:], strict=False))
    first = marginal(liquidity, np.array([0.0]))[0]
    deep = scaled(liquidity, 1e6 if name == "square_root" else 1e8)
    assert sell(deep, fresh(deep), 50.0) == pytest.approx(50.0 * PRICE * first, rel=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_refill(name):
    liquidity, outstanding = KINDS[name], fresh(KINDS[name])
    sell(liquidity, outstanding, 120.0)
    left = np.atleast_1d(liquidity.decay(5.0))[:, None]
    worn = sell(liquidity, outstanding.copy(), 10.0)
    refilled = sell(liquidity, outstanding * left, 10.0)
    assert worn < refilled < sell(liquidity, fresh(liquidity), 10.0)
    assert np.all(np.atleast_1d(liquidity.decay(0.0)) == 1.0)


def test_book_and_pool_refill_apart():
    both, outstanding = Hybrid(BOOK, POOL), np.zeros((2, 1))
    sell(both, outstanding, 300.0)
    np.testing.assert_allclose(both.decay(2.0), [0.5**4, 0.5])
    assert (outstanding > 0).all()


def test_impact_halves_in_its_half_life():
    """sqrt(Q) is proportional to the impact, so Q falls to a quarter while the impact halves."""
    outstanding = fresh(ROOT)
    sell(ROOT, outstanding, 500.0)
    impact = 1.0 - sell(ROOT, outstanding.copy(), 1e-6) / (1e-6 * PRICE * 0.999)
    later = 1.0 - sell(ROOT, outstanding * ROOT.decay(1.0), 1e-6) / (1e-6 * PRICE * 0.999)
    assert impact == pytest.approx(0.8 * 0.04 * np.sqrt(1e6 / 2e8), rel=1e-6)
    assert later == pytest.approx(0.5 * impact, rel=1e-6)


def test_a_market_is_exhausted():
    """An empty book buys nothing more, and remembers no more than it took."""
    outstanding = fresh(BOOK)
    everything = sell(BOOK, outstanding, 1e5)
    assert outstanding[0, 0] == pytest.approx(6e5 / PRICE, rel=1e-12)
    assert sell(BOOK, outstanding, 5.0) == 0.0
    assert everything < 6e5
    low, high = bounds(BOOK, outstanding, 1.0, 0.0)
    assert low > high
    low, high = bounds(BOOK, fresh(BOOK), 0.0, 0.0)
    assert (low, high) == (0.0, pytest.approx(6e5 / PRICE))


def test_a_failed_path_sells_nothing():
    for liquidity in KINDS.values():
        low, high = bounds(liquidity, fresh(liquidity), 1900.0, 10.0, np.nan)
        assert not low <= high


def test_at_once():
    for name, liquidity in KINDS.items():
        found = range_at_once(liquidity, "ETH", 1900.0, PRICE)
        np.testing.assert_array_equal(found, bounds(liquidity, fresh(liquidity), 1900.0, 0.0), err_msg=name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BookLadder((0.01, 0.01), {"ETH": (1.0,)}), "distances must increase within"),
        (lambda: BookLadder((0.0, 1.5), {"ETH": (1.0,)}), "distances must increase within"),
        (lambda: BookLadder((0.0, 0.1), {"ETH": (1.0, 2.0)}), "must hold 1 amounts, one for each band of distances"),
        (lambda: Concentrated((0.0, 0.1), {"ETH": (0.0,)}), "must have something in some band"),
        (lambda: Concentrated((0.0, 0.1), {"ETH": (-1.0,)}), "depth_usd of ETH must lie in"),
        (lambda: Hybrid(POOL, POOL), "book must be of kind order_book, got constant_product"),
        (lambda: Hybrid(BOOK, BOOK), "pool must be of kind constant_product or concentrated, got order_book"),
        (lambda: Hybrid(BOOK, ConstantProduct({"BTC": 1.0})), "pool must take the assets of the book"),
        (lambda: SquareRoot({"ETH": 1e6}, {"BTC": 0.01}), "daily_volatility must name the assets of daily_volume_usd"),
        (lambda: replace(ROOT, permanent_share=1.0), "permanent_share must lie in"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", list(KINDS))
def test_so_many_times_the_depth_takes_so_many_times_the_sale(kind):
    liquidity = KINDS[kind]
    for coins in (0.5, 40.0, 300.0):
        once = sell(liquidity, fresh(liquidity), coins)
        deeper = liquidity.times(3.0)
        assert sell(deeper, fresh(deeper), 3.0 * coins) == pytest.approx(3.0 * once, rel=1e-12)
        assert type(deeper) is type(liquidity) and deeper.assets == liquidity.assets
