"""Control variates: the estimate against textbook regression, what is left out, and what stays as it was."""

import math
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from riskengine.stats.bounded import share, share_difference
from riskengine.stats.control import (
    ControlVariates,
    KnownMean,
    controlled_difference,
    controlled_mean,
    controlled_share,
)
from riskengine.stats.figures import ControlledFigures, PlainFigures
from riskengine.stats.mean import mean

RNG = np.random.default_rng(5)
N = 4000
Z = RNG.standard_normal((3, N))
GROWTH = (KnownMean(math.exp(0.5), 1.0), np.exp(Z[0]))
TAIL = (KnownMean(0.02275013194817921, 0.0227), (Z[1] < -2.0).astype(float))
FIGURE = np.exp(0.8 * Z[0]) + 2.0 * TAIL[1] + 0.3 * Z[2]


def test_it_is_the_prediction_of_a_regression_at_the_known_means():
    found = controlled_mean(FIGURE, ControlVariates([GROWTH, TAIL]))
    columns = np.column_stack([np.ones(N), GROWTH[1], TAIL[1]])
    fit = sm.OLS(FIGURE, columns).fit().get_prediction(np.array([[1.0, GROWTH[0].value, TAIL[0].value]]))
    assert found.value == pytest.approx(float(fit.predicted_mean[0]), rel=1e-12)
    assert found.std_error == pytest.approx(float(fit.se_mean[0]), rel=1e-10)
    assert found.lower < found.value < found.upper
    factor = (mean(FIGURE).std_error / found.std_error) ** 2
    assert factor > 5 and f"mean with 2 exact controls, variance / {factor:.3g}, clt" in found.method
    assert found.n_effective == mean(FIGURE).n_effective  # never more hits than the figure has


def test_a_figure_that_is_a_combination_of_controls_has_no_error():
    found = controlled_mean(3.0 * GROWTH[1] - TAIL[1] + 1.0, ControlVariates([TAIL, GROWTH]))
    assert found.value == pytest.approx(3.0 * GROWTH[0].value - TAIL[0].value + 1.0, rel=1e-12)
    assert found.std_error < 1e-12


def test_controls_that_are_rare_or_repeat_others_are_left_out():
    twin = (KnownMean(2 * GROWTH[0].value + 1, 1.0), 2 * GROWTH[1] + 1)
    near = (GROWTH[0], GROWTH[1] + 0.01 * Z[2])
    constant = (KnownMean(0.3, 1.0), np.full(N, 0.3))
    rare = (KnownMean(0.007, 0.007), TAIL[1])  # 28 expected, many seen: what is seen must not decide
    assert ControlVariates([GROWTH, twin, near, constant, rare]).count == 1
    assert ControlVariates([GROWTH, (rare[0]._replace(paths=0.0076), rare[1]), twin]).count == 2
    assert ControlVariates([]).count == 0


def test_what_would_be_refused_stays_as_it_was():
    controls = ControlVariates([GROWTH, TAIL])
    few = np.zeros(N)
    few[:60] = 1.0
    assert controlled_share(few, controls) == share(few)
    assert "chernoff" in controlled_share(few, controls).method
    assert controlled_share(1.0 - few, controls) == share(1.0 - few)
    assert not math.isfinite(controlled_mean(few, controls).upper)
    # enough hits, but all but a few are the control's own: what is left is carried by too few
    event = (Z[0] > 1.0).astype(float)
    almost = event.copy()
    almost[:5] = 1.0 - almost[:5]
    own = ControlVariates([(KnownMean(0.158655, 0.15), event)])
    assert controlled_mean(almost, own) == mean(almost) and math.isfinite(mean(almost).upper)
    assert controlled_mean(FIGURE, ControlVariates([])) == mean(FIGURE)
    assert controlled_mean(np.zeros(N), controls) == mean(np.zeros(N))


def test_shares_mirror_and_stay_inside():
    controls = ControlVariates([GROWTH, TAIL])
    f = (Z[0] + 0.3 * Z[2] < -1.2).astype(float)
    one, other = controlled_share(f, controls), controlled_share(1.0 - f, controls)
    assert "exact controls" in one.method
    assert other.value == pytest.approx(1.0 - one.value, rel=1e-12)
    assert other.upper == pytest.approx(1.0 - one.lower, rel=1e-9)
    assert other.std_error == pytest.approx(one.std_error, rel=1e-9)


def test_differences():
    controls = ControlVariates([GROWTH, TAIL])
    a, b = ((Z[0] + 0.2 * Z[2] < c).astype(float) for c in (-1.0, -1.6))
    found = controlled_difference(a, b, controls, shares=True)
    assert found.value == pytest.approx(
        controlled_mean(a, controls).value - controlled_mean(b, controls).value, rel=1e-9
    )
    assert "paired difference with 2 exact controls" in found.method
    assert controlled_difference(a, a, controls, shares=True) == share_difference(a, a)
    wide = controlled_difference(FIGURE, 0.5 * FIGURE, controls)
    assert wide.value == pytest.approx(0.5 * controlled_mean(FIGURE, controls).value, rel=1e-12)


def test_counts_and_quantiles_are_plain_ones():
    figures, plain = ControlledFigures(controls=ControlVariates([GROWTH, TAIL])), PlainFigures()
    hit = TAIL[1] > 0
    assert figures.probability(hit) == plain.probability(hit)
    assert figures.quantiles(FIGURE, (0.95,)) == plain.quantiles(FIGURE, (0.95,))
    assert figures.ratio(FIGURE, GROWTH[1]) == plain.ratio(FIGURE, GROWTH[1])
    assert figures.mean_given(FIGURE, hit) == plain.mean_given(FIGURE, hit)
    narrow = figures.at(0.5)
    assert narrow.mean(FIGURE).value == figures.mean(FIGURE).value
    assert narrow.mean(FIGURE).upper < figures.mean(FIGURE).upper
    assert replace(narrow, confidence=0.95).mean(FIGURE) == figures.mean(FIGURE)
