"""Liquidity-pool tokens: the pools' own integer swaps, published loss, derivatives, models that take them and files."""

from dataclasses import replace
from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.book.portfolio import Portfolio
from riskengine.config.book import dump_portfolio, load_book
from riskengine.config.dump import to_yaml
from riskengine.engine.pools import pool_columns
from riskengine.errors import InputError
from riskengine.instrument.terms import Future, Perpetual, PoolToken
from riskengine.liquidity.concentrated import Q96, sqrt_price_x96, swap_exact_in
from riskengine.liquidity.constant_product import exact_output, impermanent_loss
from riskengine.margin.collateral_haircut import CollateralHaircut
from riskengine.margin.deribit_standard import DeribitStandard
from riskengine.margin.derive_pmrm_v2 import DerivePmrmV2, ParameterSet
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.margin.historical_var import HistoricalVar
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.pricing.pool import against_holding, holdings, pool_sensitivities
from riskengine.pricing.valuation import CostRates, account_values, close_costs, rounding, snapshot

ASSETS = ("ETH", "BTC")
SURFACE = FactorSurface.flat((0.6, 0.6))
FULL, PAIR, RANGE = PoolToken("ETH"), PoolToken("ETH", "BTC"), PoolToken("ETH", low=1500.0, high=2500.0)
SPOT = np.array([[2000.0, 1200.0, 3000.0], [40_000.0, 35_000.0, 41_000.0]])


TERMS = (FULL, PAIR, RANGE, Perpetual("ETH"))


def book(quantity, terms=TERMS, cash=(0.0, 0.0, 0.0)):
    quantity = np.atleast_2d(np.array(quantity, dtype=float))
    k = len(quantity)
    names = tuple(f"a{i}" for i in range(k))
    return Portfolio(ASSETS, terms, quantity, np.zeros_like(quantity), np.tile(cash, (k, 1)), names, ("x",) * k)


def market(held, spot=SPOT, hours=0.0):
    return snapshot(held, SURFACE, spot, None, hours)


def test_the_published_impermanent_loss():
    assert against_holding(FULL, 2000.0, 8000.0, 1.0) == pytest.approx(-0.2, abs=1e-15)
    # against another coin only the ratio counts: both coins tripled is no loss
    assert against_holding(PAIR, 0.05, 6000.0, 120_000.0) == pytest.approx(0.0, abs=1e-15)


@settings(deadline=None)
@given(ratio=st.floats(0.01, 100.0), before=st.floats(1.0, 1e5))
def test_loss_is_the_closed_form_and_worse_in_a_range(ratio, before):
    full = against_holding(FULL, before, before * ratio, 1.0)
    assert full == pytest.approx(impermanent_loss(ratio), abs=1e-13)
    tight = PoolToken("ETH", low=0.5 * before, high=2.0 * before)
    assert against_holding(tight, before, before * ratio, 1.0) <= full + 1e-13


