"""Least margin by planes, against the linear programme written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from riskengine.tune.hedge import Limits, least_margin


def programme(rng, instruments=8, scenarios=15):
    """A margin by worst scenario and limits."""
    gain, fixed = 100 * rng.normal(size=(scenarios, instruments)), 400 * rng.normal(size=scenarios)
    greeks = rng.normal(size=(2, instruments))
    limits = Limits(
        np.full(instruments, 4.0), rng.uniform(0.5, 3.0, instruments), greeks, np.array([-1.0, -2.0]),
        np.array([0.5, 2.0]), spend=60.0, worth=1.5,
    )  # fmt: skip
    return gain, fixed, limits


def written_out(gain, fixed, own):
    count = own.most.size
    rows = [np.column_stack([-gain, gain, -np.ones(len(fixed))])]
    sides = [fixed]
    for g, low, high in zip(own.greeks, own.low, own.high, strict=True):
        rows += [np.concatenate([g, -g, [0.0]])[None], np.concatenate([-g, g, [0.0]])[None]]
        sides += [np.array([high]), np.array([-low])]
    rows.append(np.concatenate([own.cost, own.cost, [0.0]])[None])
    sides.append(np.array([own.spend]))
    price = own.worth * own.cost
    answer = linprog(
        np.concatenate([price, price, [1.0]]), A_ub=np.concatenate(rows), b_ub=np.concatenate(sides),
        bounds=[(0.0, m) for m in own.most] * 2 + [(0.0, None)],
    )  # fmt: skip
    assert answer.success and count
    return answer.fun


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_trades_reach_the_programme_written_out_and_keep_the_limits(seed):
    gain, fixed, limits = programme(np.random.default_rng(seed))

    def margin(t):
        return np.maximum((-t @ gain.T - fixed).max(axis=1), 0.0)

    found = least_margin(margin, limits)
    exact = written_out(gain, fixed, limits)
    assert found.before == margin(np.zeros((1, 8)))[0]
    assert found.after == pytest.approx(margin(found.trades[None])[0])
    assert found.objective == pytest.approx(found.after + 1.5 * found.cost)
    assert found.objective <= found.before
    # in units of the margin at hand: slopes are differences, good to 1e-9 of it
    assert found.bound is not None
    assert found.bound <= exact + 1e-6 * found.before
    assert exact - 1e-6 * found.before <= found.objective <= exact + 2.1e-4 * found.before
    moved = limits.greeks @ found.trades
    slack = 1.1e-5 * np.abs(limits.greeks) @ limits.most
    assert (moved <= limits.high + slack).all() and (moved >= limits.low - slack).all()
    assert (np.abs(found.trades) <= limits.most * (1 + 1e-9)).all()
    assert found.cost <= limits.spend * (1 + 1e-6)


def test_nothing_is_traded_where_nothing_may_be_spent():
    gain, fixed, own = programme(np.random.default_rng(1))
    limits = Limits(own.most, own.cost, own.greeks, own.low, own.high, spend=0.0)
    found = least_margin(lambda t: np.maximum((-t @ gain.T - fixed).max(axis=1), 0.0), limits)
    assert not found.trades.any()
    assert found.after == found.before and found.cost == 0.0


def test_a_margin_that_is_not_convex_has_no_bound():
    one = Limits(np.array([3.0]), np.array([0.0]), np.zeros((0, 1)), np.zeros(0), np.zeros(0))
    found = least_margin(lambda t: 10.0 + np.minimum(np.abs(t[:, 0] - 1.0), 0.5) + 0.1 * t[:, 0], one)
    assert found.bound is None
    assert found.after <= found.before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"most": np.zeros(2)}, "at least one instrument"),
        ({"cost": np.array([1.0, -1.0])}, "must not be negative"),
        ({"low": np.array([0.5])}, "allow not to trade"),
        ({"cost": np.zeros(3)}, "cost"),
    ],
)
def test_bad_limits_are_named(change, says):
    plain = {"most": np.ones(2), "cost": np.ones(2), "greeks": np.ones((1, 2)), "low": np.array([-1.0]),
             "high": np.array([1.0])}  # fmt: skip
    with pytest.raises(ValueError, match=says):
        Limits(**(plain | change))
