"""How requirements rise along paths: peak to trough and n-period ratios, of the book and of each kind."""

import numpy as np

from riskengine.engine.coverage import Coverage

KINDS = ("long", "long", "hedged")


def test_rises_are_those_of_the_series_of_requirements():
    rng = np.random.default_rng(3)
    need = np.exp(np.cumsum(rng.normal(0.0, 0.2, (40, 2, 3, 5)), axis=0))  # origins, levels, accounts, paths
    need[7, :, 2] = 0.0  # a perfect hedge at one origin
    coverage = Coverage("m", (0.9, 0.99), (1.0, 2.0), KINDS, 1, 1, 1.0, procyclicality=True)
    value = np.zeros((3, 5))
    for origin in need:
        coverage.open(value, origin, origin)
        coverage.observe(1, value)
    found = {k: v for k, v in coverage.columns().items() if "rise" in k[-1] or "peak" in k[-1]}
    subjects = {"all": [0, 1, 2], "long": [0, 1]}
    assert {(k[3], k[4]) for k in found} == {(1.0, "all"), (1.0, "long")}
    for i, level in enumerate((0.9, 0.99)):
        for subject, members in subjects.items():
            m = need[:, i, members].sum(axis=1)
            peak = np.zeros(5)
            for t in range(40):
                for s in range(t + 1):
                    peak = np.maximum(peak, m[t] / m[s])
            np.testing.assert_allclose(found[_key(level, subject, "peak_to_trough")], peak)
            for n in (1, 5, 30):
                ratio = np.max([m[t + n] / m[t] for t in range(40 - n)], axis=0)
                np.testing.assert_allclose(found[_key(level, subject, f"largest_rise_{n}")], ratio)


def _key(level, subject, measure):
    return ("margin", "m", level, 1.0, subject, measure)


def test_a_short_horizon_has_no_long_rise():
    coverage = Coverage("m", (None,), (1.0,), ("long",), 1, 1, 1.0, procyclicality=True)
    for need in (1.0, 2.0, 1.5):
        coverage.open(np.zeros((1, 2)), np.full((1, 1, 2), need), np.full((1, 1, 2), need))
        coverage.observe(1, np.zeros((1, 2)))
    found = coverage.columns()
    assert (found[_key(None, "all", "largest_rise_1")] == 2.0).all()
    assert _key(None, "all", "largest_rise_5") not in found
