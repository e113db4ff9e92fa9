"""What each mechanism promises: value is conserved, bad debt comes when it says, order and threads do not matter."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms import KINDS, START, book_of, market_of, play, total

from riskengine.book.loans import Loans
from riskengine.config.study import load_study
from riskengine.engine.blocks import Block
from riskengine.engine.questions import Feedback
from riskengine.engine.simulate import Simulation
from riskengine.lending.comet.integer import (
    CometCollateral,
    CometLedger,
    is_borrow_collateralised,
    is_liquidatable,
    present_value,
    principal_value,
)
from riskengine.lending.euler_evk.integer import (
    MIN_SOCIALISED_VALUE,
    liquidation_call,
    max_liquidation,
    repay_to_health,
)
from riskengine.lending.listing import Token
from riskengine.lending.morpho_blue.integer import MorphoLedger
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.pricing.fixed_point import WAD
from riskengine.random import DrawKeys
from riskengine.study.run import run_study


def paths_of(seed, steps=12, lanes=16, volatility=0.08):
    """Random prices (T + 1, 2, P) from the common start."""
    moves = volatility * np.random.default_rng(seed).standard_normal((steps, 2, lanes))
    moves[:, 1] = 0.8 * moves[:, 0] + 0.6 * moves[:, 1]
    return np.array(START)[None, :, None] * np.exp(np.concatenate([np.zeros((1, 2, lanes)), np.cumsum(moves, axis=0)]))


def random_book(seed, count=6, threshold=0.8):
    rng = np.random.default_rng(seed)
    weth, wbtc = rng.uniform(0.1, 20, count), rng.uniform(0.01, 1, count) * (rng.random(count) < 0.5)
    worth = weth * START[1] + wbtc * START[0]
    return book_of(weth, wbtc, threshold * worth / rng.uniform(1.02, 1.5, count))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.sampled_from([2e5, 1e6, 1e15]), gas=st.sampled_from([0.0, 40.0]))
def test_value_is_conserved_in_every_liquidation(kind, seed, depth, gas):
    """Debt gone is repaid or bad; collateral gone is sold, a fee, or held by the protocol; and every dollar seized is
    debt settled, credited back, a fee, or the keeper's."""
    spot, book = paths_of(seed), random_book(seed)
    state, events, closing = play(market_of(kind, depth=depth, gas=gas, fee=0.003), book, spot)
    names = ("volume_usd", "deficit_usd", "returned_usd", "protocol_fee_usd")
    repaid, deficit, returned, fee = (total(events, name) for name in names)
    # the only interest is Morpho's least, a thousandth a year: within 1.4e-6 of debt over twelve hours
    owed = book.debt.sum()
    np.testing.assert_allclose(owed - closing["debt"], repaid + deficit, rtol=2e-6, atol=2e-6 * owed)
    # WBTC and WETH stand second and first in every layout; BTC and ETH are the assets
    gone = book.collateral[:, [1, 0]].sum(axis=0)[:, None] - state.collateral[:, [1, 0]].sum(axis=0)
    to_keepers = gone * (1 - 0.1 * (1 - 1 / 1.05)) if kind == "aave_v3" else gone
    kept = state.own["inventory"][[1, 0]] if kind == "comet" else 0.0
    np.testing.assert_allclose(to_keepers, total(events, "sold") + kept, rtol=1e-9, atol=1e-9)
    for e in events:
        share = e.seized_usd - e.volume_usd - e.returned_usd - e.protocol_fee_usd
        slack = 1e-6 * (1 + e.seized_usd)
        assert (share >= -slack).all() and (e.keeper_profit_usd >= -slack).all()
        if kind != "comet":
            # a keeper sells at the market what it got at the same price: profit is its share of the bonus, less costs
            assert (e.keeper_profit_usd <= share - gas * e.liquidations + slack).all()
    if kind == "comet":
        # reserves: base received for coins sold less what was paid out for debt and credits
        received = sum((0.975 * at * e.sold).sum(axis=0) for at, e in zip(spot[1:], events, strict=True))
        reserves = state.own["reserves"]
        np.testing.assert_allclose(reserves, received - (repaid + deficit + returned), rtol=1e-9, atol=1e-4)
        result = closing["inventory_result"] + fee - deficit
        np.testing.assert_allclose(result, reserves + (kept * spot[-1]).sum(axis=0), rtol=1e-9, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_keepers_earn_what_borrowers_lose_and_nobody_else_gets(kind, seed):
    """In a market without costs: seized = settled + credited back + fee + keepers' profit, at every step and path."""
    _, events, _ = play(market_of(kind), random_book(seed), paths_of(seed, volatility=0.1))
    for e in events:
        spent = e.volume_usd + e.returned_usd + e.protocol_fee_usd + e.keeper_profit_usd
        np.testing.assert_allclose(spent, e.seized_usd, rtol=1e-8, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.sampled_from([5e4, 1e6, 1e15]))
def test_bad_debt_only_with_no_collateral_left(kind, seed, depth):
    """A write-off leaves an account with neither collateral nor debt, and an account without collateral has no debt."""
    spot, book = paths_of(seed, volatility=0.12), random_book(seed, count=1)
    state, events, _ = play(market_of(kind, depth=depth), book, spot)
    deficit = total(events, "deficit_usd")
    held = state.collateral.sum(axis=1)
    owed = state.debt.sum(axis=1)
    empty = (held == 0.0) & (state.touched[:, None] > 0)
    assert (owed[empty] == 0.0).all()
    if kind != "morpho_blue":
        assert (held[0][deficit > 0] == 0.0).all()
    else:
        # positions are apart: at least the one that was written off is empty
        assert ((held == 0.0).any(axis=0) | (deficit <= 0)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_worst_paths_leave_bad_debt(kind):
    """Without this the two properties above could hold of markets in which nothing happens."""
    found = [
        total(play(market_of(kind), random_book(s), paths_of(s, volatility=0.12))[1], "deficit_usd") for s in range(4)
    ]
    assert (np.concatenate(found) > 0).sum() > 5


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 0.9), st.floats(0.005, 0.2))
def test_comet_is_monotone_in_its_factor(seed, high, less):
    """A lower liquidate collateral factor never leaves more bad debt on a path, where the liquidation factor is at
    least the higher one: an account that the higher factor still passes is worth its debt."""
    book, spot = random_book(seed, threshold=high), paths_of(seed, volatility=0.12)
    high, low = round(high, 4), round(high - less * high, 4)
    factor = max(0.93, high)
    upper, lower = (play(market_of("comet", threshold=t, liquidation_factor=factor), book, spot) for t in (high, low))
    np.testing.assert_array_less(lower[2]["bad_debt"], upper[2]["bad_debt"] + 1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(3000, 5600), st.integers(50, 1500))
