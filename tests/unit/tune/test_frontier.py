"""Fronts and their errors."""

import numpy as np
import pytest

from riskengine.tune.frontier import ellipse, front, non_dominated


def test_non_dominated_by_definition():
    rng = np.random.default_rng(17)
    x = rng.integers(0, 6, (40, 3)).astype(float)
    wanted = [
        i for i, p in enumerate(x) if not any((q <= p).all() and (q < p).any() for q in x)
    ]  # fmt: skip
    assert non_dominated(x).tolist() == wanted


def test_a_setting_that_noise_may_have_beaten_is_said():
    """Two settings that differ by nothing but noise, and one that is far worse in every measure."""
    rng = np.random.default_rng(18)
    common = rng.standard_normal((2, 400))
    a, b = common + 0.01 * rng.standard_normal((2, 400)), common + 0.01 * rng.standard_normal((2, 400))
    worse = common + 0.5
    values = np.stack([a, b - b.mean(axis=1, keepdims=True) + a.mean(axis=1, keepdims=True) + 1e-6, worse])
    found = front(values)
    assert [p.index for p in found] == [0]
    assert found[0].contested_by == (1,)
    np.testing.assert_allclose(found[0].covariance, np.cov(a) / 400, rtol=1e-12)


def test_a_setting_is_surely_dominated_only_where_every_measure_says_so():
    """Far worse in one measure and a hair's breadth worse in the other: contested."""
    rng = np.random.default_rng(19)
    base = rng.standard_normal((2, 400))
    noise = rng.standard_normal(400)
    near = np.stack([base[0] + 1.0, base[1] + 0.01 + noise - noise.mean()])
    assert front(np.stack([base, near]))[0].contested_by == (1,)


def test_an_ellipse_holds_its_share():
    rng = np.random.default_rng(20)
    c = np.array([[2.0, 0.8], [0.8, 1.0]])
    x = rng.multivariate_normal([0, 0], c, 40_000)
    outline = ellipse(c, 0.9)
    distance = np.einsum("ni,ij,nj->n", outline, np.linalg.inv(c), outline)
    np.testing.assert_allclose(distance, distance[0], rtol=1e-9)
    inside = (np.einsum("ni,ij,nj->n", x, np.linalg.inv(c), x) <= distance[0]).mean()
    assert inside == pytest.approx(0.9, abs=4.5 * np.sqrt(0.09 / 40_000))
