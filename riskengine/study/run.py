"""Run a study: blocks on threads, a checkpoint for each, then rows, curves and the run folder."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Any

from riskengine.engine.blocks import Block, plan
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.engine.outcomes import WEIGHT
from riskengine.engine.simulate import Simulation
from riskengine.engine.store import BlockStore
from riskengine.random import DrawKeys
from riskengine.study import measures, paired
from riskengine.study.columns import Columns
from riskengine.study.describe import head
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.names import INDICATORS, MEANS, SHARES
from riskengine.study.result import Row, StudyResult
from riskengine.study.sampling import describe, pilot_of, spent, stopped_rows, tight
from riskengine.study.spec import CalibrationStudy
from riskengine.study.verdict import judge


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    done, total : int
        Paths.
    seconds : float
        Since the start.
    watch : str
        The main measure so far with its interval; empty before there is one.
    """

    done: int
    total: int
    seconds: float
    watch: str = ""


def run_study(
    study: CalibrationStudy,
    resolved: dict[str, Any],
    name: str,
    out: Path | None = None,
    workers: int | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Answer a calibration study.

    Parameters
    ----------
    study : CalibrationStudy
    resolved : dict
        The study as plain values with every default filled in: what is hashed and stored.
    name : str
        Short name; part of the folder's name.
    out : Path, optional
        Run folder; ``runs/<name>-<hash8>`` by default.
    workers : int, optional
        Threads; the cores of this process by default.  The bits do not depend on it.
    resume : bool
        Keep finished blocks of an earlier run of the same question.
    progress : callable, optional
        Called after every block.
    command : str
        The command that reproduces the run, for the report.

    Returns
    -------
    (Path, StudyResult)
        The run folder and what it holds.

    Raises
    ------
    UsageError
        Where the folder cannot be used.
    RunError
        Where too many paths failed, a block file is damaged, or the disk refuses.
    """
    start = time.perf_counter()
    folder = RunFolder.open(name, resolved, out, resume)
    store = BlockStore(folder.path / "blocks")
    pilot = pilot_of(study)
    proposal = None if pilot is None else pilot.proposal
    simulation = Simulation(
        study.world,
        study.grid,
        DrawKeys(study.seed),
        study.margin,
        study.lending,
        study.calibration,
        study.feedback,
        study.confidence,
        proposal,
        study.sampling.controls,
    )
    known = None if simulation.controls is None else simulation.controls.known
    watch = _Watch(store)
    looks, wanted = study.looks, study.target_error
    looking = 0.0
    for look, paths in enumerate(looks, 1):
        blocks = plan(paths, simulation.block_paths)
        missing = [b for b in blocks if not store.check(b)]
        done = paths - sum(b.count for b in missing)
        which = f"look {look} of {len(looks)}  " if len(looks) > 1 else ""
        for block in run_blocks(missing, lambda b: store.write(b, simulation.block(b)), workers or default_workers()):
            done += block.count
            if progress is not None:
                progress(Progress(done, paths, time.perf_counter() - start, which + watch.after(block)))
        began = time.perf_counter()
        columns = Columns(store, blocks, study.max_failed_share, spent(study.confidence, len(looks)), proposal, known)
        at_look = [] if wanted is None else _looked_at(study, simulation, columns)
        looking += time.perf_counter() - began
        if wanted is not None and tight(at_look, wanted):
            break
    simulated = time.perf_counter() - looking
    columns = Columns(store, blocks, study.max_failed_share, study.confidence, proposal, known)
    rows = _rows(study, simulation, columns)
    if wanted is not None:
        rows = stopped_rows(rows, at_look, wanted, look, len(looks))
    result = StudyResult(
        head(replace(study, paths=paths), name, command)
        | ({} if pilot is None else {"sampling": describe(study, pilot, columns)}),
        tuple(judge(rows, study.criteria)),
        tuple(paired.curves(columns)),
        columns.failures,
    )
    folder.write_json("manifest.json", manifest(resolved, paths))
    folder.write_json("result.json", result.as_dict())
    now = time.perf_counter()
    folder.write_json("timing.json", {"simulate_seconds": simulated - start, "measure_seconds": now - simulated})
    return folder.path, result


def _looked_at(study: CalibrationStudy, simulation: Simulation, columns: Columns) -> list[Row]:
    """Rows among which those of the target error are: the columns of its measure where that is what they are named."""
    measure = study.target_error.measure
    if measure not in (*SHARES, *INDICATORS, *MEANS):
        return _rows(study, simulation, columns)
    found = [
        row
        for key in columns.keys
        if key[-1] == measure
        for row in measures.column_rows(key, columns.select(key)[0], columns.figures, columns.severity(key))
    ]
    return found or _rows(study, simulation, columns)


def _rows(study: CalibrationStudy, simulation: Simulation, columns: Columns) -> list[Row]:
    figures = columns.figures
    free = frozenset() if study.lending is None else study.lending.free
    rows = [
        row
        for key, column in columns.each()
        for row in measures.column_rows(key, column, figures, columns.severity(key), free)
    ]
    rows += measures.event_rows(columns)
    rows += measures.shortfall_rows(columns)
    if study.calibration is not None:
        windows = study.history_windows
        rows += measures.calibration_rows(columns, study.calibration, simulation.lab, windows)
    rows += measures.reference_rows(columns)
    if study.margin is not None:
        rows += measures.account_rows(columns, study.margin.reference_levels)
    rows += paired.sweep_rows(columns, free)
    rows += paired.market_rows(columns)
    if study.lending is not None:
        rows += measures.clearable_rows(study.lending)
    rows += paired.joint_rows(columns, study.feedback is not None)
    rows += measures.scheme_rows(columns, simulation.scheme, study.world.model.kind)
    return rows


class _Watch:
    """The main measure as blocks come in: the first share or indicator among the columns, on running sums."""

    def __init__(self, store: BlockStore):
        self._store = store
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def after(self, block: Block) -> str:
        """Text of the main measure with the blocks so far: mean and two standard errors."""
        keys = self._store.keys(block)
        wanted = ("initial_margin_breach", "liquidation_probability", "breach_probability")
        key = next((k for w in wanted for k in keys if k[-1] == w), None)
        if key is None:
            return ""
        column = self._store.select([block], [key])[0]
        if WEIGHT in keys:
            column = column * self._store.select([block], [WEIGHT])[0]
        self._count += column.size
        self._sum += float(column.sum())
        self._squares += float((column * column).sum())
        mean = self._sum / self._count
        error = sqrt(max(self._squares / self._count - mean * mean, 0.0) / self._count)
        return f"{key[-1].replace('_', ' ')} {mean:.3%} ± {2 * error:.3%}"
