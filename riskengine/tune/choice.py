"""Run a study of certified choice: simulate every world, walk the candidates, judge the choice on fresh paths.

Paths are those of a calibration study, with a checkpoint for each block; a candidate is a stored outcome column, so all
candidates meet the same draws.  Paths that failed numerically count as losses of one: a certificate may not rest on
leaving them out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.blocks import plan
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.engine.outcomes import Key
from riskengine.engine.simulate import Simulation
from riskengine.engine.store import BlockStore
from riskengine.lending.parameter_set import ParameterSet
from riskengine.random import DrawKeys
from riskengine.study.columns import Columns
from riskengine.study.describe import assumptions, world_data, worlds_head
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.result import Row, StudyResult
from riskengine.study.run import Progress
from riskengine.study.spec import CalibrationStudy
from riskengine.study.verdict import judge
from riskengine.tune.certify import Certificate, RiskControl, certify, conformal_risk_control, upper_bounds, worst_case
from riskengine.tune.choice_rows import choice_rows, fronts
from riskengine.tune.choice_spec import GOODS, LENDING_AXES, RISKS, SWING, CertifiedChoiceStudy, Choice
from riskengine.tune.collateral import baseline_rows, parameter_fronts, plan_payload, plan_rows, plans


@dataclass(frozen=True)
class Sample:
    """Paths of one world.

    Attributes
    ----------
    world : str
    fresh : bool
        Whether they judge the choice; else they make it.
    variant : bool
        Whether the world is a draw from the law of a fit.
    columns : Columns
    sets, models : tuple of str
        Names of the parameter sets and of the margin models.
    """

    world: str
    fresh: bool
    variant: bool
    columns: Columns
    sets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    def _keys(self, choice: Choice, candidates: tuple[float, ...], measure: str) -> list[Key]:
        if choice.axis == "threshold_shift":
            return [("lending", choice.model, None, c, "all", measure) for c in candidates]
        if choice.axis == "parameter_set":
            return [("lending", choice.model, None, None, self.sets[int(c)], measure) for c in candidates]
        if choice.axis == "model":
            own = {k[1]: k for k in self.columns.keys if k[0] == "margin" and k[3:] == (1.0, "all", measure)}
            return [own[self.models[int(c)]] for c in candidates]
        return [("margin", *choice.setting(c), "all", measure) for c in candidates]

    def risk(self, choice: Choice, candidates: tuple[float, ...]) -> Floats:
        """Loss in [0, 1] of every good path under every candidate, (n, C)."""
        keys = self._keys(choice, candidates, RISKS[choice.risk][0])
        return choice.loss(np.stack(self.columns.select(*keys), axis=1))

    def tested(self, choice: Choice, candidates: tuple[float, ...]) -> Floats:
        """The same with a loss of one on every path that failed: what a certificate is about."""
        own = self.risk(choice, candidates)
        return np.concatenate([own, np.ones((self.columns.failures["paths"], own.shape[1]))])

    def cost(self, choice: Choice, candidates: tuple[float, ...]) -> Floats:
        """Cost on every good path, (n, C)."""
        return np.stack(self.columns.select(*self._keys(choice, candidates, choice.cost)), axis=1)

    def swing(self, choice: Choice, candidates: tuple[float, ...]) -> Floats | None:
        """Peak to trough of the whole requirement on every good path, (n, C); None where the study does not ask."""
        if choice.axis in LENDING_AXES:
            return None
        # a multiple of a requirement rises as the requirement does
        keys = [(*k[:3], 1.0, "all", SWING) for k in self._keys(choice, candidates, choice.cost)]
        return np.stack(self.columns.select(*keys), axis=1) if set(keys) <= set(self.columns.keys) else None


@dataclass(frozen=True)
class Made:
    """A choice as it was made.

    Attributes
    ----------
    choice : Choice
    label : str
        Tells it from others of the model.
    candidates : tuple of float
        From safe to risky.
    samples, fresh : tuple of Sample
        One for each world, then for each variant; one for each world.
    """

    choice: Choice
    label: str
    candidates: tuple[float, ...]
    samples: tuple[Sample, ...]
    fresh: tuple[Sample, ...]

    @cached_property
    def losses(self) -> tuple[Floats, ...]:
        """Losses of each sample, (n, C)."""
        return tuple(s.tested(self.choice, self.candidates) for s in self.samples)

    @cached_property
    def certificates(self) -> tuple[Certificate, ...]:
        """One for each sample, each at the whole delta: see `certified`."""
        return tuple(certify(x, self.choice.target, self.choice.delta, self.choice.method) for x in self.losses)

    @cached_property
    def bounds(self) -> tuple[Floats, ...]:
        """Upper bound of every candidate alone, in each sample."""
        return tuple(upper_bounds(x, self.choice.delta, self.choice.method) for x in self.losses)

    @cached_property
    def controls(self) -> tuple[RiskControl | str, ...]:
        """Conformal risk control in each world, or why it is refused."""
        out: list[RiskControl | str] = []
        for s, x in zip(self.samples, self.losses, strict=True):
            if not s.variant:
                try:
                    out.append(conformal_risk_control(x, self.choice.target))
                except ValueError as error:
                    out.append(str(error))
        return tuple(out)

    def reached(self, variants: bool) -> int | None:
        """Riskiest candidate that passed in every world, and every variant where they count.

        No correction is due for their number: let j be the first candidate in the walk whose risk exceeds the target in
        some world w.  A wrong choice needs j to pass in every world, so in w, which has chance delta at most.
        """
        kept = [c for c, s in zip(self.certificates, self.samples, strict=True) if variants or not s.variant]
        return worst_case(kept)

    def certified(self, variants: bool = True) -> int | None:
        """The cheapest of all candidates up to the one reached, of equals the safest.

        Up to there all are certified at once, so the cheapest may be looked for among them.
        """
        reached = self.reached(variants)
        return None if reached is None else self.cheapest(np.arange(reached + 1))

    def pointwise(self) -> int | None:
        """The choice without a certificate: the cheapest whose estimate is at most the target in every world."""
        mean = np.stack([x.mean(axis=0) for x, s in zip(self.losses, self.samples, strict=True) if not s.variant])
        below = np.flatnonzero((mean <= self.choice.target).all(axis=0))
        return self.cheapest(below) if below.size else None

    def controlled(self) -> int | None:
        """Choice of conformal risk control over the worlds; None where it is refused or finds none."""
        found = [c.chosen for c in self.controls if isinstance(c, RiskControl)]
        if len(found) < len(self.controls) or None in found:
            return None
        return self.cheapest(np.arange(min(found) + 1))

    def cheapest(self, among: np.ndarray) -> int:
        """The cheapest of some candidates by its mean cost over the worlds, of equals the safest."""
        return int(among[np.argmin(self._mean_cost[among])])

    @cached_property
    def _mean_cost(self) -> Floats:
        own = [s.cost(self.choice, self.candidates).mean(axis=0) for s in self.samples if not s.variant]
        return np.mean(own, axis=0) * (-1.0 if self.choice.cost in GOODS else 1.0)


def labels(choices: tuple[Choice, ...]) -> tuple[str, ...]:
    """A name for each choice: axis and level, with the risk where it takes that to tell it from others of the model."""
    short = [c.axis + ("" if c.level is None else f" at {100 * c.level:.10g} %") for c in choices]
    named = [(c.model, s) for c, s in zip(choices, short, strict=True)]
    long = [s if named.count(n) == 1 else f"{s}, {c.risk}" for c, s, n in zip(choices, short, named, strict=True)]
    full = [(c.model, s) for c, s in zip(choices, long, strict=True)]
    return tuple(
        s if full.count(n) == 1 else f"{s} <= {100 * c.target:g} %, delta {c.delta:g}"
        for c, s, n in zip(choices, long, full, strict=True)
    )


def run_choice(
    study: CertifiedChoiceStudy,
    resolved: dict[str, Any],
    name: str,
    out: Path | None = None,
    workers: int | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Answer a study of certified choice.

    Parameters
    ----------
    study, resolved, name, out, workers, resume, progress, command
        As in `riskengine.study.run.run_study`.

    Returns
    -------
    (Path, StudyResult)
        Run folder and result: rows of sections ``choice`` (what was chosen), ``candidate`` and ``step`` (a candidate
        against its neighbour on the same fresh paths).

    Raises
    ------
    UsageError
        Where the folder cannot be used or a criterion names no row.
    RunError
        Where too many paths failed, a block file is damaged, or the disk refuses.
    """
    start = time.perf_counter()
    folder = RunFolder.open(name, resolved, out, resume)
    count = len(study.worlds)
    names, models = tuple(s.name for s in study.sets), () if study.margin is None else study.margin.labels
    fresh_ones = [replace(s, seed=study.fresh_seed, paths=study.fresh) for s in study.simulations[:count]]
    run = _Runs(folder, study, workers or default_workers(), start, progress)
    samples = []
    for i, simulated in enumerate((*study.simulations, *fresh_ones)):
        fresh = i >= len(study.simulations)
        columns = run.columns(f"{i:03d}-{'fresh' if fresh else 'choice'}", simulated, fresh, study.sets)
        samples.append(Sample(simulated.world.name, fresh, not fresh and i >= count, columns, names, models))
    made = tuple(
        Made(
            choice,
            label,
            study.candidates(choice),
            tuple(s for s in samples if not s.fresh),
            tuple(s for s in samples if s.fresh),
        )
        for choice, label in zip(study.choices_resolved, labels(study.choices_resolved), strict=True)
    )
    rows = [row for m in made for row in choice_rows(m, study.confidence)]
    extra: dict[str, Any] = {}
    if study.collateral is not None:
        on_fresh = [(f.world, s.columns) for f, s in zip(fresh_ones, samples[-count:], strict=True)]
        extra["parameter_fronts"] = parameter_fronts(study, on_fresh, study.confidence)
        if study.collateral.baselines is not None:
            rows += baseline_rows(study)
        ways = plans(study, made)
        for k, way in enumerate(ways):
            lived = [
                (f.world, run.columns(f"steps-{k:03d}-{i:03d}", f, True, way.sets, margin=False))
                for i, f in enumerate(fresh_ones)
            ]
            rows += plan_rows(study, way, lived, study.confidence)
            plain = plan_payload(study, way)
            folder.write_json(f"payload/{k:03d}.json", plain)
            extra.setdefault("schedules", []).append(way.plain | {"payload": plain})
    result = _result(study, name, command, made, judge(rows, study.criteria), samples, extra)
    folder.write_json("manifest.json", manifest(resolved, study.paths))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - start})
    return folder.path, result