def test_morpho_blue_is_monotone_in_its_lltv_at_one_incentive(seed, high, less):
    """As far as the incentive is capped at 15 %, which is up to an LLTV of 56.5 %, lending less leaves no more."""
    high, low = high / 1e4, (high - less) / 1e4
    book, spot = random_book(seed, threshold=high), paths_of(seed, volatility=0.2)
    upper, lower = (play(market_of("morpho_blue", threshold=t), book, spot)[2]["bad_debt"] for t in (high, low))
    np.testing.assert_array_less(lower, upper + 1e-6)


def test_morpho_blue_is_not_monotone_where_the_incentive_moves():
    """The incentive falls as the LLTV rises, so where both liquidate at one gap the lower LLTV gives more away:
    10 ETH against 14,000, from 2,000 to 1,430 at once."""
    book, spot = book_of([10.0], [0.0], [14_000.0]), [START, (30_000.0, 1_430.0)]
    lower, higher = (play(market_of("morpho_blue", threshold=t), book, spot)[2]["bad_debt"][0] for t in (0.75, 0.90))
    # 14,300 / 1.0811 = 13,227.5 and 14,300 / 1.0309 = 13,871
    assert lower == pytest.approx(14_000 - 14_300 * (1 - 0.3 * 0.25), abs=0.01)
    assert higher == pytest.approx(14_000 - 14_300 * (1 - 0.3 * 0.10), abs=0.01)
    assert lower > higher + 600


def test_euler_is_not_monotone_where_the_discount_moves():
    """So does the discount: at one price a lower liquidation LTV is a lower score."""
    book, spot = book_of([10.0], [0.0], [14_000.0]), [START, (30_000.0, 1_500.0)]
    lower, higher = (
        play(market_of("euler_evk", threshold=t, max_liquidation_discount=0.2), book, spot)[2]["bad_debt"][0]
        for t in (0.80, 0.92)
    )
    assert lower == pytest.approx(14_000 - 15_000 * (0.8 * 15 / 14), abs=0.01)
    assert higher == pytest.approx(0.0, abs=1e-6)


