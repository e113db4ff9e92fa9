"""Aave v2: the integer engine against rules worked by hand and in fractions, and the lanes against the integers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.lending.aave_v2.integer import average_threshold, health_factor, liquidation_call
from riskengine.lending.aave_v3 import integer as v3
from riskengine.lending.aave_v3 import lanes
from riskengine.lending.aave_v3.integer import CollateralPosition, DebtPosition

TERMS = np.array([0.5, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0])
ETH = 10**18
UNITS = (10**18, 10**8, 10**6)


def held(tokens, price, threshold, bonus, unit=ETH):
    """A collateral of whole `tokens`, price in ETH."""
    return CollateralPosition(int(Fraction(tokens) * unit), int(Fraction(price) * ETH), unit, threshold, bonus, 0)


def owed(tokens, price, unit=ETH):
    return DebtPosition(int(Fraction(tokens) * unit), int(Fraction(price) * ETH), unit)


def test_half_of_the_debt_in_one_reserve_however_far_gone_and_however_small():
    # 10 stETH at 0.95 ETH against 5 ETH and 4 ETH's worth of USDC: 9.5 x 0.83 / 9 = 0.8761
    account = (held(10, "0.95", 8300, 10_700),), (owed(5, 1), owed(8000, "0.0005", 10**6))
    call = liquidation_call(*account, 0, 0)
    assert call.health_factor == 876111111111111111
    # half of the 5 ETH, not of the 9; v3 would repay all 5 at this health
    assert call.max_liquidatable_debt == call.debt_repaid == 5 * ETH // 2
    assert v3.liquidation_call(*account, 0, 0).debt_repaid == 5 * ETH
    # 2.5 x 1.07 / 0.95
    assert call.collateral_to_liquidator == 2815789473684210526 and call.protocol_fee_collateral == 0
    assert call.reverts is None and not any(call.deficits)
    # a position worth cents is halved too
    dust = liquidation_call((held("0.001", 1, 8300, 10_700),), (owed("0.0009", 1),), 0, 0)
    assert dust.debt_repaid == 45 * 10**13 and dust.reverts is None


def test_the_threshold_of_an_account_is_cut_to_a_basis_point():
    # 1 at 83 % and 2 at 82 %: 82.333..., cut to 82.33 %
    collaterals = (held(1, 1, 8300, 10_700), held(2, 1, 8200, 10_500))
    assert average_threshold([1, 2], [8300, 8200]) == 8233
    assert health_factor(collaterals, (owed("2.4699", 1),)) == ETH
    # v3 does not cut: 2.47 is owed at health 1
    assert v3.health_factor(collaterals, (owed("2.47", 1),)) == ETH
    call = liquidation_call(collaterals, (owed("2.47", 1),), 0, 0)
    assert call.reverts is None and call.health_factor < ETH
    assert liquidation_call(collaterals, (owed("2.4699", 1),), 0, 0).reverts == "HealthFactorNotBelowThreshold"


def test_all_collateral_taken_leaves_the_rest_of_the_debt_where_it_is():
    call = liquidation_call((held(1, "0.5", 8300, 10_700),), (owed(2, 1),), 0, 0)
    # half of the debt would need 2.14 stETH; the one that is there pays for 0.5 / 1.07
    assert call.collateral_to_liquidator == ETH
    assert call.debt_repaid == round(Fraction(ETH, 2) / Fraction(107, 100))
    assert call.deficits == (0,) and call.total_deficit_base == 0


@st.composite
def accounts(draw):
    """One or two collaterals and debts, health factor between 0.4 and 1.1."""

    def position():
        unit = draw(st.sampled_from(UNITS))
        # prices in milli-ETH, balances in cents of a token
        return draw(st.integers(1, 10**6)) * unit // 100, draw(st.integers(1, 50_000)) * 10**15, unit

    collaterals = []
    for _ in range(draw(st.integers(1, 2))):
        threshold = draw(st.integers(4_000, 9_000))
        bonus = draw(st.integers(10_000, min(12_000, 10**8 // threshold)))
        collaterals.append(CollateralPosition(*position(), threshold, bonus, 0))
    weighted = sum(c.value * c.threshold_bps for c in collaterals) // 10_000
    left, debts = int(weighted / draw(st.floats(0.4, 1.1))), []
    for last in [True] if draw(st.booleans()) else [False, True]:
        value = left if last else left * draw(st.integers(1, 99)) // 100
        unit, price = draw(st.sampled_from(UNITS)), draw(st.integers(1, 5_000)) * 10**15
        debts.append(DebtPosition(max(1, value * 100 // price) * unit // 100, price, unit))
        left -= value
    index = draw(st.integers(0, len(collaterals) - 1)), draw(st.integers(0, len(debts) - 1))
    cover = draw(st.one_of(st.none(), st.integers(1, 100)))
    return tuple(collaterals), tuple(debts), *index, cover and max(1, debts[index[1]].balance * cover // 100)


@settings(max_examples=200, deadline=None)
@given(accounts())
def test_lanes_are_the_integers(account):
    collaterals, debts, c, d, cover = account
    exact = liquidation_call(collaterals, debts, c, d, cover)
    both = [*collaterals, *debts]
    n, at = len(both), len(collaterals) + d
    balance = np.zeros((2, n, 1))
    threshold, bonus = np.zeros(n), np.ones(n)
    for i, x in enumerate(both):
        balance[int(i >= len(collaterals)), i, 0] = x.balance / x.unit
        if i < len(collaterals):
            threshold[i], bonus[i] = x.threshold_bps / 1e4, x.bonus_bps / 1e4
    price = np.array([[x.price / 1e18] for x in both])
    out, deficit = np.empty((6, 1)), np.empty((n, 1))
    offered = np.array([np.inf if cover is None else cover / both[at].unit])
    lanes.liquidation_call_lanes(
        balance[0], balance[1], threshold, bonus, np.zeros(n), price, TERMS, c, at, offered, out, deficit
    )
    # the cut threshold: up to one basis point of collateral over debt below the lanes, and none with one collateral
    worth = sum(x.value for x in collaterals)
    debt = sum(Fraction(x.balance * x.price, x.unit) for x in debts)
    cut = 1e-4 * worth / float(debt) if len(collaterals) > 1 else 0.0
    health = exact.health_factor / 1e18
    assert health * (1 - 1e-9) <= out[0, 0] <= (health + cut) * (1 + 1e-9) + 1e-15
    grain = 5e-18 / np.array([price[at, 0], price[at, 0], price[c, 0]]) + 5.0 / np.array(
        [both[at].unit, both[at].unit, both[c].unit]
    )
    # a raw unit of one token is worth many of another: what rounding to it may move
    grain += 5.0 * np.array([1, 1, both[at].price / both[c].price]) / both[at].unit
    grain[1] += 5.0 * both[c].price / both[at].price / both[c].unit
    want = (exact.max_liquidatable_debt / both[at].unit, exact.debt_repaid / both[at].unit,
            exact.collateral_to_liquidator / both[c].unit)  # fmt: skip
    for k, value in enumerate(want):
        assert out[1 + k, 0] == pytest.approx(value, rel=1e-9, abs=grain[k])
    assert out[4, 0] == 0.0 and not deficit.any()
    if len(collaterals) == 1:
        assert out[5, 0] == (0.0 if exact.reverts is None else 2.0)


@settings(max_examples=200, deadline=None)
@given(accounts())
def test_nothing_is_created_and_the_bonus_is_the_bonus(account):
    collaterals, debts, c, d, cover = account
    call = liquidation_call(collaterals, debts, c, d, cover)
    assert 0 <= call.debt_repaid <= (debts[d].balance + 1) // 2
    assert 0 <= call.collateral_to_liquidator <= collaterals[c].balance
    seized = Fraction(call.collateral_to_liquidator * collaterals[c].price, collaterals[c].unit)
    paid = Fraction(call.debt_repaid * debts[d].price, debts[d].unit)
    # never more than the bonus on what was paid, but for a raw unit of either token
    grain = Fraction(collaterals[c].price, collaterals[c].unit) + 2 * Fraction(debts[d].price, debts[d].unit) + 2
    assert seized <= paid * collaterals[c].bonus_bps / 10_000 + grain
