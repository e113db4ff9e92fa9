"""Liquidity fitted to sales: what made them is found again, and real books and quotes give the shipped figures."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.calibrate.liquidity import SellLadder, bands_to, fit_liquidity, joined, modelled_slippage
from riskengine.config.build import Builder
from riskengine.config.locate import shipped
from riskengine.config.reader import read_yaml
from riskengine.config.study import load_study
from riskengine.data.depth import read_ladder
from riskengine.errors import InputError
from riskengine.liquidity.concentrated import Concentrated
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.liquidity.hybrid import Hybrid
from riskengine.liquidity.order_book import BookLadder
from riskengine.liquidity.square_root import SquareRoot
from riskengine.roles import Liquidity

EDGES = (0.0, 0.005, 0.03, 0.2)
TRUE = {
    "constant_product": ConstantProduct({"ETH": 4e7}, 0.002),
    "concentrated": Concentrated(EDGES, {"ETH": (3e5, 2e6, 9e6)}, 0.001),
    "order_book": BookLadder(EDGES, {"ETH": (3e5, 2e6, 9e6)}, 0.001),
    "square_root": SquareRoot({"ETH": 3e8}, {"ETH": 0.03}, fee=0.001),
}


def sales(liquidity, factors=(1.0,), noise=0.0):
    """60 sales in each of some snapshots, whose depths differ by `factors`."""
    rng = np.random.default_rng(8)
    size = np.geomspace(1e3, 1e7, 60)
    slip = [modelled_slippage(liquidity.times(f), "ETH", size) for f in factors]
    slip = [s + noise * rng.standard_normal(s.size) for s in slip]
    paid = np.concatenate([size * (1.0 - s) for s in slip])
    sold, snapshot = np.tile(size, len(factors)), np.repeat(np.arange(len(factors)), size.size)
    return SellLadder("toy", sold, paid, snapshot, tuple(str(f) for f in factors))


@pytest.mark.parametrize("kind", TRUE)
def test_what_made_the_sales_is_found_again(kind):
    true = TRUE[kind]
    fit = fit_liquidity(kind, "ETH", sales(true), distances=EDGES, daily_volatility=0.03, within=0.2)
    assert fit.rms < 1e-7 and fit.depth_range == (1.0, 1.0) and fit.snapshots == 1
    found, wanted = fit.liquidity, true
    assert found.fee == pytest.approx(wanted.fee, abs=1e-6)
    name = "daily_volume_usd" if kind == "square_root" else "depth_usd"
    np.testing.assert_allclose(getattr(found, name)["ETH"], getattr(wanted, name)["ETH"], rtol=1e-3)


def test_noise_is_the_error_that_is_reported_and_moving_depth_its_range():
    fit = fit_liquidity("constant_product", "ETH", sales(TRUE["constant_product"], noise=2e-3))
    assert fit.rms == pytest.approx(2e-3, rel=0.25)
    fit = fit_liquidity("constant_product", "ETH", sales(TRUE["constant_product"], tuple(np.linspace(0.5, 1.5, 11))))
    assert fit.snapshots == 11
    low, high = fit.depth_range
    assert high / low == pytest.approx(1.45 / 0.55, rel=0.05)


@pytest.mark.parametrize("within", [0.1, 0.02])
def test_depth_that_moves_is_fitted_at_what_the_mean_slippage_says(within):
    """Small slippage is z / D: the depth is the harmonic mean, whatever the limit, no snapshot loses large sales."""
    factors = np.exp(0.3 * np.random.default_rng(5).standard_normal(60))
    ladder = sales(ConstantProduct({"ETH": 4e7}, 0.0), tuple(factors))
    fit = fit_liquidity("constant_product", "ETH", ladder, fee=0.0, within=within)
    assert fit.liquidity.depth_usd["ETH"] == pytest.approx(4e7 / np.mean(1 / factors), rel=5e-3)
    assert fit.count % 60 == 0 and fit.largest_slippage <= within
    alike = [np.sum(ladder.within(within).snapshot == n) for n in range(60)]
    assert min(alike) == max(alike) > 10


def test_fits_of_several_assets_are_one_record():
    ladder = sales(TRUE["constant_product"])
    fits = [fit_liquidity("constant_product", asset, ladder, fee=0.002) for asset in ("BTC", "ETH")]
    made = joined(fits, 3.0, ("toy",))
    assert made == ConstantProduct({"BTC": 4e7, "ETH": 4e7}, 0.002, 3.0, ("toy",))
    other = fit_liquidity("constant_product", "ETH", sales(TRUE["constant_product"]), fee=0.001)
    with pytest.raises(ValueError, match="fits must share one fee"):
        joined([*fits, other], 3.0)


def test_bands_beyond_the_reach_hold_nothing_and_are_said():
    """Fitted to sales that end in the second band: the third is not made up."""
    ladder = replace(sales(TRUE["order_book"]).within(0.01), reach=0.03)
    fit = fit_liquidity("order_book", "ETH", ladder, distances=EDGES)
    np.testing.assert_allclose(fit.liquidity.depth_usd["ETH"], (3e5, 2e6, 0.0), rtol=1e-3)
    assert fit.notes == ("bands from 0.03 on hold nothing, for the book is not known beyond",)
    assert fit.largest_sale == ladder.sold.max() and fit.largest_slippage == ladder.slippage.max()
    # a reach inside a band becomes its edge: what is beyond is not drawn on
    inside = fit_liquidity("order_book", "ETH", replace(ladder, reach=0.02), distances=EDGES)
    assert inside.liquidity.distances == (0.0, 0.005, 0.02) and inside.notes == ()
    assert bands_to(EDGES, (0.02, 0.03)) == (0.0, 0.005, 0.02, 0.03) and bands_to((0.0, 0.01), (0.2,)) == (
        0.0,
        0.01,
        0.2,
    )
    with pytest.raises(ValueError, match="distances must begin nearer than the book reaches, 0.02, got 0.03"):
        fit_liquidity("order_book", "ETH", replace(ladder, reach=0.02), distances=(0.03, 0.2))


def test_bands_of_books_that_differ_are_their_mean():
    """Every book is sold to its end; the deepest alone must not say how much there is."""
    true, factors = BookLadder((0.0, 0.005, 0.03), {"ETH": (3e5, 2e6)}, 0.0), (0.7, 0.9, 1.4)
    size = np.geomspace(0.01, 1.0, 30)
    sold = np.concatenate([2.3e6 * f * size for f in factors])
    slip = [modelled_slippage(true.times(f), "ETH", 2.3e6 * f * size) for f in factors]
    stamps, snapshot = tuple(map(str, factors)), np.repeat(np.arange(3), 30)
    ladder = SellLadder("toy", sold, sold * (1 - np.concatenate(slip)), snapshot, stamps, 0.03)
    fit = fit_liquidity("order_book", "ETH", ladder, distances=(0.0, 0.005), fee=0.0)
    assert fit.liquidity.distances == (0.0, 0.005, 0.03)
    np.testing.assert_allclose(fit.liquidity.depth_usd["ETH"], (3e5, 2e6), rtol=1e-3)
    # errors are of the sales that every book can fill
    assert fit.largest_sale <= 2.3e6 * 0.7 * (1 + 1e-9)


def test_what_stands_on_a_bound_of_the_search_is_said():
    dear = sales(ConstantProduct({"ETH": 4e7}, 0.03))
    assert fit_liquidity("constant_product", "ETH", dear).notes == ("fee stands on the upper bound of the search",)
    free = fit_liquidity("square_root", "ETH", sales(TRUE["constant_product"]), daily_volatility=0.03)
    assert free.notes == ("fee stands on the lower bound of the search",)
    assert fit_liquidity("constant_product", "ETH", sales(TRUE["constant_product"])).notes == ()


def test_refuses():
    few = sales(TRUE["constant_product"]).within(1e-9)
    with pytest.raises(ValueError, match="toy must have 3 sales with slippage of at most 0.1, one more than is fitted"):
        fit_liquidity("constant_product", "ETH", few)
    with pytest.raises(ValueError, match="got 0; the smallest that slips by more is of 1e\\+03 USD"):
        fit_liquidity("constant_product", "ETH", sales(TRUE["constant_product"]), within=1e-6)
    with pytest.raises(ValueError, match="kind must be one of"):
        fit_liquidity("hybrid", "ETH", few)
    with pytest.raises(ValueError, match="within must lie in"):
        fit_liquidity("constant_product", "ETH", few, within=0.0)


def named(name):
    builder = Builder(read_yaml(shipped("protocols")[name]))
    return builder.done(builder.build(Liquidity))


QUOTES = "data/dex_quotes_20231120.csv.gz"
DEPTH = "data/orderbook_depth_binance_20240808.csv.gz"
LADDERS = "data/dex_depth_ladders_2026.csv"


@pytest.mark.parametrize(
    ("name", "file", "series", "more"),
    [
        ("liquidity_pool_20231120", QUOTES, {"BTC": "WBTC/USDC", "ETH": "WETH/USDC"}, {}),
        ("liquidity_ranges_20231120", QUOTES, {"BTC": "WBTC/USDC", "ETH": "WETH/USDC"}, {}),
        ("liquidity_book_20231120", QUOTES, {"BTC": "WBTC/USDC"}, {}),
        ("liquidity_impact_20231120", QUOTES, {"BTC": "WBTC/USDC"}, {"daily_volatility": 0.0193}),
        ("liquidity_binance_spot_20240808", DEPTH, {"BTC": "binance_spot/BTCUSDT"}, {}),
        ("liquidity_linea_20260718", LADDERS, {"ETH": "linea/WETH/USDC"}, {"within": 1.0}),
    ],
)
def test_shipped_liquidity_is_what_the_data_say(shared, name, file, series, more):
    record = named(name)
    for asset, own in series.items():
        ladder, digest = read_ladder(shared / file, own)
        bands = getattr(record, "distances", None)
        given = {"distances": bands} if bands else {}
        fit = fit_liquidity(record.kind, asset, ladder, fee=record.fee, **given, **more)
        amount = "daily_volume_usd" if record.kind == "square_root" else "depth_usd"
        np.testing.assert_allclose(
            getattr(fit.liquidity, amount)[asset], getattr(record, amount)[asset], rtol=5e-3, err_msg=name
        )
        said = [f"{asset}: slippage of {fit.count} ", f"largest sale {fit.largest_sale:.3g} USD", *fit.notes]
        assert digest in record.source[0] and any(all(x in s for x in said) for s in record.source)


@pytest.mark.parametrize(("series", "reach", "levels"), [("BTCUSDT", 0.0025, 0.00333), ("ETHUSDT", 0.005, 0.00865)])
def test_real_books_by_distance_are_cut_within_the_reach_of_their_levels(shared, series, reach, levels):
    """The same books level by level end before the next edge: what is kept is whole, what is cut was not."""
    by_distance, _ = read_ladder(shared / DEPTH, f"binance_spot/{series}")
    by_level, _ = read_ladder(shared / "data/orderbook_l2_binance_20240808.csv.gz", f"binance_spot/{series}")
    assert by_distance.reach == reach and by_level.reach == pytest.approx(levels, abs=1e-5)
    assert reach < by_level.reach < 2 * reach
    # what the shipped file holds is what the snapshots hold on average down to there
    held = np.mean([by_distance.sold[by_distance.snapshot == n].max() for n in range(len(by_distance.stamps))])
    assert sum(named("liquidity_binance_spot_20240808").depth_usd[series[:3]]) == pytest.approx(held, rel=0.02)
    with pytest.raises(InputError, match="more than any book holds"):
        read_ladder(shared / DEPTH, f"binance_coinm/{series.replace('USDT', 'USD_PERP')}")


def test_the_real_book_is_within_a_basis_point_of_its_fit(shared):
    """Level by level: selling the book down is the sum over its bids, and seven numbers say it."""
    ladder, _ = read_ladder(shared / "data/orderbook_l2_binance_20240808.csv.gz", "binance_spot/BTCUSDT")
    assert ladder.sold.size > 50 and ladder.slippage.max() == pytest.approx(0.00135, abs=1e-4)
    bands = (0.0, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02)
    fit = fit_liquidity("order_book", "BTC", ladder, distances=bands)
    assert fit.rms < 5e-5 and fit.largest < 1e-4


@pytest.mark.parametrize(
    ("series", "pool", "ranges"), [("WBTC/USDC", 11.8e-4, 11.6e-4), ("WETH/USDC", 17.4e-4, 16.3e-4)]
)
def test_on_hours_not_fitted_to_ranges_are_no_better_than_a_pool(shared, series, pool, ranges):
    """Fitted to the first eight hours, judged on the nine that follow: errors of the page."""
    ladder = read_ladder(shared / QUOTES, series)[0].within(0.1)
    early, late = (
        replace(ladder, sold=ladder.sold[own], paid=ladder.paid[own], snapshot=ladder.snapshot[own])
        for own in (ladder.snapshot < 8, ladder.snapshot >= 8)
    )
    for kind, expected in (("constant_product", pool), ("concentrated", ranges)):
        fit = fit_liquidity(kind, "X", early)
        error = modelled_slippage(fit.liquidity, "X", late.sold) - late.slippage
        assert np.sqrt(np.mean(error**2)) == pytest.approx(expected, rel=0.02)
        assert fit.rms < expected


def test_the_study_has_a_hundredth_of_what_was_fitted():
    *markets, scarce = load_study("lending_liquidity").study.lending.markets
    pool, ranges, book, impact, hybrid = (m.liquidity for m in markets)
    wanted = {
        "liquidity_pool_20231120": pool,
        "liquidity_ranges_20231120": ranges,
        "liquidity_book_20231120": book,
        "liquidity_impact_20231120": impact,
    }
    for name, found in wanted.items():
        expected = named(name).times(0.01)
        np.testing.assert_allclose(found.table(("BTC", "ETH")), expected.table(("BTC", "ETH")), rtol=1e-9, err_msg=name)
    shipped_hybrid = named("liquidity_hybrid_20240808").times(0.01)
    assert isinstance(hybrid, Hybrid)
    np.testing.assert_allclose(hybrid.table(("BTC", "ETH")), shipped_hybrid.table(("BTC", "ETH")), rtol=1e-9)
    # two hours in which half of what was sold is forgotten, whatever the kind
    assert [x.decay(2.0) for x in (pool, ranges, book, impact)] == pytest.approx([0.5] * 4)
    assert scarce.liquidity == pool and scarce.keeper.capital_usd == 5e5
