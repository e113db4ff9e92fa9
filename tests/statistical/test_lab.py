"""The lab against laws that are known without it."""

import numpy as np
import pytest
from scipy.special import bdtr, bdtrc, ndtri, stdtr

from riskengine.engine.lab import Lab
from riskengine.engine.questions import CalibrationQuestion, Exposure
from riskengine.estimator.historical import HistoricalEstimator
from riskengine.estimator.normal import NormalEstimator
from riskengine.market.grid import TimeGrid
from riskengine.market.surface import FactorSurface
from riskengine.random import DrawKeys
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.world import World
from riskengine.stats.figures import PlainFigures
from riskengine.stats.quantile import order_statistic_ranks
from riskengine.study.measures import calibration_rows

WINDOWS, PATHS = 250, 4000
CHECKS = 3 + 1 + 1  # in the order of the tests; all together fail by chance once in 10,000
ALPHA = 1e-4 / CHECKS
Z = float(ndtri(1 - ALPHA / 2))


@pytest.fixture(scope="module")
def columns():
    # so little volatility that loss and log-return are the same normal law to far below the Monte Carlo error
    model = Gbm(("BTC",), (100.0,), (0.0,), (0.006,), ((1.0,),))
    world = World("w", "w", "P", model, FactorSurface.flat((0.006,)))
    exposures = (Exposure("BTC"), Exposure("BTC", "short"), Exposure("BTC", "short", "inverse"))
    question = CalibrationQuestion((HistoricalEstimator(), NormalEstimator()), exposures, (0.99,))
    lab = Lab(world, question, 1 / 365, 0.95)
    paths = model.sample(TimeGrid(86400, 1, 86400, WINDOWS), 0, PATHS, DrawKeys(20))
    return lab.columns(paths)


@pytest.mark.parametrize("exposure", ["BTC long linear", "BTC short linear", "BTC short inverse"])
def test_historical_simulation_breaches_as_often_as_its_rank_says(columns, exposure):
    """With the k-th smallest of n losses the expected breach probability is (n + 1 - k) / (n + 1) for any law."""
    found = columns["calibration", "historical", 0.99, None, exposure, "breach_probability"]
    expected = (WINDOWS + 1 - np.ceil(WINDOWS * 0.99)) / (WINDOWS + 1)
    assert abs(found.mean() - expected) < Z * found.std() / np.sqrt(PATHS)


def test_plug_in_normal_breaches_as_the_t_law_says(columns):
    """For a normal sample the breach probability of mean + z sd averages to T_{n-1}(-z / sqrt(1 + 1/n))."""
    found = columns["calibration", "normal", 0.99, None, "BTC short inverse", "breach_probability"]
    expected = stdtr(WINDOWS - 1, -2.3263478740408408 / np.sqrt(1 + 1 / WINDOWS))
    assert abs(found.mean() - expected) < Z * found.std() / np.sqrt(PATHS)


def test_interval_of_the_order_statistics_covers(columns):
    """n = 250 has no finite upper bound at 99 %, so the interval covers with probability 1 - P(all ranks above)."""
    found = columns["calibration", "historical", 0.99, None, "BTC long linear", "interval_coverage"]
    stated = order_statistic_ranks(WINDOWS, 0.99, 0.95).coverage
    held = int(found.sum())
    assert stated >= 0.95 and min(bdtr(held, PATHS, stated), bdtrc(held - 1, PATHS, stated)) > ALPHA / 2


class Doubtful:
    """The normal estimator, which will not speak on every second path, nor on any at 99.9 %."""

    kind = "doubtful"

    def fit_lanes(self, losses, level, confidence):
        if np.max(level) > 0.99:
            raise ValueError("level must be at most 0.99")
        found = NormalEstimator().fit_lanes(losses, level, confidence)
        for figure in found:
            figure.value[:, ::2], figure.lower[:, ::2], figure.upper[:, ::2] = np.nan, -np.inf, np.inf
        return found


def test_paths_that_are_refused_are_counted_and_left_out():
    """An interval without ends around no figure covers nothing, and no mean is lost to a refusal."""
    model = Gbm(("BTC",), (100.0,), (0.0,), (0.6,), ((1.0,),))
    world = World("w", "w", "P", model, FactorSurface.flat((0.6,)))
    question = CalibrationQuestion((NormalEstimator(), Doubtful()), (Exposure("BTC"),), (0.99, 0.999))
    lab = Lab(world, question, 1 / 365, 0.95)
    columns = lab.columns(model.sample(TimeGrid(86400, 1, 86400, 50), 0, 400, DrawKeys(20)))

    class Held:
        plain, keys = PlainFigures(), tuple(columns)

        def select(self, *keys):
            return [columns[k] for k in keys]

    rows = {
        (r.model, r.parameters["level"], r.measure): r.estimate for r in calibration_rows(Held(), question, lab, 50)
    }
    assert rows["normal", 0.99, "refused"].value == 0.0
    assert rows["doubtful", 0.99, "refused"].value == 0.5
    assert rows["doubtful", 0.999, "refused"].value == 1.0
    for measure in ("relative_bias", "interval_coverage", "mean_breach_probability", "rmse_conditional"):
        figure = rows["doubtful", 0.99, measure]
        assert figure.n == 200
        half = columns["calibration", "normal", 0.99, None, "BTC long linear", "estimate"][1::2]
        truth = rows["doubtful", 0.99, "true_quantile"].value
        if measure == "relative_bias":
            assert figure.value == pytest.approx(half.mean() / truth - 1, rel=1e-12)
        assert "refused" in rows["doubtful", 0.999, measure].method
    covered = columns["calibration", "normal", 0.99, None, "BTC long linear", "interval_coverage"][1::2]
    assert rows["doubtful", 0.99, "interval_coverage"].value == covered.mean()
