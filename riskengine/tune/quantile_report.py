"""Exact derivatives of loss quantiles in the parameters of a fit, and what the errors of the fit do to the quantile.

With g_i = dVaR / dtheta_i (`riskengine.law.quantile_derivative`) and errors of the fit s_i with correlation R (the
identity where the fit states none), the delta method gives Var(VaR) = sum_ij g_i s_i R_ij s_j g_j.  The share of each
parameter is its Shapley effect in that quadratic form: exact, never negative, adds up to 1 whatever R is.

The check by simulation moves the parameter by a step h both ways on common random numbers and takes the difference of
the two empirical quantiles; its standard error is that of the paired influence (1{L+ > q} - 1{L- > q}) / f(q), with the
exact density.  It is held against the exact quantile at the same two points: the same secant by the other route.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.identified import is_positive
from riskengine.engine.questions import Exposure
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.law.quantile_derivative import quantile_derivative
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.world import World
from riskengine.study.names import DERIVATIVES
from riskengine.study.result import Row
from riskengine.study.vary import number_at, with_numbers
from riskengine.tune.inputs import error_correlation, fit_paths
from riskengine.tune.sensitivity import shapley_of_linear
from riskengine.tune.sensitivity_spec import Derivatives

_SECTION = "quantile_derivative"
_BLOCK = 4096
_METHOD = "implicit derivative of the exact cdf"


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
        """Of the exact difference."""
        return 0.003 * max(abs(self.value), min(self.error, 1.0))

    @property
    def secant_step(self) -> float:
        """Of the simulated difference: one standard error, a fifth of a positive parameter at most."""
        return min(self.error, 0.2 * self.value) if is_positive(self.name) else self.error


def matters(parameter: Parameter, asset: str, years: float) -> bool:
    """Whether the law of `asset` depends on the parameter at all."""
    own = parameter.world.model.law(asset, years)
    x = own.quantile(np.array([0.01, 0.99]))
    try:
        moved = parameter.at(parameter.value + parameter.step).model.law(asset, years)
    except ValueError:
        moved = parameter.at(parameter.value - parameter.step).model.law(asset, years)
    return bool(np.any(own.cdf(x) != moved.cdf(x)))


def simulated_secant(
    parameter: Parameter, exposure: Exposure, levels: Floats, density: Floats, grid: TimeGrid, paths: int, seed: int,
    confidence: float,
) -> list[Estimate]:  # fmt: skip
    """(VaR at + one step - VaR at - one step) / (2 step) from `paths` pairs on common random numbers, at each level.

    Parameters
    ----------
    parameter, exposure
    levels, density : ndarray, shape (L,)
        Levels, and the exact density of the loss at its quantiles.
    grid : TimeGrid
        From time 0 to the horizon of the loss.
    paths, seed, confidence
    """
    from scipy.special import ndtri

    h, losses = parameter.secant_step, []
    try:
        ends = [parameter.at(parameter.value + s * h) for s in (1.0, -1.0)]
    except ValueError as error:
        return [undetermined(0, f"no world one step away: {error}") for _ in levels]
    for world in ends:
        asset = world.model.assets.index(exposure.asset)
        blocks = []
        for first in range(0, paths, _BLOCK):
            made = world.model.sample(grid, first, min(_BLOCK, paths - first), DrawKeys(seed))
            blocks.append(np.log(made.spot_lanes[-1, asset] / made.spot_lanes[0, asset]))
        losses.append(exposure.unit.loss(np.concatenate(blocks)))
    good = np.isfinite(losses[0]) & np.isfinite(losses[1])
    up, down = losses[0][good], losses[1][good]
    out = []
    for level, f in zip(levels, density, strict=True):
        ends_at = [float(np.quantile(x, level, method="inverted_cdf")) for x in (up, down)]
        influence = ((up > ends_at[0]).astype(float) - (down > ends_at[1])) / f
        value = (ends_at[0] - ends_at[1]) / (2.0 * h)
        error = float(influence.std(ddof=1)) / np.sqrt(good.sum()) / (2.0 * h)
        half = float(ndtri(0.5 + 0.5 * confidence)) * error
        moved = float(np.count_nonzero(influence))
        method = "paired quantiles on common random numbers, normal"
        n = int(good.sum())
        out.append(
            Estimate(value, error, value - half, value + half, confidence, n, moved, method)
            if moved >= 30
            else undetermined(n, f"{moved:.0f} paths change sides, at least 30 needed: more paths")
        )
    return out


def derivative_rows(
    world: World, asked: Derivatives, grid: TimeGrid, seed: int, confidence: float,
    each: Callable[[], None] = lambda: None,
) -> Iterator[Row]:  # fmt: skip
    """Rows of section ``quantile_derivative``; `each` is called after every parameter of every exposure.

    Figures but the quantile itself and the elasticity are shares of the quantile, for one standard error of the fit.
    """
    years, levels = float(grid.times[-1]), np.array(asked.levels)
    names = asked.parameters or tuple(world.fit["standard_errors"])
    stated, matrix = error_correlation(world)
    for exposure in asked.exposures:
        unit, law = exposure.unit, world.model.law(exposure.asset, years)
        truth = unit.var(law, levels)
        x = unit.return_at(truth)
        density = law.pdf(x) / np.abs(unit.slope(x))
        mattering = [p for p in (Parameter(world, n) for n in names) if matters(p, exposure.asset, years)]
        changes = np.zeros((len(mattering), levels.size))
        for i, parameter in enumerate(mattering):

            def law_at(value: float, parameter=parameter, asset=exposure.asset):
                return parameter.at(value).model.law(asset, years)

            secant, simulated = _secants(parameter, exposure, levels, density, grid, asked.paths, seed, confidence)
            slopes = quantile_derivative(law_at, parameter.value, parameter.step, unit, levels)
            for j, level in enumerate(asked.levels):
                slope = float(slopes[j])
                unit_change = parameter.error / truth[j]
                changes[i, j] = slope * unit_change
                where = {"exposure": exposure.name, "level": level, "parameter": parameter.name}
                found = {
                    "quantile_elasticity": exact(slope * parameter.value / truth[j], _METHOD)
                    if is_positive(parameter.name)
                    else undetermined(0, "no elasticity of a parameter that may be zero or negative"),
                    "quantile_change": exact(changes[i, j], _METHOD),
                }
                if asked.paths:
                    found["quantile_secant"] = (
                        exact(secant[j] * unit_change, "exact quantiles one step either way")
                        if np.isfinite(secant[j])
                        else undetermined(0, "no world one step away")
                    )
                    found["quantile_secant_simulated"] = _scaled(simulated[j], unit_change)
                for measure, figure in found.items():
                    yield Row(_SECTION, exposure.name, where, measure, DERIVATIVES[measure], figure)
            each()
        joint = np.eye(len(mattering))
        for i, a in enumerate(mattering):
            for k, b in enumerate(mattering):
                if i != k and a.name in stated and b.name in stated:
                    joint[i, k] = matrix[stated.index(a.name), stated.index(b.name)]
        how = "delta method, errors of the fit " + ("correlated as it states" if stated else "taken as independent")
        for j, level in enumerate(asked.levels):
            where = {"exposure": exposure.name, "level": level}
            whole = float(changes[:, j] @ joint @ changes[:, j])
            share = shapley_of_linear(changes[:, j], joint) if 0 < len(mattering) <= 16 and whole > 0.0 else None
            for i, parameter in enumerate(mattering):
                figure = undetermined(0, "more than 16 parameters") if share is None else exact(share[i], how)
                at = where | {"parameter": parameter.name}
                yield Row(_SECTION, exposure.name, at, "uncertainty_share", DERIVATIVES["uncertainty_share"], figure)
            yield Row(
                _SECTION, exposure.name, where, "true_quantile", DERIVATIVES["true_quantile"],
                exact(float(truth[j]), "exact unconditional law"),
            )  # fmt: skip
            yield Row(
                _SECTION, exposure.name, where, "fit_uncertainty", DERIVATIVES["fit_uncertainty"],
                exact(float(np.sqrt(max(whole, 0.0))), how),
            )  # fmt: skip


def _secants(
    parameter: Parameter, exposure: Exposure, levels: Floats, density: Floats, grid: TimeGrid, paths: int, seed: int,
    confidence: float,
) -> tuple[Floats, list[Estimate]]:  # fmt: skip
    """The exact secant and the simulated one, each (L,)."""
    if not paths:
        return np.zeros(levels.size), []
    h, years = parameter.secant_step, float(grid.times[-1])
    simulated = simulated_secant(parameter, exposure, levels, density, grid, paths, seed, confidence)
    if any(e.n == 0 for e in simulated):
        return np.full(levels.size, np.nan), simulated
    ends = [
        exposure.unit.var(parameter.at(parameter.value + s * h).model.law(exposure.asset, years), levels)
        for s in (1.0, -1.0)
    ]
    return (ends[0] - ends[1]) / (2.0 * h), simulated


def _scaled(estimate: Estimate, by: float) -> Estimate:
    ends = sorted((estimate.lower * by, estimate.upper * by))
    return Estimate(
        estimate.value * by, estimate.std_error * abs(by), ends[0], ends[1], estimate.confidence, estimate.n,
        estimate.n_effective, estimate.method,
    )  # fmt: skip
