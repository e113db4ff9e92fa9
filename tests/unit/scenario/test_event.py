"""Worlds given an event: exact draws, the same whatever block they are in, and the probability of the event."""

import numpy as np
import pytest
from scipy.special import ndtr

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.event import MOST_PATHS, Event
from riskengine.scenario.gbm import Gbm
from riskengine.stats.proportion import inverse_binomial

GRID = TimeGrid(3_600, 24)
MODEL = Gbm(("A", "B"), (100.0, 10.0), (0.0, 0.0), (0.8, 0.9), ((1.0, 0.7), (0.7, 1.0)))
EVENT = Event("A", -0.05, 24.0, "end")


def sample(event, first, count, grid=GRID):
    return event.sample(lambda g, f, n: MODEL.sample(g, f, n, DrawKeys(11)), grid, first, count)


PATHS = sample(EVENT, 0, 2_000)


def exact() -> float:
    sd = 0.8 * np.sqrt(24 / 8760)
    return float(ndtr((np.log(0.95) + 0.5 * sd * sd) / sd))


def test_every_path_has_the_event_and_the_conditional_law():
    """Given the event the normal score of the fall is uniform on (0, P(event)): ten cells, family-wise 1e-4."""
    assert (PATHS.spot_lanes[-1, 0] <= 95.0).all()
    sd = 0.8 * np.sqrt(24 / 8760)
    u = ndtr((np.log(PATHS.spot_lanes[-1, 0] / 100.0) + 0.5 * sd * sd) / sd) / exact()
    counts = np.histogram(u, np.linspace(0, 1, 11))[0]
    assert counts.sum() == 2_000
    assert np.abs(counts - 200).max() < 4.5 * np.sqrt(200 * 0.9)


def test_the_other_asset_follows_its_conditional_mean():
    """E[z_B | z_A] = 0.7 z_A: the residual has mean 0 with standard error sqrt(1 - 0.49) / sqrt(n)."""
    step = np.sqrt(24 / 8760)
    za, zb = (
        np.log(PATHS.spot_lanes[-1, i] / MODEL.spot[i]) / (s * step) + 0.5 * s * step for i, s in enumerate((0.8, 0.9))
    )
    assert abs((zb - 0.7 * za).mean()) < 4.5 * np.sqrt(0.51 / 2_000)


def test_probability_of_the_event_from_the_candidates():
    found = inverse_binomial(2_000, int(PATHS.attempts.sum()), 0.9999)
    assert found.lower < exact() < found.upper
    assert found.upper / found.lower < 1.25


def test_interval_of_inverse_sampling_covers():
    """P = 0.05, 20 hits, 4,000 replications: coverage at least 0.95 less 4.5 standard errors."""
    draws = np.random.default_rng(3).negative_binomial(20, 0.05, 4_000) + 20
    inside = [e.lower <= 0.05 <= e.upper for e in (inverse_binomial(20, int(n), 0.95) for n in draws)]
    mean = np.mean([19 / (n - 1) for n in draws])
    assert np.mean(inside) > 0.95 - 4.5 * np.sqrt(0.95 * 0.05 / 4_000)
    assert mean == pytest.approx(0.05, abs=4.5 * 0.05 / np.sqrt(20 * 4_000))


def test_a_path_does_not_depend_on_its_block():
    parts = [sample(EVENT, first, 3) for first in (0, 3)]
    np.testing.assert_array_equal(np.concatenate([p.spot_lanes for p in parts], axis=2), PATHS.spot_lanes[:, :, :6])
    assert parts[1].first_path == 3


def test_any_time_within():
    rise = Event("B", 0.04, 12.0)
    paths = sample(rise, 0, 50)
    assert (paths.spot_lanes[1:13, 1].max(axis=0) >= 10.4).all()
    assert (paths.spot_lanes[-1, 1] < 10.4).any()
    assert paths.attempts.min() >= 1
    assert rise.text == "B rises by 4 % or more at some step within 12 h"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Event("A", 0.0, 4.0), "not be 0"),
        (lambda: Event("A", -1.0, 4.0), r"\(-1"),
        (lambda: sample(Event("A", -0.1, 30.0), 0, 2), "within the horizon"),
        (lambda: sample(Event("A", -0.1, 0.5), 0, 2), "time grid"),
        (lambda: sample(EVENT, MOST_PATHS, 2), "at most"),
    ],
)
def test_bad_events_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_an_event_that_does_not_happen_fails_its_path(monkeypatch):
    monkeypatch.setattr("riskengine.scenario.event._STREAM", 9)
    paths = sample(Event("A", -0.9, 24.0), 0, 2)
    assert paths.failed.all()
    assert (paths.attempts == 512).all()
