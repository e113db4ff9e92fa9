"""Moving the mark: closed forms, money that neither appears nor vanishes, and what stops an attack."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskengine.liquidity.constant_product import exact_output
from riskengine.oracle.mark_attack import (
    MOST,
    OracleRule,
    PriceMarket,
    VolatilityMarket,
    best_attack,
    break_even_position,
    observations_needed,
    play,
)
from riskengine.pricing.black import black76

POOL, BOOK = PriceMarket("pool", 5e6, 0.003), PriceMarket("book", 3e6, 0.0005)
QUOTED = VolatilityMarket(0.6, 0.0005, 30.0, 34_500.0, 0.03)


@given(
    st.sampled_from(["pool", "book"]),
    st.floats(1e4, 1e9),
    st.floats(0.0, 0.05),
    st.floats(1e-4, 3.0),
    st.integers(1, 40),
    st.floats(0.0, 1.0),
    st.floats(0.0, 100.0),
)
def test_money_is_conserved_and_the_play_costs_what_the_closed_form_says(kind, depth, fee, push, n, share, fixed):
    market = PriceMarket(kind, depth, fee, fixed)
    rule = OracleRule(n, max(1, round(share * n)), 0.5)
    position = 1e7
    found = play(market, rule, position, push)
    hands = (found.attacker, found.liquidity, found.arbitrage, found.counterparties, found.chain)
    size = depth * (1 + push) * n + position
    assert abs(sum(hands)) < 1e-10 * size
    assert found.mark == pytest.approx(float(rule.move(push)), rel=1e-12)
    cost = rule.controlled * float(market.cost(np.array(push)))
    assert found.attacker == pytest.approx(position * found.mark - cost, abs=1e-10 * size)
    assert found.liquidity >= 0.0  # both swaps pay their fee


def test_a_push_of_a_pool_is_a_swap_of_the_exact_pool():
    """Uniswap v2's integer output for the USD that the closed form pays: the coins it says, to rounding."""
    wad, push = 10**18, 0.07
    root = (1.0 + push) ** 0.5
    usd = 5e6 * (root - 1.0) / 0.997
    coins = exact_output(5_000_000 * wad, 5_000_000 * wad, round(usd * wad)) / wad
    assert usd - coins == pytest.approx(float(POOL.cost(np.array(push))), rel=1e-9)


def test_small_pushes_keep_their_digits():
    for d in (1e-12, 1e-6):
        wanted = 5e6 * (0.5 * d * 0.003 / 0.997 + 0.25 * d * d)
        assert float(POOL.cost(np.array(d))) == pytest.approx(wanted, rel=1e-5)
    exact = black76(1.0, 1.0, 30 / 365, 0.7, 1.0) - black76(1.0, 1.0, 30 / 365, 0.6, 1.0)
    assert float(QUOTED.gain(np.array(0.1))) == pytest.approx(float(exact), rel=1e-12)


def test_pushing_a_quote_costs_what_the_vault_gains_coin_by_coin():
    push, impact, coins = 0.04, 0.0005, np.arange(80) + 0.5  # midpoints of 80 coins, 0.05 points each
    quotes = 0.6 + 0.03 + impact * coins
    paid = 34_500.0 * black76(1.0, 1.0, 30 / 365, quotes, 1.0)
    gained = (paid - 34_500.0 * black76(1.0, 1.0, 30 / 365, 0.6, 1.0)).sum()
    assert float(QUOTED.cost(np.array(push))) == pytest.approx(float(gained), rel=1e-6)


@pytest.mark.parametrize("n", [1, 30])
def test_best_push_meets_its_first_order_condition(n):
    rule, position = OracleRule(n, 1, 4.0), 2e7
    # book: N / n = D (d + f (1 + d))
    push = (position / n / 3e8 - 0.0005) / 1.0005
    found = best_attack(BOOK, rule, position)
    assert found.push == pytest.approx(push, rel=1e-5)
    assert found.profit == pytest.approx(position * push / n - float(BOOK.cost(np.array(push))), rel=1e-9)
    if n == 30:  # pool: u / (1 - f) - u^3 = 2 N / (n y) with u = 1 / sqrt(r), the inner root
        roots = np.roots([1.0, 0.0, -1.0 / 0.997, 2 * position / n / 5e6])
        u = max(r.real for r in roots if abs(r.imag) < 1e-9 and r.real <= 1.0)
        assert best_attack(POOL, rule, position).push == pytest.approx(u**-2 - 1.0, rel=1e-5)


