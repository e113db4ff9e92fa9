"""Every oracle on lanes against its rule in plain Python, path by path, and against closed forms."""

from fractions import Fraction
from math import exp, log, prod

import numpy as np
import pytest

from riskengine.market.grid import TimeGrid
from riskengine.oracle.chained import ChainedOracle, FeedLeg, RateLeg
from riskengine.oracle.ema import EmaOracle
from riskengine.oracle.osm import OsmOracle, osm_history
from riskengine.oracle.push import PushOracle, exact_sequence
from riskengine.oracle.stale import StaleOracle
from riskengine.oracle.twap import TwapOracle
from riskengine.random import DrawKeys, PathDraws

ASSETS = ("ETH", "stETH", "wstETH")
CHAIN = ChainedOracle(
    {
        "stETH": (FeedLeg("feed", "stETH", "ETH", 0.01, 6.0), FeedLeg("feed", "ETH", None, 0.02, 1.0)),
        "wstETH": (RateLeg("rate", 1.15, 0.03), FeedLeg("feed", "stETH", "ETH", 0.01, 6.0), FeedLeg("feed", "ETH")),
    },
    PushOracle(0.02, 1.0),
)
EVERY = [
    PushOracle(0.02, 2.0),
    CHAIN,
    TwapOracle(2.0, "arithmetic"),
    TwapOracle(3.0, "geometric"),
    EmaOracle(1.5),
    OsmOracle(1.0),
    StaleOracle(PushOracle(0.01, 1.0), 3.0, 7.0, 0.3, 1.0),
    StaleOracle(TwapOracle(1.0), missed_share=0.4),
]


def market(steps=60, lanes=5, seed=7, step=0.01):
    """Prices of the three assets, shape (T + 1, 3, P): ETH moves, the staked coins' quotes in it move less."""
    rng = np.random.default_rng(seed)
    moves = step * rng.standard_normal((steps, 3, lanes)) * np.array([1.0, 0.4, 0.4])[:, None]
    moves[:, 1:] += moves[:, :1]
    start = np.array([2_000.0, 1_990.0, 2_290.0])[:, None] * np.ones(lanes)
    return np.concatenate([start[None], start * np.exp(np.cumsum(moves, axis=0))])


def lived(oracle, prices, step_seconds=1800, draws=PathDraws(DrawKeys(3))):  # noqa: B008 - a frozen record
    """What the protocol sees at every step, shape of `prices`."""
    state = oracle.init(prices[0], TimeGrid(step_seconds, max(len(prices) - 1, 1)), ASSETS, draws)
    seen = [oracle.step(state, prices[0], 0).copy()]
    return np.stack(seen + [oracle.step(state, spot, step_seconds).copy() for spot in prices[1:]])


def held_before(path, t, m):
    """The m prices in force over the window that ends at step t; before time 0 that of time 0."""
    return [path[max(s, 0)] for s in range(t - m, t)]


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_averages_over_a_window_are_the_means_of_the_prices_in_force(mean):
    prices, m = market(), 6
    found = lived(TwapOracle(3.0, mean), prices)
    for a in range(3):
        for p in range(5):
            path = prices[:, a, p].tolist()
            for t in range(len(path)):
                window = held_before(path, t, m)
                said = sum(window) / m if mean == "arithmetic" else exp(sum(map(log, window)) / m)
                assert found[t, a, p] == pytest.approx(said, rel=1e-12)


@pytest.mark.parametrize("blocks", [1, 3, 10])
@pytest.mark.parametrize("push", [0.5, -0.2])
def test_a_push_held_for_some_blocks_moves_averages_by_the_closed_forms(blocks, push):
    """n delta / m, (1 + delta)^{n/m} - 1 and delta (1 - e^{-n dt / T}), read by the block after."""
    m, dt = 10, 12
    path = np.ones((blocks + 2, 1, 1))
    path[1 : blocks + 1] = 1.0 + push
    oracles = {
        "arithmetic": TwapOracle(m * dt / 3600, "arithmetic"),
        "geometric": TwapOracle(m * dt / 3600, "geometric"),
        "ema": EmaOracle(100 / 3600),
    }
    moved = {name: lived(oracle, path, dt)[-1, 0, 0] - 1.0 for name, oracle in oracles.items()}
    assert moved["arithmetic"] == pytest.approx(blocks * push / m, rel=1e-12)
    assert moved["geometric"] == pytest.approx((1.0 + push) ** (blocks / m) - 1.0, rel=1e-12)
    assert moved["ema"] == pytest.approx(push * (1.0 - exp(-blocks * dt / 100)), rel=1e-12)
    for name, oracle in oracles.items():
        assert float(oracle.moved(push, blocks * dt)) == pytest.approx(moved[name], rel=1e-12)


