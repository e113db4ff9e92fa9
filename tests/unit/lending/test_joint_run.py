"""Many parameter sets on shared paths: each has the figures of a desk that runs its market alone."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.engine.desks import LendingDesk
from riskengine.engine.loop import run_loop
from riskengine.lending.aave_v3.book_growth import BookGrowth
from riskengine.lending.aave_v3.joint import JointRun
from riskengine.lending.keeper import ExponentialDelay
from riskengine.lending.parameter_set import ParameterSet, TokenChange
from riskengine.lending.reaction import Reaction
from riskengine.liquidity.hybrid import Hybrid
from riskengine.liquidity.order_book import BookLadder
from riskengine.liquidity.square_root import SquareRoot
from riskengine.market.paths import MarketPaths
from riskengine.oracle.push import PushOracle
from riskengine.oracle.stale import StaleOracle
from riskengine.oracle.twap import TwapOracle
from riskengine.random import DrawKeys

SETS = (
    ParameterSet("as it is"),
    ParameterSet("lower", {"WBTC": TokenChange(liquidation_threshold=0.74, ltv=0.7)}),
    ParameterSet("higher", {"WETH": TokenChange(liquidation_threshold=0.87), "WBTC": TokenChange(ltv=0.75)}),
    ParameterSet("whole", close_factor=1.0),
    ParameterSet("bonus", {"WETH": TokenChange(liquidation_bonus=0.1, liquidation_protocol_fee=0.3)}),
)


def bare(paths, spot):
    """Paths of the prices `spot` and nothing else."""
    return MarketPaths(paths.grid, paths.assets, paths.first_path, spot)


@pytest.fixture(scope="module")
def lived():
    """(question, paths): half of the paths stressed, so that much is liquidated and some debt goes bad."""
    study = load_study("choose_margin").study
    simulated = study.simulations[0]
    paths = simulated.world.sample(simulated.grid, 0, 96, DrawKeys(3))
    spot = paths.spot_lanes.copy()
    fall = np.linspace(0.0, -0.5, len(spot))[:, None, None] * (np.arange(96) % 2)
    spot *= np.exp(fall)
    return study.lending, bare(paths, spot)


def alone(market, loans, paths):
    desk = LendingDesk(market, 0.0, loans, paths, paths.spot_lanes[0])
    run_loop(paths, [desk])
    columns = {key[-1]: column for key, column in desk.columns().items()}
    return columns | {"protocol_revenue": columns["protocol_fee"] + kept_interest(market, loans, paths)}


def kept_interest(market, loans, paths):
    """What the treasury takes of the interest on debt as it stands before each step, from balances and indices."""
    state = market.init(loans, paths.assets, paths.spot_lanes[0], paths.grid)
    share = np.array([market.rules.reserve(s).rates.reserve_factor for s in loans.reserves])[:, None]
    out = np.zeros(paths.count)
    for t, spot in enumerate(paths.spot_lanes):
        debt, index = state.debt.sum(axis=0), state.indices[1].copy()
        market.step(state, t, spot)
        out += (share * debt * (state.indices[1] - index)[:, None] * state.prices(spot)).sum(axis=0)
    return out


def check(base, sets, loans, paths, growth=None):
    markets, sizes = [base.with_parameters(s) for s in sets], np.ones((len(sets), 1))
    if growth is not None:
        price = np.array([base.rules.reserve(s).price for s in loans.reserves])
        price[[loans.reserves.index("WETH"), loans.reserves.index("WBTC")]] = paths.spot_lanes[0, ::-1, 0]
        sizes = np.array([growth.sizes(base.rules, m.rules, loans, price) for m in markets])
        markets = [replace(m, rules=growth.market(base.rules, m.rules)) for m in markets]
    joint = JointRun.prepare(markets, loans, paths)
    for market, size in zip(markets, sizes, strict=True):
        own = replace(loans, collateral=size[:, None] * loans.collateral, debt=size[:, None] * loans.debt)
        expected, found = alone(market, own, paths), joint.columns(market, loans, size)
        for measure, column in found.items():
            np.testing.assert_allclose(column, expected[measure], rtol=1e-9, atol=1e-6, err_msg=measure)
    return joint


def test_every_set_has_the_figures_of_a_desk_alone(lived):
    lending, paths = lived
    joint = check(lending.market, SETS, lending.book, paths)
    assert 0 < joint.pairs < 0.8 * len(lending.book.names) * paths.count
    columns = joint.columns(lending.market, lending.book)
    assert columns["bad_debt"].max() > 0 and columns["liquidations"].sum() > 1000


def test_sets_with_caps_and_curves_of_their_own(lived):
    lending, paths = lived
    cap, cut = {"WETH": TokenChange(supply_cap=2_700_000)}, {"WETH": TokenChange(supply_cap=900_000)}
    steep = {"USDC": TokenChange(slope1=0.35, slope2=5.0), "WETH": TokenChange(liquidation_threshold=0.86)}
    sets = (
        ParameterSet("as it is"),
        ParameterSet("room for WETH", cap),
        ParameterSet("less room", cut),
        ParameterSet("steep", steep),
        ParameterSet("flat", {"USDC": TokenChange(base=0.01, slope1=0.01, reserve_factor=0.3)}, close_factor=1.0),
    )
    growth = BookGrowth(2.0, borrowed={"USDC": 1e9}, borrower_elasticity=0.4, supplier_elasticity=0.3)
    joint = check(lending.market, sets, lending.book, paths, growth)
    assert len(joint._curves) == 3 and len(joint._order) > 0


def test_with_a_slow_oracle_and_late_keepers(lived):
    lending, paths = lived
    market = replace(
        lending.market, oracle=PushOracle(0.05, 24.0), keeper=replace(lending.market.keeper, delay_hours=3, gas_usd=400)
    )
    check(market, SETS, lending.book, paths)


@pytest.mark.parametrize(
    "oracle", [TwapOracle(4.0), StaleOracle(PushOracle(0.01, 1.0), missed_share=0.5)], ids=lambda o: o.kind
)
def test_with_oracles_and_keepers_that_draw(lived, oracle):
    lending, paths = lived
    late = replace(lending.market.keeper, extra_delay=ExponentialDelay("exponential", 3.0))
    check(replace(lending.market, oracle=oracle, keeper=late), SETS[:2], lending.book, paths)


def test_where_the_oracle_is_told_another_price(lived):
    lending, paths = lived
    told = replace(paths, oracle_lanes=paths.spot_lanes * 1.02)
    markets = [lending.market.with_parameters(s) for s in SETS[:2]]
    joint = JointRun.prepare(markets, lending.book, told)
    for market in markets:
        expected = alone(market, lending.book, told)
        np.testing.assert_allclose(
            joint.columns(market, lending.book)["bad_debt"], expected["bad_debt"], rtol=1e-9, atol=1e-6
        )


def test_a_set_does_not_depend_on_those_beside_it_nor_on_the_block(lived):
    lending, paths = lived
    market = lending.market.with_parameters(SETS[2])
    every = JointRun.prepare([lending.market.with_parameters(s) for s in SETS], lending.book, paths)
    one = JointRun.prepare([market], lending.book, paths)
    half = bare(paths, np.ascontiguousarray(paths.spot_lanes[:, :, 40:]))
    part = JointRun.prepare([market], lending.book, half)
    assert one.pairs < every.pairs
    for measure, column in every.columns(market, lending.book).items():
        np.testing.assert_array_equal(column, one.columns(market, lending.book)[measure])
        np.testing.assert_array_equal(column[40:], part.columns(market, lending.book)[measure])


def test_a_grown_book_is_the_book_times_the_growth(lived):
    lending, paths = lived
    grown = replace(lending.book, collateral=2.0 * lending.book.collateral, debt=2.0 * lending.book.debt)
    joint = JointRun.prepare([lending.market], lending.book, paths)
    expected, found = alone(lending.market, grown, paths), joint.columns(lending.market, lending.book, 2.0)
    for measure, column in found.items():
        np.testing.assert_allclose(column, expected[measure], rtol=1e-9, atol=1e-6, err_msg=measure)
    # twice the book into the same pools is more than twice the bad debt
    assert found["bad_debt"].sum() > 2.0 * joint.columns(lending.market, lending.book)["bad_debt"].sum()


def test_paths_that_failed_stay_apart(lived):
    lending, paths = lived
    spot = paths.spot_lanes.copy()
    spot[5:, 0, 7] = np.nan
    joint = JointRun.prepare([lending.market], lending.book, bare(paths, spot))
    whole = JointRun.prepare([lending.market], lending.book, paths)
    others = np.arange(96) != 7
    for measure, column in joint.columns(lending.market, lending.book).items():
        np.testing.assert_array_equal(column[others], whole.columns(lending.market, lending.book)[measure][others])


def test_borrowers_who_act_are_refused(lived):
    lending, paths = lived
    acting = replace(lending.market, reaction=Reaction("top_up"))
    with pytest.raises(ValueError, match="without a reaction"):
        JointRun.prepare([acting], lending.book, paths)


def test_tokens_that_are_collateral_in_one_market_only_are_refused(lived):
    lending, paths = lived
    rules = lending.market.rules
    usdt = replace(rules.reserve("USDC"), ltv=0.0, liquidation_threshold=0.0)
    other = replace(rules, reserves=tuple(usdt if r.symbol == "USDC" else r for r in rules.reserves))
    with pytest.raises(ValueError, match="same tokens as collateral"):
        JointRun.prepare([lending.market, replace(lending.market, rules=other)], lending.book, paths)


def test_with_any_liquidity_and_with_keepers_of_limited_capital(lived):
    lending, paths = lived
    assets = lending.market.liquidity.assets
    book = BookLadder((0.001, 0.01, 0.05), dict.fromkeys(assets, (1e6, 3e6)))
    kinds = (
        book,
        Hybrid(book, lending.market.liquidity),
        SquareRoot(dict.fromkeys(assets, 3e8), dict.fromkeys(assets, 0.04)),
    )
    keeper = replace(lending.market.keeper, capital_usd=2e5, recycling_hours=5.0)
    for liquidity in kinds:
        check(replace(lending.market, liquidity=liquidity), SETS[:2], lending.book, paths)
    scarce = replace(lending.market, keeper=keeper)
    joint = check(scarce, SETS[:2], lending.book, paths)
    free = joint.columns(lending.market, lending.book)["liquidated_volume"].sum()
    assert joint.columns(scarce, lending.book)["liquidated_volume"].sum() < free
    with pytest.raises(ValueError, match="permanent_share must be 0 where parameter sets share paths"):
        stays = replace(kinds[2], permanent_share=0.5)
        JointRun.prepare([replace(lending.market, liquidity=stays)], lending.book, paths)
