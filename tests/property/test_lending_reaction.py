"""Borrowers who top up or deleverage before keepers come."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.book.borrowers import synthetic_borrowers
from riskengine.config.study import load_study
from riskengine.lending.reaction import Reaction
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "lending"))
from markets import loan, market, play  # noqa: E402

ALL = {"trigger": 1.1, "target": 1.25, "attentive_share": 1.0}


def paths(seed=3, steps=24, lanes=32):
    """Falling prices of BTC and ETH, (T + 1, A, P)."""
    moves = np.random.default_rng(seed).normal(-0.012, 0.03, (steps, 1, lanes)) * np.array([[[0.7], [1.0]]])
    growth = np.exp(np.concatenate([np.zeros((1, 2, lanes)), moves.cumsum(axis=0)]))
    return np.array([[[30_000.0], [2_000.0]]]) * growth


def lived(model, book, spot):
    """Sums of every event over the steps, closing figures, and the state."""
    state = model.init(book, ("BTC", "ETH"), spot[0], TimeGrid(3600, len(spot) - 1))
    sums = {}
    for t in range(1, len(spot)):
        events = model.step(state, t, spot[t])
        for name in ("liquidations", "volume_usd", "deficit_usd", "sold"):
            sums[name] = sums.get(name, 0.0) + getattr(events, name)
    return sums, model.close(state, spot[-1]), state


BOOK = synthetic_borrowers(60, {"WETH": 2_000.0, "WBTC": 30_000.0}, {"WETH": 0.8, "WBTC": 0.8})


def test_off_and_nobody_attentive_are_the_same_bits():
    spot = paths()
    plain = lived(market(), BOOK, spot)
    for reaction in (None, Reaction("top_up", attentive_share=0.0), Reaction("deleverage", attentive_share=0.0)):
        sums, closing, _ = lived(replace(market(), reaction=reaction), BOOK, spot)
        assert all((sums[k] == plain[0][k]).all() for k in sums)
        assert all((closing[k] == plain[1][k]).all() for k in plain[1])
    assert plain[0]["liquidations"].sum() > 100


@settings(max_examples=40, deadline=None)
@given(
    action=st.sampled_from(["top_up", "deleverage"]),
    fall=st.floats(0.5, 0.9),
    debt=st.floats(9_000, 14_500),
    weth=st.floats(0.0, 1.0),
)
def test_the_target_is_restored_and_value_is_kept(action, fall, debt, weth):
    """10 coins' worth at thresholds of 0.8, in ETH and BTC: who acts ends at the target, and no value is made."""
    book = loan(weth=10.0 * weth, wbtc=(1.0 - weth) * 2 / 3, usdc=debt)
    model = replace(market(), reaction=Reaction(action, **ALL))
    eth, btc = 2_000.0 * fall, 30_000.0 * fall
    spot = np.array([[btc], [eth]])
    state = model.init(book, ("BTC", "ETH"), np.array([[30_000.0], [2_000.0]]), TimeGrid(3600, 1))
    before = 0.8 * 20_000.0 * fall / debt
    events = model.step(state, 1, spot)
    closing = model.close(state, spot)
    acted = 1.0 <= before < 1.1
    assert closing["reacting_borrowers"][0] == float(acted)
    equity = (closing["collateral"] - closing["debt"])[0]
    if not acted:
        assert events.sold.sum() == 0.0 or before < 1.0
        return
    assert events.liquidations[0] == 0.0
    assert model.health(state, spot)[0, 0] == pytest.approx(1.25, rel=1e-9)
    if action == "deleverage":
        assert equity == pytest.approx(20_000.0 * fall - debt, rel=1e-9)
        assert (events.sold[:, 0] * spot[:, 0]).sum() == pytest.approx(debt - closing["debt"][0], rel=1e-9)
    else:
        assert closing["debt"][0] == pytest.approx(debt, rel=1e-12) and events.sold.sum() == 0.0


def test_a_fall_through_trigger_and_threshold_at_once_is_left_to_keepers():
    book = loan(weth=10.0, usdc=14_000.0)
    model = replace(market(), reaction=Reaction("top_up", **ALL))
    _, events, closing = play(model, book, [2_000.0, 1_700.0])
    assert closing["reacting_borrowers"][0] == 0.0 and events[0].liquidations[0] == 1.0


def test_what_may_be_added_is_bounded():
    book = loan(weth=10.0, usdc=14_000.0)
    model = replace(market(), reaction=Reaction("top_up", 1.1, 1.25, 1.0, most_added=1.05))
    state, _, closing = play(model, book, [2_000.0, 1_850.0, 1_820.0])
    assert closing["reacting_borrowers"][0] == 1.0
    assert state.collateral[0, 0, 0] == pytest.approx(10.5)


@pytest.mark.parametrize("action", ["top_up", "deleverage"])
def test_attention_lowers_liquidations_on_every_market(action):
    """In pools without end: in thin ones the room that attentive borrowers leave is taken by others."""
    spot = paths()
    study = load_study("lending_mechanisms").study
    deep = ConstantProduct({"BTC": 1e15, "ETH": 1e15}, 0.0, 1.0)
    for plain in study.lending.markets:
        model, book = replace(plain, liquidity=deep), study.lending.book
        start = np.array([34_500.0, 1_810.0])[None, :, None] * (spot / spot[0])
        calls = []
        for share in (0.0, 0.5, 1.0):
            reaction = Reaction(action, 1.1, 1.3, share)
            sums, closing, _ = lived(replace(model, reaction=reaction), book, start)
            calls.append(closing["liquidated_loans"].mean())
        assert calls[0] > calls[1] > calls[2], (model.kind, calls)


def test_who_is_attentive_follows_from_the_name_alone():
    names = tuple(f"b{i}" for i in range(4_000))
    reaction = Reaction("top_up", attentive_share=0.3)
    who = reaction.attentive(names)
    assert (reaction.attentive(names[::-1])[::-1] == who).all()
    # six standard errors
    assert abs(who.mean() - 0.3) < 6 * np.sqrt(0.3 * 0.7 / 4_000)
    more = Reaction("top_up", attentive_share=0.6).attentive(names)
    assert (more >= who).all()


def test_account_order_and_blocks_of_lanes_change_nothing():
    spot = paths()
    model = replace(market(), reaction=Reaction("deleverage", 1.15, 1.3, 0.5))
    order = np.random.default_rng(1).permutation(len(BOOK.names))
    shuffled = replace(
        BOOK, collateral=BOOK.collateral[order], debt=BOOK.debt[order], names=tuple(BOOK.names[i] for i in order)
    )
    whole = lived(model, BOOK, spot)
    other = lived(model, shuffled, spot)
    assert np.allclose(whole[1]["bad_debt"], other[1]["bad_debt"], rtol=1e-9)
    assert (whole[1]["liquidated_loans"] == other[1]["liquidated_loans"]).all()
    parts = [lived(model, BOOK, np.ascontiguousarray(spot[:, :, cut])) for cut in (slice(0, 20), slice(20, 32))]
    for name in ("liquidations", "volume_usd", "sold"):
        assert (np.concatenate([p[0][name] for p in parts], axis=-1) == whole[0][name]).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trigger": 1.0}, "trigger"),
        ({"trigger": 1.3}, "target"),
        ({"attentive_share": 1.5}, "attentive_share"),
        ({"most_added": 0.5}, "most_added"),
    ],
)
def test_faults_are_told(change, said):
    with pytest.raises(ValueError, match=said):
        Reaction("top_up", **change)