def test_the_moving_average_is_its_weighted_sum():
    prices = market()
    found, keep = lived(EmaOracle(2.0), prices), exp(-0.5 / 2.0)
    for a in range(3):
        path = prices[:, a, 2].tolist()
        for t in range(len(path)):
            past = sum((1.0 - keep) * keep ** (t - 1 - s) * path[s] for s in range(t))
            assert found[t, a, 2] == pytest.approx(past + keep**t * path[0], rel=1e-12)


def test_the_security_module_is_the_integer_one():
    """The same prices in the contract's integers, poked at every step, on the grid's clock."""
    prices = np.round(market(steps=40) * 1e6)
    found = lived(OsmOracle(1.0), prices, 900)
    for a in range(3):
        for p in range(5):
            path = [int(x) for x in prices[:, a, p]]
            source = [(900 * t, x) for t, x in enumerate(path)]
            times = [900 * t for t in range(1, len(path))]
            told = osm_history(3600, 0, path[0], path[0], source, times, 0)
            assert found[1:, a, p].tolist() == list(told.current)
            # what is read is one hop older than the last poke
            assert found[8, a, p] == path[4] and found[11, a, p] == path[4]


def test_chained_feeds_are_the_products_of_exact_sequences():
    prices = market(step=0.02)
    found = lived(CHAIN, prices)
    for p in range(5):
        eth, steth = prices[:, 0, p], prices[:, 1, p]
        ratio = exact_sequence((steth / eth).tolist(), 1800, 0.01, 6 * 3600)[1]
        wide = exact_sequence(eth.tolist(), 1800, 0.02, 3600)[1]
        narrow = exact_sequence(eth.tolist(), 1800, 0.005, 3600)[1]
        rate = 1.15 * np.exp(0.03 * np.arange(len(eth)) * 1800 / 31_536_000)
        np.testing.assert_allclose(found[:, 0, p], wide, rtol=1e-15)
        np.testing.assert_allclose(found[:, 1, p], np.array(ratio) * wide, rtol=1e-14)
        np.testing.assert_allclose(found[:, 2, p], rate * np.array(ratio) * narrow, rtol=1e-14)


def test_deviations_of_a_chain_add_and_no_less():
    """The market never leaves the product of the thresholds, and a path stands just inside it on either side."""
    prices = market(steps=400, step=0.02)
    off = prices[:, 1] / lived(CHAIN, prices)[:, 1] - 1.0
    assert CHAIN.unseen_fall("stETH") == pytest.approx(1.0 - 0.99 * 0.98)
    assert (off > -CHAIN.unseen_fall("stETH")).all() and (off < 1.01 * 1.02 - 1.0).all()
    assert off.min() < -0.02 and off.max() > 0.02  # farther than either feed alone can be
    for side in (-1, 1):
        eth, ratio = 1.0 + side * 0.02 * (1 - 1e-9), 1.0 + side * 0.01 * (1 - 1e-9)
        path = np.array([[1.0, 1.0, 1.0], [eth, eth * ratio, 1.0]])[:, :, None]
        seen = lived(CHAIN, path)[1, 1, 0]
        assert seen == 1.0
        assert path[1, 1, 0] / seen - 1.0 == pytest.approx(prod((1 + side * 0.01, 1 + side * 0.02)) - 1.0, rel=1e-6)


def test_a_rate_taken_for_granted_is_not_moved_by_the_market():
    pegged = ChainedOracle({"stETH": (RateLeg("rate"), FeedLeg("feed", "ETH", None, 0.0, 1.0))})
    prices = market()
    prices[10:, 1] *= 0.5
    np.testing.assert_array_equal(lived(pegged, prices)[:, 1], prices[:, 0])
    assert pegged.unseen_fall("stETH") is None and pegged.unseen_fall("ETH") == 0.005


def test_a_silent_oracle_says_what_reached_the_protocol_last():
    """Plain Python, path by path: an outage of stated hours, and intervals whose heartbeat is missed."""
    prices, draws = market(steps=40, lanes=7), PathDraws(DrawKeys(11), 3)
    oracle = StaleOracle(PushOracle(0.004, 1.0), 6.0, 9.0, 0.35, 1.0)
    found = lived(oracle, prices, 1800, draws)
    none = 0
    for a in range(3):
        for p in range(7):
            answers = exact_sequence(prices[:, a, p].tolist(), 1800, 0.004, 3600)[1]
            seen = answers[0]
            for t in range(len(answers)):
                interval = t // 2
                missed = interval > 0 and PathDraws(DrawKeys(11), 3 + p).uniforms(1, interval, 71, a)[0] < 0.35
                none += missed
                if not (missed or 12 <= t < 18):
                    seen = answers[t]
                assert found[t, a, p] == seen
    assert none > 100


