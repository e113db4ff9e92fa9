"""What a study of certified choice asks: which setting is the cheapest whose risk is surely below a target."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.engine.questions import LendingQuestion, MarginQuestion
from riskengine.lending.parameter_set import ParameterSet, at_an_end
from riskengine.market.grid import TimeGrid
from riskengine.scenario.world import World
from riskengine.study.checks import Found
from riskengine.study.criterion import Criterion
from riskengine.study.kind import Study
from riskengine.study.spec import CalibrationStudy, Sampling
from riskengine.tune.certify import least_paths
from riskengine.tune.collateral_spec import CollateralQuestion

# risk -> (column of the engine, whether a path counts 0 or 1: something happened on it)
MARGIN_RISKS = {
    "initial_margin_breach": ("initial_margin_breach", False),
    "maintenance_margin_breach": ("maintenance_margin_breach", False),
    "insolvency": ("insolvency", False),
    "liquidated_share": ("liquidated_share", False),
    "initial_margin_breach_on_path": ("initial_margin_breach", True),
    "insolvency_on_path": ("insolvency", True),
    "fund_exhausted": ("fund_exhausted", True),
}
LENDING_RISKS = {
    "bad_debt_probability": ("bad_debt", True),
    "bad_debt_share": ("bad_debt", False),
    "liquidation_probability": ("liquidation_probability", True),
}
RISKS = MARGIN_RISKS | LENDING_RISKS
MARGIN_COSTS = {"capital": "USD"}
# what borrowers pay for a low threshold, and lenders for a high one
LENDING_COSTS = {
    "liquidated_volume": "USD",
    "liquidations": "count",
    "borrow_capacity": "USD",
    "bad_debt": "USD",
    "protocol_revenue": "USD",
}
COSTS = MARGIN_COSTS | LENDING_COSTS
# of which more is better
GOODS = ("borrow_capacity", "protocol_revenue")
# how far the requirement of the whole book rises along a path, where the study asks for procyclicality
SWING = "peak_to_trough"
# axes of the lending market
LENDING_AXES = ("threshold_shift", "parameter_set")
# what stands for the model where the choice is among models
MODELS = "margin_models"


@dataclass(frozen=True)
class Choice:
    """One setting to be chosen; its candidates are the values that the study lists for its axis.

    Attributes
    ----------
    axis : {"multiplier", "level", "model", "threshold_shift", "parameter_set"}
        From safe to risky, an order that is fixed before any path is drawn: multipliers and levels are walked downwards
        from the largest, threshold shifts upwards from the lowest, and downwards where the risk is liquidation;
        margin models (which may be one kind at several ranges, shocks or add-ons) and parameter sets as the study lists
        them.  A model or a parameter set is known by its place in its list, from 0.
    risk : str
        A share of accounts (``initial_margin_breach``, ``maintenance_margin_breach``, ``insolvency``,
        ``liquidated_share``), or whether something happens on a path (``initial_margin_breach_on_path``,
        ``insolvency_on_path``, ``fund_exhausted``, ``bad_debt_probability``, ``liquidation_probability``), or
        ``bad_debt_share``: the mean of (bad debt - `beyond_usd`) / `scale_usd`, cut to [0, 1] on each path.
    target : float
        Largest risk wanted.
    delta : float
        Chance that the true risk of what is chosen exceeds the target in some world.
    model : str or None
        Margin model by its name in the figures, which is its kind where the study has one of the kind; may be left out
        where the study has one model.
    level : float or None
        Level at which multipliers are judged; may be left out where the model has one or none.
    current : float or None
        Setting in force.  None is multiplier 1 or shift 0; for levels, none.
    cost : str or None
        ``capital``, or for a market ``liquidated_volume`` (the default), ``liquidations``, ``borrow_capacity`` (the
        default for parameter sets), ``bad_debt`` (the default where the risk is liquidation) or, for parameter sets,
        ``protocol_revenue``.
    bound : {"betting", "hoeffding-bentkus"}
        For shares; what happens or not on a path gets the exact binomial bound.
    beyond_usd : float
        Bad debt that does not count: P(bad debt > x).  With ``bad_debt_share`` a certificate of the mean excess over x
        is one of the expected shortfall too, ES_q <= x + target scale / (1 - q), up to bad debts of x + scale.
    scale_usd : float or None
        Of ``bad_debt_share``.
    """

    axis: Literal["multiplier", "level", "model", "threshold_shift", "parameter_set"]
    risk: str
    target: float
    delta: float = 0.05
    model: str | None = None
    level: float | None = None
    current: float | None = None
    cost: str | None = None
    bound: Literal["betting", "hoeffding-bentkus"] = "betting"
    beyond_usd: float = field(default=0.0, metadata={"written": "unless empty"})
    scale_usd: float | None = field(default=None, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        check_range("target", self.target, 1e-6, 0.5)
        check_range("delta", self.delta, 1e-9, 0.5)
        check_range("beyond_usd", self.beyond_usd, 0.0, 1e15)
        lending = self.axis in LENDING_AXES
        risks, costs = (LENDING_RISKS, LENDING_COSTS) if lending else (MARGIN_RISKS, MARGIN_COSTS)
        if self.risk not in risks:
            raise ValueError(f"risk must be one of {', '.join(risks)} on axis {self.axis}, got {self.risk!r}")
        if self.cost is not None and self.cost not in costs:
            raise ValueError(f"cost must be one of {', '.join(costs)} on axis {self.axis}, got {self.cost!r}")
        if self.cost == "protocol_revenue" and self.axis != "parameter_set":
            raise ValueError(f"cost protocol_revenue must be asked of axis parameter_set, got {self.axis}")
        if self.level is not None and self.axis != "multiplier":
            raise ValueError(f"level must be left out on axis {self.axis}, got {self.level!r}")
        if self.beyond_usd and self.risk not in ("bad_debt_probability", "bad_debt_share"):
            raise ValueError(f"beyond_usd must be left out with risk {self.risk}, got {self.beyond_usd:g}")
        if (self.scale_usd is not None) != (self.risk == "bad_debt_share"):
            raise ValueError(f"scale_usd must be given with risk bad_debt_share and no other, got {self.scale_usd!r}")
        if self.scale_usd is not None:
            check_range("scale_usd", self.scale_usd, 0.0, 1e15, open_low=True)

    def loss(self, column: Floats) -> Floats:
        """Loss in [0, 1] of paths from the engine's column of the risk."""
        if self.binary:
            return (column > self.beyond_usd).astype(np.float64)
        if self.scale_usd is None:
            return column
        return np.clip((column - self.beyond_usd) / self.scale_usd, 0.0, 1.0)

    @property
    def binary(self) -> bool:
        """Whether a path counts 0 or 1."""
        return RISKS[self.risk][1]

    @property
    def method(self) -> str:
        """Name of the bound, as `riskengine.tune.certify.certify` takes it; fixed before any path is drawn."""
        return "clopper-pearson" if self.binary else self.bound

    def setting(self, candidate: float) -> tuple[str, float | None, float]:
        """Model, level and multiplier of a candidate on a margin axis."""
        at = (candidate, 1.0) if self.axis == "level" else (self.level, candidate)
        return (self.model, *at)

    @property
    def paid(self) -> str:
        """The cost measure."""
        if self.axis not in LENDING_AXES:
            return self.cost or "capital"
        if self.axis == "parameter_set":
            return self.cost or "borrow_capacity"
        return self.cost or ("bad_debt" if self.risk == "liquidation_probability" else "liquidated_volume")


