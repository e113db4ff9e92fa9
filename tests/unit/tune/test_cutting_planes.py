"""Least margin by planes, against the linear programme written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from riskengine.tune.cutting_planes import Tail, TradeLimits, least_margin


def programme(rng, instruments=8, scenarios=15):
    """A margin by worst scenario and limits."""
    gain, fixed = 100 * rng.normal(size=(scenarios, instruments)), 400 * rng.normal(size=scenarios)
    greeks = rng.normal(size=(2, instruments))
    limits = TradeLimits(
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
    limits = TradeLimits(own.most, own.cost, own.greeks, own.low, own.high, spend=0.0)
    found = least_margin(lambda t: np.maximum((-t @ gain.T - fixed).max(axis=1), 0.0), limits)
    assert not found.trades.any()
    assert found.after == found.before and found.cost == 0.0


def test_a_margin_that_is_not_convex_has_no_bound():
    one = TradeLimits(np.array([3.0]), np.array([0.0]), np.zeros((0, 1)), np.zeros(0), np.zeros(0))
    found = least_margin(lambda t: 10.0 + np.minimum(np.abs(t[:, 0] - 1.0), 0.5) + 0.1 * t[:, 0], one)
    assert found.bound is None
    assert found.after <= found.before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"most": np.zeros(2)}, "at least one instrument"),
        ({"cost": np.array([1.0, -1.0])}, "must not be negative"),
        ({"low": np.array([1.5])}, "low must not exceed high"),
        ({"cost": np.zeros(3)}, "cost"),
    ],
)
def test_bad_limits_are_named(change, says):
    plain = {"most": np.ones(2), "cost": np.ones(2), "greeks": np.ones((1, 2)), "low": np.array([-1.0]),
             "high": np.array([1.0])}  # fmt: skip
    with pytest.raises(ValueError, match=says):
        TradeLimits(**(plain | change))


def test_bounds_that_no_trade_breaks_are_reached_or_said_to_be_out_of_reach():
    gain, fixed, own = programme(np.random.default_rng(5))

    def margin(t):
        return np.maximum((-t @ gain.T - fixed).max(axis=1), 0.0)

    low, high = np.array([0.7, -2.0]), np.array([0.9, 2.0])
    limits = TradeLimits(own.most, own.cost, own.greeks, low, high, worth=1.5)
    found = least_margin(margin, limits)
    assert 0.7 - 1e-3 <= (own.greeks @ found.trades)[0] <= 0.9 + 1e-3
    exact = written_out(gain, fixed, TradeLimits(own.most, own.cost, own.greeks, low, high, spend=1e9, worth=1.5))
    assert found.objective == pytest.approx(exact, abs=2.1e-4 * found.before)
    far = TradeLimits(own.most, own.cost, own.greeks, np.array([1e6, -2.0]), np.array([2e6, 2.0]))
    with pytest.raises(ValueError, match="bring the exposures within their bounds"):
        least_margin(margin, far)


def test_a_tail_that_may_not_grow_does_not_and_the_programme_written_out_agrees():
    rng = np.random.default_rng(11)
    gain, fixed, own = programme(rng, instruments=5)
    losses, held = 150.0 * rng.normal(size=(5, 200)), 300.0 * rng.normal(size=200)

    def margin(t):
        return np.maximum((-t @ gain.T - fixed).max(axis=1), 0.0)

    free = TradeLimits(own.most, own.cost, own.greeks, own.low, own.high, worth=1.5)
    tail = Tail(held, losses, 0.95, 1.0)
    start, wild = tail.shortfall(np.zeros(5))[0], tail.shortfall(least_margin(margin, free).trades)[0]
    assert wild > start  # else the limit would bind nothing
    limits = TradeLimits(
        own.most, own.cost, own.greeks, own.low, own.high, worth=1.5, tail=Tail(held, losses, 0.95, start)
    )
    found = least_margin(margin, limits)
    assert limits.tail.shortfall(found.trades)[0] <= start * 1.001 + 1e-9
    # Rockafellar and Uryasev: ES <= c  <=>  a + sum z / k <= c, z >= L - a, z >= 0
    count, paths, worst = 5, 200, 10
    zero = np.zeros
    rows = [np.concatenate([-gain, gain, -np.ones((len(fixed), 1)), zero((len(fixed), 1 + paths))], axis=1)]
    sides = [fixed]
    for g, low, high in zip(own.greeks, own.low, own.high, strict=True):
        rows += [np.concatenate([s * g, -s * g, zero(2 + paths)])[None] for s in (1.0, -1.0)]
        sides += [np.array([high]), np.array([-low])]
    rows.append(np.concatenate([losses.T, -losses.T, zero((paths, 1)), -np.ones((paths, 1)), -np.eye(paths)], axis=1))
    sides.append(-held)
    rows.append(np.concatenate([zero(2 * count + 1), [1.0], np.full(paths, 1.0 / worst)])[None])
    sides.append(np.array([start]))
    price = 1.5 * own.cost
    exact = linprog(
        np.concatenate([price, price, [1.0, 0.0], zero(paths)]), A_ub=np.concatenate(rows), b_ub=np.concatenate(sides),
        bounds=[(0.0, m) for m in own.most] * 2 + [(0.0, None), (None, None)] + [(0.0, None)] * paths,
    )  # fmt: skip
    assert exact.success
    assert found.bound <= exact.fun + 1e-6 * found.before
    assert found.objective == pytest.approx(exact.fun, rel=3e-3)
