from dataclasses import replace

import numpy as np
import pytest

from riskengine.engine.accounts import AccountLife
from riskengine.liquidation.terms import LiquidationTerms
from riskengine.pricing.valuation import CostRates

FREE = LiquidationTerms(target=1.2, costs=CostRates(0, 0, 0, 0), insurance_fund=0.5)


def life(initial=10.0, value=100.0, funding=1.5, terms=FREE, lanes=1):
    return AccountLife(np.full((1, lanes), initial), np.full((1, lanes), value), funding, terms)


def test_equity_at_the_start_is_the_stated_multiple_of_the_requirement():
    account = life()
    assert (account.cash + account.held * 100.0).item() == 15.0


def test_nothing_happens_above_maintenance():
    account = life()
    assert account.step(np.array([[93.0]]), np.array([[8.0]]), np.array([[0.0]])) is None
    assert account.columns()["liquidations"].item() == 0


def test_a_partial_close_restores_the_target():
    account = life()
    value, maintenance, cost = np.array([[91.0]]), np.array([[8.0]]), np.array([[1.0]])
    closed = account.step(value, maintenance, cost)
    equity = (account.cash + account.held * value).item()
    assert equity == pytest.approx(1.2 * account.held.item() * 8.0, rel=1e-12)
    assert 0 < closed.item() < 1 and account.held.item() == pytest.approx(1 - closed.item())
    assert equity == pytest.approx(6.0 - closed.item() * 1.0), "equity falls by the cost of what was closed"


def test_an_insolvent_account_is_closed_and_the_fund_pays_before_the_others():
    account = life()  # the fund holds 0.5 x 10
    account.step(np.array([[77.0]]), np.array([[8.0]]), np.array([[1.0]]))
    out = {k: v.item() for k, v in account.columns().items()}
    assert account.held.item() == 0.0
    assert (account.cash + account.held * 77.0).item() == pytest.approx(0.0)
    # equity 15 - 23 = -8, closing costs 1: 9 to cover, 5 from the fund, 4 socialised
    assert out["fund_draw"] == pytest.approx(5.0)
    assert out["socialised_loss"] == pytest.approx(4.0)
    assert out["fund_exhausted"] == 1.0 and out["liquidated_share"] == 1.0


def test_money_is_conserved():
    """What accounts lose beyond their marks is what closing cost, less what the fund and the others put in."""
    rng = np.random.default_rng(5)
    initial, value = rng.uniform(5, 20, (6, 40)), rng.uniform(-50, 50, (6, 40))
    account = AccountLife(initial, value, 1.3, replace(FREE, insurance_fund=0.05))
    pnl = np.zeros((6, 40))
    for _ in range(5):
        moved = value + rng.normal(0, 12, value.shape)
        pnl += account.held * (moved - value)
        value = moved
        account.step(value, 0.8 * initial, rng.uniform(0, 2, value.shape))
    out = account.columns()
    equity = (account.cash + account.held * value).sum(axis=0)
    start = 1.3 * initial.sum(axis=0)
    # what the fund pays comes from outside; what is socialised comes from the other accounts as far as they have it
    paid_in = out["fund_draw"] + account.uncharged
    assert np.allclose(equity, start + pnl.sum(axis=0) - out["liquidation_cost"] + paid_in, rtol=1e-12, atol=1e-9)
    assert (account.uncharged <= out["socialised_loss"]).all()
    assert out["liquidations"].sum() > 0 and out["socialised_loss"].sum() > 0


def test_a_socialised_loss_is_charged_to_the_others_by_their_equity():
    account = AccountLife(np.full((3, 1), 10.0), np.full((3, 1), 100.0), 1.5, replace(FREE, insurance_fund=0.0))
    value = np.array([[77.0], [100.0], [130.0]])
    account.step(value, np.full((3, 1), 8.0), np.zeros((3, 1)))
    # account 0 leaves 8 unpaid; the others have 15 and 45
    assert np.allclose((account.cash + account.held * value)[:, 0], [0.0, 13.0, 39.0])
    assert account.columns()["socialised_loss"].item() == pytest.approx(8.0)
    assert account.uncharged.item() == pytest.approx(0.0, abs=1e-12)
