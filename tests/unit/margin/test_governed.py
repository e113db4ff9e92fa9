"""Policies: the ladder by hand, reviews, delay, steps; no look-ahead as a property; parameters that move."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_revaluation import SURFACE

from riskengine.book.portfolio import Portfolio
from riskengine.config.models import margin_model
from riskengine.config.study import study_of
from riskengine.errors import InputError
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.margin.governed import Governed, Policy
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.margin.historical_var import HistoricalVar
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.pricing.valuation import snapshot

ASSETS = ("BTC", "ETH")
STEPS, HISTORY, LANES = 40, 12, 3  # steps of six hours, history of days


def _paths(seed=0, spot=None, depth=None):
    rng = np.random.default_rng(seed)
    grid = TimeGrid(21_600, STEPS, 86_400, HISTORY)
    before = np.exp(np.cumsum(rng.normal(0, 0.03, (HISTORY + 1, 2, LANES)), axis=0))
    before *= np.array([100.0, 10.0])[:, None] / before[-1]
    if spot is None:
        spread = 0.01 * (1.0 + 4.0 * (np.arange(STEPS) > STEPS // 3))[:, None, None]
        moves = rng.normal(0, 1.0, (STEPS, 2, LANES)) * spread
        spot = before[-1] * np.exp(np.concatenate([np.zeros((1, 2, LANES)), np.cumsum(moves, axis=0)]))
    if depth is None:
        depth = np.exp(np.cumsum(rng.normal(-0.03, 0.1, spot.shape), axis=0))
    state = np.full_like(spot, 0.4)
    return MarketPaths(grid, ASSETS, 0, spot, state, before, np.full_like(before, 0.4), depth_lanes=depth)


def _book():
    instruments = (EuropeanOption("BTC", 100.0, 2000.0, "call"), Perpetual("BTC"), Perpetual("ETH"))
    quantity = np.array([[-1.0, 0.5, 0.0], [0.0, 1.0, -3.0]])
    return Portfolio(ASSETS, instruments, quantity, 0 * quantity, np.zeros((2, 3)), ("a", "b"), ("a", "b"))


def _signal(policy, paths, step):
    """What the policy sees at time index `step`, from the definition, lane by lane."""
    out = np.zeros(paths.count)
    for p in range(paths.count):
        for a in range(2):
            if policy.signal == "thinness":
                count = round(policy.window_hours / 6)
                seen = [paths.depth_lanes[t, a, p] if t > 0 else 1.0 for t in range(step - count + 1, step + 1)]
                value = np.mean([1.0 / d for d in seen])
            else:
                days = step // 4
                price = [
                    paths.spot_lanes[4 * d, a, p] if d > 0 else paths.history_spot_lanes[d + HISTORY, a, p]
                    for d in range(days - round(policy.window_hours / 24), days + 1)
                ]
                value = np.sqrt(np.mean(np.diff(np.log(price)) ** 2) * 365.0)
            out[p] = max(out[p], value)
    return out


VOLATILITY = Policy("realised_volatility", (0.5, 0.7, 0.9), 96.0, 24.0, 12.0)
THINNESS = Policy("thinness", (1.1, 1.3, 1.8), 24.0, 12.0, 6.0, most_rungs=2)


@pytest.mark.parametrize("policy", [VOLATILITY, THINNESS, replace(VOLATILITY, delay_hours=0.0, most_rungs=9)])
def test_the_ladder_is_what_the_rule_says(policy):
    paths = _paths()
    rungs = policy.rungs(paths)
    delay, review = round(policy.delay_hours / 6), round(policy.review_hours / 6)
    now = np.searchsorted(policy.thresholds, _signal(policy, paths, -delay))
    for step in range(STEPS + 1):
        if step and step % review == 0:
            wanted = np.searchsorted(policy.thresholds, _signal(policy, paths, step - delay))
            now = now + np.clip(wanted - now, -policy.most_rungs, policy.most_rungs)
        np.testing.assert_array_equal(rungs[step], now)
    assert len(np.unique(rungs)) > 2  # it moves
    assert np.abs(np.diff(rungs, axis=0)).max() <= policy.most_rungs


@settings(max_examples=30, deadline=None)
@given(
    step=st.integers(0, STEPS),
    seed=st.integers(0, 1000),
    signal=st.sampled_from([VOLATILITY, THINNESS]),
    delay=st.sampled_from([0.0, 6.0, 30.0]),
)
def test_nothing_after_the_decision_is_read(step, seed, signal, delay):
    """Paths that agree up to a time have the same rung and the same requirement there, whatever comes after."""
    policy = replace(signal, delay_hours=delay)
    one = _paths(seed)
    spot, depth = one.spot_lanes.copy(), one.depth_lanes.copy()
    spot[step + 1 :] *= np.exp(np.random.default_rng(seed).normal(0, 0.5, spot[step + 1 :].shape))
    depth[step + 1 :] *= 0.1
    other = replace(one, spot_lanes=spot, depth_lanes=depth)
    np.testing.assert_array_equal(policy.rungs(one)[: step + 1], policy.rungs(other)[: step + 1])
    model, book = Governed(GreeksGrid(), policy, (0.7, 1.0, 1.3, 2.0)), _book()
    found = []
    for paths in (one, other):
        now = snapshot(book, SURFACE, paths.spot_lanes[step], paths.variance_lanes[step], 6.0 * step)
        found.append(model.requirement(model.step(model.init(book, SURFACE), paths, step), now)[0])
    np.testing.assert_array_equal(found[0].initial, found[1].initial)


@pytest.mark.parametrize("parameter", ["multiplier", "scale", "level"])
def test_each_lane_has_the_figure_of_its_own_setting(parameter):
    book, paths, step = _book(), _paths(5), 24
    settings_ = {"multiplier": (0.7, 1.0, 1.3, 2.0), "scale": (0.5, 1.0, 1.5, 2.0), "level": (0.8, 0.9, 0.95, 0.99)}
    inner = HistoricalVar((0.97,)) if parameter == "level" else GreeksGrid()
    model = Governed(inner, VOLATILITY, settings_[parameter], parameter)
    assert model.levels == ()
    now = snapshot(book, SURFACE, paths.spot_lanes[step], paths.variance_lanes[step], 6.0 * step)
    # back and forth: the ladder belongs to the paths, not to the order in which they are asked
    state = model.step(model.step(model.init(book, SURFACE), _paths(9), 4), paths, step)
    (found,) = model.requirement(state, now)
    rung = VOLATILITY.rungs(paths)[step]
    assert len(np.unique(rung)) > 1
    np.testing.assert_array_equal(found.binding_scenario[0], rung)
    for p, r in enumerate(rung):
        x = settings_[parameter][r]
        alone = {
            "multiplier": GreeksGrid(),
            "scale": GreeksGrid(price_range=0.16 * x, vol_range=0.4 * x),
            "level": HistoricalVar((x if parameter == "level" else 0.9,)),
        }[parameter]
        (plain,) = alone.requirement(alone.step(alone.init(book, SURFACE), paths, step), now)
        factor = x if parameter == "multiplier" else 1.0
        np.testing.assert_allclose(found.initial[:, p], factor * plain.initial[:, p], rtol=1e-14)
        np.testing.assert_allclose(found.maintenance[:, p], factor * plain.maintenance[:, p], rtol=1e-14)
        assert found.components[parameter][0, p] == x


@pytest.mark.parametrize("kind", ["greeks_grid", "deribit_portfolio", "derive_pmrm_v2"])
def test_a_declared_scale_widens_the_shocks_of_linear_accounts(kind):
    model, book, paths = margin_model(kind), _book(), _paths()
    now = snapshot(book, SURFACE, paths.spot_lanes[0], paths.variance_lanes[0], 0.0)
    plain, wide = (m.requirement(m.init(book, SURFACE), now)[0].initial for m in (model, model.scaled(1.5)))
    same = model.scaled(1.0)
    np.testing.assert_array_equal(same.requirement(same.init(book, SURFACE), now)[0].initial, plain)
    assert (wide >= plain).all() and (wide[1] > 1.2 * plain[1]).all()


def test_what_does_not_fit_is_said():
    grid = TimeGrid(21_600, 4, 86_400, HISTORY)
    for policy, depth, said in (
        (replace(VOLATILITY, review_hours=7.0), False, "review_hours must fall on the time grid"),
        (replace(VOLATILITY, window_hours=240.0, delay_hours=120.0), False, "need history_windows of 15, got 12"),
        (replace(VOLATILITY, window_hours=30.0), False, "window_hours must be at least two whole steps"),
        (THINNESS, False, "thinness needs a world with depth"),
    ):
        with pytest.raises(ValueError, match=said):
            policy.check(grid, depth)
        with pytest.raises(ValueError, match=said):
            Governed(GreeksGrid(), policy, (1.0, 1.1, 1.2, 1.3)).check_paths(grid, ())
    with pytest.raises(ValueError, match="realised_volatility needs a history"):
        VOLATILITY.check(TimeGrid(21_600, 4), True)
    with pytest.raises(ValueError, match="thresholds must be positive and ascend"):
        replace(VOLATILITY, thresholds=(0.5, 0.4))
    with pytest.raises(ValueError, match=r"settings must hold one number more than thresholds \(4\), got 2"):
        Governed(GreeksGrid(), VOLATILITY, (1.0, 2.0))
    with pytest.raises(ValueError, match="model must declare a scale"):
        Governed(HistoricalVar(), VOLATILITY, (1.0, 1.1, 1.2, 1.3), "scale")
    with pytest.raises(ValueError, match="level must be the parameter of a quantile model"):
        Governed(GreeksGrid(), VOLATILITY, (0.9, 0.95, 0.97, 0.99), "level")
    with pytest.raises(ValueError, match="vol_range must lie in"):
        Governed(GreeksGrid(), VOLATILITY, (1.0, 1.1, 1.2, 2.5), "scale")


@pytest.mark.parametrize(
    ("kind", "policy", "said"),
    [
        ("calibration", {"signal": "thinness", "thresholds": [1.5]}, "thinness needs a world with depth"),
        ("backtest", {"signal": "thinness", "thresholds": [1.5]}, "thinness needs a world with depth"),
        ("calibration", {"signal": "realised_volatility", "thresholds": [0.5]}, "need history_windows of 33, got 20"),
        ("backtest", {"signal": "realised_volatility", "thresholds": [0.5]}, "need history_windows of 33, got 20"),
        (
            "calibration",
            {"signal": "realised_volatility", "thresholds": [0.5], "review_hours": 25},
            "review_hours must fall on the time grid",
        ),
    ],
)
def test_a_study_that_cannot_feed_the_signal_is_refused(kind, policy, said):
    model = {"kind": "governed", "model": {"kind": "greeks_grid"}, "settings": [1.0, 1.2], "policy": policy}
    margin = {"book": "margin_book", "models": [model], "margin_period_hours": 24}
    common = {"kind": kind, "title": "t", "world": "btc_eth", "history_windows": 20}
    if kind == "calibration":
        margin["liquidation_latency_hours"] = 6
        common |= {"seed": 1, "paths": 64, "horizon_hours": 24, "step_hours": 6, "margin": margin}
    else:
        common |= margin
    with pytest.raises(InputError) as caught:
        study_of(common)
    assert any(said in str(f) for f in caught.value.faults)
