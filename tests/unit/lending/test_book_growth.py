"""Size of a book under other caps and curves: the rule by hand, one population, what it cannot tell."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.book.loans import Loans
from riskengine.config.study import load_study
from riskengine.lending.aave_v3.book_growth import BookGrowth
from riskengine.lending.parameter_set import Constraints, ParameterSet, TokenChange
from riskengine.rates.equilibrium import settled
from riskengine.tune.steward import Limit, Steward, schedule

RULES = load_study("choose_margin").study.lending.market.rules
LOANS = Loans(
    ("WETH", "WBTC", "USDC", "DAI"),
    np.array([[10.0, 0, 0, 0], [0, 1.0, 0, 0], [5.0, 0.5, 0, 0], [3.0, 0, 0, 0]]),
    np.array([[0, 0, 9_000.0, 0], [0, 0, 0, 20_000.0], [0, 0, 5_000.0, 5_000.0], [0, 0, 0, 0]]),
    tuple("abcd"),
)
PRICE = np.array([1_800.0, 34_000.0, 1.0, 1.0])


def under(growth, **tokens):
    changes = {k: TokenChange(**v) for k, v in tokens.items()}
    return growth.sizes(RULES, RULES.with_parameters(ParameterSet("x", changes)), LOANS, PRICE)


def test_a_book_grows_to_the_least_room_of_what_a_loan_uses():
    growth = BookGrowth(4.0, borrowed={"USDC": 790_000_000.0, "DAI": 1_000_000.0})
    # all that is not named stands at its cap
    assert under(growth).tolist() == [1.0, 1.0, 1.0, 1.0]
    # WETH twice its cap: who also holds WBTC is stopped by that, who borrows nothing is not asked about debt
    assert under(growth, WETH={"supply_cap": 3_600_000}).tolist() == [2.0, 1.0, 1.0, 2.0]
    both = {"WETH": {"supply_cap": 9_000_000}, "WBTC": {"supply_cap": 86_000}}
    # USDC has room for twice what is borrowed, WBTC for twice what is supplied, demand is four times
    assert under(growth, **both).tolist() == [2.0, 2.0, 2.0, 4.0]
    # a lowered cap shrinks nobody
    assert under(growth, WETH={"supply_cap": 1_000}, USDC={"borrow_cap": 1_000}).tolist() == [1.0, 1.0, 1.0, 1.0]


def test_a_dearer_curve_sends_away_those_who_owe_its_token():
    growth = BookGrowth(1.0, borrower_elasticity=0.5)
    usdc = RULES.reserve("USDC")
    q = settled(usdc.rates, replace(usdc.rates, slope1=0.07), usdc.utilisation, 0.5, 0.0)[1]
    assert q < 0.9
    # the mean over what they owe
    np.testing.assert_allclose(under(growth, USDC={"slope1": 0.07}), [q, 1.0, 0.5 + 0.5 * q, 1.0], rtol=1e-14)


def test_the_market_settles_where_the_curve_leads():
    growth = BookGrowth(2.0, borrower_elasticity=0.5, supplier_elasticity=0.5)
    new = RULES.with_parameters(ParameterSet("x", {"USDC": TokenChange(slope1=0.07)}))
    found = growth.market(RULES, new)
    assert found.reserve("USDC").utilisation < RULES.reserve("USDC").utilisation
    assert found.reserve("DAI") == RULES.reserve("DAI") and growth.market(RULES, RULES) == RULES


def test_what_cannot_be_told_is_said():
    new = RULES.with_parameters(ParameterSet("x", {"WETH": TokenChange(supply_cap=2_000_000)}))
    assert "demand must be above 1" in BookGrowth().faults(RULES, new)[0]
    assert BookGrowth(2.0).faults(RULES, new) == []
    open_ = replace(RULES, reserves=tuple(replace(r, supply_cap=None) for r in RULES.reserves))
    assert "growth supplied must say how much WETH there is" in BookGrowth(2.0).faults(open_, new)[0]
    assert BookGrowth(2.0, supplied={"WETH": 1e6}).faults(
        open_, open_.with_parameters(ParameterSet("x", {"WETH": TokenChange(supply_cap=2_000_000)}))
    ) == []  # fmt: skip
    idle = replace(RULES, reserves=tuple(replace(r, utilisation=0.0) for r in RULES.reserves))
    bent = idle.with_parameters(ParameterSet("x", {"USDC": TokenChange(slope1=0.07)}))
    assert "USDC utilisation must be above 0 where its curve changes" in BookGrowth(2.0).faults(idle, bent)[0]
    with pytest.raises(ValueError, match="demand must lie in"):
        BookGrowth(0.5)


def test_curves_that_the_contract_refuses():
    def said(**values):
        return RULES.broken(ParameterSet("x", {"USDC": TokenChange(**values)}), Constraints())

    assert said(slope1=0.7) == ["USDC slope2 must be at least slope1 0.7, got 0.6"]
    assert "optimal_usage must lie in" in said(optimal_usage=0.995)[0]
    assert "must lie in" in said(slope2=9.99)[0]
    assert "basis points" in said(base=0.00001)[0]
    assert said(base=0.01, slope1=0.6, reserve_factor=0.2) == []


def test_a_first_slope_waits_for_the_second():
    steward = Steward({"slope1": Limit(0.2, 72), "slope2": Limit(0.05, 72), "base": Limit(0.005, 72)})
    to = {"USDC": TokenChange(slope1=0.7, slope2=0.8, base=0.01)}
    goal = RULES.with_parameters(ParameterSet("x", to))
    for start, end in ((RULES, goal), (goal, RULES)):
        steps = schedule(start, end, steward)
        assert steps[-1].rules == end and {s.by for s in steps} == {"steward"}
        for s in steps:
            own = s.rules.reserve("USDC").rates
            assert own.slope1 <= own.slope2
            for c in s.changes:
                assert abs(c.after - c.before) <= steward.limits[c.parameter].step + 1e-9
