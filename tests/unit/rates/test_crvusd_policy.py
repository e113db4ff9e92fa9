"""crvUSD's policy: integers against decimals and the contract's comments, lanes against integers, a pegged world."""

from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pytest

from riskengine.book.loans import Loans
from riskengine.config.study import load_world
from riskengine.engine.desks import LendingDesk
from riskengine.engine.loop import run_loop
from riskengine.lending.euler_evk.market import EulerEvk
from riskengine.lending.euler_evk.rules import EulerCollateral, EulerRules
from riskengine.lending.keeper import Keeper
from riskengine.lending.listing import Token
from riskengine.lending.utilisation import PathUtilisation
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.oracle.push import PushOracle
from riskengine.pricing.fixed_point import SECONDS_PER_YEAR, WAD
from riskengine.random import DrawKeys
from riskengine.rates.crvusd_policy import MAX_RATE, CrvusdPolicy, policy_rate
from riskengine.rates.linear_kink import LinearKink

# 10 % a year, compounded
RATE0, SIGMA, TARGET = 3_022_265_976, 2 * 10**16, 10**17


def test_figures_that_the_contract_states():
    # "rate is scaled by factor of 1.9 at 90 % utilization", "300 % APY", and the rate of 10 % a year
    at_peg = policy_rate(RATE0, SIGMA, TARGET, WAD, 0, 0)
    assert at_peg == pytest.approx(RATE0, abs=1)
    assert policy_rate(RATE0, SIGMA, TARGET, WAD, 0, 0, 9 * WAD, 10 * WAD) == 19 * RATE0 // 10
    assert np.expm1(MAX_RATE * SECONDS_PER_YEAR / WAD) == pytest.approx(3.0, rel=1e-7)
    assert np.expm1(RATE0 * SECONDS_PER_YEAR / WAD) == pytest.approx(0.1, rel=1e-6)
    # a full market pays 0.9 and 0.1 times 10,000, up to the cap
    assert policy_rate(RATE0, SIGMA, TARGET, WAD, 0, 0, WAD, WAD) == MAX_RATE
    assert policy_rate(RATE0 // 100, SIGMA, TARGET, WAD, 0, 0, WAD, WAD) == pytest.approx(10.009 * RATE0, rel=1e-7)


@pytest.mark.parametrize("price", [0.85, 0.97, 0.9931, 1.0, 1.0042, 1.05])
@pytest.mark.parametrize("keepers", [0.0, 0.03, 0.4])
@pytest.mark.parametrize("filled", [0.0, 0.6, 0.97])
def test_integers_and_lanes_follow_the_formula(price, keepers, filled):
    total, ceiling = 80_000_000 * WAD, 50_000_000 * WAD
    peg, debt = (int(Decimal(str(x)) * y) for x, y in ((keepers, total), (filled, ceiling)))
    found = policy_rate(RATE0, SIGMA, TARGET, int(Decimal(str(price)) * WAD), peg, total, debt, ceiling)
    with localcontext() as context:
        context.prec = 50
        power = (1 - Decimal(str(price))) / Decimal("0.02") - Decimal(str(keepers)) / Decimal("0.1")
        exact = RATE0 * power.exp() * (Decimal("0.9") + Decimal("0.1") / (1 - Decimal(str(filled))))
    # two roundings to whole numbers of 1e-18 a second, and 5e-12 of the contract's exp
    assert found == pytest.approx(min(float(exact), MAX_RATE), rel=1e-11, abs=20.0 * (1.0 + (filled > 0.9) * 2))
    policy = CrvusdPolicy(0.1, peg_keeper_fraction=keepers)
    lanes = policy.per_second(np.array([filled]), np.array([price]))[0]
    assert lanes == pytest.approx(found, rel=2e-9, abs=1.0)


def test_the_ends_of_exp_and_no_debt_at_all():
    assert policy_rate(RATE0, 10**14, TARGET, 2 * WAD, 0, 0) == 0
    assert policy_rate(RATE0, 10**14, TARGET, 0, 0, 0) == RATE0 * 1000
    assert policy_rate(RATE0, SIGMA, TARGET, WAD, 1, 0) == 0


def market(policy, answer=0.0):
    """One market of minted debt: loans in a token that follows the pegged asset of a world."""
    weth = EulerCollateral("WETH", "ETH", 18, borrow_ltv=0.7, liquidation_ltv=0.83)
    minted = Token("crvUSD", "USDC", 18)
    rules = EulerRules("t", "t", "t", minted, (weth,), 0.15, LinearKink(0, 0, 0, 0), PushOracle(0.0, 1.0), 0.5)
    path = PathUtilisation(answer, half_life_hours=0.1, policy=policy)
    return EulerEvk(rules, Keeper(0.0, 0.0, 1), ConstantProduct({"ETH": 1e15}, 0.0, 1.0), utilisation=path)


def test_on_a_pegged_world_interest_follows_each_paths_price():
    world, grid = load_world("usdc"), TimeGrid(3600, 24)
    paths = world.sample(grid, 0, 40, DrawKeys(5))
    eth, usdc = (paths.assets.index(a) for a in ("ETH", "USDC"))
    book = Loans(("WETH", "crvUSD"), np.array([[1e6, 0.0]]), np.array([[0.0, 1000.0]]), ("a",))
    policy = CrvusdPolicy(0.1, sigma=0.005, peg_keeper_fraction=0.02)
    desk = LendingDesk(market(policy), 0.0, book, paths, paths.spot_lanes[0])
    run_loop(paths, [desk])
    columns = {k[-1]: v for k, v in desk.columns().items()}
    price, debt = paths.spot_lanes[:, usdc], np.full(40, 1000.0)
    kept, rates = np.zeros(40), []
    for t in range(1, 25):
        raw = [
            policy_rate(RATE0, 5 * 10**15, TARGET, round(p * 10**18), 2 * WAD, 100 * WAD, round(d * 10**18), 2000 * WAD)
            for p, d in zip(price[t - 1], debt, strict=True)
        ]
        interest = debt * np.array(raw) / WAD * 3600
        debt, kept = debt + interest, kept + interest * price[t]
        rates.append(raw)
    np.testing.assert_allclose(desk._state.debt[0, 1], debt, rtol=1e-12)
    np.testing.assert_allclose(columns["protocol_revenue"], kept, rtol=3e-9)
    assert (columns["supplier_interest"] == 0.0).all()
    # where the coin trades lower, borrowing it costs more
    assert np.corrcoef(price[:-1].mean(axis=0), np.mean(rates, axis=0))[0, 1] < -0.9
    assert eth != usdc


def test_borrowers_answer_the_policy_up_to_the_ceiling():
    grid = TimeGrid(3600, 3)
    spot = np.ones((4, 2, 2))
    spot[:, 0] = 2000.0
    spot[1:, 1] = [0.98, 1.05]
    paths = MarketPaths(grid, ("ETH", "USDC"), 0, spot)
    book = Loans(("WETH", "crvUSD"), np.array([[1e3, 0.0]]), np.array([[0.0, 1000.0]]), ("a",))
    desk = LendingDesk(market(CrvusdPolicy(0.1), 0.5), 0.0, book, paths, spot[0])
    run_loop(paths, [desk])
    pools = desk._state.own["pools"]
    used, rate = pools.used[0], pools.curves[0].rates(pools.used[0], pools.memory[0])[0]
    first = pools.curves[0].rates(np.array([0.5]), np.ones(1))[0]
    # half a life of 0.1 h leaves a 1000th of the way: what is owed is what is wanted at the rate that it leads to
    np.testing.assert_allclose(pools.debt[0], 1000.0 * (rate / first) ** -0.5, rtol=2e-3)
    assert used[0] < 0.4 and used[1] == pytest.approx(np.minimum(pools.debt[0, 1] / 2000.0, 1.0)) and used[1] > 0.7


def test_what_a_policy_cannot_be_is_refused():
    with pytest.raises(ValueError, match="suppliers must do nothing under a policy"):
        PathUtilisation(supplier_elasticity=0.1, policy=CrvusdPolicy(0.1))
    with pytest.raises(ValueError, match="sigma must lie in"):
        replace(CrvusdPolicy(0.1), sigma=0.0)