@dataclass
class _Runs:
    """Runs the simulations of a study one after the other, each into blocks of its own."""

    folder: RunFolder
    study: CertifiedChoiceStudy
    workers: int
    start: float
    progress: Callable[[Progress], None] | None
    done: int = 0

    def columns(
        self, place: str, simulated: CalibrationStudy, fresh: bool, sets: tuple[ParameterSet, ...], margin: bool = True
    ) -> Columns:
        """Outcome columns of one simulation: of settings that are candidates, and of the parameter sets given."""
        at = self.folder.path / "blocks" / place
        at.mkdir(exist_ok=True)
        store, blocks = BlockStore(at), plan(simulated.paths)
        missing = [b for b in blocks if not store.check(b)]
        self.done += simulated.paths - sum(b.count for b in missing)
        engine = Simulation(
            simulated.world, simulated.grid, DrawKeys(simulated.seed), simulated.margin if margin else None,
            simulated.lending, confidence=simulated.confidence, only=self.study.settings, sets=sets,
            growth=None if self.study.collateral is None else self.study.collateral.growth,
        )  # fmt: skip
        for block in run_blocks(missing, lambda b: store.write(b, engine.block(b)), self.workers):
            self.done += block.count
            if self.progress is not None:
                where = f"{simulated.world.name}{', fresh' if fresh else ''}"
                total = max(self.done, self.study.plan()["paths"])
                self.progress(Progress(self.done, total, time.perf_counter() - self.start, where))
        return Columns(store, blocks, self.study.max_failed_share, self.study.confidence)


