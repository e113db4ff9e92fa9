"""Calculators of mechanisms that do not live on paths: nothing is lost, and what they aim at is reached."""

from fractions import Fraction
from functools import partial

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from riskengine.lending.aave_v4 import (
    DUST,
    CollateralReserve,
    DebtReserve,
    SpokeTerms,
    debt_to_target,
    liquidation_amounts,
    liquidation_bonus,
)
from riskengine.lending.liquity_system import LiquitySystem
from riskengine.lending.liquity_v1 import liquidate as liquidate_v1
from riskengine.lending.liquity_v2 import BranchTerms, liquidate
from riskengine.lending.maker import linear_price
from riskengine.lending.maker_house import AuctionTerms, House
from riskengine.lending.silo import SiloAccount, call, largest_call
from riskengine.pricing.fixed_point import BPS, RAD, RAY, WAD

USD = 10**8


@st.composite
def spokes(draw):
    """(terms, collateral, debt, health as a fraction) of an account with one collateral and one debt."""
    factor = draw(st.integers(3_000, 8_500))
    bonus = draw(st.integers(BPS, min(12_000, (BPS - 2) * BPS // factor)))
    terms = SpokeTerms(
        draw(st.integers(100, 130)) * WAD // 100, draw(st.integers(50, 99)) * WAD // 100, draw(st.integers(0, BPS))
    )
    price, owed_price = draw(st.integers(1, 5_000)) * USD, draw(st.integers(1, 5_000)) * USD
    collateral = CollateralReserve(
        draw(st.integers(10**6, 10**12)) * 10**9, price, 10**18, factor, bonus, draw(st.integers(0, BPS))
    )
    worth = Fraction(collateral.balance * price, 10**18 * USD)
    health = draw(st.fractions(Fraction(1, 2), Fraction(999, 1000), max_denominator=1000))
    debt = DebtReserve(max(1, int(worth * factor / BPS / health * USD * 10**6 / owed_price)), owed_price, 10**6)
    return terms, collateral, debt


def worth(amount, reserve):
    return Fraction(amount * reserve.price, reserve.unit * USD)


def health_of(collateral, debt, seized=0, repaid=0):
    left = worth(collateral.balance - seized, collateral) * collateral.collateral_factor_bps / BPS
    return left / worth(debt.balance - repaid, debt)


@settings(max_examples=300, deadline=None)
@given(spokes(), st.one_of(st.none(), st.integers(1, 120)))
def test_aave_v4_call(spoke, share):
    """Every part adds up, no dust is left, and a call that nothing limits ends at the target health."""
    terms, collateral, debt = spoke
    health = health_of(collateral, debt)
    assume(Fraction(1, 2) <= health < Fraction(9999, 10_000))
    value = debt.balance * debt.price * 10**18 // debt.unit
    cover = None if share is None else max(1, debt.balance * share // 100)
    done = liquidation_amounts(terms, int(health * WAD), value, collateral, debt, cover)
    assert 0 <= done.debt_liquidated <= debt.balance + 1
    assert done.collateral_to_liquidator + done.fee == done.collateral_liquidated <= collateral.balance
    least = BPS + (collateral.max_bonus_bps - BPS) * terms.bonus_factor_bps // BPS
    assert least <= done.bonus_bps <= collateral.max_bonus_bps
    # the same bonus by the formula in decimals, to a basis point of rounding
    decimal = liquidation_bonus(
        float(health), terms.health_for_max_bonus / WAD, collateral.max_bonus_bps / BPS, terms.bonus_factor_bps / BPS
    )
    assert abs(done.bonus_bps / BPS - decimal) < 3e-4
    # the fee is a share of what exceeds the debt repaid
    assert done.fee <= done.collateral_liquidated * (done.bonus_bps - BPS) // done.bonus_bps + 1
    if done.reverts:
        assert done.reverts == "MustNotLeaveDust" and cover is not None and cover < done.debt_liquidated
        return
    left, coins = debt.balance - done.debt_liquidated, collateral.balance - done.collateral_liquidated
    if left > 0 and coins > 0:
        assert worth(left, debt) * 10**26 >= DUST - 1 and worth(coins, collateral) * 10**26 >= DUST - 1
        if cover is None or cover >= done.debt_to_target:
            assert done.debt_liquidated == done.debt_to_target
            after = health_of(collateral, debt, done.collateral_liquidated, done.debt_liquidated)
            assert abs(after - Fraction(terms.target_health, WAD)) < Fraction(1, 10**4)
            bonus, factor = done.bonus_bps / BPS, collateral.collateral_factor_bps / BPS
            formula = debt_to_target(debt.balance, float(health), terms.target_health / WAD, bonus, factor)
            assert done.debt_to_target == pytest.approx(formula, rel=1e-6, abs=2)
    assert done.deficit == (coins == 0 and left > 0)


def test_aave_v4_refuses():
    terms = SpokeTerms(WAD, 8 * WAD // 10, 5_000)
    healthy = liquidation_amounts(
        terms, WAD, 10**28, CollateralReserve(10**9, USD, 10**6, 8_000, 10_500, 0), DebtReserve(10**8, USD, 10**6)
    )
    assert healthy.reverts == "HealthFactorNotBelowThreshold" and healthy.debt_liquidated == 0
    with pytest.raises(ValueError, match=r"target_health must be at least .*; bonus_factor_bps must lie in"):
        SpokeTerms(WAD - 1, 0, 10_001)
    with pytest.raises(ValueError, match="times collateral_factor_bps below 10000, got 12500 and 10000"):
        CollateralReserve(1, USD, 1, 8_000, 12_500, 0)


amounts = st.integers(10**15, 10**24)


@settings(max_examples=300, deadline=None)
@given(amounts, amounts, st.integers(0, 2 * 10**24), st.integers(10**17, 10**22))
def test_liquity_v2_trove(debt, collateral, pool, price):
    """Collateral and debt go somewhere whole; each side seizes no more than its penalty allows."""
    terms = BranchTerms()
    done = liquidate(debt, collateral, pool, price, terms)
    parts = done.collateral_to_pool + done.collateral_redistributed + done.collateral_surplus
    assert done.gas_compensation + parts == collateral and min(vars(done).values()) >= 0
    assert done.debt_offset + done.debt_redistributed == debt and done.debt_offset == min(debt, pool)
    assert done.gas_compensation == min(collateral // 200, 2 * WAD)
    assert done.collateral_to_pool * price <= done.debt_offset * (WAD + terms.penalty_pool)
    assert done.collateral_redistributed * price <= done.debt_redistributed * (WAD + terms.penalty_redistribution)
    if done.collateral_surplus:
        # something is left to the owner only where the last to seize was capped
        seized = done.collateral_redistributed if done.debt_redistributed else done.collateral_to_pool
        owed, penalty = (
            (done.debt_redistributed, terms.penalty_redistribution)
            if done.debt_redistributed
            else (done.debt_offset, terms.penalty_pool)
        )
        assert seized == owed * (WAD + penalty) // price


def test_liquity_v2_by_hand():
    # 2,000 BOLD and 1.48 ETH at 1,450: gas .0074, rest 1.4726; a pool of 1,000 takes 1,050 / 1,450 of its half, and the
    # others all that is left, which is less than 1,100 / 1,450; with 1.6 ETH their cap binds too
    done = liquidate(2_000 * WAD, 148 * WAD // 100, 1_000 * WAD, 1_450 * WAD)
    assert done.gas_compensation == 74 * WAD // 10_000
    assert done.collateral_to_pool == 1_050 * WAD // 1_450
    assert done.collateral_redistributed == 14_726 * WAD // 10_000 - done.collateral_to_pool
    assert done.collateral_surplus == 0
    rich = liquidate(2_000 * WAD, 16 * WAD // 10, 1_000 * WAD, 1_450 * WAD)
    assert rich.collateral_redistributed == 1_100 * WAD // 1_450
    assert rich.collateral_surplus == 1_592 * WAD // 1_000 - rich.collateral_to_pool - rich.collateral_redistributed
    assert liquidate(2_000 * WAD, 1_000 * WAD, 0, 10 * WAD).gas_compensation == 2 * WAD
    with pytest.raises(ValueError, match="5 % <= penalty_pool <= penalty_redistribution <= 20 %"):
        BranchTerms(4 * WAD // 100)


@st.composite
def systems(draw):
    """A system of vaults between 100 and 250 %, at 200 USD a coin."""
    system = LiquitySystem(draw(st.sampled_from([0, 10**21, 10**23])))
    for i in range(draw(st.integers(2, 6))):
        debt = draw(st.integers(2_000, 50_000)) * WAD
        system = system.opened(f"v{i}", debt, debt * draw(st.integers(100, 250)) // 20_000)
    return system


@settings(max_examples=200, deadline=None)
@given(systems(), st.lists(st.integers(60, 220), min_size=1, max_size=4), st.data())
def test_liquity_v1_redistribution(system, prices, data):
    """Several rounds against pro-rata shares in fractions: debt and coins are conserved, stakes share alike."""
    held = {n: tuple(map(Fraction, system.held(n))) for n in system.vaults}
    for round_, price in enumerate(prices):
        order = data.draw(st.permutations(sorted(system.vaults)))
        before = system
        system, closed = system.liquidated(order, price * WAD)
        assert len(system.vaults) == len(before.vaults) - len(closed) >= 1
        assert before.pool - system.pool == sum(d.debt_offset for d in closed.values()) >= 0
        assert before.debt - system.debt == sum(d.debt_offset for d in closed.values())
        gone = sum(d.gas_compensation + d.collateral_to_pool + d.collateral_surplus for d in closed.values())
        assert before.collateral - system.collateral == gone
        # Liquity's promise: what is redistributed is shared in proportion to collateral
        debt = sum(Fraction(d.debt_redistributed) for d in closed.values())
        coins = sum(Fraction(d.collateral_redistributed) for d in closed.values())
        left = sum(held[n][1] for n in system.vaults)
        held = {n: (held[n][0] + debt * held[n][1] / left, held[n][1] * (1 + coins / left)) for n in system.vaults}
        for name, (owed, has) in held.items():
            assert system.held(name)[0] == pytest.approx(float(owed), rel=1e-9)
            assert system.held(name)[1] == pytest.approx(float(has), rel=1e-9)
        # what divisions drop is dust, and stays in the system
        assert 0 <= system.debt - sum(system.held(n)[0] for n in system.vaults) < 10**7
        assert 0 <= system.collateral - sum(system.held(n)[1] for n in system.vaults) < 10**7
        # a vault opened now shares the next redistribution like one that holds as much
        name = f"new{round_}"
        system = system.opened(name, 2_000 * WAD, 30 * WAD)
        held[name] = (Fraction(2_000 * WAD), Fraction(30 * WAD))


def test_liquity_v1_order_matters_only_to_the_pool():
    """A vault at 105 % and one at 95 % with a pool for one: normal mode offsets whom it is told to first."""
    start = LiquitySystem(1_000 * WAD).opened("whale", 50_000 * WAD, 1_000 * WAD)
    start = start.opened("a", 1_000 * WAD, 105 * WAD // 10).opened("b", 1_000 * WAD, 95 * WAD // 10)
    one, first = start.liquidated(["a", "b"], 100 * WAD)
    two, second = start.liquidated(["b", "a"], 100 * WAD)
    assert first["a"] == liquidate_v1(1_000 * WAD, 105 * WAD // 10, 1_000 * WAD)
    assert first["b"].debt_offset == second["a"].debt_offset == 0
    assert one.held("whale")[1] < two.held("whale")[1] and one.held("whale")[0] == two.held("whale")[0]
    assert start.liquidated(["whale", "nobody"][:1], 100 * WAD) == (start, {})
    with pytest.raises(ValueError, match="a vault must be new"):
        start.opened("a", WAD, WAD)


TERMS = AuctionTerms(
    partial(lambda top, elapsed: linear_price(top, 7_200, elapsed)),
    chop=113 * WAD // 100, buf=12 * RAY // 10, tail=5_000, cusp=4 * RAY // 10, tip=100 * RAD, chip=WAD // 1_000,
    hole=60_000 * RAD, hole_all=80_000 * RAD, dust=2_000 * RAD,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("bbtttr"), st.integers(1, 40), st.integers(0, 4_000)), max_size=25))
def test_maker_house(events):
    """Whatever happens: limits hold to one vault's dust, coins and Dai are conserved, every reward is accounted for."""
    house, now, coins, tabs, rewards = House(TERMS, 10_000 * RAD), 0, 0, 0, 0
    sold = 0
    for kind, size, wait in events:
        now += wait
        numbers = sorted(house.auctions)
        if kind == "b":
            # collateral at 120 % of debt where 150 % is asked, feed at 100
            art = size * 1_000 * WAD
            room = min(60_000 * RAD - house.dirt, 70_000 * RAD - house.dirt)
            house, done = house.barked(art * 12 // 1_000, art, RAY, 66 * RAY, 100 * WAD, now)
            assert done.tab <= max(0, room) + 2_000 * RAD * 113 // 100
            coins, tabs = coins + done.dink, tabs + done.tab
            rewards += 0 if done.reverts else TERMS.tip + done.tab // 1_000
        elif numbers and kind == "t":
            number = numbers[size % len(numbers)]
            house, bought = house.taken(number, size * WAD, 200 * RAY, now)
            sold += bought.slice
            if number in house.auctions and not bought.reverts:
                assert house.auctions[number].tab >= TERMS.chost or house.auctions[number].lot == 0
        elif numbers:
            number = numbers[0]
            auction = house.auctions[number]
            if TERMS.needs_redo(auction.top, now - auction.start):
                house, reward = house.redone(number, 80 * WAD, now)
                assert house.auctions[number].top == 96 * RAY
                rewards += reward
            else:
                with pytest.raises(ValueError, match="cannot-reset"):
                    house.redone(number, 80 * WAD, now)
    assert coins == sold + house.returned + sum(a.lot for a in house.auctions.values())
    assert tabs == house.raised + house.bad_debt + house.dirt
    assert house.rewards == rewards


def test_maker_auctions_share_one_limit():
    """A second vault waits until the first auction's tab is paid, then the rest of its debt is taken."""
    terms = AuctionTerms(TERMS.price, WAD, RAY, 5_000, 0, 0, 0, 100 * RAD, 1_000 * RAD, 10 * RAD)
    vault = (100 * WAD, 80 * WAD, RAY, RAY // 2, WAD, 0)
    house, first = House(terms).barked(*vault)
    house, part = house.barked(*vault)
    assert (first.tab, part.tab) == (80 * RAD, 20 * RAD)
    assert house.barked(*vault)[1].reverts == "liquidation-limit-hit"
    house, bought = house.taken(1, 100 * WAD, RAY, 0)
    assert bought.done and house.returned == 20 * WAD and house.dirt == 20 * RAD
    house, rest = house.barked(75 * WAD, 60 * WAD, RAY, RAY // 2, WAD, 0)
    assert rest.tab == 60 * RAD and house.kicks == 3


@settings(max_examples=300, deadline=None)
@given(amounts, st.integers(20, 130), st.integers(5, 95), st.integers(0, 30), st.integers(1, 100))
def test_silo_call(collateral, ltv, target, fee, share):
    """A partial call ends at the target, none takes more than there is, and the offer that is promised suffices."""
    debt_value = collateral * ltv // 100
    account = SiloAccount(collateral // 3 + 1, collateral, debt_value * 2, debt_value)
    terms = target * WAD // 100, fee * WAD // 100
    repay, promised = largest_call(account, *terms)
    done = call(account, account.debt, *terms)
    assert done.repaid <= account.debt and done.taken <= account.collateral
    assert promised <= done.taken <= promised + 4
    if ltv < 100:
        assert done.repaid == repay
        if 0 < repay < account.debt:
            assert done.ltv_after == pytest.approx(terms[0], rel=1e-9)
            assert done.repaid <= 0.9 * account.debt * (1 + 1e-12)
            part = call(account, repay * share // 100, *terms)
            assert part.repaid == repay * share // 100 and part.ltv_after >= done.ltv_after - 10**6
    elif share < 100:
        # an insolvent account may be repaid in any part
        assert call(account, account.debt * share // 100, *terms).repaid == account.debt * share // 100