def test_missed_heartbeats_in_a_row_are_geometric():
    """16 of 16 with probability q^16: within four standard errors over 40,000 feeds."""
    lanes, q = 40_000, 0.9
    path = np.arange(1.0, 19.0)[:, None, None] * np.ones(lanes)
    oracle = StaleOracle(PushOracle(0.0, 1.0), missed_share=q)
    state = oracle.init(path[0], TimeGrid(3600, 17), ("ETH",), PathDraws(DrawKeys(5)))
    for spot in path[1:17]:
        seen = oracle.step(state, spot, 3600)
    share, said = (seen == 1.0).mean(), q**16
    assert abs(share - said) < 4.0 * np.sqrt(said * (1 - said) / lanes)


@pytest.mark.parametrize("oracle", EVERY, ids=lambda o: o.kind)
def test_bits_do_not_depend_on_the_block(oracle):
    prices = market(lanes=9)
    whole = lived(oracle, prices, draws=PathDraws(DrawKeys(3), 0))
    parts = [(0, 4), (4, 9)]
    split = [lived(oracle, prices[:, :, a:b].copy(), draws=PathDraws(DrawKeys(3), a)) for a, b in parts]
    np.testing.assert_array_equal(np.concatenate(split, axis=2), whole)
    assert (whole != prices).any()


# an average whose delivery stops shows what it was when it was last read, which a finer grid does later
@pytest.mark.parametrize("oracle", EVERY[:-1], ids=lambda o: o.kind)
def test_a_finer_grid_on_which_prices_stand_still_says_the_same(oracle):
    """Twice as many steps, each price in force until the next: at the common times the protocol sees the same."""
    prices = market()
    coarse = lived(oracle, prices, 1800)
    fine = lived(oracle, np.repeat(prices, 2, axis=0)[:-1], 900)
    np.testing.assert_allclose(fine[::2], coarse, rtol=1e-13)
    assert (coarse != prices).any()


@pytest.mark.parametrize("oracle", EVERY, ids=lambda o: o.kind)
def test_several_steps_at_once_are_those_steps_at_a_standing_price(oracle):
    """A participant may advance by more than one step: the price of the step before was in force."""
    prices = market(steps=8)
    state = oracle.init(prices[0], TimeGrid(1800, 32), ASSETS, PathDraws(DrawKeys(3)))
    jumps = np.stack([oracle.step(state, spot, 7200).copy() for spot in prices[1:]])
    assert np.isfinite(jumps).all()
    if oracle.kind in ("twap", "ema"):
        np.testing.assert_allclose(jumps, lived(oracle, np.repeat(prices, 4, axis=0)[:-3], 1800)[4::4], rtol=1e-12)


@pytest.mark.parametrize("oracle", EVERY, ids=lambda o: o.kind)
def test_the_oracle_leaves_the_market_alone_and_a_broken_lane_stays_apart(oracle):
    prices = market()
    before = prices.copy()
    whole = lived(oracle, prices)
    np.testing.assert_array_equal(prices, before)
    prices[5:, :, 2] = np.nan
    others = [0, 1, 3, 4]
    np.testing.assert_array_equal(lived(oracle, prices)[:, :, others], whole[:, :, others])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TwapOracle(0.0), "window_hours must lie in"),
        (lambda: EmaOracle(-1.0), "time_hours must lie in"),
        (lambda: OsmOracle(0.0), "hop_hours must lie in"),
        (lambda: StaleOracle(from_hours=5.0, until_hours=4.0), r"until_hours must lie in \[5, 8760"),
        (lambda: StaleOracle(missed_share=1.5), "missed_share must lie in"),
        (lambda: ChainedOracle({}), "chains must hold the legs of at least one asset"),
        (lambda: ChainedOracle({"X": (RateLeg("rate"),)}), "chains of X must end with a feed in USD"),
        (lambda: ChainedOracle({"X": (FeedLeg("feed", "X"), FeedLeg("feed", "Y"))}), "and hold no other"),
        (lambda: FeedLeg("feed", "X", "X"), "per must be another asset than asset"),
        (lambda: FeedLeg("feed", "X", None, 2.0), "deviation must lie in"),
        (lambda: lived(TwapOracle(0.3), market()), "oracle window_hours must fall on the time grid"),
        (lambda: lived(OsmOracle(0.3), market()), "oracle hop_hours must fall on the time grid"),
        (lambda: lived(StaleOracle(heartbeat_hours=0.7), market()), "oracle heartbeat_hours must fall"),
        (lambda: lived(ChainedOracle({"X": (FeedLeg("feed", "X"),)}), market()), "chains must name assets of the wor"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_bounds_a_fall_that_the_oracle_does_not_tell():
    assert [o.unseen_fall("BTC") for o in (PushOracle(0.01), TwapOracle(), EmaOracle(), OsmOracle())] == [0.01] + [
        None
    ] * 3
    assert StaleOracle(PushOracle(0.01)).unseen_fall("BTC") == 0.01
    assert StaleOracle(PushOracle(0.01), 1.0, 2.0).unseen_fall("BTC") is None
    assert StaleOracle(missed_share=0.1).unseen_fall("BTC") is None
    assert Fraction(str(CHAIN.unseen_fall("ETH"))) == Fraction("0.02")