def test_break_even_positions_are_the_closed_forms():
    """Small pushes leave fees; a fixed cost g of every push makes the best one sqrt(2 g / (D (1 + f)))."""
    for n in (1, 7):
        rule = OracleRule(n, 1, 0.05)
        assert break_even_position(POOL, rule) == pytest.approx(n * 5e6 * 0.003 / 2 / 0.997, rel=1e-6)
        assert break_even_position(BOOK, rule) == pytest.approx(n * 3e8 * 0.0005, rel=1e-6)
        fixed = PriceMarket("book", 3e6, 0.0005, 40.0)
        best = (2 * 40.0 / (3e8 * 1.0005)) ** 0.5
        wanted = n * (40.0 / best + 3e8 * (0.5 * best * 1.0005 + 0.0005))
        assert break_even_position(fixed, rule) == pytest.approx(wanted, rel=1e-6)
    # a push too small to move a quote by its spread: the spread over the impact, whatever the option
    assert break_even_position(QUOTED, OracleRule(3, 1, 0.05)) == pytest.approx(3 * 0.03 / 0.0005 * 34_500, rel=1e-2)
    free = PriceMarket("pool", 5e6, 0.0)
    assert break_even_position(free, OracleRule(1000, 1, 0.05)) < 1.0  # without a fee nothing protects


def test_without_a_cap_not_even_a_high_fee_protects_a_pool():
    """Cost grows like the root of the push, gain in proportion: a large push pays where no small one does."""
    dear = PriceMarket("pool", 5e6, 0.5)
    position = 1.5e7
    assert best_attack(dear, OracleRule(10, 1, 0.05), position).push == 0.0
    assert break_even_position(dear, OracleRule(10, 1, 0.05)) == pytest.approx(10 * 5e6 * 0.5, rel=0.02)
    found = best_attack(dear, OracleRule(10, 1, 100.0), position)
    assert found.push == pytest.approx(100.0) and found.profit > 1e7
    root = 101.0**0.5
    cost = 5e6 * ((root - 1) ** 2 / root + root - 1)
    assert break_even_position(dear, OracleRule(10, 1, 100.0)) == pytest.approx(10 * cost / 100.0, rel=1e-9)


@pytest.mark.parametrize("market", [POOL, BOOK, QUOTED, PriceMarket("pool", 5e6, 0.003, 10.0)])
def test_what_stops_an_attack(market):
    position, rule = 2e7, OracleRule(1, 1, 0.02)
    needed = observations_needed(market, rule, position)
    assert 1 < needed < MOST
    assert best_attack(market, OracleRule(needed, 1, 0.02), position).profit == 0.0
    assert best_attack(market, OracleRule(needed - 1, 1, 0.02), position).profit > 0.0
    safe = break_even_position(market, rule)
    assert best_attack(market, rule, 0.999 * safe).profit == 0.0
    assert best_attack(market, rule, 1.01 * safe).profit > 0.0
    capped, banded = best_attack(market, OracleRule(1, 1, 0.01), position), OracleRule(1, 1, 0.02, 0.01)
    assert 0.0 < capped.profit < best_attack(market, rule, position).profit
    # a band is a cap for who knows it, and beyond it nothing is believed
    assert best_attack(market, banded, position).profit == pytest.approx(capped.profit, rel=1e-9)
    assert float(banded.move(0.015)) == 0.0
    assert observations_needed(market, rule, 1e-3 * safe) == 1


def test_bad_rules_are_refused():
    for wrong in ((0, 1), (3, 4)):
        with pytest.raises(ValueError, match="observations|controlled"):
            OracleRule(*wrong)
    with pytest.raises(ValueError, match="depth_usd"):
        PriceMarket("book", 0.0)
