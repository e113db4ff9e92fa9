"""Find the account that a margin model covers worst, and judge it on fresh paths.

Over all accounts q of given instruments and gross size,

    maximise  ES(L(q) - M(q)),

L the loss over the margin period and M the initial margin at its start, both on each path, ES the mean of the worst
paths beyond a level.  The mean over any as many paths is no larger than ES, and at the account at hand the mean over
its own worst paths T is ES itself.  So the account that maximises mean_T L(q) - mean_T M(q) is no worse than the one
at hand; the first part is linear and the second a margin, which the planes of `tune.cutting_planes` maximise.  Rounds
go on until nothing is gained, from the instruments, bought or sold, that are covered worst alone (a minorise-maximise
procedure).

What is found is covered at best that badly: a worse account may exist, so this bounds how well a model covers from
above only.  The paths that found an account are not those that judge it, so the figures are free of the luck of the
search.

Where a margin is not convex the planes may cut accounts off: the search is then a heuristic, its account as real as
any.

References: Yuille and Rangarajan, The concave-convex procedure (2003); Rockafellar and Uryasev (2000).
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.book.portfolio import Portfolio, accounts_of
from riskengine.engine.blocks import Block, account_block, plan
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.engine.period import MarginPeriod, chosen_paths
from riskengine.pricing.valuation import rounding
from riskengine.random import DrawKeys
from riskengine.roles import MarginModel, told_apart
from riskengine.stats.bounded import share
from riskengine.stats.mean import conditional_severity, mean
from riskengine.stats.quantile import expected_shortfall
from riskengine.study.describe import world_data, world_head
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.result import Row, StudyResult
from riskengine.study.run import Progress
from riskengine.study.verdict import judge
from riskengine.tune.cutting_planes import LeastMargin, TradeLimits
from riskengine.tune.worst_account_spec import WorstAccountStudy

_ROUNDS = 20
_HELD = 1e-3  # share of the size below which a position is left out
_SEARCH, _JUDGE = 0, 1  # draw groups


class Covered:
    """Losses and margins of any accounts on the paths of a search.

    Attributes
    ----------
    losses : ndarray, shape (M, P)
        Of a coin of each instrument of the book, USD.
    """

    def __init__(self, study: WorstAccountStudy):
        self._period, self._accounts = _period(study, _SEARCH), partial(_accounts, study)
        sampled = self._period.paths(0, study.search_paths)
        self._paths = chosen_paths(sampled, np.flatnonzero(~sampled.failed))
        self.losses = self._period.losses(self._accounts(np.eye(len(study.book.instruments))), self._paths)

    def margin(self, model: MarginModel, which: Ints | None = None) -> Callable[[Floats], Floats]:
        """Initial margin (n, P) of accounts (n, M) in coins, on all paths or some of them."""
        paths = self._paths if which is None else chosen_paths(self._paths, which)
        return lambda accounts: self._period.initial(model, self._accounts(accounts), paths)


def _period(study: WorstAccountStudy, group: int) -> MarginPeriod:
    return MarginPeriod(study.world, study.margin_period_hours, study.history_windows, DrawKeys(study.seed, group))


def _accounts(study: WorstAccountStudy, quantity: Floats) -> Portfolio:
    """One account for each row of coins; inverse contracts are entered at the spot, all else is worth its price."""
    book, spot = study.book, np.array(study.world.model.spot)
    return accounts_of(book, quantity, np.where(book.inverse, spot[book.asset_index], 0.0))


def worst_account(covered: Covered, model: MarginModel, size: Floats, level: float, starts: int = 8) -> Floats:
    """The account of gross size 1 whose loss beyond its margin has the largest tail, of those found.

    Parameters
    ----------
    covered : Covered
    model : MarginModel
        At its first level.
    size : ndarray, shape (M,)
        Share of the allowed gross size that a coin of each instrument takes.
    level : float
    starts : int
        Single positions to start from.

    Returns
    -------
    ndarray, shape (M,)
        Coins; zeros where no account has a mean excess above 0.
    """
    losses = covered.losses
    limits = TradeLimits(1.0 / size, size, np.zeros((0, size.size)), np.zeros(0), np.zeros(0), spend=1.0, worth=1e-9)
    tail = max(1, round((1.0 - level) * losses.shape[1]))
    everywhere = covered.margin(model)

    def worst_paths(accounts: Floats) -> tuple[Floats, Ints]:
        """(mean excess over the worst paths of each account, which paths these are)."""
        excess = accounts @ losses - everywhere(accounts)
        which = np.argpartition(excess, -tail, axis=1)[:, -tail:]
        return np.take_along_axis(excess, which, axis=1).mean(axis=1), which

    singles = np.concatenate([np.diag(1.0 / size), np.diag(-1.0 / size)])
    values, tails = worst_paths(singles)
    best, most = np.zeros(size.size), 0.0
    for k in np.argsort(-values, kind="stable")[:starts]:
        account, value, paths = singles[k], values[k], tails[k]
        for _ in range(_ROUNDS):
            on_them = covered.margin(model, paths)

            def margin(accounts: Floats, on_them: Callable[[Floats], Floats] = on_them) -> Floats:
                return on_them(accounts).mean(axis=1)

            reward = losses[:, paths].mean(axis=1)
            found = LeastMargin(margin, limits).find(reward, 1e-3, bounded=False, near=account).trades
            reached, which = worst_paths(found[None])
            if reached[0] <= value + 1e-3 * abs(value):
                break
            account, value, paths = found, float(reached[0]), which[0]
        if value > most:
            best, most = account, value
    return np.where(np.abs(best) * size < _HELD, 0.0, best)


def _search(study: WorstAccountStudy, tell: Callable[[int], None]) -> Floats:
    """The worst account of each model, shape (models, M), in coins; zeros where none is covered badly."""
    covered = Covered(study)
    spot = np.asarray(study.world.model.spot, dtype=np.float64)
    size = spot[study.book.asset_index] / study.notional_usd
    found = []
    for model in study.models:
        found.append(worst_account(covered, model, size, study.level, study.starts))
        tell(len(found))
    return np.array(found)


def drawn_accounts(study: WorstAccountStudy) -> Floats:
    """Accounts of one to four instruments at random, of the full size, shape (drawn_accounts, M)."""
    rng = np.random.default_rng(study.seed)
    spot = np.asarray(study.world.model.spot, dtype=np.float64)[study.book.asset_index]
    out = np.zeros((study.drawn_accounts, spot.size))
    for row in out:
        held = rng.choice(spot.size, rng.integers(1, min(4, spot.size) + 1), replace=False)
        row[held] = rng.dirichlet(np.ones(held.size)) * rng.choice([-1.0, 1.0], held.size)
    return out * study.notional_usd / spot


def run_worst_account(
    study: WorstAccountStudy,
    resolved: dict[str, Any],
    name: str,
    out: Path | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Find and judge the worst account of each model.

    Returns
    -------
    (Path, StudyResult)
        Run folder and result.
    """
    began = time.perf_counter()
    folder = RunFolder.open(name, resolved, out, resume=False)
    labels = told_apart(study.models)
    total = len(labels) * study.search_paths + study.fresh_paths

    def tell(done: int) -> None:
        if progress is not None:
            progress(Progress(done, total, time.perf_counter() - began))

    found = _search(study, lambda models: tell(models * study.search_paths))
    book, random = study.book, drawn_accounts(study)
    whole = _accounts(study, np.concatenate([found, book.quantity, random]))
    blocks = plan(study.fresh_paths, account_block(whole.accounts))
    period, lanes = _period(study, _JUDGE), {}

    def judge_block(block: Block) -> None:
        paths = period.paths(block.first, block.count)
        loss, slack = period.losses(whole, paths), rounding(whole, period.start(whole, paths))
        kept = []
        for model in study.models:
            required = period.initial(model, whole, paths)
            breach = loss > required + slack
            kept.append(
                (
                    breach[: len(found)],
                    breach[len(found) : len(found) + book.accounts].mean(axis=0),
                    breach[len(found) + book.accounts :].mean(axis=0),
                    required[: len(found)],
                    loss[: len(found)] - required[: len(found)],
                )
            )
        lanes[block.index] = ([[part[..., ~paths.failed] for part in own] for own in kept], int(paths.failed.sum()))

    done = len(labels) * study.search_paths
    for block in run_blocks(blocks, judge_block, workers or default_workers()):
        done += block.count
        tell(done)
    joined = [
        [np.concatenate([lanes[b.index][0][j][part] for b in blocks], axis=-1) for part in range(5)]
        for j in range(len(labels))
    ]
    failed = sum(lanes[b.index][1] for b in blocks)
    rows = judge(list(_rows(study, labels, found, joined)), study.criteria)
    head = _head(study, name, command, labels, found)
    result = StudyResult(head, tuple(rows), failures={"paths": failed, "share": failed / study.fresh_paths})
    folder.write_json("manifest.json", manifest(resolved, study.fresh_paths))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - began})
    return folder.path, result


