"""The drawdown-step rule: by hand, and its dependence on a step that has no time unit."""

import pytest

from riskengine.lending.drawdown_step import drawdown_step_factor, leaves_bad_debt
from riskengine.liquidity.constant_product import ConstantProduct

POOL = ConstantProduct({"ETH": 6.5e6})


def test_one_step_by_hand():
    # a bottomless pool closes the loan at the first step, which leaves nothing unpaid up to (1 - step) / (1 + bonus)
    deep = ConstantProduct({"ETH": 1e15}, fee=0.0)
    assert drawdown_step_factor(1e6, 0.05, 0.3, 0.1, "ETH", deep) == pytest.approx(0.9 / 1.05, abs=2e-6)
    assert not leaves_bad_debt(0.857, 1e6, 0.05, 0.3, 0.1, "ETH", deep)


def test_without_a_sale_the_drawdown_alone_decides():
    none = ConstantProduct({"ETH": 1e-3})
    assert drawdown_step_factor(1e9, 0.05, 0.3, 0.05, "ETH", none) == pytest.approx(0.95**6, abs=1e-5)


def test_the_untimed_step_decides_and_the_drawdown_does_not():
    found = {
        fall: [drawdown_step_factor(1e7, 0.05, fall, step, "ETH", POOL) for step in (0.0025, 0.005, 0.01, 0.02, 0.05)]
        for fall in (0.3, 0.45, 0.6)
    }
    assert all(a > b for own in found.values() for a, b in zip(own, own[1:], strict=False))
    # at the two smallest steps the documented risk appetite changes nothing, while the step moves the answer
    assert found[0.3][:2] == found[0.45][:2] == found[0.6][:2]
    assert found[0.6][0] - found[0.6][4] > 0.3


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="step"):
        drawdown_step_factor(1e7, 0.05, 0.3, 0.0, "ETH", POOL)
