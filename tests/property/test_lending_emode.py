"""Efficiency modes of Aave v3: bitmaps decide whose parameters hold, on lanes as in the integers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms import ASSETS, AT_ONCE, START, play, total

from riskengine.book.loans import Loans
from riskengine.config.build import Builder
from riskengine.config.reader import Tree
from riskengine.lending.aave_v3.integer import CollateralPosition, DebtPosition, health_factor, liquidation_call
from riskengine.lending.aave_v3.market import AaveV3
from riskengine.lending.aave_v3.rules import AaveV3Rules, EfficiencyMode, Reserve
from riskengine.lending.keeper import Keeper
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid
from riskengine.rates.two_slope import TwoSlope

FREE = TwoSlope(0.8, 0.0, 0.0, 0.0)
STABLE = EfficiencyMode(2, "BTC against dollars", 0.88, 0.92, 0.02, ("WBTC",), ("USDC",))
OLD = EfficiencyMode(1, "ETH correlated", 0.9, 0.93, 0.01)
TOKENS = ("WBTC", "WETH", "WBTC@2", "WETH@2", "USDC")
UNITS = {"WBTC": 10**8, "WETH": 10**18, "USDC": 10**6}


SUMS = ("volume_usd", "seized_usd", "deficit_usd")


def rules(*emodes):
    def token(symbol, asset, decimals, *parameters, **more):
        return Reserve(symbol, asset, decimals, *parameters, FREE, 0.8, **more)

    reserves = (
        token("WBTC", "BTC", 8, 0.7, 0.78, 0.05, 0.1),
        token("WETH", "ETH", 18, 0.8, 0.83, 0.05, 0.1, emode=1),
        token("USDC", None, 6, 0.0, 0.0, 0.0, 0.0),
    )
    return AaveV3Rules("test", "2026-01-01", "test", reserves, AT_ONCE, emodes or (OLD, STABLE))


def market(calls=1):
    return AaveV3(rules(), Keeper(0.0, 0.0, calls), ConstantProduct({"BTC": 1e15, "ETH": 1e15}, 0.0))


def book(rows):
    """Borrowers from ({token: held}, {token: owed})."""
    sides = [np.array([[side.get(t, 0.0) for t in TOKENS] for side in part]) for part in zip(*rows, strict=True)]
    return Loans(TOKENS, *sides, tuple(f"b{i}" for i in range(len(rows))))


def stand(held, owed):
    """State of a market with one borrower at the start."""
    return market().init(book([(held, owed)]), ASSETS, np.array(START)[:, None], TimeGrid(3600, 1))


def test_bitmaps_decide_whose_parameters_hold():
    own = rules()
    inside, outside = own.reserve("WBTC@2"), own.reserve("WETH@2")
    assert (inside.ltv, inside.liquidation_threshold, inside.liquidation_bonus) == (0.88, 0.92, 0.02)
    assert (outside.ltv, outside.liquidation_threshold, outside.liquidation_bonus) == (0.8, 0.83, 0.05)
    assert inside.liquidation_protocol_fee == 0.1 and inside.asset == "BTC"
    # a category without bitmaps holds the tokens that name it
    assert own.reserve("WETH@1").liquidation_threshold == 0.93 and own.reserve("WBTC@1").liquidation_threshold == 0.78
    assert own.mode(1).borrowable == ("WETH",)
    # a shift moves categories as it moves reserves, an LTV above the new threshold with it
    down = own.with_threshold_shift(-0.05)
    assert (down.reserve("WBTC@2").liquidation_threshold, down.reserve("WBTC@2").ltv) == (0.87, 0.87)
    assert down.reserve("WETH@2").liquidation_threshold == 0.78
    with pytest.raises(
        ValueError, match=r"ETH correlated liquidation_threshold times \(1 \+ liquidation_bonus\) must be at most 1"
    ):
        own.with_threshold_shift(0.065)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 500), st.integers(70, 110), st.integers(900, 1300), st.sampled_from([-0.05, -0.01, 0.0, 0.03]))
def test_a_mode_and_a_token_of_its_own_are_one_account(btc, fall, used, shift):
    """``WBTC@2``, and WBTC listed once more with the parameters of the mode: the same figures under every shift."""
    listed = rules()
    own_token = replace(
        listed, emodes=(), reserves=(*(replace(r, emode=0) for r in listed.reserves), replace(
            listed.reserve("WBTC@2"), symbol="mWBTC", emode=0
        )),
    )  # fmt: skip
    owed = btc / 100 * START[0] * 0.92 * 1000 / used
    prices = [START, (START[0] * fall / 100, START[1])]
    found = []
    for held, own, tokens in (("WBTC@2", listed, TOKENS), ("mWBTC", own_token, ("mWBTC", "USDC"))):
        sides = [np.array([[part.get(t, 0.0) for t in tokens]]) for part in ({held: btc / 100}, {"USDC": owed})]
        model = replace(market(), rules=own).with_threshold_shift(shift)
        loans = Loans(tokens, *sides, ("b",))
        at_start = model.init(loans, ASSETS, np.array(START)[:, None], TimeGrid(3600, 1))
        _, events, closing = play(model, loans, prices)
        figures = [events[0].liquidations[0], *(total(events, n)[0] for n in SUMS)]
        found.append([*figures, closing["debt"][0], at_start.initially_liquidatable[0], at_start.borrow_capacity[0]])
    np.testing.assert_array_equal(*map(np.array, found))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: rules().reserve("WETH@7"), r"efficiency mode must be one of \[1, 2\], got 7"),
        (lambda: rules().reserve("WETH@x"), "efficiency mode must be a number, got 'WETH@x'"),
        (lambda: rules(replace(STABLE, collateral=("DOGE",)), OLD), r"must be reserves, got \['DOGE'\]"),
        (lambda: rules(OLD, replace(STABLE, category=1)), r"each once, got \[1, 1\]"),
        (lambda: replace(STABLE, liquidation_bonus=0.1), "must be at most 1, got 1.012"),
        (lambda: stand({"WBTC@2": 1.0, "WETH": 1.0}, {"USDC": 1.0}), r"one efficiency mode, got \[0, 2\]"),
        (lambda: stand({"WBTC@2": 1.0}, {"WETH": 1.0}), "b0 in efficiency mode 2 must owe USDC, got WETH"),
        (lambda: stand({"WBTC": 1.0}, {"WETH@2": 1.0}), "must owe a token without a mode, got WETH@2"),
    ],
)  # fmt: skip
def test_what_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_the_yaml_names_bitmaps():
    words = {"category": 2, "label": "x", "ltv": 0.88, "liquidation_threshold": 0.92, "liquidation_bonus": 0.02,
             "collateral": ["WBTC"], "borrowable": ["USDC"]}  # fmt: skip
    builder = Builder(Tree(words, "rules.yaml"))
    assert builder.done(builder.record(EfficiencyMode, ())) == replace(STABLE, label="x")


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 500), st.integers(0, 500), st.integers(50, 120), st.integers(50, 120), st.integers(300, 1150),
    st.booleans(),
)  # fmt: skip
def test_lanes_are_the_integers(btc, eth, btc_move, eth_move, used, in_mode):
    """One call on an account in a mode, or out of it: what is repaid, seized, charged and written off."""
    mark = "@2" if in_mode else ""
    coins = {"WBTC": btc / 100, "WETH": eth / 10}
    moved = (START[0] * btc_move / 100, START[1] * eth_move / 100)
    own = rules()
    terms = {s: own.reserve(s + mark) for s in coins}
    at_start = sum(coins[s] * p * terms[s].liquidation_threshold for s, p in zip(coins, START, strict=True))
    owed = int(at_start * 1000 / max(used, 1020) * 100) / 100
    loans = book([({s + mark: n for s, n in coins.items()}, {"USDC": owed})])
    _, events, closing = play(market(), loans, [START, moved])

    held = [
        CollateralPosition(
            round(coins[s] * UNITS[s]), round(price * 10**8), UNITS[s], round(terms[s].liquidation_threshold * 1e4),
            round(1e4 + terms[s].liquidation_bonus * 1e4), 1000,
        )
        for s, price in zip(coins, moved, strict=True)
    ]  # fmt: skip
    debt = DebtPosition(round(owed * 10**6), 10**8, 10**6)
    exact = health_factor(tuple(held), (debt,)) / 1e18
    state = stand({s + mark: n for s, n in coins.items()}, {"USDC": owed})
    assert market().health(state, np.array(moved)[:, None])[0, 0] == pytest.approx(exact, rel=1e-7)
    # the keeper takes the collateral worth most to it: try both, as one call is made
    calls = [liquidation_call(tuple(held), (debt,), i, 0) for i in range(2) if held[i].balance > 0]
    event = events[0]
    if calls[0].reverts == "HealthFactorNotBelowThreshold":
        assert event.liquidations[0] == 0
        return
    done = [c for c in calls if c.debt_repaid and not c.reverts]
    if event.liquidations[0] == 0:
        return
    repaid = [c.debt_repaid / 1e6 for c in done]
    if not any(abs(event.volume_usd[0] - x) <= 1e-9 * x + 0.01 for x in repaid):
        # a smaller offer, to leave no dust: the integers accept it to the unit
        offers = [
            liquidation_call(tuple(held), (debt,), i, 0, round(event.volume_usd[0] * 1e6))
            for i in range(2)
            if held[i].balance > 0
        ]
        done = [c for c in offers if not c.reverts]
        repaid = [c.debt_repaid / 1e6 for c in done]
    assert any(abs(event.volume_usd[0] - x) <= 1e-9 * x + 0.01 for x in repaid)
    deficit = [c.total_deficit_base / 1e8 for c in done]
    assert any(abs(event.deficit_usd[0] - x) <= 1e-9 * owed + 0.01 for x in deficit)
    assert total(events, "volume_usd")[0] + closing["debt"][0] + event.deficit_usd[0] == pytest.approx(owed, rel=1e-9)


def test_a_mode_lets_a_loan_live_that_its_reserve_would_not():
    """1 BTC against 26,000 at 30,000: above 78 %, below 92 %; and the smaller bonus is what a call costs."""
    fallen = [START, (27_500.0, START[1])]
    plain, moded = (play(market(), book([({t: 1.0}, {"USDC": 23_000.0})]), fallen) for t in ("WBTC", "WBTC@2"))
    assert plain[1][0].liquidations[0] == 1 and moded[1][0].liquidations[0] == 0
    far = [START, (26_000.0, START[1])]
    _, events, _ = play(market(), book([({"WBTC@2": 1.0}, {"USDC": 25_000.0})]), far)
    seized, repaid = total(events, "seized_usd")[0], total(events, "volume_usd")[0]
    assert seized == pytest.approx(1.02 * repaid, rel=1e-9) and ASSETS == ("BTC", "ETH")
