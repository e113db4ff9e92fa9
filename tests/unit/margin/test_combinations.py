"""Windows, shortfall, filter and combinations of margin models against brute force on the parts."""

import numpy as np
import pytest
from test_revaluation import SURFACE, WINDOW, _book, _brute_force, _paths

from riskengine.margin.buffered import Buffered
from riskengine.margin.capped import Capped
from riskengine.margin.derive_pmrm_v2 import DerivePmrmV2
from riskengine.margin.ewma_var import EwmaVar
from riskengine.margin.filtered_historical_var import FilteredHistoricalVar
from riskengine.margin.greatest_of import GreatestOf
from riskengine.margin.historical_var import HistoricalVar
from riskengine.margin.mixture import Mixture
from riskengine.margin.speed_limited import SpeedLimited
from riskengine.pricing.valuation import snapshot
from riskengine.roles import told_apart

LEVELS = (0.9, 0.975)


@pytest.fixture(scope="module")
def market():
    book, paths = _book(), _paths()
    return book, paths, snapshot(book, SURFACE, paths.spot_lanes[2], paths.variance_lanes[2], 0.0)


def _ask(model, market, step=2):
    book, paths, now = market
    return model.requirement(model.step(model.init(book, SURFACE), paths, step), now)


def test_a_window_reads_the_newest_periods(market):
    book, paths, now = market
    pnl = np.sort(_brute_force(book, paths, now, 2)[:, -12:], axis=1)
    for level, found in zip(LEVELS, _ask(HistoricalVar(LEVELS, 24.0, window=12), market), strict=True):
        worst = -pnl[:, 12 - int(np.ceil(12 * level))]
        np.testing.assert_allclose(found.initial, np.maximum(worst, 0.0), rtol=1e-9, atol=1e-7)