def _result(
    study: CertifiedChoiceStudy,
    name: str,
    command: str,
    made: tuple[Made, ...],
    rows: list[Row],
    samples: list[Sample],
    extra: dict[str, Any],
) -> StudyResult:
    failed = sum(s.columns.failures["paths"] for s in samples)
    data = [d for world in study.all_worlds() for d in world_data(world)]
    head = (
        {
            "study": {"name": name, "title": study.title, "kind": study.kind},
            "command": command,
            "world": worlds_head(study.worlds),
            "settings": {
                "seed": study.seed,
                "fresh_seed": study.fresh_seed,
                "paths": study.paths,
                "fresh_paths": study.fresh,
                "worlds": [w.name for w in study.worlds],
                "variants": [w.name for w in study.variants],
                "horizon_hours": study.horizon_hours,
                "step_hours": study.step_hours,
                "history_windows": study.history_windows,
                "confidence": study.confidence,
                "margin_period_hours": study.margin.margin_period_hours if study.margin else None,
                "accounts": study.margin.book.accounts if study.margin else None,
                "loans": len(study.lending.book.names) if study.lending else None,
            },
            "choices": [
                {
                    "model": m.choice.model,
                    "choice": m.label,
                    "axis": m.choice.axis,
                    "level": m.choice.level,
                    "candidates": list(m.candidates),
                    "current": m.choice.current,
                    "risk": m.choice.risk,
                    "cost": m.choice.cost,
                    "target": m.choice.target,
                    "delta": m.choice.delta,
                    "method": m.choice.method,
                }
                | ({"names": names} if (names := study.names(m.choice)) else {})
                | ({"ends": ends} if (ends := study.ends(m.choice)) else {})
                for m in made
            ],
            "fronts": fronts(made, study.confidence),
            "assumptions": [*_certificate_assumptions(study), *assumptions(study.simulations[0])],
        }
        | extra
        | ({"data": data} if data else {})
    )
    paths = sum(s.columns.failures["paths"] + s.columns.select(s.columns.keys[0])[0].size for s in samples)
    return StudyResult(head, tuple(rows), (), {"paths": failed, "share": failed / paths})