def test_a_partial_close_is_not_monotone():
    """Correction 8, to the dollar: 3,587 with a threshold of 0.80 and nothing with 0.83; full closes leave nothing."""
    spot = [(30_000.0, p) for p in (2_000.0, 1866.12, 1637.58, 710.90)]
    book = book_of([10.0], [0.0], [15_000.0])
    left = {t: play(market_of("aave_v3", threshold=t), book, spot)[2]["bad_debt"][0] for t in (0.80, 0.83)}
    assert round(left[0.80]) == 3587 and left[0.83] == 0.0
    for threshold in (0.80, 0.83):
        assert play(market_of("comet", threshold=threshold), book, spot)[2]["bad_debt"][0] == 0.0


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_accounts_does_not_matter(kind, seed):
    book, spot = random_book(seed), paths_of(seed)
    order = np.random.default_rng(seed + 1).permutation(len(book.names))
    turned = Loans(book.reserves, book.collateral[order], book.debt[order], tuple(book.names[i] for i in order))
    model = market_of(kind, depth=5e5, gas=20.0, fee=0.003, delay=1.0)
    one, two = play(model, book, spot), play(model, turned, spot)
    for a, b in zip(one[1], two[1], strict=True):
        for name in ("liquidations", "volume_usd", "deficit_usd", "keeper_profit_usd", "sold"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name, figure in one[2].items():
        np.testing.assert_allclose(two[2][name], figure, rtol=1e-12, atol=1e-6)


def test_the_number_of_workers_does_not_matter(tmp_path):
    study = replace(load_study("lending_mechanisms").study, paths=1100, horizon_hours=6)
    one, two = (
        run_study(study, {"small": "study"}, "mechanisms", tmp_path / str(n), workers=n)[1].as_dict() for n in (1, 2)
    )
    assert one["rows"] == two["rows"]
    assert {r["model"] for r in one["rows"] if r["section"] == "lending"} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS[1:])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_unit_of_debt_does_not_matter(kind, seed):
    """Debt in WETH against WBTC is debt in a token of one USD against WBTC at its price in ETH: the same path in
    another unit.  Only costs in USD, here none, could tell them apart."""
    spot = paths_of(seed, volatility=0.06)
    fixed, moving = market_of(kind), market_of(kind)
    field = {"comet": "base_token"}.get(kind, "loan")
    listed = {"morpho_blue": "markets"}.get(kind, "collaterals")
    wbtc = tuple(t for t in getattr(moving.rules, listed) if t.symbol == "WBTC")
    pool = ConstantProduct({"BTC": 1e15}, 0.0)
    in_eth = replace(moving.rules, **{field: Token("WETH", "ETH", 18), listed: wbtc})
    in_usd = replace(fixed.rules, **{listed: wbtc})
    coins = np.random.default_rng(seed).uniform(0.1, 5, (4, 1))
    owed = 0.8 * coins * START[0] / np.array([[1.02], [1.05], [1.1], [1.3]])
    none = np.zeros((4, 1))
    books = [
        Loans(("WBTC", token), np.hstack([coins, none]), np.hstack([none, owed / unit]), tuple("abcd"))
        for token, unit in (("WETH", START[1]), ("USDC", START[1]))
    ]
    relative = np.stack([spot[:, 0] / spot[:, 1], np.ones_like(spot[:, 1])], axis=1)
    one = play(replace(moving, rules=in_eth, liquidity=pool), books[0], spot)
    two = play(replace(fixed, rules=in_usd, liquidity=pool), books[1], relative)
    assert total(two[1], "volume_usd").sum() > 0
    for a, b, at in zip(one[1], two[1], spot[1:, 1], strict=True):
        for name in ("volume_usd", "deficit_usd", "seized_usd", "returned_usd"):
            np.testing.assert_allclose(getattr(a, name) / at, getattr(b, name), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["lending_mechanisms", "feedback"])
def test_a_comparison_leaves_the_market_itself_alone(name):
    """With or without price feedback: the columns of the first market are the same bits with others beside it."""
    study = replace(load_study(name).study, horizon_hours=6, margin=None, history_windows=0)
    others = load_study("lending_mechanisms").study.lending.compared_with
    found = []
    for compared in ((), others):
        question = replace(study.lending, compared_with=compared, threshold_shifts=(0.0, -0.02))
        simulation = Simulation(
            study.world, study.grid, DrawKeys(3), lending=question, feedback=study.feedback, checked=False
        )
        outcomes = simulation.block(Block(0, 0, 64))
        found.append(dict(zip(outcomes.keys, outcomes.values, strict=True)))
    alone, beside = found
    assert {k[1] for k in beside} == set(KINDS) and {k[3] for k in beside} == {0.0, -0.02}
    for key, column in alone.items():
        np.testing.assert_array_equal(beside[key], column)


