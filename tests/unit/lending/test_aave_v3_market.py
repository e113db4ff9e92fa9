"""The market on lanes: contract figures, keepers, profitability, conservation, boundaries."""

import numpy as np
import pytest
from markets import TOKENS, loan, market, play, rules

from riskengine.book.loans import Loans
from riskengine.lending.aave_v3 import AaveV3
from riskengine.lending.keeper import Keeper
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid
from riskengine.oracle.push import PushOracle
from riskengine.rates.two_slope import TwoSlope
from riskengine.roles import LendingEvents, LendingProtocol


def test_is_a_lending_protocol():
    model = market()
    assert isinstance(model, LendingProtocol)
    assert model.kind == "aave_v3"
    _, events, _ = play(model, loan(weth=10, usdc=10_000), [2000, 2000])
    assert isinstance(events[0], LendingEvents)


def test_nothing_happens_while_prices_stand_still():
    state, events, closing = play(market(), loan(weth=10, usdc=15_000), [2000] * 6)
    assert sum(e.liquidations.sum() + e.skipped_unprofitable.sum() + e.sold.sum() for e in events) == 0
    assert closing["bad_debt"] == 0 and closing["liquidated_loans"] == 0
    assert state.collateral[0, :, 0].tolist() == [10, 0, 0]
    assert state.debt[0, :, 0].tolist() == [0, 0, 15_000]


def test_half_close_has_the_contract_figures():
    # row A9: 1 WBTC falls to 22,680 against 20,500, threshold 86 %, bonus 5 %, no protocol fee
    model = market(threshold=0.86, protocol_fee=0.0)
    book = loan(wbtc=1.0, usdc=20_500)
    state = model.init(book, ("BTC", "ETH"), np.array([[27_000.0], [1800.0]]), TimeGrid(3600, 1))
    event = model.step(state, 1, np.array([[22_680.0], [1800.0]]))
    assert event.liquidations[0] == 1
    assert event.volume_usd[0] == pytest.approx(10_250, rel=1e-12)
    assert event.sold[0, 0] == pytest.approx(0.47453703, rel=3e-8)
    assert state.debt[0, 2, 0] == pytest.approx(10_250, rel=1e-12)


def test_bad_debt_has_the_contract_figures():
    # row A13: 0.5 WBTC at 21,600 against 11,000
    model = market(threshold=0.86)
    state = model.init(loan(wbtc=0.5, usdc=11_000), ("BTC", "ETH"), np.array([[27_000.0], [1800.0]]), TimeGrid(3600, 1))
    event = model.step(state, 1, np.array([[21_600.0], [1800.0]]))
    assert event.volume_usd[0] == pytest.approx(10_285.714286, rel=1e-9)
    assert event.sold[0, 0] == pytest.approx(0.49761904, rel=1e-7)
    assert event.protocol_fee_usd[0] / 21_600 == pytest.approx(0.00238096, rel=1e-5)
    assert event.deficit_usd[0] == pytest.approx(714.285714, rel=1e-8)
    assert state.collateral.sum() == 0 and state.debt.sum() == 0
    assert model.close(state, np.array([[21_600.0], [1800.0]]))["bad_debt"][0] == event.deficit_usd[0]


def test_partly_liquidated_loans_stay_in_the_book():
    # falls to HF 0.98 (half closed), recovers in health, falls again
    _, events, closing = play(market(), loan(weth=10, usdc=15_000), [2000, 1837.5, 1837.5, 1500])
    assert [int(e.liquidations[0]) for e in events] == [1, 0, 1]
    assert [int(e.liquidated_loans[0]) for e in events] == [1, 0, 0]
    assert closing["liquidated_loans"][0] == 1


def test_lower_threshold_can_leave_more_bad_debt():
    """Correction 8: under a partial close factor a lower threshold is not safer path by path."""
    prices, book = [2000, 1866.12, 1637.58, 710.90], loan(weth=10, usdc=15_000)
    lower = play(market(threshold=0.80, protocol_fee=0.0), book, prices)[2]["bad_debt"][0]
    higher = play(market(threshold=0.83, protocol_fee=0.0), book, prices)[2]["bad_debt"][0]
    assert lower == pytest.approx(3587, abs=1)
    assert higher == 0.0


