"""Loss exceedance curve."""

import numpy as np
import pytest

from riskengine.stats.exceedance import exceedance_curve
from riskengine.stats.proportion import clopper_pearson

LOSSES = np.concatenate([np.zeros(700), np.random.default_rng(2).lognormal(3.0, 1.0, 300)])


def test_curve_is_the_empirical_survival_with_exact_bands():
    curve = exceedance_curve(LOSSES, points=12)
    assert curve.threshold.size == 12 and (np.diff(curve.threshold) > 0).all()
    assert (np.diff(curve.probability) <= 0).all() and curve.probability[-1] == 0.0
    for i, x in enumerate(curve.threshold):
        exact = clopper_pearson(int((LOSSES > x).sum()), LOSSES.size)
        assert (curve.probability[i], curve.hits[i]) == (exact.value, exact.n_effective)
        assert (curve.lower[i], curve.upper[i]) == (pytest.approx(exact.lower), pytest.approx(exact.upper))


def test_own_grid_and_no_positive_loss():
    curve = exceedance_curve(LOSSES, threshold=[-1.0, 0.0])
    np.testing.assert_allclose(curve.probability, [1.0, 0.3])
    assert curve.upper[0] == 1.0
    assert exceedance_curve(np.zeros(10)).threshold.size == 0


def test_refusals():
    with pytest.raises(ValueError, match="threshold must increase"):
        exceedance_curve(LOSSES, threshold=[1.0, 1.0])
    with pytest.raises(ValueError, match="weighted samples"):
        exceedance_curve(LOSSES, weight=np.ones(LOSSES.size))
    with pytest.raises(ValueError, match="at least one value"):
        exceedance_curve([])