def _certificate_assumptions(study: CertifiedChoiceStudy) -> list[str]:
    said = [
        "Candidates are walked from safe to risky in an order fixed before any path is drawn; each is tested at the "
        "whole delta, and the walk stops at the first that does not pass. All candidates meet the same draws.",
        "The certificate is about sampling and holds given the worlds named: where the market is none of them it says "
        "nothing.",
        "The certificate is for one look: a longer run with the same seed extends the same draws, and to choose again "
        "on them spends delta a second time. Another seed is a new look.",
        "A path that failed numerically counts as a loss of one in every certificate.",
        "Fresh paths are other draws of the same worlds; nothing was chosen on them, so their figures carry no "
        "winner's curse.",
    ]
    if len(study.all_worlds()) > 1:
        said.append(
            "The choice over several worlds is the riskiest that passes in every one, each tested at the whole delta: "
            "a wrong choice needs the first unsafe candidate to pass in the world where it is unsafe, so the chance "
            "that the choice is unsafe in any of them is delta, without a correction for their number. Statements "
            "about each world's own choice, taken together, hold at the sum of their deltas."
        )
    if study.collateral is not None:
        said.append(
            "Every parameter set meets the same loans: borrowers neither use the room that a set gives them nor repay "
            "what it takes. "
            + (
                "Caps grow or shrink the whole book as it is composed."
                if study.collateral.growth is None
                else study.collateral.growth.said
            )
        )
    if study.variants:
        said.append(
            f"Variants are {len(study.variants)} draws from the law of the fit. What passes in all of them is safe for "
            "a share of that law that is bounded from below (one free parameter of the scenario approach); delta comes "
            "on top of its confidence."
        )
    return said