def arbitraged(path, fee):
    """Integer reserves after arbitrage to every price of `path`, and what the arbitrageur paid in net, raw units."""
    x, y = 500 * 10**18, 500 * 2000 * 10**18
    paid = np.array([0, 0], dtype=object)
    for price in path:
        k = x * y
        ratio = Fraction(price)
        if Fraction(y, x) > ratio:  # the pool is too dear in y: sell coins until y / x is the market's
            amount = isqrt(k * ratio.denominator // ratio.numerator) - x
            step = (amount, -exact_output(x, y, amount, 1000 - fee))
        else:
            amount = isqrt(k * ratio.numerator // ratio.denominator) - y
            step = (-exact_output(y, x, amount, 1000 - fee), amount)
        if amount <= 0:
            continue
        x, y, paid = x + step[0], y + step[1], paid + step
    return x, y, paid


PATH = (2100, 1700, 900, 1950, 4000, 8000, 6500)


def test_a_pool_that_is_arbitraged_is_worth_what_the_token_says():
    """Uniswap v2 integers without a fee: reserves, and so value, are those of the formula at every end of the path."""
    start = np.sqrt(500.0 * 1e6)
    for n in range(1, len(PATH) + 1):
        x, y, paid = arbitraged(PATH[:n], 0)
        assert (x - 500 * 10**18, y - 10**24) == tuple(paid)  # nothing is made and nothing lost
        coins, dollars = holdings(float(PATH[n - 1]), 0.0, np.inf)
        assert (x / 1e18, y / 1e18) == pytest.approx((start * coins, start * dollars), rel=1e-12)
    held = book([start, 0.0, 0.0, 0.0])
    value = account_values(held, market(held, np.array([[6500.0], [1.0]])))[0, 0]
    assert value == pytest.approx((x * 6500 + y) / 1e18, rel=1e-12)
    # with the fee the pool keeps more than the formula says, never less: fees are income on top
    x, y, _ = arbitraged(PATH, 3)
    assert (x * 6500 + y) / 1e18 > value


def test_a_range_that_is_arbitraged_holds_what_the_token_says():
    """Uniswap v3 integers without a fee, in and out of the range on both sides."""
    low, high, liquidity = sqrt_price_x96(Fraction(1500)), sqrt_price_x96(Fraction(2500)), 10**22
    at = sqrt_price_x96(Fraction(2000))
    x, y = (float(v) * 1e22 for v in holdings(2000.0, 1500.0, 2500.0))
    for price in (2300, 2600, 3000, 1800, 1400, 1000, 1600, 2499):
        target = min(max(sqrt_price_x96(Fraction(price)), low), high)
        step = swap_exact_in(at, target, liquidity, 10**40, 0)
        sells = target < at
        x, y = (x + step.amount_in, y - step.amount_out) if sells else (x - step.amount_out, y + step.amount_in)
        at = step.sqrt_price
        assert at == target
        coins, dollars = holdings(float(price), 1500.0, 2500.0)
        # 1e-9 of what the range ever holds: it ends at nothing on one side
        assert (x / 1e22, y / 1e22) == (pytest.approx(coins, abs=1e-11), pytest.approx(dollars, abs=1e-8))
    assert low < at < high < Q96 * 51


@settings(deadline=None)
@given(price=st.floats(100.0, 10_000.0), cut=st.floats(1600.0, 2400.0))
def test_ranges_beside_each_other_are_the_range_of_both(price, cut):
    parts = np.array(holdings(price, 1500.0, cut)) + np.array(holdings(price, cut, 2500.0))
    np.testing.assert_allclose(parts, holdings(price, 1500.0, 2500.0), atol=1e-12)
    wide = holdings(price, 1e-12, 1e16)
    np.testing.assert_allclose(wide, holdings(price, 0.0, np.inf), atol=2e-6)


def test_derivatives_are_those_of_the_value():
    held = book([[3.0, 2.0, 5.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    now = market(held)
    for asset in range(2):
        delta, curvature = pool_sensitivities(held, now, asset)

        def moved(by, asset=asset):
            spot = SPOT.copy()
            spot[asset] *= 1.0 + by
            return account_values(held, market(held, spot))

        scale = account_values(held, now)
        np.testing.assert_allclose(delta, (moved(1e-5) - moved(-1e-5)) / 2e-5, atol=1e-8 * scale.max())
        second = (moved(1e-4) - 2.0 * moved(0.0) + moved(-1e-4)) / 1e-8
        np.testing.assert_allclose(curvature, second, atol=1e-6 * scale.max())


def test_fees_grow_the_liquidity_at_the_stated_rate():
    earning = PoolToken("ETH", fee_rate=0.1)
    held = book([[1.0, 0.0], [0.0, 1.0]], (FULL, earning))
    plain, grown = account_values(held, market(held, hours=876.0))
    np.testing.assert_allclose(grown / plain, np.exp(0.01), rtol=1e-14)


def test_closing_sells_the_coins_in_their_own_markets():
    held = book([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    now, depth = market(held), np.array([[0.5], [0.25]]) * np.ones(3)
    cost = close_costs(held, now, CostRates(coin=0.01), depth)
    dollar, pair = (account_values(held, now)[k] for k in range(2))
    np.testing.assert_allclose(cost, [0.01 * 0.5 * dollar / 0.5, 0.01 * pair * (0.5 / 0.5 + 0.5 / 0.25)], rtol=1e-13)
    # a deposit price is no payment
    entered = replace(held, entry=np.full(held.entry.shape, 2000.0) * (held.quantity > 0))
    assert np.array_equal(account_values(entered, now), account_values(held, now))
    assert np.array_equal(rounding(entered, now), rounding(held, now))


def history(lanes=3, window=60):
    rng = np.random.default_rng(5)
    spot = SPOT[:, :1] * np.exp(np.cumsum(rng.normal(0.0, 0.06, (window + 2, 2, lanes)), axis=0))
    return MarketPaths(TimeGrid(86_400, 1, 86_400, window), ASSETS, 0, spot[window:], None, spot[: window + 1], None)


def test_a_quantile_model_revalues_them():
    """Against numpy from the definition, netted with a perpetual on the same coin."""
    held, paths = book([[3.0, 2.0, 5.0, -0.1], [0.0, 0.0, 0.0, -0.1]]), history()
    now = market(held, paths.spot_lanes[0], 24.0)
    model = HistoricalVar(levels=(0.9, 0.95))
    found = model.requirement(model.step(model.init(held, SURFACE), paths, 0), now)
    logs = np.log(paths.history_spot_lanes)
    moved = paths.spot_lanes[0] * np.exp(np.diff(logs, axis=0))
    base = account_values(held, now)
    losses = np.sort([base - account_values(held, market(held, spot, 24.0)) for spot in moved], axis=0)
    for level, each in zip((0.9, 0.95), found, strict=True):
        rank = int(np.ceil(60 * level - 1e-9)) - 1
        np.testing.assert_allclose(each.initial, np.maximum(losses[rank], 0.0), rtol=1e-9)
    # a neighbour's token moves no other account's figure
    alone = book([[0.0, 0.0, 0.0, -0.1]])
    other = model.requirement(model.step(model.init(alone, SURFACE), paths, 0), market(alone, paths.spot_lanes[0]))
    assert np.array_equal(found[0].initial[1], other[0].initial[0])


def test_sensitivities_and_full_revaluation_of_a_grid_agree():
    held = book([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
    now = market(held)
    for width, close in ((0.01, 2e-3), (0.16, 0.1)):
        (need,) = GreeksGrid(price_range=width, vol_range=0.0).requirement(held, now, explain=True)
        full = need.components["full_revaluation"]
        # the middle lanes of a range end at its bounds, where Taylor's series does not see the kink
        np.testing.assert_allclose(need.initial[[0, 2]], full[[0, 2]], rtol=close)
        np.testing.assert_allclose(full[0], account_values(held, now)[0] * (1.0 - np.sqrt(1.0 - width)), rtol=1e-12)
        assert need.initial[1, 2] == full[1, 2] == 0.0  # above the range it is dollars


def test_venues_refuse_them_and_a_haircut_takes_them_in():
    held = book([[1.0, 0.0, 0.0, -0.02], [0.0, 0.0, 0.0, -0.02]])
    with pytest.raises(ValueError, match="perpetuals and futures, as the venue lists, got LP-ETH-USD, LP-ETH-BTC"):
        DeribitStandard().init(held)
    future = book([[1.0, 1.0]], (FULL, Future("ETH", 100.0)))
    venue = DerivePmrmV2(ParameterSet({a: None for a in ASSETS}))
    with pytest.raises(ValueError, match="options and perpetuals, as the venue lists, got LP-ETH-USD, ETH-4"):
        venue.init(future)
    haircuts = {"LP-ETH-USD": 0.3, "LP-ETH-BTC": 0.3, "LP-ETH-USD-1500-2500": 0.4}
    model = CollateralHaircut(DeribitStandard(), haircuts, {"LP-ETH-USD": 0.2})
    now = market(held)
    (need,) = model.requirement(model.init(held, SURFACE), now)
    (plain,) = DeribitStandard().requirement(book([-0.02], (Perpetual("ETH"),)), now)
    value = 2.0 * np.sqrt(SPOT[0])
    np.testing.assert_allclose(need.initial, [plain.initial[0] + 0.3 * value, plain.initial[0]], rtol=1e-13)
    np.testing.assert_allclose(need.maintenance[0], plain.maintenance[0] + 0.2 * value, rtol=1e-13)
    with pytest.raises(ValueError, match="haircuts must name every coin and pool token held, got none of LP-ETH-USD"):
        CollateralHaircut(DeribitStandard(), {"ETH": 0.1}).init(held, SURFACE)
    with pytest.raises(ValueError, match="must not be negative, got one that is of LP-ETH-BTC"):
        book([0.0, -1.0, 0.0, 0.0])


def test_paths_tell_the_loss_against_holding():
    paths = history()
    found = pool_columns(book([1.0, 1.0, 1.0, 0.0]), paths)
    ratio = paths.spot_lanes[-1] / paths.spot_lanes[0]
    told = {key[1]: column for key, column in found.items()}
    for name, k in (("LP-ETH-USD", ratio[0]), ("LP-ETH-BTC", ratio[0] / ratio[1])):
        np.testing.assert_allclose(told[name], [impermanent_loss(float(x)) for x in k], atol=1e-14)
    # a range that starts on one side of the price and stays there holds what it held
    outside = (paths.spot_lanes[:, 0] > 2500.0).all(axis=0) | (paths.spot_lanes[:, 0] < 1500.0).all(axis=0)
    assert outside.any() and not outside.all()
    assert (told["LP-ETH-USD-1500-2500"][outside] == 0.0).all()
    assert (told["LP-ETH-USD-1500-2500"] < told["LP-ETH-USD"])[~outside].all()


TEXT = """\
assets: [ETH, BTC]
accounts:
  - name: a
    positions:
      - {instrument: pool, asset: ETH, quantity: 10, entry: 1500, fee_rate: 0.05}
      - {instrument: pool, asset: ETH, against: BTC, quantity: 2}
      - {instrument: pool, asset: ETH, quantity: 3, low: 1500, high: 2500}
"""


def test_tokens_in_files(tmp_path):
    (tmp_path / "book.yaml").write_text(TEXT)
    held = load_book(tmp_path / "book.yaml")
    assert held.instruments == (PAIR, PoolToken("ETH", fee_rate=0.05), RANGE)
    assert held.quantity.tolist() == [[2.0, 10.0, 3.0]] and held.entry.tolist() == [[0.0, 1500.0, 0.0]]
    (tmp_path / "again.yaml").write_text(to_yaml(dump_portfolio(held)))
    again = load_book(tmp_path / "again.yaml")
    assert again.instruments == held.instruments and np.array_equal(again.entry, held.entry)
    (tmp_path / "book.csv").write_text(
        "account,instrument,asset,against,low,high,fee_rate,quantity,entry\n"
        "a,pool,ETH,,,,0.05,10,1500\na,pool,ETH,BTC,,,,2,\na,pool,ETH,,1500,2500,,3,\na,cash,BTC,,,,,1,\n"
        "a,perpetual,BTC,,,,,1,40000\n"
    )
    assert load_book(tmp_path / "book.csv").instruments[:3] == held.instruments


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("quantity: 10", "quantity: -10", "quantity of a pool must lie in"),
        ("quantity: 10", "quantity: 10, settlement: inverse", "settlement and quote must not be given for a pool"),
        ("low: 1500, high: 2500", "low: 1500", "low and high must be given together, got 1500 and inf"),
        ("low: 1500", "low: 2600", "low must lie in"),
        ("high: 2500", "high: 2500, fee_rate: 0.1", "fee_rate must be 0 for a range of prices, got 0.1"),
        ("against: BTC", "against: BTX", "against must be one of USD, ETH, BTC, got 'BTX'"),
        ("against: BTC", "against: ETH", "against must be USD or another coin than ETH, got 'ETH'"),
        ("against: BTC", "expiry_days: 3", "expiry_days must not be given for a pool, got 3"),
        ("  - name: a", "  - name: a\n    margining: asset", "must be cross for an account with a pool token"),
        ("{instrument: pool, asset: ETH, against: BTC", "{instrument: perpetual, entry: 1, asset: ETH, against: BTC",
         "against must not be given for a perpetual"),
    ],
)  # fmt: skip
def test_wrong_tokens_are_told_plainly(tmp_path, old, new, words):
    (tmp_path / "wrong.yaml").write_text(TEXT.replace(old, new, 1))
    with pytest.raises(InputError, match=words):
        load_book(tmp_path / "wrong.yaml")
