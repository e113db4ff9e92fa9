"""What a sensitivity study asks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from riskengine.arrays import check_range
from riskengine.exposure.unit import Exposure
from riskengine.roles import ExposureModel, HasLaw, ScenarioModel
from riskengine.scenario.world import World
from riskengine.study.checks import Found, asset_fault
from riskengine.study.criterion import Criterion, known_measure, known_place
from riskengine.study.kind import Study
from riskengine.study.names import AMOUNTS, INDICATORS, MEANS, SHARES
from riskengine.study.spec import CalibrationStudy
from riskengine.tune.inputs import Dependence, Input, Inputs


def known_exactly(model: ScenarioModel, exposure: ExposureModel) -> bool:
    """Whether the derivatives of an exposure's quantile are known: of a unit of an asset whose law is."""
    return isinstance(model, HasLaw) and isinstance(exposure, Exposure)


Method = Literal["tornado", "morris", "sobol", "shapley"]
TAIL = 0.05  # tornado and screening go from this quantile of an input's law to one less it
_OF_AMOUNTS = {f"{a}_{part}": (a, part) for a in AMOUNTS for part in ("probability", "mean")}
_OF_ESTIMATES = {"mean_breach_probability": "breach_probability", "interval_coverage": "interval_coverage"}
UNITS = (
    SHARES
    | dict.fromkeys(INDICATORS, "probability")
    | MEANS
    | {f"{a}_probability": "probability" for a in AMOUNTS}
    | {f"{a}_mean": "USD" for a in AMOUNTS}
    | {"mean_breach_probability": "probability", "interval_coverage": "probability", "relative_bias": "share"}
)


@dataclass(frozen=True)
class Output:
    """A figure of the base study: one that is a mean over paths.

    Attributes
    ----------
    measure : str
    where : dict
        What tells it from other figures of that measure, as in a criterion; the whole book, multiplier 1 and
        thresholds as they stand need not be named.
    name : str
        A short name for charts; the measure by default.
    """

    measure: str
    where: dict[str, float | str] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        known_measure(self.measure)
        known_place(self.where)
        if self.measure not in UNITS:
            raise ValueError(
                f"measure must be a mean over paths ({', '.join(sorted(UNITS))}), got {self.measure}: the quantile of "
                "a few paths is no estimate; `derivatives` has quantiles"
            )

    @property
    def label(self) -> str:
        """Its name, or that of the measure with what tells it apart."""
        told = [f"{v}" for v in (self.where or {}).values()]
        return self.name or " ".join([self.measure, *told])

    @property
    def unit(self) -> str:
        """Unit of the measure."""
        return UNITS[self.measure]

    @property
    def section(self) -> str:
        """Part of the study that it belongs to."""
        if self.measure in _OF_ESTIMATES or self.measure == "relative_bias":
            return "calibration"
        lending = ("bad_debt", "liquidated_volume", "liquidation_probability", "liquidated_loans", "protocol_fee")
        lending += ("borrow_capacity", "skipped_unprofitable")
        return str((self.where or {}).get("section", "lending" if self.measure.startswith(lending) else "margin"))

    @property
    def column(self) -> str:
        """Name of the outcome column that it is the mean of, or is made from."""
        if self.measure in _OF_AMOUNTS:
            return _OF_AMOUNTS[self.measure][0]
        return _OF_ESTIMATES.get(self.measure, "estimate" if self.measure == "relative_bias" else self.measure)

    @property
    def counts(self) -> bool:
        """Whether it is the share of paths with a positive column."""
        return self.measure in INDICATORS or self.measure.endswith("_probability") and self.measure in _OF_AMOUNTS

    def wanted(self, **place: Any) -> bool:
        """Whether a figure at `place` (model, level, multiplier ...) is this one."""
        return all(place.get(k) == v for k, v in (self.where or {}).items() if k not in ("section", "account_kind"))


@dataclass(frozen=True)
class Derivatives:
    """Derivatives of loss quantiles and shortfalls in the parameters of the fit, and what its errors do to them.

    Attributes
    ----------
    exposures : tuple of ExposureModel
        Units of an asset have exact derivatives where its law is known; others, such as a book of options, which is
        valued on the surface at each path's own variance, have simulated ones alone.
    levels : tuple of float
    parameters : tuple of str
        Names among the standard errors of the fit; empty for all that the quantile depends on.
    paths : int
        Simulated pairs behind the derivatives by simulation; 0 for none.
    """

    exposures: tuple[ExposureModel, ...]
    levels: tuple[float, ...]
    parameters: tuple[str, ...] = ()
    paths: int = 65_536

    def __post_init__(self) -> None:
        for name, values in (("exposures", self.exposures), ("levels", self.levels)):
            if not values or any(v in values[:i] for i, v in enumerate(values)):
                raise ValueError(f"{name} must hold at least one entry, each once, got {len(values)}")
        for level in self.levels:
            check_range("level of levels", level, 0.5, 1.0 - 1e-6, open_low=True)
        check_range("paths", self.paths, 0, 2**24)


