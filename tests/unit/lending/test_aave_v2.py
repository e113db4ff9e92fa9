"""The market of Aave v2 on paths: worked by hand, and its rules' faults."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.book.loans import Loans
from riskengine.engine.desks import LendingDesk
from riskengine.engine.loop import run_loop
from riskengine.lending.aave_v2.market import AaveV2, AaveV2Rules
from riskengine.lending.aave_v3.joint import JointRun
from riskengine.lending.aave_v3.market import AaveV3
from riskengine.lending.aave_v3.rules import AaveV3Rules, Reserve
from riskengine.lending.keeper import Keeper
from riskengine.lending.parameter_set import ParameterSet, TokenChange
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.oracle.push import PushOracle
from riskengine.rates.two_slope import TwoSlope

FREE = TwoSlope(0.8, 0.0, 0.0, 0.0, 0.1)
RESERVES = (
    Reserve("stETH", "ETH", 18, 0.7, 0.8, 0.05, 0.0, FREE),
    Reserve("USDC", None, 6, 0.0, 0.0, 0.0, 0.0, FREE),
    Reserve("DAI", None, 18, 0.0, 0.0, 0.0, 0.0, FREE),
)
NAMED = {"name": "made here", "as_of": "2023-06-19", "source": "made here", "oracle": PushOracle(0.0, 1.0)}
DEEP = ConstantProduct({"ETH": 1e15}, refill_half_life_hours=1.0)


def market(calls=1, kind=AaveV2):
    rules = (AaveV2Rules if kind is AaveV2 else AaveV3Rules)(reserves=RESERVES, **NAMED)
    return kind(rules, Keeper(0.0, 0.0, calls), DEEP)


def lived(prices, own, loans):
    spot = np.asarray(prices, dtype=np.float64)[:, None, None]
    paths = MarketPaths(TimeGrid(3600, len(prices) - 1), ("ETH",), 0, spot)
    desk = LendingDesk(own, 0.0, loans, paths, spot[0], incidence=True, losses=True)
    run_loop(paths, [desk])
    return {key[-1]: float(column[0]) for key, column in desk.columns().items()}


def one(collateral, usdc, dai=0.0):
    return Loans(("stETH", "USDC", "DAI"), np.array([[collateral, 0.0, 0.0]]), np.array([[0.0, usdc, dai]]), ("a",))


def test_each_call_halves_the_debt_of_one_reserve():
    # 10 at 1,000 and 0.8 against 9,000: far gone, 0.889, at both steps; half of USDC, then half of either 3,000
    loans = one(10.0, 6_000.0, 3_000.0)
    assert lived([1000.0, 1000.0], market(1), loans)["liquidated_volume"] == pytest.approx(4_500.0)
    # half of the other 3,000, 0.8 x 3,700 is below the 3,000 left; half of 1,500 more, and 2,330 holds 2,250
    assert lived([1000.0, 1000.0], market(2), loans)["liquidated_volume"] == pytest.approx(6_750.0)
    # v3 repays USDC whole, since below 0.95; then half of the debt left, at 0.987
    whole = lived([1000.0, 1000.0], market(1, AaveV3), loans)
    assert whole["liquidated_volume"] == pytest.approx(7_500.0)


def test_bad_debt_is_never_written_off_and_no_keeper_comes_for_it():
    # at 100 the collateral of 1,000 covers nothing: halving takes all of it, the rest of the debt stays
    found = lived([1000.0, 100.0, 100.0, 200.0], market(40), one(10.0, 7_000.0))
    assert found["bad_debt"] == pytest.approx(7_000.0 - 1_000.0 / 1.05)
    assert found["liquidated_volume"] == pytest.approx(1_000.0 / 1.05)
    assert found["protocol_fee"] == 0.0 and found["skipped_unprofitable"] == 0.0
    # v3 writes the same off at once, as a deficit
    assert lived([1000.0, 100.0, 100.0, 200.0], market(40, AaveV3), one(10.0, 7_000.0))["bad_debt"] == pytest.approx(
        found["bad_debt"]
    )


def test_many_parameter_sets_share_paths_as_in_v3():
    rng = np.random.default_rng(7)
    spot = 1000.0 * np.exp(np.cumsum(rng.normal(-0.04, 0.08, (24, 1, 64)), axis=0))
    spot[0] = 1000.0
    paths = MarketPaths(TimeGrid(3600, 23), ("ETH",), 0, spot)
    count = 30
    debt = np.zeros((count, 3))
    debt[:, 1:] = rng.uniform(100.0, 4_000.0, (count, 2))
    loans = Loans(("stETH", "USDC", "DAI"), np.tile([10.0, 0.0, 0.0], (count, 1)), debt, tuple(map(str, range(count))))
    sets = (ParameterSet("as it is"), ParameterSet("lower", {"stETH": TokenChange(liquidation_threshold=0.75)}))
    markets = [market(2).with_parameters(s) for s in sets]
    joint = JointRun.prepare(markets, loans, paths)
    for own in markets:
        desk = LendingDesk(own, 0.0, loans, paths, spot[0])
        run_loop(paths, [desk])
        alone = {key[-1]: column for key, column in desk.columns().items()}
        assert alone["bad_debt"].max() > 0.0 and joint.columns(own, loans).keys() - alone.keys() == {"protocol_revenue"}
        for measure, column in joint.columns(own, loans).items():
            if measure in alone:
                np.testing.assert_allclose(column, alone[measure], rtol=1e-9, atol=1e-6, err_msg=measure)


def test_rules_of_v2_have_no_treasury_and_no_full_close():
    with pytest.raises(ValueError, match=r"protocol_fee must be 0, as Aave v2 has none, got one of \['stETH"):
        AaveV2Rules(reserves=(replace(RESERVES[0], liquidation_protocol_fee=0.1), *RESERVES[1:]), **NAMED)
    with pytest.raises(TypeError):
        AaveV2Rules(reserves=RESERVES, full_close_health=0.95, **NAMED)