def test_health_boundaries():
    # debt 8,000 against 5 WETH at threshold 0.8: health 1 at 2,000, 0.95 at 1,900
    def repaid(price):
        return play(market(), loan(weth=5, usdc=8_000), [2500, price])[1][0].volume_usd[0]

    assert repaid(2000.0) == 0.0
    assert repaid(1999.99) == pytest.approx(4_000)
    assert repaid(1900.01) == pytest.approx(4_000)
    assert repaid(1900.0) == pytest.approx(8_000)


def test_small_sides_close_in_full():
    # 2,000 of debt at health 0.98: half; one cent less: all
    def repaid(debt):
        price = 0.98 * debt / 0.8
        return play(market(), loan(weth=1, usdc=debt), [2 * price, price])[1][0].volume_usd[0]

    assert repaid(2000.0) == pytest.approx(1000.0)
    assert repaid(1999.99) == pytest.approx(1999.99)


def test_callers_avoid_leaving_dust():
    # health 0.98; half of 3,500 would take 1,837.5 of a collateral and leave less than 1,000 in either reserve, so
    # the caller offers less, on the reserve that bears more
    book = Loans(TOKENS, np.array([[1.0, 2287.5 / 30_000, 0.0]]), np.array([[0.0, 0.0, 3_500.0]]), ("a",))
    state, events, _ = play(market(), book, [2500, 2000])
    assert events[0].volume_usd[0] == pytest.approx(1287.5 / 1.05)
    assert state.collateral[0, 1, 0] * 30_000 == pytest.approx(1000)
    assert state.collateral[0, 0, 0] == 1.0


def test_keeper_delay_is_exact():
    prices = [2000, 1837.5, 1837.5, 1837.5, 1837.5, 1837.5]
    for delay in (0, 1, 3):
        events = play(market(delay=float(delay)), loan(weth=10, usdc=15_000), prices)[1]
        assert [int(e.liquidations[0]) for e in events].index(1) == delay
    # a recovery before the keeper arrives cancels the call, and the clock starts again
    events = play(market(delay=2.0), loan(weth=10, usdc=15_000), [2000, 1837.5, 1900, 1837.5, 1837.5, 1837.5])[1]
    assert [int(e.liquidations[0]) for e in events] == [0, 0, 0, 0, 1]


def test_delay_must_fall_on_the_grid():
    with pytest.raises(ValueError, match="keeper delay must fall on the time grid.*a step of 0.5 h would do"):
        play(market(delay=0.5), loan(weth=10, usdc=15_000), [2000, 1900])


def test_delay_turns_a_gap_into_bad_debt():
    prices = [2000, 1837.5, 1200, 1200]
    fast = play(market(calls=8), loan(weth=10, usdc=15_000), prices)[2]["bad_debt"][0]
    slow = play(market(delay=1.0, calls=8), loan(weth=10, usdc=15_000), prices)[2]["bad_debt"][0]
    assert slow > fast + 1000


def test_repeated_calls_within_a_step():
    once = play(market(calls=1), loan(weth=10, usdc=15_000), [2000, 1790])[1][0]
    often = play(market(calls=8), loan(weth=10, usdc=15_000), [2000, 1790])[1][0]
    assert once.liquidations[0] == 1
    assert often.liquidations[0] >= once.liquidations[0]
    assert often.volume_usd[0] >= once.volume_usd[0]


def test_unprofitable_loans_are_left_and_counted():
    # bonus 5 % of 375 is less than 50 of gas
    book = Loans(TOKENS, np.array([[0.25, 0, 0], [10, 0, 0]]), np.array([[0, 0, 375.0], [0, 0, 15_000]]), ("s", "l"))
    _, events, closing = play(market(gas=50.0), book, [2000, 1837.5])
    assert events[0].skipped_unprofitable[0] == 1
    assert events[0].liquidations[0] == 1
    assert closing["liquidatable"][0] == 1


def test_thin_liquidity_limits_the_size_to_what_pays():
    model = market(depth=100_000.0)
    book = loan(weth=100, usdc=150_000)
    deep = play(market(), book, [2000, 1837.5])[1][0]
    state, events, closing = play(model, book, [2000, 1837.5])
    assert 0 < events[0].volume_usd[0] < deep.volume_usd[0]
    # the largest size that does not lose money leaves nothing
    assert events[0].keeper_profit_usd[0] == pytest.approx(0.0, abs=1e-6 * events[0].volume_usd[0])
    assert closing["liquidatable"][0] == 1
    # half refilled, the pool pays no more than the collateral cost; the hour after, it does
    assert model.step(state, 2, np.array([[30_000.0], [1837.5]])).skipped_unprofitable[0] == 1
    assert model.step(state, 3, np.array([[30_000.0], [1837.5]])).volume_usd[0] > 0


