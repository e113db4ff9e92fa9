"""Partial close restores the requirement; insolvent accounts are closed in full."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskengine.liquidation.liquidation_price import cross_margin_liquidation_price
from riskengine.liquidation.partial_close import notional_to_close, partial_close


@given(
    maintenance=st.floats(1.0, 1e9),
    equity_share=st.floats(-1.0, 1.5),
    cost_share=st.floats(0.0, 1.5),
    target=st.floats(1.0, 3.0),
)
def test_a_solvent_account_meets_its_requirement_after_the_close(maintenance, equity_share, cost_share, target):
    equity, cost = equity_share * maintenance, cost_share * maintenance
    plan = partial_close(equity, maintenance, cost, target)
    f = float(plan.fraction)
    assert 0.0 <= f <= 1.0
    after = equity - float(plan.cost) + float(plan.shortfall)
    left = (1.0 - f) * maintenance
    if equity >= maintenance:
        assert (f, float(plan.cost), float(plan.shortfall)) == (0.0, 0.0, 0.0)
    elif equity > cost:
        # restored exactly, not merely improved
        assert after == pytest.approx(target * left, rel=1e-9, abs=1e-9 * maintenance)
        assert plan.shortfall == 0.0
    else:
        assert f == 1.0
        assert plan.shortfall == pytest.approx(cost - equity, rel=1e-12, abs=1e-12)
        assert after == pytest.approx(0.0, abs=1e-9 * maintenance)


def test_lanes_are_independent_and_failed_ones_left_alone():
    plan = partial_close(np.array([[50.0, np.nan, -5.0]]), np.array([[100.0, 100.0, 100.0]]), 10.0)
    assert plan.fraction.shape == (1, 3)
    assert plan.fraction.tolist() == [[50.0 / 90.0, 0.0, 1.0]]
    assert plan.shortfall.tolist() == [[0.0, 0.0, 15.0]]


def test_single_position_identity():
    closed, after = notional_to_close(40.0, 1000.0, 0.0625, 0.005)
    assert closed == pytest.approx(391.30434782608694, rel=1e-12)
    assert after == pytest.approx(0.0625, rel=1e-12)
    assert notional_to_close(100.0, 1000.0, 0.0625, 0.005) == (0.0, 0.1)


def test_refusals():
    with pytest.raises(ValueError, match="target must lie"):
        partial_close(1.0, 2.0, 0.1, 0.9)
    with pytest.raises(ValueError, match="closing_cost"):
        partial_close(1.0, 2.0, -0.1)
    with pytest.raises(ValueError, match="liquidation_fee"):
        notional_to_close(1.0, 100.0, 0.05, 0.05)


def test_liquidation_price_solves_its_equation():
    price = cross_margin_liquidation_price(5.0, 1.0, 100.0, 0.004, 4.0)
    assert 5.0 + (price - 100.0) == pytest.approx(0.004 * price + 4.0, abs=1e-12)
    short = cross_margin_liquidation_price(5.0, -1.0, 100.0, 0.004)
    assert short > 100.0
    with pytest.raises(ValueError, match="size"):
        cross_margin_liquidation_price(5.0, 0.0, 100.0, 0.004)
