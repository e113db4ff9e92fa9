"""Derivatives of quantiles: closed forms, the analytic gradient of the characteristic function, and simulation."""

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.config.study import load_world
from riskengine.engine.questions import Exposure
from riskengine.law.affine_gradient import AFFINE_NAMES, affine_lanes
from riskengine.law.exposure import LogExposure, UnitExposure
from riskengine.law.quantile_derivative import cdf_derivative, quantile_derivative, shortfall_derivative
from riskengine.market.grid import TimeGrid
from riskengine.scenario.gbm import Gbm
from riskengine.tune.quantile_report import Parameter, derivative_rows
from riskengine.tune.sensitivity_spec import Derivatives

DAY = 1.0 / 365.0


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("contract", ["linear", "inverse", "log"])
def test_a_normal_law_in_closed_form(side, contract):
    """X normal with mean -sigma^2 T / 2: dx_p / dsigma = -sigma T + sqrt(T) z_p."""
    sigma, level = 0.8, 0.99

    def law_at(value):
        return Gbm(("BTC",), (1.0,), (0.0,), (value,), ((1.0,),)).law("BTC", DAY)

    unit = LogExposure(side) if contract == "log" else UnitExposure(side, contract)
    z = ndtri(1.0 - level if side == "long" else level)
    x = -0.5 * sigma**2 * DAY + sigma * np.sqrt(DAY) * z
    slope = {"linear": np.exp(x), "inverse": np.exp(-x), "log": 1.0}[contract] * (-1.0 if side == "long" else 1.0)
    wanted = slope * (-sigma * DAY + np.sqrt(DAY) * z)
    (found,) = quantile_derivative(law_at, sigma, 0.003 * sigma, unit, np.array([level]))
    assert found == pytest.approx(wanted, rel=1e-9)


def analytic(world, x):
    """dF / dtheta at x of every parameter of a one-asset Bates world from its stationary start, by Gil-Pelaez."""
    m = world.model
    jumps = m.jumps_own
    kappa, theta, xi = m.kappa[0], m.theta[0], m.xi[0]
    p = np.array([0.0, kappa, theta, xi, m.rho[0], jumps.intensity[0], jumps.mean[0], jumps.sd[0], 0.0, 0.0])
    node, weight = np.polynomial.legendre.leggauss(40)
    edges = np.linspace(0.0, 12_000.0, 601)  # |phi| falls like e^(-0.0034 u)
    half = 0.5 * np.diff(edges)
    u = (edges[:-1] + half)[:, None] + half[:, None] * node
    w = (half[:, None] * weight).reshape(-1)
    u = u.reshape(-1)
    s = 1j * u
    found = []
    for v0 in (0.0, 1.0):
        value, slope = np.empty(u.size, complex), np.empty((10, u.size), complex)
        p[0] = v0
        affine_lanes(s, DAY, p, 1, value, slope)
        found.append((value, slope))
    (c, dc), (_, dc1) = found
    b, db = dc[0], dc1 - dc
    shape, scale = 2.0 * kappa * theta / xi**2, xi**2 / (2.0 * kappa)
    inside = 1.0 - b * scale
    phi = np.exp(c - shape * np.log(inside))
    zero = dict.fromkeys(AFFINE_NAMES, 0.0)
    dshape = zero | {"kappa": shape / kappa, "theta": shape / theta, "xi": -2.0 * shape / xi}
    dscale = zero | {"kappa": -scale / kappa, "xi": 2.0 * scale / xi}
    out = {}
    for i, name in enumerate(AFFINE_NAMES[1:8], 1):
        d = dc[i] - dshape[name] * np.log(inside) + shape * (db[i] * scale + b * dscale[name]) / inside
        out[name] = float(-(w * (np.exp(-1j * u * x) * phi * d).imag / u).sum() / np.pi)
    return out


@pytest.mark.parametrize("level", [0.99, 0.999])
def test_differences_of_the_exact_cdf_are_the_analytic_gradient_to_1e_6(level):
    world = load_world("btc")
    names = {
        "kappa": "kappa", "theta": "theta[BTC]", "xi": "xi[BTC]", "rho": "rho[BTC]",
        "intensity": "jumps_own.intensity[BTC]", "mean": "jumps_own.mean[BTC]", "sd": "jumps_own.sd[BTC]",
    }  # fmt: skip
    assert world.model.jumps_common is None
    x = float(world.model.law("BTC", DAY).quantile(np.array([1.0 - level]))[0])
    wanted = analytic(world, x)
    for name, published in names.items():
        own = Parameter(world, published)
        found = cdf_derivative(lambda v, own=own: own.at(v).model.law("BTC", DAY), own.value, own.step, np.array([x]))[
            0
        ]
        assert found == pytest.approx(wanted[name], rel=1e-6), name


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("contract", ["linear", "inverse"])
def test_the_derivative_of_a_shortfall_is_that_of_the_exact_shortfall(side, contract):
    """Against central differences of the whole exact ES, whose own quantile moves with the parameter."""
    world, levels = load_world("btc"), np.array([0.95, 0.99])
    unit = UnitExposure(side, contract)
    for name in ("theta[BTC]", "jumps_own.intensity[BTC]", "jumps_own.sd[BTC]"):
        own = Parameter(world, name)

        def law_at(value, own=own):
            return own.at(value).model.law("BTC", DAY)

        found = shortfall_derivative(law_at, own.value, own.step, unit, levels)
        h = 0.003 * own.value
        ends = [unit.expected_shortfall(law_at(own.value + k * h), levels) for k in (2, 1, -1, -2)]
        wanted = (-ends[0] + 8.0 * ends[1] - 8.0 * ends[2] + ends[3]) / (12.0 * h)
        np.testing.assert_allclose(found, wanted, rtol=2e-6, err_msg=name)


def test_what_the_fit_leaves_open_adds_up():
    """Shares of the parameters add up to 1; the total is the root of the quadratic form, correlated or not."""
    from dataclasses import replace

    world = load_world("btc_eth")
    asked = Derivatives((Exposure("BTC"),), (0.99,), paths=0)
    rows = list(derivative_rows(world, asked, TimeGrid(86400, 1), 1, 0.95))

    def of(rows, measure):
        return {r.parameters.get("parameter"): r.estimate.value for r in rows if r.measure == measure}

    change, share, total = of(rows, "quantile_change"), of(rows, "uncertainty_share"), of(rows, "fit_uncertainty")[None]
    assert set(change) == {
        "kappa", "xi[BTC]", "theta[BTC]", "rho[BTC]", "jumps_common.intensity", "jumps_common.mean[BTC]",
        "jumps_common.sd[BTC]", "jumps_own.intensity[BTC]", "jumps_own.mean[BTC]", "jumps_own.sd[BTC]",
    }  # fmt: skip
    assert total == pytest.approx(np.sqrt(sum(v * v for v in change.values())))
    for name, value in share.items():
        assert value == pytest.approx((change[name] / total) ** 2, abs=1e-12)
    stated = {"names": ["jumps_common.intensity", "jumps_common.sd[BTC]"], "matrix": [[1.0, -0.8], [-0.8, 1.0]]}
    tied = replace(world, fit=world.fit | {"error_correlation": stated})
    rows = list(derivative_rows(tied, asked, TimeGrid(86400, 1), 1, 0.95))
    a, b = change["jumps_common.intensity"], change["jumps_common.sd[BTC]"]
    assert of(rows, "fit_uncertainty")[None] == pytest.approx(np.sqrt(total**2 - 1.6 * a * b))
    assert sum(of(rows, "uncertainty_share").values()) == pytest.approx(1.0, abs=1e-9)
