"""The alarm keeps its false-alarm rate on scores that do not drift, and finds those that do."""

import numpy as np
import pytest

from riskengine.calibrate.pricing_law.alarm import DriftAlarm


def first_alarm(scores, run_length):
    alarm = DriftAlarm(run_length)
    for count, score in enumerate(scores, 1):
        if alarm.update(score):
            return count
    return None


def test_false_alarms_are_as_rare_as_stated():
    """Run length at least N = 50 on average, for scores of any law: 250 runs cut at 250, one-sided at 1e-4."""
    rng = np.random.default_rng(7)
    for draw in (rng.standard_normal, rng.standard_cauchy):
        runs = np.array([first_alarm(draw(250), 50.0) or 250 for _ in range(250)])
        assert runs.mean() + 3.72 * runs.std(ddof=1) / np.sqrt(runs.size) > 50.0
        # by Ville's inequality for the sum: P(alarm within n) <= n / N
        assert (runs <= 10).mean() <= 10 / 50 + 3.72 * np.sqrt(0.2 * 0.8 / 250)


def test_a_change_is_found():
    """Scores that double after 60 snapshots: found within 25 more in nearly all of 100 runs."""
    rng = np.random.default_rng(8)
    delays = []
    for _ in range(100):
        scores = np.exp(0.2 * rng.standard_normal(120)) * np.where(np.arange(120) < 60, 1.0, 2.0)
        at = first_alarm(scores, 365.0)
        delays.append(200 if at is None else at - 60)
    delays = np.array(delays)
    assert (delays <= 25).mean() > 0.9
    assert (delays < 0).mean() <= 0.2


def test_an_alarm_starts_over():
    alarm = DriftAlarm(2.0)
    alarm.update(1.0)
    while not alarm.update(alarm.scores[-1] + 1.0 if alarm.scores else 1.0):
        pass
    assert (alarm.evidence, alarm.scores) == (0.0, [])


def test_evidence_by_hand():
    """First score: p = 1, e = mean of 0.3, 0.5, 0.7 = 0.5.  A second, larger one: p = 1/2."""
    alarm = DriftAlarm(100.0)
    alarm.update(1.0)
    assert alarm.evidence == pytest.approx(0.5)
    alarm.update(2.0)
    bet = (0.3 * 2**0.7 + 0.5 * 2**0.5 + 0.7 * 2**0.3) / 3
    assert alarm.evidence == pytest.approx(1.5 * bet)


def test_refusals():
    with pytest.raises(ValueError, match="run_length must be above 1"):
        DriftAlarm(0.5)
    with pytest.raises(ValueError, match="score must be finite"):
        DriftAlarm().update(float("nan"))