def _rows(study: WorstAccountStudy, labels: tuple[str, ...], found: Floats, joined) -> Iterator[Row]:
    section, confidence = "worst_account", study.confidence
    for j, label in enumerate(labels):
        breach, of_book, of_drawn, required, excess = joined[j]
        level = {"level": (study.models[j].levels or (None,))[0]}
        for who, hits in (("accounts of the book", of_book), ("accounts drawn at random", of_drawn)):
            at = level | {"account": who}
            yield Row(section, label, at, "initial_margin_breach", "probability", share(hits, confidence))
        for i, other in enumerate(labels):
            if not found[i].any():
                continue
            at = level | {"account": f"worst of {other}"}
            yield Row(section, label, at, "initial_margin_breach", "probability", share(breach[i], confidence))
            if i != j:
                continue
            yield Row(section, label, at, "capital", "USD", mean(required[i], confidence))
            beyond = conditional_severity(np.maximum(excess[i], 0.0), confidence)
            yield Row(section, label, at, "shortfall_given_breach", "USD", beyond)
            tail = expected_shortfall(excess[i], study.level, confidence)
            yield Row(section, label, at, "tail_beyond_margin", "USD", tail)


def _head(study: WorstAccountStudy, name: str, command: str, labels, found: Floats) -> dict[str, Any]:
    names = [x.name for x in study.book.instruments]
    data = world_data(study.world)
    return {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "world": world_head(study.world),
        "settings": {
            "seed": study.seed,
            "search_paths": study.search_paths,
            "fresh_paths": study.fresh_paths,
            "margin_period_hours": study.margin_period_hours,
            "history_windows": study.history_windows,
            "level": study.level,
            "notional_usd": study.notional_usd,
            "accounts": study.book.accounts,
            "drawn_accounts": study.drawn_accounts,
            "confidence": study.confidence,
        },
        "worst_accounts": [
            {"model": label, "positions": {n: float(q) for n, q in zip(names, row, strict=True) if q}}
            for label, row in zip(labels, found, strict=True)
        ],
        "assumptions": [
            "Losses are positive. An account is found on its own paths and judged on others, so no figure has the luck "
            "of the search in it.",
            f"Accounts hold the instruments of the book, at most {study.notional_usd:,.0f} USD gross: each position "
            "counts with the coins it is on.",
            "What is looked for is the largest mean of loss less initial margin beyond its "
            f"{100 * study.level:g} % quantile, the margin on each path at its own state and from its own window. "
            "A worse account may exist: what is found is a lower bound on how badly a model covers.",
            "Accounts drawn at random hold one to four instruments of the same gross size.",
        ],
    } | ({"data": data} if data else {})
