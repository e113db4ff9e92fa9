"""crvUSD: published figures, the curve against its equations, slow and sudden falls, and the states of real loans."""

from fractions import Fraction
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.lending.crvusd import (
    Bands,
    Llamma,
    converted,
    curve,
    deposit,
    health,
    loan,
    soft_liquidated,
    stable_down,
)
from riskengine.pricing.fixed_point import WAD

# the market of the contract's own tests: band 0 at 3,000, discounts of 5 % and 2 %
TESTED = Llamma(3000 * WAD, 100, 5 * WAD // 100, 2 * WAD // 100)
MAINNET = Llamma(3000 * WAD)


def bought(market, x, y, price, upper, paid, fee):
    """Collateral that `paid` crvUSD buys from one band, less a fee on what is paid."""
    f, g, product = curve(market, x, y, price, upper)
    kept = paid * (WAD - fee) // WAD
    return g + y - product // (f + x + kept)


def test_figures_printed_from_the_contracts_own_test():
    # 1,000 WETH against 500,000 crvUSD in five bands, printed by yurenju at curvefi/curve-stablecoin@2a35957b
    first = TESTED.first_band(1000 * WAD, 500_000 * WAD, 5, 3000 * WAD)
    assert first == 170
    assert [round(TESTED.upper_price(n) / WAD, 2) for n in (170, 171, 175)] == [543.38, 537.95, 516.75]
    assert deposit(1000 * WAD, first, 5).collateral == (200 * WAD,) * 5
    # 100 crvUSD buy 0.185634 WETH at an oracle price of 540 and a fee of 1 %, at 538.69; at 535 they pay 523.87
    for price, average in ((540, 538.69), (535, 523.87)):
        got = bought(TESTED, 0, 200 * WAD, price * WAD, TESTED.upper_price(170), 100 * WAD, WAD // 100)
        assert round(100 * WAD / got, 2) == average
        if price == 540:
            assert f"{got / WAD:.6f}" == "0.185634"


def test_grid_of_bands():
    assert TESTED.upper_price(0) == 3000 * WAD
    for n in range(-10, 10):
        assert TESTED.upper_price(n) / WAD == pytest.approx(3000.0 * 0.99**n, rel=1e-14)
    for n in range(-900, 1024):
        assert TESTED.upper_price(n) / WAD == pytest.approx(3000.0 * 0.99**n, rel=1e-11)
    # ln(100 / 99) = 0.01005033585350144118...
    assert TESTED.log_ratio == 10_050_335_853_501_441
    assert (TESTED.root_ratio / WAD) ** 2 == pytest.approx(100 / 99, rel=1e-15)


coins = st.integers(10**12, 10**24)


@settings(max_examples=200, deadline=None)
@given(coins, coins, st.integers(5, 400), st.floats(0.8, 1.25), st.sampled_from(["x", "y", "both"]))
def test_the_curve_solves_its_equations(x, y, amplification, move, held):
    market = Llamma(1000 * WAD, amplification)
    upper = market.upper_price(3)
    price = int(upper * move)
    # amounts of comparable value, so that neither is lost in the rounding of the other
    y = y * WAD // price + 10**9
    x, y = (0 if held == "y" else x), (0 if held == "x" else y)
    f, g, product = curve(market, x, y, price, upper)
    a, p, u = amplification, Fraction(price, WAD), Fraction(upper, WAD)
    y0 = Fraction(g) * p / u / (a - 1)
    assert float(Fraction(f) / (a * y0 * p**2 / u)) == pytest.approx(1.0, abs=1e-7)
    # p A^2 y0^2 = (f + x)(g + y): what y0 was solved for
    assert float(Fraction(product) / (p * a**2 * y0**2)) == pytest.approx(1.0, abs=1e-7)
    new_x, new_y = converted(market, x, y, price, upper)
    lower = upper * (a - 1) // a
    if lower <= price <= upper:
        # arbitrage ends where the band's price is the oracle's, on the same curve
        assert float(Fraction(f + new_x, g + new_y) / p) == pytest.approx(1.0, abs=1e-7)
        assert float(Fraction((f + new_x) * (g + new_y), product)) == pytest.approx(1.0, abs=1e-7)
    else:
        assert new_x == 0 if price > upper else new_y == 0


def along(market, bands, prices):
    for price in prices:
        bands = soft_liquidated(market, bands, int(price * WAD))
    return bands


def test_a_slow_fall_sells_each_band_at_the_root_of_its_prices_and_a_slow_rise_buys_it_back():
    start = loan(MAINNET, 10 * WAD, 15_000 * WAD, 5, 3000 * WAD)
    top = MAINNET.upper_price(start.first) / WAD
    bottom = MAINNET.upper_price(start.first + 5) / WAD
    fall = np.geomspace(1.001 * top, 0.999 * bottom, 4000)
    low = along(MAINNET, start, fall)
    assert not any(low.collateral)
    for k, x in enumerate(low.stable):
        upper = top * 0.99**k
        assert x / WAD == pytest.approx(2.0 * upper * sqrt(0.99), rel=3e-4)
    # x_down said so before the fall, and says so in the middle of it
    promised = stable_down(MAINNET, start, 3000 * WAD)
    assert sum(low.stable) == pytest.approx(promised, rel=3e-4)
    middle = along(MAINNET, start, fall[:2000])
    assert stable_down(MAINNET, middle, int(fall[1999] * WAD)) == pytest.approx(promised, rel=3e-4)
    back = along(MAINNET, low, fall[::-1])
    assert not any(back.stable) and sum(back.collateral) == pytest.approx(10 * WAD, rel=6e-4)
    # the error is of the first order in the step
    coarse = along(MAINNET, start, np.geomspace(1.001 * top, 0.999 * bottom, 400))
    gap = [abs(sum(b.stable) / promised - 1.0) for b in (coarse, low)]
    assert 5.0 < gap[0] / gap[1] < 20.0


def test_a_sudden_fall_costs_the_borrower_and_health_says_it():
    debt = 15_000 * WAD
    start = loan(MAINNET, 10 * WAD, debt, 5, 3000 * WAD)
    before = health(MAINNET, start, debt, 3000 * WAD)
    # discounts of 9 and 6 %, and what is lost to the grid: (0.94 / 0.91) [1, 100 / 99) - 1
    assert 0.94 / 0.91 - 1.0 <= before / WAD < 0.94 / 0.91 / 0.99 - 1.0
    top = MAINNET.upper_price(start.first)
    full = health(MAINNET, start, debt, 3000 * WAD, full=True)
    assert (full - before) / WAD == pytest.approx((3000.0 - top / WAD) * 10.0 / 15_000.0, rel=1e-12)
    # while the price is above the first band nothing is lost however it moves
    assert health(MAINNET, start, debt, top + WAD) == before
    # at one blow to a fifth below the last band: each band is sold at p^3 / (p_up p_down)
    price = MAINNET.upper_price(start.first + 5) * 4 // 5
    sold = soft_liquidated(MAINNET, start, price)
    p = price / WAD
    for k, x in enumerate(sold.stable):
        upper = top / WAD * 0.99**k
        assert x / WAD == pytest.approx(2.0 * p**3 / (upper**2 * 0.99), rel=1e-9)
    assert stable_down(MAINNET, start, price) == pytest.approx(sum(sold.stable), rel=1e-12)
    assert health(MAINNET, start, debt, price) < 0


@settings(max_examples=100, deadline=None)
@given(st.floats(0.01, 1e4), st.floats(0.05, 0.85), st.integers(4, 50), st.floats(0.5, 2.0))
def test_health_of_every_new_loan_lies_in_one_percent(tokens, ltv, bands, moved):
    collateral, price = int(tokens * WAD), int(3000 * moved * WAD)
    debt = int(collateral * price // WAD * ltv)
    try:
        start = loan(MAINNET, collateral, debt, bands, price)
    except ValueError:
        # about the discount and half the width of the bands below the price
        assert ltv > 1.0 - 0.09 - bands / 200 - 0.02
        return
    found = health(MAINNET, start, debt, price) / WAD
    assert 0.94 / 0.91 - 1.0 - 1e-9 <= found <= 0.94 / 0.91 / 0.99 - 1.0 + 1e-9
    assert sum(start.collateral) == collateral and len(start.collateral) == bands


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="debt must be supported by the collateral at price 3000, got a first band"):
        MAINNET.first_band(WAD, 2_900 * WAD, 4, 3000 * WAD)
    with pytest.raises(ValueError, match="debt must be above 0"):
        MAINNET.first_band(WAD, 0, 4, 3000 * WAD)
    with pytest.raises(ValueError, match=r"bands must lie in \[4, 50\], got 3"):
        MAINNET.first_band(WAD, WAD, 3, 3000 * WAD)
    with pytest.raises(ValueError, match="collateral must be worth something"):
        MAINNET.first_band(1, 10**30, 4, 3000 * WAD)
    with pytest.raises(ValueError, match="liquidation_discount"):
        Llamma(WAD, 100, WAD // 100, WAD // 50)
    with pytest.raises(ValueError, match="debt must be above 0"):
        health(MAINNET, Bands(0, (0,), (1,)), 0, WAD)


def test_health_of_the_states_of_real_borrowers(shared):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.read_parquet(shared / "data" / "lending_crvusd_borrower_states_2023q4.parquet")
    assert len(frame) == 70_107 and frame.n_bands.between(4, 50).all()
    # highest hourly closes of the quarter, and of wstETH at 1.16 ETH
    highest = {"wbtc": 44_527.34, "weth": 2_432.34, "wsteth": 1.16 * 2_432.34}
    unsupported = {}
    for name, price in highest.items():
        own = frame[frame.market == name]
        y, debt, n = (own[c].to_numpy(dtype=float) for c in ("collateral_tokens", "debt_crvusd", "n_bands"))
        # closed form: y / N sqrt(1 / r) sum r^-k, r = 100 / 99, times the upper price of the first band
        worth = y / n / sqrt(100 / 99) * (1.0 - 0.99**n) / 0.01
        place = np.floor(np.log(worth * 0.91 * price / debt) / log(100 / 99))
        top = price * 0.99**place
        found = worth * top * 0.94 / debt - 1.0
        assert found.min() >= 0.94 / 0.91 - 1.0 - 1e-9 and found.max() < 0.94 / 0.91 / 0.99 - 1.0 + 1e-9
        unsupported[name] = float(np.mean(top >= price))
        # in the contract's integers, every 50th
        market = Llamma(round(price * 1e4) * WAD // 10**4)
        for k in range(0, len(own), 50):
            amounts = round(y[k] * 1e9) * 10**9, round(debt[k] * 1e9) * 10**9
            if top[k] >= price:
                with pytest.raises(ValueError, match="debt must be supported"):
                    market.first_band(*amounts, int(n[k]), market.base_price)
                continue
            held = loan(market, *amounts, int(n[k]), market.base_price)
            assert health(market, held, amounts[1], market.base_price) / WAD == pytest.approx(found[k], abs=1e-9)
    # states whose collateral alone does not carry their debt at the highest price: already in soft liquidation, with
    # crvUSD that the file does not hold
    assert {k: round(100 * v, 1) for k, v in unsupported.items()} == {"wbtc": 3.3, "weth": 4.7, "wsteth": 3.2}
