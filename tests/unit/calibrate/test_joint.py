"""The joint exponent against the one-asset laws, and against moments of two assets that are known."""

import numpy as np
import pytest

from riskengine.calibrate.moments import CosPoints
from riskengine.calibrate.parameters import candidate_law, free_parameters, published, scenario_model
from riskengine.law.joint import JointBatesLaw

ASSETS = ("A", "B")
VALUES = {
    "kappa": 18.0,
    "variance_ratio": 1.2,
    "theta[A]": 0.3,
    "theta[B]": 0.5,
    "rho[A]": -0.3,
    "rho[B]": 0.1,
    "jumps_common.intensity": 40.0,
    "jumps_common.mean[A]": -0.002,
    "jumps_common.mean[B]": -0.01,
    "jumps_common.sd[A]": 0.035,
    "jumps_common.sd[B]": 0.045,
    "jumps_common.correlation": 0.8,
    "jumps_own.intensity[A]": 30.0,
    "jumps_own.intensity[B]": 60.0,
    "jumps_own.mean[A]": 0.001,
    "jumps_own.mean[B]": 0.01,
    "jumps_own.sd[A]": 0.02,
    "jumps_own.sd[B]": 0.015,
    "residual_correlation[A,B]": 0.85,
}


@pytest.mark.parametrize("kind", ["bates", "heston", "merton", "gbm"])
def test_every_free_number_is_read_and_published(kind):
    free = {f.name: f.start for f in free_parameters(kind, ASSETS, np.array([0.36, 0.6]))}
    assert all(f.low < f.start < f.high for f in free_parameters(kind, ASSETS, np.array([0.36, 0.6])))
    model = scenario_model(kind, ASSETS, published(kind, ASSETS, free), (1.0, 1.0))
    assert model.kind == kind and model.assets == ASSETS
    assert free.keys() <= VALUES.keys()


@pytest.mark.parametrize("kind", ["bates", "heston", "merton", "gbm"])
def test_one_asset_is_the_exact_law_of_the_scenario_model(kind):
    names = {f.name for f in free_parameters(kind, ASSETS, np.ones(2))}
    values = {k: v for k, v in VALUES.items() if k in names}
    law = candidate_law(kind, ASSETS, values)
    model = scenario_model(kind, ASSETS, published(kind, ASSETS, values), (1.0, 1.0))
    u = np.array([-200.0, -3.0, 0.5, 40.0])
    for a, asset in enumerate(ASSETS):
        exact = model.law(asset, 24 / 8760)
        assert np.exp(law.exponent(np.eye(2)[a], 1j * u, 24 / 8760)) == pytest.approx(exact.characteristic(u), rel=1e-9)
        points = exact.quantile(np.array([0.001, 0.01, 0.99, 0.999]))
        scale = law.scale(np.eye(2)[a], 24 / 8760)
        at = CosPoints.build(points, scale, 0.4)
        below = at.cdf(law, np.eye(2)[a], 24)
        assert below == pytest.approx([0.001, 0.01, 0.99, 0.999], rel=3e-3)  # as promised
        # the data's scale need not be the law's
        wide = CosPoints.build(points, 1.3 * scale, 0.4).cdf(law, np.eye(2)[a], 24)
        assert wide == pytest.approx(below, rel=6e-3)


def test_second_moments_of_the_spread():
    law = candidate_law("merton", ASSETS, {k: v for k, v in VALUES.items() if k[:3] not in ("kap", "var", "rho")})
    cov = law.correlation[0, 1] * np.sqrt(0.15) + 40 * (0.002 * 0.01 + 0.8 * 0.035 * 0.045)

    def var(m, d, rate, own_m, own_d, theta):
        return theta + 40 * (m * m + d * d) + rate * (own_m**2 + own_d**2)

    a, b = var(0.002, 0.035, 30, 0.001, 0.02, 0.3), var(0.01, 0.045, 60, 0.01, 0.015, 0.5)
    years = 1 / 365
    assert law.cumulants(np.array([-1.0, 1.0]), years)[1] / years == pytest.approx(a + b - 2 * cov, rel=1e-9)


def test_prices_are_martingales():
    law = candidate_law("bates", ASSETS, VALUES)
    for a in range(2):
        assert abs(law.exponent(np.eye(2)[a], np.array([1.0]), 0.1)[0]) < 1e-12


def test_constant_variance_is_the_limit_of_a_still_driver():
    base = candidate_law("bates", ASSETS, VALUES)
    frozen = JointBatesLaw(base.theta, base.correlation, 0.0, 0.0, base.rho, base.common, base.own)
    w, s = np.array([0.7, -0.2]), np.array([5j, 30j])
    exact = frozen.exponent(w, s, 0.01)
    distance = [
        np.abs(
            JointBatesLaw(base.theta, base.correlation, 18.0, xi, base.rho, base.common, base.own).exponent(w, s, 0.01)
            - exact
        )
        for xi in (1e-2, 1e-3)
    ]
    # the distance is a power series in xi without a constant: a tenth of xi leaves a tenth of it, up to the next order
    assert (distance[1] < 0.11 * distance[0]).all() and (distance[1] < 1e-4 * np.abs(exact)).all()
