"""Derivatives of loss quantiles and shortfalls in the parameters of a fit, by two routes, and what the fit leaves open.

With g_i = dVaR / dtheta_i (`riskengine.law.quantile_derivative`) and errors of the fit s_i with correlation R (the
identity where the fit states none), the delta method gives Var(VaR) = sum_ij g_i s_i R_ij s_j g_j.  The share of each
parameter is its Shapley effect in that quadratic form: exact, never negative, adds up to 1 whatever R is.

The other route needs no law: paths one small step of the parameter either side on the same draws
(`riskengine.tune.pathwise`, `riskengine.stats.quantile_slope`).  Where the law is known the two are held against each
other in standard errors; a book of options has the second alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.identified import is_positive
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.exposure.unit import Exposure
from riskengine.law.quantile_derivative import quantile_derivative, shortfall_derivative
from riskengine.market.grid import TimeGrid
from riskengine.roles import ExposureModel
from riskengine.scenario.world import World
from riskengine.stats.quantile_slope import TailSlopes, tail_slopes
from riskengine.study.names import DERIVATIVES
from riskengine.study.result import Row
from riskengine.study.vary import number_at, with_numbers
from riskengine.tune.inputs import error_correlation, fit_paths
from riskengine.tune.pathwise import LossOf, Middle
from riskengine.tune.sensitivity import shapley_of_linear
from riskengine.tune.sensitivity_spec import Derivatives, known_exactly

_SECTION = "quantile_derivative"
_METHOD = "implicit derivative of the exact cdf"
_UNIT_CHANGE = ("quantile_change", "shortfall_change")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a world's fit: its value, its standard error, and the world at other values of it."""

    world: World
    name: str

    @property
    def value(self) -> float:
        """In the world."""
        return float(number_at(self.world, self._paths[0]))

    @property
    def error(self) -> float:
        """Standard error of the fit."""
        return float(self.world.fit["standard_errors"][self.name])

    @property
    def _paths(self) -> tuple[str, ...]:
        return tuple(p.removeprefix("world.") for p in fit_paths(self.world, self.name))

    def at(self, value: float) -> World:
        """The world with the parameter at `value`: all numbers under one name move by one factor, or one shift."""
        base = self.value
        numbers = {p: float(number_at(self.world, p)) for p in self._paths}
        if is_positive(self.name):
            return with_numbers(self.world, {p: v * (value / base) for p, v in numbers.items()})
        return with_numbers(self.world, {p: v + (value - base) for p, v in numbers.items()})

    @property
    def step(self) -> float:
        """Of the differences: those of the exact law take it twice."""
        return 0.003 * max(abs(self.value), min(self.error, 1.0))


def matters(parameter: Parameter, asset: str, years: float) -> bool:
    """Whether the law of `asset` depends on the parameter at all."""
    own = parameter.world.model.law(asset, years)
    x = own.quantile(np.array([0.01, 0.99]))
    try:
        moved = parameter.at(parameter.value + parameter.step).model.law(asset, years)
    except ValueError:
        moved = parameter.at(parameter.value - parameter.step).model.law(asset, years)
    return bool(np.any(own.cdf(x) != moved.cdf(x)))


def loss_of(exposure: ExposureModel) -> LossOf:
    """Loss over a block of paths, shape (P,): of an option book on the surface at each path's own variance."""
    if hasattr(exposure, "path_losses"):
        return lambda world, paths: exposure.path_losses(world.model, world.surface, paths)

    def loss(world: World, paths) -> Floats:
        asset = world.model.assets.index(exposure.asset)
        position = exposure.position(world.model, world.surface, float(paths.grid.times[-1]) * 8760.0)
        return position.loss(np.log(paths.spot_lanes[-1, asset] / paths.spot_lanes[0, asset]))

    return loss


Simulated = dict[tuple[str, str, float], tuple[str, TailSlopes]]


def simulated_slopes(world: World, asked: Derivatives, grid: TimeGrid, seed: int, confidence: float) -> Simulated:
    """Method and `TailSlopes` by exposure, parameter and level; not of a parameter that moves no path of an exposure.

    A parameter without a legal value one step away, with a clock that never rings, or on which more than one path in a
    thousand fails, has its slopes undetermined.
    """
    middle = Middle.of(world, grid, asked.paths, seed, [loss_of(e) for e in asked.exposures])
    out: Simulated = {}
    for name in asked.parameters or tuple(world.fit["standard_errors"]):
        own = Parameter(world, name)
        try:
            beside = middle.beside(own.at(own.value + own.step), own.at(own.value - own.step), own.step)
        except ValueError as error:
            none = undetermined(0, f"not known a small step away: {error}")
            for exposure in asked.exposures:
                for level in asked.levels:
                    out[exposure.name, name, level] = "", TailSlopes(*[none] * 6, float("nan"))
            continue
        kept, score = beside.kept, None if beside.score is None else beside.score[beside.kept]
        for i, exposure in enumerate(asked.exposures):
            losses, up, down = middle.losses[i, kept], beside.up[i, kept], beside.down[i, kept]
            if np.array_equal(up, down):
                continue
            for level in asked.levels:
                found = tail_slopes(losses, up, down, own.step, score, level, confidence)
                out[exposure.name, name, level] = beside.method, found
    return out