def test_shortfall_is_the_mean_of_the_worst_share(market):
    book, paths, now = market
    losses = -np.sort(_brute_force(book, paths, now, 2), axis=1)
    model = HistoricalVar((0.9, 0.975, 0.999), 24.0, shortfall=True)
    for level, found in zip(model.levels, _ask(model, market), strict=True):
        share = WINDOW * (1.0 - level)
        # weight of each loss in the worst share: one, the one at the edge in part; the largest alone below one loss
        weight = np.clip(max(share, 1.0) - np.arange(WINDOW), 0.0, 1.0)
        expected = np.tensordot(weight / weight.sum(), losses, axes=(0, 1))
        np.testing.assert_allclose(found.initial, np.maximum(expected, 0.0), rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("step", [0, 2])
def test_filter_brings_returns_to_the_volatility_of_now(market, step):
    book, paths, _ = market
    model = FilteredHistoricalVar(LEVELS, 24.0, decay=0.9)
    state = model.init(book, SURFACE)
    for at in range(0, step + 1):  # a state that was filtered before is filtered anew, not twice
        state = model.step(state, paths, at)
    first, last = state.first, state.first + state.length
    for p in range(paths.count):
        for a in range(len(book.assets)):
            r = state.returns[p, a, first:last]
            s2 = [float(np.mean(r**2))]
            for x in r:
                s2.append(0.9 * s2[-1] + 0.1 * float(x) ** 2)
            expected = r * np.sqrt(s2[-1] / np.array(s2[:-1]))
            np.testing.assert_allclose(state.rescaled[p, a, first:last], expected, rtol=1e-12)


def test_combinations_are_what_they_say(market):
    fast, slow = FilteredHistoricalVar(LEVELS), HistoricalVar(LEVELS)
    for i, (f, s) in enumerate(zip(_ask(fast, market), _ask(slow, market), strict=True)):
        for part in ("initial", "maintenance"):
            a, b = getattr(f, part), getattr(s, part)
            made = {
                "greatest": (GreatestOf((fast, slow)), np.maximum(a, b)),
                "mixture": (Mixture((fast, slow), (0.75, 0.25)), 0.75 * a + 0.25 * b),
                "buffered": (Buffered(fast, slow, 0.25), np.maximum(np.minimum(1.25 * a, b), a)),
                "capped": (Capped(fast, slow, 1.1), np.minimum(a, 1.1 * b)),
            }
            for name, (model, expected) in made.items():
                np.testing.assert_allclose(getattr(_ask(model, market)[i], part), expected, rtol=1e-14, err_msg=name)
        chosen = _ask(GreatestOf((fast, slow)), market)[i]
        np.testing.assert_array_equal(chosen.binding_scenario == 1, s.initial > f.initial)
        np.testing.assert_array_equal(chosen.components["historical_var"], s.initial)


def test_parts_stand_on_one_axis_of_levels():
    given = GreatestOf((HistoricalVar(), EwmaVar()), levels=(0.98,))
    assert given.levels == (0.98,) and all(part.levels == (0.98,) for part in given.models)
    assert GreatestOf((HistoricalVar((0.9,)), EwmaVar((0.9,)))).levels == (0.9,)
    assert GreatestOf((given, HistoricalVar((0.98,)))).levels == (0.98,)
    with pytest.raises(ValueError, match="levels must be given"):
        GreatestOf((HistoricalVar((0.9,)), EwmaVar((0.95,))))
    with pytest.raises(ValueError, match="margin_period_hours must be one"):
        GreatestOf((HistoricalVar((0.9,), 24.0), EwmaVar((0.9,), 48.0)))
    with pytest.raises(ValueError, match="at least two"):
        GreatestOf((HistoricalVar(),))
    with pytest.raises(ValueError, match="weights must hold one"):
        Mixture((HistoricalVar(), EwmaVar()), (1.0,))


def test_a_grid_counts_at_every_level(market):
    from riskengine.config.models import margin_model

    grid = margin_model("derive_pmrm_v2")
    assert isinstance(grid, DerivePmrmV2)
    model = Mixture((HistoricalVar(LEVELS), grid), (1.0, 2.0))
    assert model.levels == LEVELS
    (fixed,) = _ask(grid, market)
    for alone, both in zip(_ask(HistoricalVar(LEVELS), market), _ask(model, market), strict=True):
        np.testing.assert_allclose(both.initial, alone.initial + 2.0 * fixed.initial, rtol=1e-14)


def test_a_window_longer_than_the_history_is_refused(market):
    with pytest.raises(ValueError, match="window must not exceed"):
        _ask(HistoricalVar(window=WINDOW + 1), market)


def test_of_mixed_parts_those_of_one_class_are_told_apart_too():
    inner = (EwmaVar(decay=0.9), EwmaVar(decay=0.97), HistoricalVar())
    assert told_apart(tuple(SpeedLimited(model) for model in inner)) == (
        "speed_limited (model ewma_var, decay 0.9)",
        "speed_limited (model ewma_var, decay 0.97)",
        "speed_limited (model historical_var)",
    )


def test_models_of_a_kind_are_told_apart():
    models = (HistoricalVar(window=90), HistoricalVar(), HistoricalVar(shortfall=True), EwmaVar())
    assert told_apart(models) == (
        "historical_var (window 90)",
        "historical_var",
        "historical_var (shortfall)",
        "ewma_var",
    )


def test_models_inside_a_combination_tell_it_apart():
    fast = [GreatestOf((FilteredHistoricalVar(decay=d), HistoricalVar())) for d in (0.9, 0.97)]
    assert told_apart(fast) == ("greatest_of (decay 0.9)", "greatest_of (decay 0.97)")
    assert told_apart((fast[0], GreatestOf((HistoricalVar(), EwmaVar()))))[1] == (
        "greatest_of (models historical_var and ewma_var)"
    )
    limited = [SpeedLimited(FilteredHistoricalVar(decay=d), 1.1) for d in (0.9, 0.97)]
    assert told_apart(limited) == ("speed_limited (decay 0.9)", "speed_limited (decay 0.97)")
    assert told_apart((*limited, SpeedLimited(HistoricalVar())))[-1] == (
        "speed_limited (model historical_var, rise 1.25)"
    )
