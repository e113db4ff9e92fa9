"""Tracking errors and their standard errors over repetitions."""

import numpy as np
import pytest

from riskengine.stats.tracking import estimate_tracking_error, ex_ante_tracking_error, newey_west_error, tracking


def test_errors_of_independent_normal_returns_hold_over_repetitions():
    """1,000 series of 200: spread of the tracking error and of the difference against their mean standard errors."""
    random = np.random.default_rng(4)
    found = [tracking(random.normal(0.001, 0.02, 200), np.zeros(200), lags=0) for _ in range(500)]
    for pick in (lambda t: t.error, lambda t: t.difference):
        values = np.array([pick(t).value for t in found])
        errors = np.array([pick(t).std_error for t in found])
        assert values.std(ddof=1) == pytest.approx(errors.mean(), rel=4.5 / np.sqrt(2 * 500))


def test_newey_west_sees_correlation():
    """MA(1) with 0.8: long-run variance (1.8)^2, against 1.64 of a day."""
    random = np.random.default_rng(5)
    ratio = []
    for _ in range(200):
        e = random.standard_normal(2001)
        ratio.append(newey_west_error(e[1:] + 0.8 * e[:-1], 20) * np.sqrt(2000) / 1.8)
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.05)


def test_a_blocked_error_covers_where_days_are_alike():
    """Active returns whose size persists: the block bootstrap's 95 % interval holds the true sd in most series."""
    random, inside = np.random.default_rng(6), 0
    for _ in range(150):
        size = np.repeat(np.exp(0.5 * random.standard_normal(50)), 20)
        active = size * random.standard_normal(1000)
        found = tracking(active, np.zeros(1000), block=40, replicates=200).error
        inside += found.lower <= np.sqrt(np.exp(0.5)) <= found.upper
    assert inside / 150 > 0.85


def test_ex_ante():
    s = np.array([[0.04, 0.01], [0.01, 0.09]])
    assert ex_ante_tracking_error([0.5, -0.5], s) == pytest.approx(np.sqrt(0.25 * (0.04 + 0.09 - 0.02)))
    with pytest.raises(ValueError, match="symmetric"):
        ex_ante_tracking_error([0.5, -0.5], [[1.0, 2.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="semidefinite"):
        ex_ante_tracking_error([1.0, -1.0], [[1.0, 3.0], [3.0, 1.0]])


def test_tracking_of_a_tail_estimate():
    random = np.random.default_rng(7)
    truth = np.exp(random.standard_normal(400))
    found = estimate_tracking_error(truth * np.exp(0.1 * random.standard_normal(400)), truth, 20)
    assert found.lower < 0.1 < found.upper
    with pytest.raises(ValueError, match="positive"):
        estimate_tracking_error([1.0, -1.0, 1.0, 1.0], [1.0] * 4, 1)