def test_feedback_makes_it_worse_on_average():
    """Sales that move the price leave more bad debt, in every mechanism; sales that move nothing change nothing."""
    study = load_study("lending_mechanisms").study
    found = {}
    for depth in (None, 1e15, 2e6):
        feedback = None if depth is None else Feedback({"BTC": depth, "ETH": depth}, 6.0)
        simulation = Simulation(
            study.world, study.grid, DrawKeys(3), lending=study.lending, feedback=feedback, checked=False
        )
        outcomes = simulation.block(Block(0, 0, 512))
        found[depth] = {k[1]: v for k, v in zip(outcomes.keys, outcomes.values, strict=True) if k[-1] == "bad_debt"}
    for kind in KINDS:
        np.testing.assert_allclose(found[1e15][kind], found[None][kind], rtol=1e-5, atol=1.0)
        rise = found[2e6][kind] - found[None][kind]
        assert rise.mean() > 4 * rise.std() / np.sqrt(rise.size) > 0, kind


def test_markets_of_a_comparison_must_differ():
    question = load_study("lending_mechanisms").study.lending
    with pytest.raises(ValueError, match="compared_with must hold markets of other kinds"):
        replace(question, compared_with=(question.market,))


@settings(max_examples=60, deadline=None)
@given(st.integers(1_000, 9_500), st.integers(0, 5_000), st.floats(0.85, 0.999))
def test_euler_call_to_health(ltv, discount, health):
    """The repayment that is said to restore an Euler account to health 1 does, and less does not."""
    collateral = 1_000 * WAD
    adjusted = collateral * ltv // 10_000
    debt = int(adjusted / health)
    limit = max_liquidation(collateral, collateral, ltv, debt, debt, discount)
    needed = repay_to_health(adjusted, debt, ltv, limit.discount_factor)
    kept = 1 - ltv / 10_000 / (limit.discount_factor / WAD)
    if needed is None:
        assert kept <= 1e-15
        return
    if needed > limit.max_repay:
        return
    done = liquidation_call(limit, collateral, debt, debt, desired_repay=needed)
    left = (collateral - done.taken) * ltv // 10_000
    # rounding of the yield, in raw units of 1e-18
    assert left - done.debt_left >= -10
    almost = liquidation_call(limit, collateral, debt, debt, desired_repay=needed - needed // 1000)
    assert (collateral - almost.taken) * ltv // 10_000 < almost.debt_left


def test_euler_socialises_only_what_is_worth_it():
    limit = max_liquidation(WAD, WAD, 9_000, 2 * WAD, 2 * WAD, 1_500)
    done = liquidation_call(limit, WAD, 2 * WAD, 2 * WAD)
    assert done.taken == WAD and done.socialised == 2 * WAD - done.repaid and done.debt_left == 0
    assert liquidation_call(limit, WAD, 2 * WAD, 2 * WAD, other_collateral=True).socialised == 0
    assert liquidation_call(limit, WAD, 2 * WAD, 2 * WAD, desired_repay=limit.max_repay // 2).socialised == 0
    tiny = max_liquidation(10, 10, 9_000, 100, MIN_SOCIALISED_VALUE - 1, 1_500)
    assert liquidation_call(tiny, 10, 100, MIN_SOCIALISED_VALUE - 1).socialised == 0
    with pytest.raises(ValueError, match="desired_repay must be at most"):
        liquidation_call(limit, WAD, 2 * WAD, 2 * WAD, desired_repay=limit.max_repay + 1)


def test_one_wei_left_realises_no_bad_debt():
    """Morpho Blue: the loss is taken from suppliers only when the last unit of collateral goes."""
    ledger = MorphoLedger(8 * WAD // 10, 10**24, 10**30, 10**24, 10**30, 10**21, 10**30)
    price = 5 * 10**38
    after, done = ledger.liquidated(price, seized_assets=10**21 - 1)
    assert done.bad_debt_assets == 0 and after.total_supply_assets == 10**24 and after.debt > 0
    after, done = ledger.liquidated(price, seized_assets=10**21)
    assert done.bad_debt_assets > 0 and after.debt == 0
    assert after.total_supply_assets == 10**24 - done.bad_debt_assets
    with pytest.raises(ValueError, match="position must be unhealthy"):
        ledger.liquidated(2 * 10**39, seized_assets=1)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**30), st.integers(10**15, 10**16), st.integers(10**15, 10**16))
def test_a_comet_balance_rounds_against_the_account(balance, supply_index, borrow_index):
    """A supplier is never owed more than was put in, a borrower never owes less than was taken; by one unit at most."""
    for present in (balance, -balance):
        kept = present_value(principal_value(present, supply_index, borrow_index), supply_index, borrow_index)
        unit = (supply_index if present >= 0 else borrow_index) // 10**15 + 1
        assert present - unit <= kept <= present


def test_a_comet_account_may_not_borrow_what_it_may_keep():
    """The borrow factor gates borrowing, the liquidate factor absorption: between them an account stays as it is."""
    held = (CometCollateral(10**18, 2_000 * 10**8, 10**18, 83 * WAD // 100, 95 * WAD // 100, 80 * WAD // 100),)
    allowed = [is_borrow_collateralised(d * 10**6, 10**8, 10**6, held) for d in (1_600, 1_601, 1_660, 1_661)]
    absorbed = [is_liquidatable(d * 10**6, 10**8, 10**6, held) for d in (1_600, 1_601, 1_660, 1_661)]
    assert allowed == [True, False, False, False] and absorbed == [False, False, False, True]


def test_a_comet_ledger_sells_only_below_its_target():
    held = CometCollateral(10**18, 2_000 * 10**8, 10**18, 83 * WAD // 100, 95 * WAD // 100)
    ledger, new, done = CometLedger(0, 0, 1_700 * 10**6, (0,)).absorbed(-1_700 * 10**6, 10**8, 10**6, (held,))
    assert (new, done.new_balance, ledger.inventory) == (200 * 10**6, 200 * 10**6, (10**18,))
    assert ledger.reserves == -200 * 10**6  # what the borrower is credited, against nothing in hand
    after, bought = ledger.bought(0, 1_950 * 10**6, 10**8, 10**6, held, WAD // 2, 0)
    assert bought == 10**18 and after.reserves == 1_750 * 10**6
    with pytest.raises(ValueError, match="not for sale"):
        after.bought(0, 1, 10**8, 10**6, held, WAD // 2, 1_750 * 10**6)
    with pytest.raises(ValueError, match="must not exceed"):
        ledger.bought(0, 1_951 * 10**6, 10**8, 10**6, held, WAD // 2, 0)
    with pytest.raises(ValueError, match="account must be liquidatable"):
        ledger.absorbed(-1_600 * 10**6, 10**8, 10**6, (held,))


def test_a_comet_storefront_closes_at_its_target():
    """With reserves above target nothing is for sale, so no keeper absorbs; below it, whole accounts go at once."""
    book, spot = book_of([10.0], [0.0], [15_500.0]), [START, (30_000.0, 1_900.0), (30_000.0, 1_900.0)]
    shut = play(market_of("comet", reserves=1e6, target_reserves=5e5), book, spot)
    assert total(shut[1], "liquidations")[0] == 0 and total(shut[1], "skipped_unprofitable")[0] == 2
    state, events, _ = play(market_of("comet", depth=2e4), book, spot)
    assert events[0].liquidations[0] == 1 and state.debt.sum() == 0 and state.collateral.sum() == 0
    # the pool is too thin for ten coins: most of them stay with the protocol, which carries their price
    assert 0 < state.own["inventory"][0, 0] < 10
    lower = market_of("comet", depth=2e4).close(state, np.array([[30_000.0], [1_000.0]]))["inventory_result"][0]
    level = market_of("comet", depth=2e4).close(state, np.array([[30_000.0], [1_900.0]]))["inventory_result"][0]
    assert level - lower == pytest.approx(900 * state.own["inventory"][0, 0])


@pytest.mark.parametrize("kind", KINDS[1:])
def test_what_a_market_refuses(kind):
    model = market_of(kind)
    names = ("WETH", "WBTC", "USDC")
    with pytest.raises(ValueError, match="reserve must be one of"):
        play(model, Loans(("DOGE", *names[1:]), np.ones((1, 3)), np.zeros((1, 3)), ("a",)), [START] * 2)
    with pytest.raises(ValueError, match="debt must be in USDC only"):
        play(model, Loans(names, np.zeros((1, 3)), np.array([[1.0, 0, 0]]), ("a",)), [START] * 2)
    with pytest.raises(ValueError, match="collateral must not be the borrowed token"):
        play(model, Loans(names, np.array([[0, 0, 1.0]]), np.zeros((1, 3)), ("a",)), [START] * 2)
    with pytest.raises(ValueError, match="must hold the borrowed token USDC"):
        play(model, Loans(names[:2], np.ones((1, 2)), np.zeros((1, 2)), ("a",)), [START] * 2)
    with pytest.raises(ValueError, match="liquidation threshold of WETH must lie in"):
        model.with_threshold_shift(0.5)