@dataclass(frozen=True)
class SensitivityStudy(Study):
    """What the figures of another study depend on, and how much of each is due to which cause.

    Attributes
    ----------
    study : CalibrationStudy
        The base study, by name or written out; its own ``paths`` and criteria are not used.
    inputs : tuple of Input
    outputs : tuple of Output
    methods : tuple of {"tornado", "morris", "sobol", "shapley"}
        By default the tornado, with Sobol indices where inputs are independent and Shapley effects where they are not.
    paths_per_point : int
        Simulated paths behind one evaluation, the same for all points of a replicate.
    batches : int
        Parts of these paths that tell the answer from its noise.
    tornado_paths : int
        Paths behind each end of the tornado: a multiple of ``paths_per_point``.
    trajectories : int
        Of the screening.
    log2_points, replicates : int
        Points of a design, and independent designs, of Sobol indices and Shapley effects.
    dependence : tuple of Dependence
    derivatives : Derivatives or None
    """

    named: ClassVar[str] = "a sensitivity study"
    runner: ClassVar[str] = "riskengine.tune.sensitivity_run:run_sensitivity"
    options: ClassVar[tuple[str, ...]] = ("out", "workers", "resume", "progress", "command")

    kind: Literal["sensitivity"]
    title: str
    study: CalibrationStudy
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    seed: int
    methods: tuple[Method, ...] = ()
    paths_per_point: int = 256
    batches: int = 8
    tornado_paths: int = 4096
    trajectories: int = 16
    log2_points: int = 5
    replicates: int = 8
    dependence: tuple[Dependence, ...] = ()
    derivatives: Derivatives | None = None
    confidence: float = 0.95
    criteria: tuple[Criterion, ...] = ()

    def __post_init__(self) -> None:
        check_range("seed", self.seed, 0, 2**64 - 1)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        check_range("batches", self.batches, 2, 1024)
        check_range("paths_per_point", self.paths_per_point, 2 * self.batches, 2**20)
        check_range("trajectories", self.trajectories, 4, 100_000)
        check_range("log2_points", self.log2_points, 2, 16)
        check_range("replicates", self.replicates, 4, 1000)
        if self.paths_per_point % self.batches:
            raise ValueError(f"paths_per_point must be a multiple of batches, got {self.paths_per_point} paths")
        if self.tornado_paths < self.paths_per_point or self.tornado_paths % self.paths_per_point:
            raise ValueError(f"tornado_paths must be a multiple of paths_per_point, got {self.tornado_paths}")
        for name in ("inputs", "outputs", "methods"):
            values = getattr(self, name)
            keys = [v.name if name == "inputs" else v.label if name == "outputs" else v for v in values]
            if (not values and name != "methods") or len(set(keys)) != len(keys):
                raise ValueError(f"{name} must hold at least one entry, each with a name of its own, got {keys}")
        known = [i.name for i in self.inputs]
        for pair in self.dependence:
            for name in pair.inputs:
                if name not in known:
                    raise ValueError(f"dependence must be of inputs ({', '.join(known)}), got {name!r}")
        pairs = [frozenset(pair.inputs) for pair in self.dependence]
        if len(set(pairs)) != len(pairs):
            raise ValueError("dependence must hold each pair once, got one of them again")
        if self.study.sampling.weighted:
            method = self.study.sampling.method
            raise ValueError(f"study must have plain sampling: weights of one law do not fit another, got {method}")
        if self.derivatives is not None:
            self._check_derivatives()

    def _check_derivatives(self) -> None:
        world = self.study.world
        if world.stress:
            raise ValueError(f"derivatives need a world without a stress, got {world.name!r}")
        if not world.fit.get("standard_errors"):
            raise ValueError(f"derivatives need a world whose fit states standard errors, got {world.name!r}")

    def all_worlds(self) -> tuple[World, ...]:
        """As `Study.all_worlds`."""
        return (self.study.world,)

    @cached_property
    def space(self) -> Inputs:
        """The inputs with the numbers of the base study."""
        return Inputs(self.inputs, replace(self.study, criteria=(), target_error=None), self.dependence)

    @property
    def used(self) -> tuple[Method, ...]:
        """The methods, chosen where none is given."""
        return self.methods or ("tornado", "shapley" if self.space.dependent() else "sobol")

    @property
    def budget(self) -> dict[str, int]:
        """Evaluations of each method."""
        d, groups = len(self.inputs), len(self.space.groups)
        points = 2**self.log2_points * self.replicates
        sets = groups + d * (d != groups)
        each = {
            "tornado": (2 * d + 1) * (self.tornado_paths // self.paths_per_point),
            "morris": (d + 1) * self.trajectories,
            "sobol": (2 + sets) * points,
            "shapley": (d + 1) * points,
        }
        return {m: each[m] for m in each if m in self.used}

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        total = sum(self.budget.values())
        return {
            "inputs": len(self.inputs),
            "outputs": len(self.outputs),
            "evaluations": f"{total:,} ({', '.join(f'{m} {n:,}' for m, n in self.budget.items())})",
            "paths per evaluation": self.paths_per_point,
            "simulated paths": f"{total * self.paths_per_point:,}",
            "seed": self.seed,
        }

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        yield from ((said, ("study", *place)) for said, place in self.study.faults())
        found = list(self._input_faults())
        yield from found
        if found:
            return
        try:
            least = float(np.linalg.eigvalsh(self.space.correlation)[0])
        except ValueError as error:
            yield str(error), ("study", "world")
            return
        if not least > 1e-10:
            said = "dependence must be positive definite as a whole, with what the fit states of its errors, got"
            what = "correlations that contradict each other, or make one input follow from others"
            yield f"{said} {what} (smallest eigenvalue {least:.3g})", ("dependence",)
            return
        tied = self.space.tied()
        if tied and "shapley" not in self.used:
            said = f"methods must hold shapley where inputs depend on each other ({', '.join(tied)}), got "
            yield said + ", ".join(self.used), ("methods",)
        if "sobol" in self.used:
            for group, members in self.space.groups.items():
                if self.space.dependent(members):
                    said = f"sobol needs groups that are independent of each other, got {group!r}, which is not; "
                    yield said + "shapley is right for any", ("methods",)
        for i, output in enumerate(self.outputs):
            yield from ((said, ("outputs", i)) for said in self._output_faults(output))
        for i, exposure in enumerate(self.derivatives.exposures if self.derivatives else ()):
            yield from self._exposure_faults(exposure, ("derivatives", "exposures", i))
        known = self.study.world.fit.get("standard_errors") or {}
        for i, name in enumerate(self.derivatives.parameters if self.derivatives else ()):
            if name not in known:
                said = f"parameters must be among those of the fit ({', '.join(known)}), got {name!r}"
                yield said, ("derivatives", "parameters", i)

    def _exposure_faults(self, exposure: ExposureModel, where: tuple[str | int, ...]) -> Iterator[Found]:
        """The asset must be the world's, a book priced to the horizon, and some route must know the derivative."""
        model = self.study.world.model
        found = list(asset_fault(exposure.asset, tuple(model.assets), (*where, "asset")))
        yield from found
        if not found and hasattr(exposure, "held_in"):
            try:
                exposure.held_in(model, self.study.window_hours)
            except ValueError as error:
                yield str(error), where
        if not self.derivatives.paths and not known_exactly(model, exposure):
            said = f"derivatives of {exposure.name} are known by simulation alone: paths must be positive, got 0"
            yield said, ("derivatives", "paths")

    def _input_faults(self) -> Iterator[Found]:
        """Every path must lead to a number, and the study must stand at both ends of every input."""
        for i, own in enumerate(self.inputs):
            alone = Inputs((own,), self.study)
            try:
                ends = [alone.at([u]) for u in (1e-4, 1.0 - 1e-4)]
            except ValueError as error:
                yield f"{own.name}: {error}", ("inputs", i)
                continue
            for end in ends:
                yield from ((f"{own.name}: {said}", ("inputs", i)) for said, _ in end.faults())

    def _output_faults(self, output: Output) -> Iterator[str]:
        found = list(settings(self.study, output))
        if not found:
            yield f"no figure of the study matches {output.measure} where {output.where or {}}"
        elif len(found) > 1:
            yield f"where must choose one figure of {output.measure}, got {len(found)}: " + "; ".join(
                ", ".join(f"{k} {v}" for k, v in place.items() if k != "index") for place in found[:6]
            )


def settings(study: CalibrationStudy, output: Output) -> Iterator[dict[str, Any]]:
    """Places (model, level, multiplier; market, shift; estimator, exposure, level) of the figures that are `output`.

    ``index`` of a margin model is its number in the study: its label depends on what else is there.
    """
    where = {"multiplier": 1.0, "threshold_shift": 0.0, **(output.where or {})}
    probe = replace(output, where=where)
    if output.section == "margin" and study.margin is not None:
        places = [
            {"model": label, "level": level, "multiplier": x, "index": i}
            for i, (label, m) in enumerate(zip(study.margin.labels, study.margin.models, strict=True))
            for level in (m.levels or (None,))
            for x in study.margin.multipliers
        ]
        given = {k: v for k, v in where.items() if k != "threshold_shift"}
    elif output.section == "lending" and study.lending is not None:
        places = [
            {"model": label, "threshold_shift": shift}
            for label in study.lending.labels
            for shift in study.lending.threshold_shifts
        ]
        given = {k: v for k, v in where.items() if k != "multiplier"}
    elif output.section == "calibration" and study.calibration is not None:
        question = study.calibration
        places = [
            {"model": e.kind, "estimator": e.kind, "exposure": x.name, "level": level}
            for e in question.estimators
            for x in question.exposures
            for level in question.levels
        ]
        given = {k: v for k, v in where.items() if k not in ("multiplier", "threshold_shift")}
    else:
        return
    yield from (p for p in places if replace(probe, where=given).wanted(**p))
