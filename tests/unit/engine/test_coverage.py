"""Coverage on hand-made books: two accounts, two paths, one origin."""

import numpy as np

from riskengine.engine.coverage import Coverage


def run(values, initial, maintenance, multipliers=(1.0,), funding=1.5, latency=1):
    """Walk hand-made values (T + 1, K, P) through one window."""
    period = len(values) - 1
    coverage = Coverage("m", (0.99,), multipliers, ("a", "b"), period, latency, funding)
    coverage.open(values[0], initial[None], maintenance[None])
    for step, value in enumerate(values[1:], 1):
        coverage.observe(step, value)
    return {(k[3], k[4], k[5]): v for k, v in coverage.columns().items()}


def test_breach_is_strict_and_at_the_end_of_the_period():
    # account a loses exactly its margin at the end; account b breaks it in between and recovers
    values = np.array([[[100.0, 100.0]] * 2, [[95.0, 95.0], [80.0, 80.0]], [[90.0, 89.0], [95.0, 95.0]]])
    need = np.full((2, 2), 10.0)
    out = run(values, need, need * 0.8)
    assert out[1.0, "all", "initial_margin_breach"].tolist() == [0.0, 0.5]
    assert out[1.0, "a", "initial_margin_breach"].tolist() == [0.0, 1.0]
    assert out[1.0, "all", "maintenance_margin_breach"].tolist() == [0.5, 0.5]
    assert out[1.0, "b", "insolvency"].tolist() == [1.0, 1.0]
    assert out[1.0, "all", "shortfall"].tolist() == [0.0, 1.0]
    assert out[1.0, "all", "capital"].tolist() == [20.0, 20.0]


def test_a_multiplier_scales_the_requirement():
    values = np.array([[[100.0]] * 2, [[85.0]] * 2])
    need = np.full((2, 1), 10.0)
    out = run(values, need, need, multipliers=(1.0, 2.0))
    assert out[1.0, "all", "initial_margin_breach"].tolist() == [1.0]
    assert out[2.0, "all", "initial_margin_breach"].tolist() == [0.0]
    assert out[2.0, "all", "capital"].tolist() == [40.0]


def test_a_loss_within_the_latency_only_counts_for_maintenance():
    values = np.array([[[100.0]] * 2, [[85.0]] * 2, [[100.0]] * 2])
    need = np.full((2, 1), 10.0)
    out = run(values, need, need, funding=2.0)
    assert out[1.0, "all", "initial_margin_breach"].tolist() == [0.0]
    assert out[1.0, "all", "maintenance_margin_breach"].tolist() == [1.0]
    assert out[1.0, "all", "insolvency"].tolist() == [0.0]
