"""The vectorised engine is the integer engine, within 1e-9 relative, boundaries included."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from riskengine.lending.aave_v3 import lanes
from riskengine.lending.aave_v3.integer import CollateralPosition, DebtPosition, liquidation_call

TERMS = np.array([0.5, 0.95, 2000.0, 1000.0, 0.0, 1.0, 0.0, 1.0])
UNITS = (10**18, 10**8, 10**6)
ERRORS = {None: 0.0, "MustNotLeaveDust": 1.0, "HealthFactorNotBelowThreshold": 2.0}


def floating(collaterals, debts, collateral_index, debt_index, cover):
    """`liquidation_call_lanes` on the same account: the outcome and the deficits, raw units."""
    both = [*collaterals, *debts]
    n = len(both)
    collateral, debt = np.zeros((n, 1)), np.zeros((n, 1))
    threshold, bonus, fee = np.zeros(n), np.ones(n), np.zeros(n)
    price = np.array([[x.price / 1e8] for x in both])
    for i, c in enumerate(collaterals):
        collateral[i, 0] = c.balance / c.unit
        threshold[i], bonus[i], fee[i] = c.threshold_bps / 1e4, c.bonus_bps / 1e4, c.protocol_fee_bps / 1e4
    for i, d in enumerate(debts, start=len(collaterals)):
        debt[i, 0] = d.balance / d.unit
    at = len(collaterals) + debt_index
    offered = np.array([np.inf if cover is None else cover / both[at].unit])
    out, deficit = np.empty((6, 1)), np.empty((n, 1))
    lanes.liquidation_call_lanes(
        collateral, debt, threshold, bonus, fee, price, TERMS, collateral_index, at, offered, out, deficit
    )
    scale = np.array([1.0, both[at].unit, both[at].unit, both[collateral_index].unit, both[collateral_index].unit, 1.0])
    return out[:, 0] * scale, deficit[len(collaterals) :, 0] * [d.unit for d in debts]


def check(collaterals, debts, collateral_index, debt_index, cover):
    exact = liquidation_call(collaterals, debts, collateral_index, debt_index, cover)
    found, deficits = floating(collaterals, debts, collateral_index, debt_index, cover)
    assert found[5] == ERRORS[exact.reverts]
    assert found[0] == pytest.approx(exact.health_factor / 1e18, rel=1e-9)
    # each rounding of the contract loses at most one raw unit of either token or 1e-8 USD; on small amounts of coarse
    # tokens that is more than 1e-9 of the amount
    collateral, debt = collaterals[collateral_index], debts[debt_index]
    grain = 5 * (collateral.price / collateral.unit + debt.price / debt.unit + 1)
    pairs = [
        (found[1], exact.max_liquidatable_debt, debt),
        (found[2], exact.debt_repaid, debt),
        (found[3], exact.collateral_to_liquidator, collateral),
        (found[4], exact.protocol_fee_collateral, collateral),
        *zip(deficits, exact.deficits, debts, strict=True),
    ]
    for got, want, token in pairs:
        assert got == pytest.approx(want, rel=1e-9, abs=grain * token.unit / token.price)
    return exact


@st.composite
def accounts(draw):
    """One or two collaterals and debts of everyday size, health factor between 0.5 and 1.1."""

    def position():
        # balances with few decimals and prices in whole dollars, so that a near tie is either exact or far off
        unit = draw(st.sampled_from(UNITS))
        return draw(st.integers(1, 10**6)) * unit // 100, draw(st.integers(1, 50_000)) * 10**8, unit

    collaterals = []
    for _ in range(draw(st.integers(1, 2))):
        threshold = draw(st.integers(4_000, 9_000))
        bonus = draw(st.integers(10_000, min(12_000, 10**8 // threshold)))
        collaterals.append(CollateralPosition(*position(), threshold, bonus, draw(st.integers(0, 3_000))))
    weighted = sum(c.value * c.threshold_bps for c in collaterals) // 10_000
    health = draw(st.floats(0.5, 1.1))
    debts, left = [], int(weighted / health)
    for last in [True] if draw(st.booleans()) else [False, True]:
        value = left if last else left * draw(st.integers(1, 99)) // 100
        unit = draw(st.sampled_from(UNITS))
        price = draw(st.integers(1, 5_000)) * 10**8
        # whole cents of a token; below that the contract's rounding is not relative 1e-9 any more
        debts.append(DebtPosition(max(1, value * 100 // price) * unit // 100, price, unit))
        left -= value
    index = draw(st.integers(0, len(collaterals) - 1)), draw(st.integers(0, len(debts) - 1))
    cover = draw(st.one_of(st.none(), st.integers(1, 100)))
    if cover is not None:
        cover = max(1, debts[index[1]].balance * cover // 100)
    return tuple(collaterals), tuple(debts), *index, cover


@settings(max_examples=300, deadline=None)
@given(accounts())
def test_any_account(account):
    check(*account)


def tie(threshold, size, health_percent):
    """One collateral, one debt in USDC, health factor exactly `health_percent` / 100."""
    # debt = threshold * size and collateral = health * size, so that both and their ratio are exact
    collateral = CollateralPosition(health_percent * size * 10**18, 100 * 10**8, 10**18, threshold, 10_500, 1_000)
    return (collateral,), (DebtPosition(threshold * size * 10**6, 10**8, 10**6),), 0, 0, None


@settings(max_examples=100, deadline=None)
@given(st.integers(1000, 9500), st.integers(1, 1000))
@example(8000, 2)
def test_health_exactly_at_the_close_factor_boundary(threshold, size):
    collaterals, debts, *rest = tie(threshold, size, 95)
    exact = check(collaterals, debts, *rest)
    assert exact.health_factor == 95 * 10**16
    assert exact.full_close
    # a hair above: half, where both sides are large enough
    more = CollateralPosition(collaterals[0].balance * 1_000_001 // 10**6, *list(vars(collaterals[0]).values())[1:])
    above = check((more,), debts, *rest)
    assert above.full_close == (min(more.value, debts[0].value) < 2000 * 10**8)


@settings(max_examples=50, deadline=None)
@given(st.integers(1000, 9500), st.integers(1, 1000))
def test_health_exactly_one_is_not_liquidatable(threshold, size):
    assert check(*tie(threshold, size, 100)).reverts == "HealthFactorNotBelowThreshold"


@settings(max_examples=100, deadline=None)
@given(st.integers(-3, 3), st.integers(-3, 3), st.sampled_from([0, 10**3, 10**6]))
def test_size_thresholds(collateral_step, debt_step, size):
    # collateral and debt at 2,000 USD and up to three steps either side; health 0.98 by a second collateral or debt
    held = 2000 * 10**6 + collateral_step * size
    owed = 2000 * 10**6 + debt_step * size
    first = CollateralPosition(held, 10**8, 10**6, 8_000, 10_500, 1_000)
    fill = (98 * owed - 80 * held) * 10**12 // 80
    collaterals = (first,) if fill <= 0 else (first, CollateralPosition(fill, 10**8, 10**18, 8_000, 10_500, 1_000))
    exact = check(collaterals, (DebtPosition(owed, 10**8, 10**6),), 0, 0, 10**6)
    assert exact.full_close == (held < 2000 * 10**6 or owed < 2000 * 10**6)


@settings(max_examples=100, deadline=None)
@given(st.integers(-3, 3), st.sampled_from([10**3, 10**6]), st.booleans())
def test_leftovers(step, size, of_debt):
    # far gone (health 0.5), so that the offer decides; it leaves 1,000 USD on one side, give or take
    left = 1000 * 10**6 + step * size
    if of_debt:
        debt, offer = 50_000 * 10**6, 50_000 * 10**6 - left
        held = 55_000 * 10**6
    else:
        debt, held = 100_000 * 10**6, 43_000 * 10**6
        offer = (held - left) * 100 // 105
        # what the seizure leaves is decided by whole raw units of the offer
        left = held - offer * 105 // 100
    exact = check(
        (CollateralPosition(held, 10**8, 10**6, 4_000, 10_500, 0),), (DebtPosition(debt, 10**8, 10**6),), 0, 0, offer
    )
    assert (exact.reverts == "MustNotLeaveDust") == (left < 1000 * 10**6)


@settings(max_examples=200, deadline=None)
@given(accounts())
def test_conservation_and_the_toxic_region(account):
    collaterals, debts, i, j, _ = account
    done = liquidation_call(*account)
    if done.reverts:
        return
    seized = done.collateral_to_liquidator + done.protocol_fee_collateral
    assert 0 <= seized <= collaterals[i].balance
    assert done.protocol_fee_collateral <= seized
    for k, debt in enumerate(debts):
        repaid = done.debt_repaid if k == j else 0
        assert 0 <= done.deficits[k] <= debt.balance - repaid
        # either nothing is written off, or everything left is
        assert done.deficits[k] in (0, debt.balance - repaid)
    # repaying costs no more than the collateral times the bonus, to a unit of rounding
    repaid_value = done.debt_repaid * debts[j].price / debts[j].unit
    seized_value = seized * collaterals[i].price / collaterals[i].unit
    slack = collaterals[i].price / collaterals[i].unit + 2 * debts[j].price / debts[j].unit
    assert seized_value <= repaid_value * collaterals[i].bonus_bps / 1e4 * (1 + 1e-12) + 2 * slack