def test_loans_share_the_pool():
    one = Loans(TOKENS, np.array([[100.0, 0, 0]]), np.array([[0, 0, 150_000.0]]), ("a",))
    two = Loans(TOKENS, np.array([[100.0, 0, 0]] * 2), np.array([[0, 0, 150_000.0]] * 2), ("a", "b"))
    alone = play(market(depth=100_000.0), one, [2000, 1837.5])[1][0].volume_usd[0]
    together = play(market(depth=100_000.0), two, [2000, 1837.5])[1][0]
    assert together.volume_usd[0] == pytest.approx(alone, rel=1e-6)
    assert together.skipped_unprofitable[0] == 1


def test_oracle_hides_small_moves():
    # the feed publishes at moves of 5 %: a fall of 4 % below the threshold goes unseen until the heartbeat
    oracle = PushOracle(0.05, 3.0)
    _, events, _ = play(market(oracle=oracle), loan(weth=10, usdc=15_600), [2000, 1930, 1930, 1930])
    assert [int(e.liquidations[0]) for e in events] == [0, 0, 1]


def test_interest_accrues_on_the_path():
    rates = TwoSlope(0.8, 0.0, 0.04, 0.6, 0.1)
    model = market(rates=rates, utilisation=0.8)
    state, _, closing = play(model, loan(weth=10, usdc=10_000), [2000] * 25)
    borrow = (1 + 0.04 / 8760) ** 24
    assert closing["debt"][0] == pytest.approx(10_000 * borrow, rel=1e-9)
    assert closing["collateral"][0] == pytest.approx(20_000 * (1 + 0.04 * 0.8 * 0.9 / 8760) ** 24, rel=1e-9)
    # one step of many hours compounds as the contract does
    model.accrue(state, 0)
    assert state.indices[1, 2] == pytest.approx(borrow, rel=1e-9)


def test_volatile_debt():
    # WBTC collateral, WETH debt: liquidatable when ETH rises
    _, events, _ = play(market(), loan(wbtc=1.0, weth_debt=12.0), [1900, 1950, 2050])
    assert [int(e.liquidations[0]) for e in events] == [0, 1]
    assert events[1].sold[1, 0] == 0 and events[1].sold[0, 0] > 0


def test_lanes_do_not_see_each_other():
    rng = np.random.default_rng(3)
    eth = 2000 * np.exp(np.cumsum(0.05 * rng.standard_normal((12, 16)), axis=0))
    eth[0] = 2000
    book = Loans(
        TOKENS, np.array([[10.0, 0, 0], [5, 0.2, 0]]), np.array([[0, 0, 15_000.0], [0, 0, 11_000]]), ("a", "b")
    )
    model = market(delay=1.0, gas=20.0, calls=4, depth=50_000.0, fee=0.003)
    whole = play(model, book, eth)
    for p in (0, 7, 15):
        alone = play(model, book, eth[:, p : p + 1])
        for step, (a, b) in enumerate(zip(whole[1], alone[1], strict=True)):
            assert a.volume_usd[p] == b.volume_usd[0], step
        assert (whole[0].collateral[:, :, p] == alone[0].collateral[:, :, 0]).all()
    assert sum(e.liquidations.sum() for e in whole[1]) > 10


def test_a_failed_path_harms_no_other():
    eth = np.full((4, 3), 1837.5)
    eth[0] = 2000
    eth[1:, 0] = np.nan
    _, events, _ = play(market(), loan(weth=10, usdc=15_000), eth)
    assert [e.liquidations.tolist() for e in events][0] == [0, 1, 1]


