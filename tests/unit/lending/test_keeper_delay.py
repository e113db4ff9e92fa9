"""Drawn delays of keepers: their law, that the default draws nothing, and that neither block nor book order matters."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from markets import TOKENS, market

from riskengine.book.loans import Loans
from riskengine.lending.keeper import DelayShares, ExponentialDelay, Keeper
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys, PathDraws, Purpose, fill_uniforms

FALL = np.array([2_000.0] + [1_500.0] * 24)


def book(names, usdc=15_500.0):
    """Borrowers of the same balances, far below 1 at 1,500 USD: one call closes each."""
    held = np.array([[10.0, 0.0, 0.0]]) * np.ones((len(names), 1))
    return Loans(TOKENS, held, np.array([[0.0, 0.0, usdc]]) * np.ones((len(names), 1)), tuple(names))


def events(keeper, loans, lanes=1, draws=PathDraws(), eth=FALL, seconds=3600):  # noqa: B008 - a frozen record
    """Liquidations of each step, shape (T, P)."""
    model = replace(market(calls=4), keeper=keeper)
    spot = np.stack([np.full((len(eth), lanes), 3e4), np.repeat(eth[:, None], lanes, axis=1)], axis=1)
    state = model.init(loans, ("BTC", "ETH"), spot[0], TimeGrid(seconds, len(eth) - 1), draws)
    return np.stack([model.step(state, t, spot[t]).liquidations for t in range(1, len(eth))])


def arrivals(keeper, lanes, **more):
    """Steps from the fall to the call of a single borrower, shape (P,); the horizon where none came."""
    found = events(keeper, book(["a"]), lanes, **more) > 0
    return np.where(found.any(axis=0), found.argmax(axis=0), len(found))


def late(law, **more):
    return Keeper(0.0, 0.0, 4, extra_delay=law, **more)


def test_no_extra_delay_and_an_extra_delay_of_nothing_are_the_same_bits():
    loans = book(["a", "b"])
    plain = events(Keeper(2.0, 0.0, 4), loans, 3)
    np.testing.assert_array_equal(
        events(replace(late(DelayShares("shares", (0.0,), (1.0,))), delay_hours=2.0), loans, 3), plain
    )
    np.testing.assert_array_equal(events(late(DelayShares("shares", (2.0,), (1.0,))), loans, 3), plain)
    assert plain.argmax(axis=0).tolist() == [2, 2, 2]


def test_a_delay_is_a_function_of_seed_path_time_and_name():
    """The draw by hand: Philox at (path, seconds, purpose, number), its key the study's words with the name's."""
    draws = PathDraws(DrawKeys(9), 70)
    name = np.frombuffer(sha256(b"a").digest()[:8], "<u4").astype(np.uint64)
    k0, k1 = (np.uint64(k) ^ n for k, n in zip(draws.keys.words(), name, strict=True))
    u = np.empty(40)
    fill_uniforms(u, 70, 3600, int(Purpose.KEEPER_DELAY), 0, k0, k1)
    wanted = np.ceil(-4.0 * np.log(u)).clip(max=24)
    np.testing.assert_array_equal(arrivals(late(ExponentialDelay("exponential", 4.0)), 40, draws=draws), wanted)


def test_shares_of_keepers_and_the_exponential_law():
    """Frequencies within four standard errors, on 20,000 paths."""
    lanes = 20_000
    found = arrivals(late(DelayShares("shares", (0.0, 1.0, 5.0), (0.6, 0.3, 0.1))), lanes)
    for steps, share in ((0, 0.6), (1, 0.3), (5, 0.1)):
        assert abs((found == steps).mean() - share) < 4.0 * np.sqrt(share * (1 - share) / lanes)
    assert set(found) == {0, 1, 5}
    found = arrivals(late(ExponentialDelay("exponential", 3.0)), lanes)
    for k in (0, 1, 4, 12):
        share = np.exp(-k / 3.0)
        assert abs((found > k).mean() - share) <= 4.0 * np.sqrt(share * (1 - share) / lanes)


def test_a_finer_grid_sees_the_same_draw_sooner_never_later():
    law = late(ExponentialDelay("exponential", 2.0))
    hours = arrivals(law, 500)
    # on the finer grid the loan falls at the hour too, so that the draw is the same
    fine = events(law, book(["a"]), 500, eth=np.repeat(FALL, 4)[:-3], seconds=900) > 0
    quarters = (fine.argmax(axis=0) - 3) / 4.0
    came = hours < 23
    assert came.sum() > 450
    assert (np.ceil(quarters[came]) == hours[came]).all() and (quarters[came] < hours[came]).any()


def test_neither_the_order_of_the_book_nor_who_else_is_in_it_nor_the_block_matters():
    law, names = late(ExponentialDelay("exponential", 6.0)), ["x", "y", "z"]
    alone = {n: events(law, book([n]), 30, PathDraws(DrawKeys(4))) for n in names}
    assert (alone["x"] != alone["y"]).any()
    together = sum(alone.values())
    for order in (names, names[::-1]):
        np.testing.assert_array_equal(events(law, book(order), 30, PathDraws(DrawKeys(4))), together)
    part = events(law, book(names), 12, PathDraws(DrawKeys(4), 18))
    np.testing.assert_array_equal(part, together[:, 18:])


def test_a_loan_that_recovers_and_falls_again_has_a_new_delay():
    law = late(DelayShares("shares", (0.0, 30.0), (0.5, 0.5)))
    eth = np.array([2_000.0, 1_500.0, 2_500.0, 1_500.0, 1_500.0])
    found = events(law, book(["a"]), 4_000, eth=eth) > 0
    first, second = found[0].mean(), (found[2] & ~found[0]).mean()
    assert abs(first - 0.5) < 0.035 and abs(second - 0.25) < 0.03
    assert not found[3][~found[0] & ~found[2]].any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExponentialDelay("exponential", 0.0), "mean_hours must lie in"),
        (lambda: DelayShares("shares", (), ()), "hours must hold at least one delay, rising"),
        (lambda: DelayShares("shares", (2.0, 1.0), (0.5, 0.5)), "hours must hold at least one delay, rising"),
        (lambda: DelayShares("shares", (1.0, 2.0), (0.5, 0.6)), "shares must hold one for each of hours and sum to 1"),
        (lambda: DelayShares("shares", (1.0, 2.0), (1.0,)), "shares must hold one for each"),
        (lambda: arrivals(late(DelayShares("shares", (0.5,), (1.0,))), 1), "keeper hours must fall on the time grid"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
