"""Run a study of account life: accounts on paths, figures of the waterfall, and the fund for a chosen probability.

A fund that never empties shows on each path how much was ever needed; a fund is exhausted exactly where the need
exceeds it, so the fund for a probability p of exhaustion is the 1 - p quantile of the need.  Its upper bound by order
statistics holds whatever the law; a fund of that size is then run on fresh paths.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.engine.blocks import Block, account_block, plan
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.engine.loop import Impact, run_loop
from riskengine.engine.outcomes import Key, PathOutcomes
from riskengine.engine.store import BlockStore
from riskengine.engine.venue import VenueDesk
from riskengine.estimate import exact
from riskengine.random import DrawKeys
from riskengine.study.columns import Columns
from riskengine.study.folder import RunFolder
from riskengine.study.life_head import life_head
from riskengine.study.life_routes import LIFE_SECTION as SECTION
from riskengine.study.life_routes import key_of, own_figures, route_rows
from riskengine.study.life_spec import BOTH, PRICE, VOLATILITY, AccountLifeStudy
from riskengine.study.manifest import manifest
from riskengine.study.measures import amount_rows, not_negative
from riskengine.study.names import LIFE_AMOUNTS, LIFE_BY_KIND, LIFE_MEANS
from riskengine.study.result import Row, StudyResult
from riskengine.study.run import Progress
from riskengine.study.verdict import judge

_ADL = "deleveraged_notional"
FRESH = 1  # draw group of the paths on which the fund is checked


@dataclass(frozen=True)
class LifeSimulation:
    """One block of paths through every (feedback or route, fund) that is asked for.

    Attributes
    ----------
    study : AccountLifeStudy
    keys : DrawKeys
    funds : dict of str to tuple of float
        Sizes of fund by mode or route; infinite for the endless one.
    """

    study: AccountLifeStudy
    keys: DrawKeys
    funds: dict[str, tuple[float, ...]]

    def block(self, block: Block) -> PathOutcomes:
        """Outcome columns of `block`."""
        study = self.study
        paths = study.world.sample(study.grid, block.first, block.count, self.keys)
        columns: dict[Key, np.ndarray] = {}
        for mode, funds in self.funds.items():
            # a route is run with all the feedback there is
            on = study.modes[-1] if mode in study.routes else mode
            moves, heat = on in (PRICE, BOTH), study.volatility_feedback if on in (VOLATILITY, BOTH) else None
            for fund in funds:
                terms = study.terms_of(mode)
                desk = VenueDesk(study.book, terms, study.world.surface, fund, paths, moves, heat)
                run_loop(paths, [desk], _impact(study) if moves else None)
                for (kind, measure), column in desk.columns().items():
                    if mode in study.routes and kind != "all":
                        continue
                    columns[SECTION, mode, None, None if math.isinf(fund) else fund, kind, measure] = column
        return PathOutcomes.from_columns(columns, paths.failed)


def _impact(study: AccountLifeStudy) -> Impact:
    depth = np.array([study.feedback.depth_usd[a] for a in study.world.model.assets])
    return Impact(depth, study.feedback.half_life_hours / study.step_hours)


def _life_rows(columns: Columns, study: AccountLifeStudy, modes: tuple[str, ...]) -> Iterator[Row]:
    """Counts, amounts and probabilities of the waterfall with the fund as it stands, by kind of account."""
    figures, fund = columns.figures, study.insurance_fund_usd
    members = {kind: study.book.kinds.count(kind) for kind in dict.fromkeys(sorted(study.book.kinds))}
    for mode in modes:
        for kind, count in {"all": study.book.accounts, **members}.items():
            where = {"account_kind": kind}
            hit, taken = columns.select(*(key_of(mode, fund, m, kind) for m in ("liquidated_accounts", _ADL)))
            yield Row(SECTION, mode, where, "liquidated_share", "share", figures.share(hit / count))
            yield Row(SECTION, mode, where, "deleveraging_probability", "probability", figures.probability(taken > 0))
            for measure, unit in (LIFE_MEANS if kind == "all" else LIFE_BY_KIND).items():
                amount = columns.select(key_of(mode, fund, measure, kind))[0]
                yield Row(SECTION, mode, where, measure, unit, not_negative(figures.mean(amount)))
        where = {"account_kind": "all"}
        for measure, unit, estimate in own_figures(columns, study, mode):
            yield Row(SECTION, mode, where, measure, unit, estimate)
        for measure in LIFE_AMOUNTS:
            amount = columns.select(key_of(mode, fund, measure))[0]
            for name, unit, estimate in amount_rows(amount, measure, figures):
                yield Row(SECTION, mode, where, name, unit, estimate)
        empty = columns.select(key_of(mode, fund, "fund_exhausted"))[0] > 0
        yield Row(SECTION, mode, where, "fund_exhausted", "probability", figures.probability(empty))
        need = columns.select(key_of(mode, None, "fund_need"))[0]
        for name, unit, estimate in amount_rows(need, "fund_need", figures):
            yield Row(SECTION, mode, where, name, unit, estimate)


def _effect_rows(columns: Columns, study: AccountLifeStudy) -> Iterator[Row]:
    """What each feedback adds to the one before it, on the same paths."""
    fund = study.insurance_fund_usd
    units = {
        "liquidated_notional": "USD",
        "account_shortfall": "USD",
        "margin_calls": "count",
        "fund_exhausted": "probability",
    }
    for before, after in pairwise(study.modes):
        axis = "feedback" if after == PRICE else "volatility_feedback"
        for measure, unit in units.items():
            on, off = columns.select(key_of(after, fund, measure), key_of(before, fund, measure))
            found = columns.figures.difference(on, off, shares=unit == "probability")
            where = {"measure": measure, "axis": axis, "from": "off", "to": "on"}
            yield Row("feedback_effect", after, where, "paired_difference", unit, found)


def _sizes(columns: Columns, study: AccountLifeStudy, mode: str) -> Iterator[tuple[float, Row, float]]:
    """(target, row of the fund for it, certified fund): the quantile of the need, its upper bound in whole dollars."""
    need = columns.select(key_of(mode, None, "fund_need"))[0]
    found = columns.figures.quantiles(need, tuple(1.0 - t for t in study.targets))
    for target, estimate in zip(study.targets, found, strict=True):
        row = Row("fund_sizing", mode, {"target": target}, "fund_size", "USD", estimate)
        yield target, row, float(math.ceil(estimate.upper))


def _proof_rows(runs: dict[str, Columns], study: AccountLifeStudy, modes: tuple[str, ...]) -> Iterator[Row]:
    """What every run checks on itself: that the books balance, and that exhaustion is what the need says."""
    errors = [c.select(k)[0] for c in runs.values() for k in c.keys if k[-1] == "conservation_error"]
    said = f"largest of {sum(e.size for e in errors)} lives of the venue"
    yield Row(SECTION, "", {}, "conservation_error", "number", exact(max(e.max() for e in errors), said))
    for mode in modes:
        fund = study.insurance_fund_usd
        need, empty = runs["paths"].select(key_of(mode, None, "fund_need"), key_of(mode, fund, "fund_exhausted"))
        wrong = int(((need > fund) != (empty > 0)).sum())
        yield Row(SECTION, mode, {}, "need_mismatch", "count", exact(wrong, f"of {need.size} paths"))


def run_account_life(
    study: AccountLifeStudy,
    resolved: dict[str, Any],
    name: str,
    out: Path | None = None,
    workers: int | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Answer a study of account life.

    Parameters
    ----------
    study, resolved, name, out, workers, resume, progress, command
        As in `riskengine.study.run.run_study`.

    Returns
    -------
    (Path, StudyResult)
        Run folder and result: rows of sections ``account_life``, ``feedback_effect``, ``fund_sizing`` and those of
        `riskengine.study.life_routes`; curves named ``fund_need``.

    Raises
    ------
    UsageError
        Where the folder cannot be used or a criterion names no row.
    RunError
        Where too many paths failed, a block file is damaged, or the disk refuses.
    """
    start = time.perf_counter()
    folder = RunFolder.open(name, resolved, out, resume)
    modes = study.modes
    blocks = plan(study.paths, account_block(study.book.accounts))
    total = study.paths * (2 if study.targets else 1)

    def lived(part: str, group: int, funds: dict[str, tuple[float, ...]], before: int) -> Columns:
        (folder.path / "blocks" / part).mkdir(parents=True, exist_ok=True)
        store = BlockStore(folder.path / "blocks" / part)
        simulation = LifeSimulation(study, DrawKeys(study.seed, group), funds)
        missing = [b for b in blocks if not store.check(b)]
        done = before + study.paths - sum(b.count for b in missing)
        for block in run_blocks(missing, lambda b: store.write(b, simulation.block(b)), workers or default_workers()):
            done += block.count
            if progress is not None:
                progress(Progress(done, total, time.perf_counter() - start))
        return Columns(store, blocks, study.max_failed_share, study.confidence)

    columns = lived("paths", 0, {name: (math.inf, study.insurance_fund_usd) for name in (*modes, *study.routes)}, 0)
    rows = list(_life_rows(columns, study, modes))
    rows += _effect_rows(columns, study)
    if study.routes:
        rows += route_rows(columns, study)
    sizes = {mode: list(_sizes(columns, study, mode)) for mode in modes}
    runs = {"paths": columns}
    if study.targets:
        funds = {mode: tuple(dict.fromkeys(fund for _, _, fund in found)) for mode, found in sizes.items()}
        # the funds that are checked are those that so many paths certify
        runs["fresh"] = fresh = lived(f"fresh-{study.paths}", FRESH, funds, study.paths)
        for mode, found in sizes.items():
            for target, row, fund in found:
                empty = fresh.select(key_of(mode, fund, "fund_exhausted"))[0] > 0
                where = {"target": target}
                said = exact(fund, f"upper bound of the fund at {study.confidence:g}, in whole dollars")
                rows += [
                    row,
                    Row("fund_sizing", mode, where, "certified_fund", "USD", said),
                    Row(
                        "fund_sizing", mode, where, "fresh_exhaustion", "probability", fresh.figures.probability(empty)
                    ),
                ]
    rows += _proof_rows(runs, study, (*modes, *study.routes))
    failures = {
        "paths": sum(c.failures["paths"] for c in runs.values()),
        "share": max(c.failures["share"] for c in runs.values()),
    }
    result = StudyResult(
        life_head(study, name, command), tuple(judge(rows, study.criteria)), tuple(_curves(columns, modes)), failures
    )
    folder.write_json("manifest.json", manifest(resolved, study.paths))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - start})
    return folder.path, result


def _curves(columns: Columns, modes: tuple[str, ...]) -> Iterator[dict]:
    """Probability of exhaustion against the size of the fund."""
    for mode in modes:
        found = columns.figures.exceedance(columns.select(key_of(mode, None, "fund_need"))[0])
        yield {
            "name": "fund_need",
            "title": mode,
            "parameters": {"model": mode},
            "x_label": "insurance fund at the start, USD",
            "y_label": "probability that it is exhausted",
            "x": found.threshold.tolist(),
            "y": found.probability.tolist(),
            "lower": found.lower.tolist(),
            "upper": found.upper.tolist(),
            "n": found.n,
        }