def test_conservation():
    rng = np.random.default_rng(11)
    eth = 2000 * np.exp(np.cumsum(0.15 * rng.standard_normal((20, 64)), axis=0))
    eth[0] = 2000
    collateral = np.column_stack([rng.uniform(0, 20, 12), rng.uniform(0, 1, 12), np.zeros(12)])
    debt = np.zeros((12, 3))
    debt[:, 2] = 0.8 * collateral @ [2000, 30_000, 0] / rng.uniform(1.02, 1.5, 12)
    book = Loans(TOKENS, collateral, debt, tuple("abcdefghijkl"))
    model = market(calls=4, fee=0.003, depth=1e6, gas=10.0)
    state, events, closing = play(model, book, eth)
    repaid = sum(e.volume_usd + e.deficit_usd for e in events)
    np.testing.assert_allclose(debt.sum() - state.debt.sum(axis=(0, 1)), repaid, rtol=1e-10, atol=1e-6)
    assert sum(e.deficit_usd.sum() for e in events) > 0
    # coins gone from borrowers are with liquidators (who sold them) or the treasury (10 % of the bonus)
    gone = collateral[:, :2].sum(axis=0)[:, None] - state.collateral[:, :2].sum(axis=0)
    sold = sum(e.sold for e in events)[::-1]
    np.testing.assert_allclose(gone * (1 - 0.1 * (1 - 1 / 1.05)), sold, rtol=1e-10, atol=1e-9)
    seized = sum(e.seized_usd for e in events)
    np.testing.assert_allclose(
        sum(e.protocol_fee_usd for e in events), 0.1 * (1 - 1 / 1.05) * seized, rtol=1e-10, atol=1e-9
    )
    assert sum(e.keeper_profit_usd.sum() for e in events) > 0
    assert (state.collateral >= 0).all() and (state.debt >= 0).all()
    assert (book.collateral == collateral).all()
    np.testing.assert_array_equal(closing["liquidated_loans"], sum(e.liquidated_loans for e in events))


def test_closing_figures():
    model = market(gas=1e6)
    state, _, closing = play(model, loan(weth=10, usdc=15_000), [2000, 1000])
    assert closing["residual_shortfall"][0] == pytest.approx(5_000)
    assert closing["bad_debt"][0] == pytest.approx(5_000)
    assert closing["liquidatable"][0] == 1
    assert closing["borrow_capacity"][0] == pytest.approx(14_000)
    assert closing["borrow_capacity_at_close"][0] == pytest.approx(7_000)
    assert closing["initially_liquidatable"][0] == 0
    np.testing.assert_allclose(model.health(state, np.array([[30_000.0], [1000.0]])), [[8_000 / 15_000]])
    assert np.isinf(model.health(play(model, loan(weth=1), [2000, 2000])[0], np.array([[1.0], [1.0]]))).all()


def test_threshold_shift():
    model = market()
    assert model.with_threshold_shift(0.0) is model
    assert model.with_threshold_shift(-0.02).rules.reserve("WETH").liquidation_threshold == 0.78
    shifted = play(model.with_threshold_shift(-0.1), loan(weth=10, usdc=15_000), [2000, 2000])
    assert shifted[2]["initially_liquidatable"][0] == 1
    assert shifted[1][0].liquidations[0] == 1


def test_refuses():
    with pytest.raises(ValueError, match="liquidity must name the assets that collateral follows.*BTC.*ETH.*got.*WETH"):
        AaveV3(rules(), Keeper(), ConstantProduct({"WETH": 1e6, "BTC": 1e6}))
    with pytest.raises(ValueError, match="world must have the assets"):
        market().init(loan(weth=1), ("BTC",), np.ones((1, 1)), TimeGrid(3600, 1))
    with pytest.raises(ValueError, match="reserve must be one of"):
        book = Loans(("DOGE",), np.ones((1, 1)), np.ones((1, 1)), ("a",))
        market().init(book, ("BTC", "ETH"), np.ones((2, 1)), TimeGrid(3600, 1))
    with pytest.raises(ValueError, match="calls_per_step must lie in"):
        Keeper(calls_per_step=0)


@pytest.mark.parametrize("lane", [0, 1, 3])
def test_a_failed_path_does_not_hide_the_others(lane):
    """The bound over a block must hold for every lane with a price, wherever the NaN of a failed one stands."""
    spot = np.array([[30_000.0] * 4, [2000.0] * 4])
    fall = spot * np.array([0.6, 1.0, 1.02, 1.03])
    model, book = market(), loan(weth=10, usdc=15_000)

    def played(prices):
        state = model.init(book, ("BTC", "ETH"), spot, TimeGrid(3600, 1))
        return model.step(state, 1, prices).liquidations

    alone = played(fall)
    broken = fall.copy()
    broken[:, lane] = np.nan
    good = np.arange(4) != lane
    assert np.array_equal(played(broken)[good], alone[good])
    assert alone[0] > 0
