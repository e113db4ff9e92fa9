"""VaR and ES at many levels at once are those of one level at a time."""

import dataclasses
import math

import numpy as np
import pytest

from riskengine.stats.figures import PlainFigures, WeightedFigures
from riskengine.stats.quantile import expected_shortfall, least_count, value_at_risk
from riskengine.stats.tail_curve import _sorted_tail, tail_curve
from riskengine.stats.weighted import PathWeights

LEVELS = (0.99, 0.5, 0.95, 0.999, 0.9505, 0.9999, 0.95)  # in no order, one twice
RNG = np.random.default_rng(11)
SAMPLES = {
    "heavy tail": RNG.standard_t(3, 30_000),
    "narrow and far out": 1e6 + 1e-3 * RNG.standard_exponential(20_000),
    "tiny": 1e-200 * RNG.standard_exponential(20_000),
    "huge": 1e200 * RNG.standard_exponential(20_000),
    "ties": np.repeat([0.0, 1.0, 2.0, 5.0], (15_000, 4_000, 900, 100)),
    "one value": np.full(3_000, 2.0),
    "two losses": np.array([1.0, 3.0]),
    "one loss": np.array([7.0]),
}


def same(a, b, tolerance):
    for field in dataclasses.fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.name == "method":
            # a refusal states the concentration to three digits
            assert x.split(" units")[0][:40] == y.split(" units")[0][:40]
        elif isinstance(x, float) and math.isfinite(x):
            assert x == pytest.approx(y, rel=tolerance, abs=0.0), field.name
        else:
            assert x == y or (math.isnan(x) and math.isnan(y)), field.name


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("confidence", [0.95, 0.5])
def test_many_levels_are_those_of_one_at_a_time(name, confidence):
    losses = SAMPLES[name]
    var, es = tail_curve(losses, LEVELS, confidence)
    for found, wanted in zip(var, value_at_risk(losses, LEVELS, confidence), strict=True):
        same(found, wanted, 0.0)
    for level, found in zip(LEVELS, es, strict=True):
        wanted = expected_shortfall(losses, level, confidence)
        assert found.value == wanted.value
        # excesses of 1e-3 at 1e6 carry ten digits themselves
        same(found, wanted, 1e-11)


LONG = {
    "continuous": RNG.standard_t(3, 100_000),
    "periodic": np.arange(100_000.0) % (100_000 // 4096),  # every loss probed is the same
    "ties at the cut": np.repeat([0.0, 1.0, 2.0], (60_000, 39_000, 1_000)),
    "rising": np.arange(100_000.0),
}


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("wanted", [1, 10, 5_000, 24_999, 60_000, 100_000])
def test_tail_of_a_long_sample_is_that_of_the_sorted_one(name, wanted):
    losses = RNG.permutation(LONG[name]) if name != "periodic" else LONG[name]
    first = losses.size - wanted
    np.testing.assert_array_equal(_sorted_tail(losses, first), np.sort(losses)[first:])


def test_other_levels_move_a_figure_by_rounding_only():
    losses = SAMPLES["heavy tail"]
    alone = tail_curve(losses, (0.99,))[1][0]
    among = tail_curve(losses, LEVELS)[1][0]
    assert among.value == alone.value
    same(among, alone, 1e-13)


def test_tail_curve_refuses_what_its_parts_refuse():
    assert tail_curve([1.0, 2.0], ()) == ((), ())
    with pytest.raises(ValueError, match="do not hold for weighted samples"):
        tail_curve([1.0, 2.0], (0.9,), weight=np.ones(2))
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\)"):
        tail_curve([1.0, 2.0], (1.0,))
    with pytest.raises(ValueError, match="confidence must lie"):
        tail_curve([1.0, 2.0], (0.9,), 1.0)
    with pytest.raises(ValueError, match="losses must hold at least one value"):
        tail_curve([], (0.9,))
    with pytest.raises(ValueError, match="losses must be finite"):
        tail_curve([1.0, math.inf], (0.9,))


def test_figures_of_plain_and_of_weighted_paths_share_one_tail():
    losses, levels = SAMPLES["heavy tail"], (0.95, 0.99)
    shift = 1.0 + RNG.random(losses.size)
    weights = PathWeights(np.minimum(2.0, shift / shift.mean()), np.arange(losses.size) % 2, 2.0)
    weighted = WeightedFigures(weights)
    assert weighted.tails(losses, levels) == (
        weighted.quantiles(losses, levels),
        tuple(weighted.shortfall(losses, level) for level in levels),
    )
    assert PlainFigures().tails(losses, levels) == tail_curve(losses, levels)


@pytest.mark.parametrize("n", [1, 2, 17, 1_000_000])
@pytest.mark.parametrize("p", [1e-7, 0.01, 0.5, 0.99, 1 - 1e-7])
def test_least_count_is_what_halving_the_whole_range_finds(n, p):
    from scipy.special import bdtr

    for probability in (0.0, 1e-12, 0.025, 0.5, 0.975, 1 - 1e-12, 1.0):
        low, high = -1, n
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if bdtr(middle, n, p) >= probability else (middle, high)
        assert least_count(n, p, probability) == high
