"""What it costs to hold a pool's price off and what a loan then gains: formulas against swaps played block by block."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from riskengine.market.grid import TimeGrid
from riskengine.oracle.ema import EmaOracle
from riskengine.oracle.manipulation import ManipulatedPool, WrongPriceLoan, best_manipulation, safe_depth
from riskengine.oracle.push import PushOracle
from riskengine.oracle.twap import TwapOracle

LOAN = WrongPriceLoan(0.8, 2e6)
POOL = ManipulatedPool(1e6, 0.003, 40.0, 12.0)
# twelve-second blocks: a window of ten, of ten, an average over eight, and the pool's own price
ORACLES = [
    TwapOracle(120 / 3600, "arithmetic"),
    TwapOracle(120 / 3600, "geometric"),
    EmaOracle(96 / 3600),
    PushOracle(0.0, 1.0),
]


def swap(reserve_in, reserve_out, paid, keep):
    """Constant product, the fee on what is paid in and apart from the reserves."""
    out = reserve_out * keep * paid / (reserve_in + keep * paid)
    return reserve_in + keep * paid, reserve_out - out, out


def played(pool, oracle, loan, push, blocks):
    """(move of the oracle, USD lost, profit): every swap, every block, the oracle itself, then the loan."""
    keep, usd, coins, fixed = 1.0 - pool.fee, 0.0, 0.0, 0.0
    x = y = pool.depth_usd
    seen = [1.0]
    for _ in range(blocks):
        if y / x < (1.0 + push) * (1.0 - 1e-12):

            def gap(paid, x=x, y=y):
                after_y, after_x, _ = swap(y, x, paid, keep)
                return after_y / after_x - (1.0 + push)

            paid = brentq(gap, 0.0, pool.depth_usd * (2.0 + push), xtol=1e-9, rtol=1e-15)
            y, x, out = swap(y, x, paid, keep)
            usd, coins, fixed = usd - paid, coins + out, fixed + pool.fixed_usd
        seen.append(y / x)
        if pool.arbitrage and keep * y / x > 1.0:
            # until one more coin brings 1: d out / d in at nothing sold, after what was sold
            def left(sold, x=x, y=y):
                return keep * y * x / (x + keep * sold) ** 2 - 1.0

            x, y, _ = swap(x, y, brentq(left, 0.0, pool.depth_usd * (2.0 + push), xtol=1e-9, rtol=1e-15), keep)
    if pool.arbitrage:
        usd += coins
    else:
        usd, fixed = usd + swap(x, y, coins, keep)[2], fixed + pool.fixed_usd
    state = oracle.init(np.ones((1, 1)), TimeGrid(int(pool.block_seconds), blocks + 1))
    for price in seen[1:] + seen[-1:]:
        answer = float(oracle.step(state, np.full((1, 1), price), pool.block_seconds)[0, 0])
    collateral = min(loan.supply_cap_usd, loan.available_usd / (loan.ltv * answer))
    borrowed = collateral * loan.ltv * answer
    return answer - 1.0, fixed - usd, max(borrowed - collateral, 0.0) - (fixed - usd)


@pytest.mark.parametrize("arbitrage", [True, False])
@pytest.mark.parametrize("fee", [0.0, 0.0005, 0.01])
@pytest.mark.parametrize("oracle", ORACLES, ids=["arithmetic", "geometric", "ema", "spot"])
def test_formulas_are_what_swaps_played_block_by_block_come_to(oracle, fee, arbitrage):
    pool = replace(POOL, fee=fee, arbitrage=arbitrage)
    for push in (0.004, 0.3, 2.0, 40.0):
        for blocks in (1, 2, 7):
            move, lost, profit = played(pool, oracle, LOAN, push, blocks)
            said = float(oracle.moved(push, blocks * pool.block_seconds))
            assert said == pytest.approx(move, rel=1e-8)
            assert float(pool.cost(np.array(push), blocks)) == pytest.approx(lost, rel=1e-7, abs=1e-5)
            assert float(LOAN.gain(said)) - lost == pytest.approx(profit, rel=1e-8, abs=1e-2)


def test_a_push_is_the_integral_of_what_every_coin_costs_too_much():
    """Exact integration over the price: dq = L / (2 p^{3/2}) dp coins, each bought at p / g and worth 1."""
    for start, push in ((1.0, 0.02), (1.0, 3.0), (1 / 0.997, 0.5)):
        over = quad(lambda p: (p / 0.997 - 1.0) * 1e6 / (2.0 * p**1.5), start, 1.0 + push, epsabs=0.0, epsrel=1e-12)[0]
        blocks = 1 if start == 1.0 else 2
        per = POOL.per_depth(np.array(push), blocks) - (POOL.per_depth(np.array(push), 1) if blocks == 2 else 0.0)
        assert 1e6 * float(per) == pytest.approx(over, rel=1e-10)


def test_small_pushes_keep_their_digits_and_inside_the_fee_they_stand_by_themselves():
    tiny = float(POOL.per_depth(np.array(1e-12), 1))
    assert tiny == pytest.approx(0.5e-12 * 0.003 / 0.997, rel=1e-9)
    inside = np.array(0.003)
    assert POOL.cost(inside, 50) == POOL.cost(inside, 1)
    assert POOL.cost(np.array(0.004), 50) > POOL.cost(np.array(0.004), 1) + 49 * 40.0


@pytest.mark.parametrize("arbitrage", [True, False])
@pytest.mark.parametrize("oracle", ORACLES, ids=["arithmetic", "geometric", "ema", "spot"])
def test_the_best_attack_is_that_of_every_attack_played(oracle, arbitrage):
    """Against pushes from a hundredth to a hundredfold for every number of blocks, each played; and the safe depth is
    where the best of them stops to pay."""
    pool, most, reach = replace(POOL, arbitrage=arbitrage), 12, 100.0
    pushes = np.expm1(np.linspace(0.01, np.log1p(reach), 60))
    found = best_manipulation(pool, oracle, LOAN, most, reach)
    tried = max(played(pool, oracle, LOAN, d, n)[2] for d in pushes for n in (1, 2, 5, 9, 10, 11, 12))
    assert found.profit >= max(tried, 0.0) - 1e-3
    if found.profit > 0.0:
        assert found.profit <= tried * 1.02
        move, lost, profit = played(pool, oracle, LOAN, found.push, found.blocks)
        assert (move, lost, profit) == pytest.approx((found.move, found.cost, found.profit), rel=1e-7)
    depth = safe_depth(pool, oracle, LOAN, most, reach)
    assert best_manipulation(replace(pool, depth_usd=1.0001 * depth), oracle, LOAN, most, reach).profit == 0.0
    below = best_manipulation(replace(pool, depth_usd=0.999 * depth), oracle, LOAN, most, reach)
    assert below.profit > 0.0
    assert played(replace(pool, depth_usd=0.999 * depth), oracle, LOAN, below.push, below.blocks)[2] > 0.0


def test_what_protects():
    """More depth in proportion, a longer window, arbitrage, a lower LTV, a smaller market; a push below 1/LTV - 1
    gains nothing."""
    twap = TwapOracle(120 / 3600, "arithmetic")
    free = replace(POOL, fixed_usd=0.0)
    depth = safe_depth(free, twap, LOAN, 10)
    assert safe_depth(free, twap, replace(LOAN, available_usd=4e6), 10) == pytest.approx(2 * depth, rel=1e-6)
    assert safe_depth(free, TwapOracle(240 / 3600, "arithmetic"), LOAN, 10) < depth
    assert safe_depth(free, TwapOracle(120 / 3600, "geometric"), LOAN, 5) < safe_depth(free, twap, LOAN, 5)
    assert safe_depth(replace(free, arbitrage=False), twap, LOAN, 10) > 5 * depth
    assert safe_depth(free, twap, replace(LOAN, ltv=0.6), 10) < depth
    assert safe_depth(free, twap, replace(LOAN, supply_cap_usd=1e5), 10) < depth
    assert safe_depth(POOL, twap, LOAN, 10) < depth
    assert (LOAN.gain(np.array([0.0, 0.1, 0.25])) == 0.0).all() and LOAN.gain(0.26) > 0.0


def test_a_free_pool_without_arbitrage_is_never_deep_enough():
    assert safe_depth(ManipulatedPool(1e6, 0.0, arbitrage=False), PushOracle(0.0), LOAN, 1) > 1e18


def test_a_push_feed_tells_all_or_nothing():
    feed = PushOracle(0.5, 1.0)
    assert feed.moved(np.array([0.4, 0.6]), 12.0).tolist() == [0.0, 0.6]
    assert feed.moved(np.array([0.4, 0.6]), 3600.0).tolist() == [0.4, 0.6]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ManipulatedPool(0.0), "depth_usd must lie in"),
        (lambda: ManipulatedPool(1.0, 1.0), "fee must lie in"),
        (lambda: ManipulatedPool(1.0, block_seconds=0.0), "block_seconds must lie in"),
        (lambda: WrongPriceLoan(1.0, 1.0), "ltv must lie in"),
        (lambda: WrongPriceLoan(0.5, 0.0), "available_usd must lie in"),
        (lambda: WrongPriceLoan(0.5, 1.0, 0.0), "supply_cap_usd must lie in"),
        (lambda: best_manipulation(POOL, EmaOracle(), LOAN, 0), "max_blocks must lie in"),
        (lambda: safe_depth(POOL, EmaOracle(), LOAN, 1, 0.0), "max_push must lie in"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