@dataclass(frozen=True)
class CertifiedChoiceStudy(Study):
    """Choices with a certificate, made on simulated paths and judged again on fresh ones.

    Attributes
    ----------
    worlds : tuple of World
        The choice must be safe in every one of them.
    variants : tuple of World
        Draws from the law of a fit (``riskengine fit returns --variants``); the choice must be safe in these too.
    choices : tuple of Choice
    paths : int
        Paths in each world on which the choice is made.
    fresh_paths : int or None
        Paths of other draws on which it is judged again in every one of ``worlds``; None is as many.
    collateral : CollateralQuestion or None
        Parameter sets of the lending market, for axis ``parameter_set``.
    seed, horizon_hours, step_hours, history_windows, margin, lending, confidence, criteria, max_failed_share
        As in a calibration study.
    sampling : Sampling
        Plain only.
    """

    named: ClassVar[str] = "a study of certified choice"
    runner: ClassVar[str] = "riskengine.tune.choice:run_choice"
    verb: ClassVar[str] = "tune"
    options: ClassVar[tuple[str, ...]] = ("out", "workers", "resume", "progress", "command")

    kind: Literal["certified_choice"]
    title: str
    worlds: tuple[World, ...]
    choices: tuple[Choice, ...]
    seed: int
    paths: int
    horizon_hours: float
    step_hours: float
    history_windows: int = 0
    margin: MarginQuestion | None = None
    lending: LendingQuestion | None = None
    collateral: CollateralQuestion | None = field(default=None, metadata={"written": "unless empty"})
    variants: tuple[World, ...] = ()
    fresh_paths: int | None = None
    confidence: float = 0.95
    criteria: tuple[Criterion, ...] = ()
    max_failed_share: float = 0.001
    sampling: Sampling = Sampling()

    def __post_init__(self) -> None:
        if not self.worlds or not self.choices:
            raise ValueError("worlds and choices must hold at least one entry each, got none")
        if self.fresh_paths is not None:
            check_range("fresh_paths", self.fresh_paths, 2, 2**40)
        names = [w.name for w in self.all_worlds()]
        if len(set(names)) < len(names):
            raise ValueError(f"worlds and variants must differ by name, got {', '.join(names)}")
        first = tuple(self.worlds[0].model.assets)
        for world in self.all_worlds():
            if tuple(world.model.assets) != first:
                raise ValueError(
                    f"worlds must be of the same assets in one order, got {', '.join(first)} and "
                    f"{', '.join(world.model.assets)} ({world.name})"
                )
        if self.sampling.weighted or self.sampling.controls:
            least = max(least_paths(c.target, c.delta) for c in self.choices)
            raise ValueError(
                "sampling must be plain, without controls, because the bounds of a certificate do not hold for "
                f"weighted or corrected paths, got {self.sampling.method if self.sampling.weighted else 'controls'}: "
                f"plain paths do, from {least:,} on"
            )
        if self.collateral is not None:
            if self.lending is None or self.lending.market.kind != "aave_v3":
                got = "none" if self.lending is None else f"one of kind {self.lending.market.kind}"
                raise ValueError(f"collateral needs a lending part with a market of kind aave_v3, got {got}")
            if self.lending.market.reaction is not None:
                raise ValueError("collateral needs a market whose borrowers do not act, got one with a reaction")
            if self.lending.market.utilisation is not None:
                raise ValueError("collateral needs a market at a stated utilisation, got one that moves with the path")
            self.collateral.check(self.lending.market.rules)
        for simulation in self.simulations:
            self._check_independent(simulation.world, simulation.grid)
        self.choices_resolved  # noqa: B018 - names what a choice leaves open, or says why it cannot
        for choice in self.choices:
            least = least_paths(choice.target, choice.delta)
            if self.paths < least:
                raise ValueError(
                    f"paths must be at least {least:,} for a target of {100 * choice.target:g} % at delta "
                    f"{choice.delta:g}: with fewer even no breach at all certifies nothing; got {self.paths:,}"
                )

    @staticmethod
    def _check_independent(world: World, grid: TimeGrid) -> None:
        if world.data is not None and world.data.path_limit(grid) is not None:
            raise ValueError(
                f"worlds must draw independent paths without end, got {world.name!r} of kind {world.model.kind}, "
                "whose paths are stretches of data: no certificate holds for them"
            )

    @cached_property
    def simulations(self) -> tuple[CalibrationStudy, ...]:
        """What is simulated in each world and variant, as a calibration study."""
        return tuple(
            CalibrationStudy(
                "calibration",
                self.title,
                world,
                self.seed,
                self.paths,
                self.horizon_hours,
                self.step_hours,
                self.history_windows,
                self.margin,
                self.lending,
                confidence=self.confidence,
                max_failed_share=self.max_failed_share,
            )
            for world in self.all_worlds()
        )

    @cached_property
    def choices_resolved(self) -> tuple[Choice, ...]:
        """Choices with model, level, current setting and cost filled in."""
        out = []
        for i, choice in enumerate(self.choices, 1):
            try:
                out.append(self._resolved(choice))
            except ValueError as error:
                raise ValueError(f"choices must fit the margin and lending parts: in number {i} {error}") from None
        return tuple(out)

    def _resolved(self, choice: Choice) -> Choice:
        if choice.axis in LENDING_AXES:
            needed = "lending" if choice.axis == "threshold_shift" else "collateral"
            if getattr(self, needed) is None:
                raise ValueError(f"axis {choice.axis} needs a {needed} part, got none")
            name = self.lending.labels[0]
            if choice.model not in (None, name):
                raise ValueError(f"model must be {name} on axis {choice.axis}, got {choice.model!r}")
            now = self._in_force() if choice.axis == "parameter_set" else 0.0
            done = replace(choice, model=name, current=now if choice.current is None else choice.current)
        else:
            done = self._resolved_margin(choice)
        candidates = self.candidates(done)
        if len(candidates) < 2:
            raise ValueError(f"{done.axis} must have at least two candidates, got {list(candidates)}")
        if done.current is not None and done.current not in candidates:
            shown = ", ".join(f"{v:g}" for v in candidates)
            raise ValueError(f"current must be one of the candidates {shown}, got {done.current:g}")
        return replace(done, cost=done.paid)

    def _in_force(self) -> float | None:
        """Place of the parameter set that changes nothing; None where there is none."""
        rules = self.lending.market.rules
        found = (float(i) for i, s in enumerate(self.walk) if s.caps == 1.0 and rules.with_parameters(s) == rules)
        return next(found, None)

    @cached_property
    def sets(self) -> tuple[ParameterSet, ...]:
        """Every parameter set that is run; the walk's come first."""
        return () if self.collateral is None else self.collateral.sets(self.lending.market.rules)

    @property
    def walk(self) -> tuple[ParameterSet, ...]:
        """Candidates of axis ``parameter_set``."""
        return () if self.collateral is None else self.collateral.walk(self.lending.market.rules)

    def _resolved_margin(self, choice: Choice) -> Choice:
        if self.margin is None:
            raise ValueError(f"axis {choice.axis} needs a margin part, got none")
        if choice.axis == "model":
            return self._resolved_models(choice)
        known = dict(zip(self.margin.labels, self.margin.models, strict=True))
        if choice.model is None and len(known) > 1:
            raise ValueError(f"model must be given, one of {'; '.join(known)}, got none")
        label = choice.model or next(iter(known))
        if label not in known:
            raise ValueError(f"model must be one of {'; '.join(known)}, got {choice.model!r}")
        model = known[label]
        levels = tuple(model.levels)
        if choice.axis == "level":
            return replace(choice, model=label)
        if choice.level is None and len(levels) > 1:
            shown = ", ".join(f"{v:g}" for v in levels)
            raise ValueError(f"level must be given for multipliers of {label}, one of {shown}, got none")
        level = choice.level if choice.level is not None else (levels[0] if levels else None)
        if level is not None and level not in levels:
            shown = ", ".join(f"{v:g}" for v in levels) or "none"
            raise ValueError(f"level must be one of those of {label} ({shown}), got {level:g}")
        current = 1.0 if choice.current is None else choice.current
        return replace(choice, model=label, level=level, current=current)

    def _resolved_models(self, choice: Choice) -> Choice:
        if choice.model not in (None, MODELS):
            raise ValueError(f"model must be left out on axis model, which is over all of them, got {choice.model!r}")
        several = [n for n, m in zip(self.margin.labels, self.margin.models, strict=True) if len(m.levels) > 1]
        if several:
            raise ValueError(f"models must have one level each on axis model, got several for {'; '.join(several)}")
        shocks = {m.vol_range for m in self.margin.models if hasattr(m, "vol_range")}
        still = [w.name for w in self.all_worlds() if w.surface.static]
        if still and len(shocks) > 1:
            raise ValueError(
                f"models must not differ in vol_range where implied volatility stands still ({', '.join(still)}): no "
                f"choice among {', '.join(f'{s:g}' for s in sorted(shocks))} can be told there"
            )
        return replace(choice, model=MODELS)

    def candidates(self, choice: Choice) -> tuple[float, ...]:
        """Settings of a choice from safe to risky."""
        if choice.axis == "model":
            return tuple(float(i) for i in range(len(self.margin.models)))
        if choice.axis == "parameter_set":
            return tuple(float(i) for i in range(len(self.walk)))
        if choice.axis == "threshold_shift":
            downwards = choice.risk == "liquidation_probability"
            return tuple(sorted(self.lending.threshold_shifts, reverse=downwards))
        if choice.axis == "multiplier":
            return tuple(sorted(self.margin.multipliers, reverse=True))
        model = self.margin.models[self.margin.labels.index(choice.model)]
        return tuple(sorted(model.levels, reverse=True))

    @property
    def settings(self) -> frozenset[tuple[str, float | None, float]]:
        """Margin settings that are a candidate of some choice: no others are run."""
        own = [c for c in self.choices_resolved if c.axis not in LENDING_AXES]
        found = {c.setting(v) for c in own if c.axis != "model" for v in self.candidates(c)}
        if any(c.axis == "model" for c in own):
            models = zip(self.margin.labels, self.margin.models, strict=True)
            found |= {(label, level, 1.0) for label, model in models for level in model.levels or (None,)}
        return frozenset(found)

    @property
    def fresh(self) -> int:
        """Fresh paths in each world."""
        return self.paths if self.fresh_paths is None else self.fresh_paths

    @property
    def fresh_seed(self) -> int:
        """Seed of the fresh paths: far from those that a user counts through."""
        return (self.seed + 0x9E3779B97F4A7C15) % 2**64

    def all_worlds(self) -> tuple[World, ...]:
        """As `Study.all_worlds`."""
        return self.worlds + self.variants

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        return {
            "paths": len(self.all_worlds()) * self.paths + len(self.worlds) * self.fresh,
            "steps": self.simulations[0].grid.steps,
            "seed": self.seed,
            "candidates": {
                f"{c.model} {c.axis}": self.names(c) or list(self.candidates(c)) for c in self.choices_resolved
            },
        } | ({"parameter_sets": len(self.sets)} if self.sets else {})

    def names(self, choice: Choice) -> list[str]:
        """Names of candidates that are known by their places; empty on other axes."""
        if choice.axis == "parameter_set":
            return [s.name for s in self.walk]
        if choice.axis != "model":
            return []
        # of one kind only what differs is said
        kinds = {m.kind for m in self.margin.models}
        own = [n.removeprefix(f"{k} (").removesuffix(")") for k in kinds for n in self.margin.labels]
        return [n.replace("_", " ") for n in own] if len(kinds) == 1 else list(self.margin.labels)

    def ends(self, choice: Choice) -> list[list[str]]:
        """Of each candidate the settings at an end of an axis; empty where candidates are no grid."""
        if choice.axis != "parameter_set" or self.collateral is None or self.collateral.parameter_sets:
            return []
        return [list(at_an_end(self.collateral.parameter_grid, s.name)) for s in self.walk]

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        seen = set()
        for i, simulation in enumerate(self.simulations):
            count = len(self.worlds)
            at = ("worlds", i) if i < count else ("variants", i - count)
            for said, place in simulation.faults():
                where = (*at, *place[1:]) if place[:1] == ("world",) else place
                if (said, where) not in seen:
                    seen.add((said, where))
                    yield said, where