def derivative_rows(world: World, asked: Derivatives, grid: TimeGrid, seed: int, confidence: float) -> Iterator[Row]:
    """Rows of section ``quantile_derivative`` for every exposure, level and parameter.

    Figures but the quantile, the shortfall, the elasticity and the differences ``_z`` are shares of the quantile (of
    the shortfall), for one standard error of the fit.
    """
    simulated = simulated_slopes(world, asked, grid, seed, confidence) if asked.paths else {}
    for exposure in asked.exposures:
        rows = _exact_rows(world, exposure, asked, grid) if known_exactly(world.model, exposure) else []
        changes = {
            (r.parameters["parameter"], r.parameters["level"], r.measure): r.estimate.value
            for r in rows
            if r.measure in _UNIT_CHANGE
        }
        yield from rows
        for (name, parameter, level), (method, found) in simulated.items():
            if name != exposure.name or (rows and (parameter, level, "quantile_change") not in changes):
                continue
            error = Parameter(world, parameter).error
            where = {"level": level, "parameter": parameter}
            for measure, growth in zip(_UNIT_CHANGE, (found.var_growth, found.es_growth), strict=True):
                change = _scaled(growth, error, method)
                yield _row(exposure, where, f"{measure}_simulated", change)
                truth = changes.get((parameter, level, measure))
                if truth is not None:
                    yield _row(exposure, where, f"{measure}_z", _z(change, truth))
        for level in asked.levels:
            found = [f for (name, _, at), (_, f) in simulated.items() if (name, at) == (exposure.name, level)]
            if not found:
                continue
            most = max(found, key=lambda f: f.var.n)  # the same losses behind every parameter
            if not rows:
                yield _row(exposure, {"level": level}, "quantile_simulated", most.var)
                yield _row(exposure, {"level": level}, "shortfall_simulated", most.es)
            if most.var.value > 0.0:
                width = exact(most.bandwidth / most.var.value, "from the spacing of the tail")
                yield _row(exposure, {"level": level}, "kernel_width", width)


def _row(exposure: ExposureModel, where: dict[str, Any], measure: str, figure: Estimate) -> Row:
    at = {"exposure": exposure.name} | where
    return Row(_SECTION, exposure.name, at, measure, DERIVATIVES[measure], figure)


def _exact_rows(world: World, exposure: Exposure, asked: Derivatives, grid: TimeGrid) -> list[Row]:
    """Rows of one exposure from the law of its asset."""
    years, levels, unit = float(grid.times[-1]), np.array(asked.levels), exposure.unit
    stated, matrix = error_correlation(world)
    law = world.model.law(exposure.asset, years)
    has_shortfall = exposure.contract != "log"
    truth = {"quantile": unit.var(law, levels)}
    derivative = {"quantile": quantile_derivative}
    if has_shortfall:
        truth["shortfall"], derivative["shortfall"] = unit.expected_shortfall(law, levels), shortfall_derivative
    names = asked.parameters or tuple(world.fit["standard_errors"])
    mattering = [p for p in (Parameter(world, n) for n in names) if matters(p, exposure.asset, years)]
    changes, rows = np.zeros((len(mattering), levels.size)), []
    for i, parameter in enumerate(mattering):

        @cache
        def law_at(value: float, parameter=parameter):
            return parameter.at(value).model.law(exposure.asset, years)

        for what, slope_of in derivative.items():
            slopes = slope_of(law_at, parameter.value, parameter.step, unit, levels) / truth[what]
            if what == "quantile":
                changes[i] = slopes * parameter.error
            for level, slope in zip(asked.levels, slopes, strict=True):
                where = {"level": level, "parameter": parameter.name}
                if what == "quantile":
                    elasticity = (
                        exact(slope * parameter.value, _METHOD)
                        if is_positive(parameter.name)
                        else undetermined(0, "no elasticity of a parameter that may be zero or negative")
                    )
                    rows.append(_row(exposure, where, "quantile_elasticity", elasticity))
                rows.append(_row(exposure, where, f"{what}_change", exact(slope * parameter.error, _METHOD)))
    joint = np.eye(len(mattering))
    for i, a in enumerate(mattering):
        for k, b in enumerate(mattering):
            if i != k and a.name in stated and b.name in stated:
                joint[i, k] = matrix[stated.index(a.name), stated.index(b.name)]
    how = "delta method, errors of the fit " + ("correlated as it states" if stated else "taken as independent")
    for j, level in enumerate(asked.levels):
        whole = float(changes[:, j] @ joint @ changes[:, j])
        share = shapley_of_linear(changes[:, j], joint) if 0 < len(mattering) <= 16 and whole > 0.0 else None
        for i, parameter in enumerate(mattering):
            figure = undetermined(0, "more than 16 parameters") if share is None else exact(share[i], how)
            rows.append(_row(exposure, {"level": level, "parameter": parameter.name}, "uncertainty_share", figure))
        where = {"level": level}
        for what, values in truth.items():
            rows.append(_row(exposure, where, f"true_{what}", exact(float(values[j]), "exact unconditional law")))
        rows.append(_row(exposure, where, "fit_uncertainty", exact(float(np.sqrt(max(whole, 0.0))), how)))
    return rows


def _z(simulated: Estimate, truth: float) -> Estimate:
    """Difference of the two routes in standard errors of the simulated one."""
    from scipy.special import ndtri

    if not simulated.std_error > 0.0:
        return undetermined(simulated.n, simulated.method)
    z, half = (simulated.value - truth) / simulated.std_error, float(ndtri(0.5 + 0.5 * simulated.confidence))
    how = "standard normal where both routes agree"
    return Estimate(z, 1.0, z - half, z + half, simulated.confidence, simulated.n, simulated.n_effective, how)


def _scaled(estimate: Estimate, by: float, method: str) -> Estimate:
    ends = sorted((estimate.lower * by, estimate.upper * by))
    said = f"{method}, {estimate.method}" if estimate.std_error > 0.0 else estimate.method
    return Estimate(
        estimate.value * by, estimate.std_error * abs(by), ends[0], ends[1], estimate.confidence, estimate.n,
        estimate.n_effective, said,
    )  # fmt: skip
