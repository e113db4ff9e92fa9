"""Find the account that a margin model covers worst, and judge it on fresh paths.

Over all accounts q of given instruments and gross size,

    maximise  ES(L(q) - M(q)),

L the loss over the margin period and M the initial margin at its start, both on each path, ES the mean of the worst
paths beyond a level.  The mean over any as many paths is no larger than ES, and at the account at hand the mean over
its own worst paths T is ES itself.  So the account that maximises mean_T L(q) - mean_T M(q) is no worse than the one
at hand; the first part is linear and the second a margin, which the planes of `tune.hedge` maximise.  Rounds go on
until nothing is gained, from the instruments, bought or sold, that are covered worst alone (a minorise-maximise
procedure).

What is found is covered at best that badly: a worse account may exist, so this bounds how well a model covers from
above only.  The paths that found an account are not those that judge it, so the figures are free of the luck of the
search.

References: Yuille and Rangarajan, The concave-convex procedure (2003); Rockafellar and Uryasev (2000).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.book.portfolio import Portfolio
from riskengine.engine.blocks import Block, plan
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.pricing.valuation import account_values, rounding, snapshot
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
from riskengine.tune.hedge import LeastMargin, Limits
from riskengine.tune.worst_account_spec import WorstAccountStudy

_ROUNDS = 20
_HELD = 1e-3  # share of the size below which a position is left out
_SEARCH, _JUDGE = 0, 1  # draw groups


class Market:
    """Loss and margin of any accounts over one margin period, path by path."""

    def __init__(self, study: WorstAccountStudy, group: int):
        seconds = round(study.margin_period_hours * 3600)
        windows = study.history_windows
        self._grid = TimeGrid(seconds, 1, *((seconds, windows) if windows else ()))
        self._study, self._keys = study, DrawKeys(study.seed, group)

    def paths(self, block: Block) -> MarketPaths:
        """Paths of a block."""
        return self._study.world.model.sample(self._grid, block.first, block.count, self._keys)

    def ends(self, book: Portfolio, paths: MarketPaths) -> tuple[MarketSnapshot, MarketSnapshot]:
        """The market at both ends of the period."""
        variance = (None, None) if paths.variance_lanes is None else paths.variance_lanes
        hours, surface = self._study.margin_period_hours, self._study.world.surface
        return (
            snapshot(book, surface, paths.spot_lanes[0], variance[0], 0.0),
            snapshot(book, surface, paths.spot_lanes[-1], variance[-1], hours),
        )


def accounts_of(book: Portfolio, quantity: Floats) -> Portfolio:
    """Accounts with `quantity` of the instruments of `book`, shape (K, M), perpetuals entered at 0 and no cash."""
    count = len(quantity)
    return replace(
        book,
        quantity=np.ascontiguousarray(quantity, dtype=np.float64),
        entry=np.zeros(quantity.shape),
        cash=np.zeros((count, 1 + len(book.assets))),
        names=tuple(f"account {k}" for k in range(count)),
        kinds=("account",) * count,
    )


class Covered:
    """Excess of loss over margin of any accounts on the paths of a search."""

    def __init__(self, study: WorstAccountStudy):
        market = Market(study, _SEARCH)
        self._study, self._book = study, study.book
        sampled = market.paths(Block(0, 0, study.search_paths))
        self._paths = _lanes(sampled, np.flatnonzero(~sampled.failed))
        units = accounts_of(self._book, np.eye(len(self._book.instruments)))
        begin, end = market.ends(units, self._paths)
        self.losses = account_values(units, begin) - account_values(units, end)  # of a coin of each instrument, (M, P)

    def margin(self, model: MarginModel, lanes: Ints | None = None) -> Callable[[Floats], Floats]:
        """Initial margin (n, P) of accounts (n, M) in coins, on all paths or some of them."""
        study = self._study
        paths = self._paths if lanes is None else _lanes(self._paths, lanes)

        def required(accounts: Floats) -> Floats:
            book = accounts_of(self._book, accounts)
            begin, _ = Market(study, _SEARCH).ends(book, paths)
            state = model.step(model.init(book, study.world.surface), paths, 0)
            return model.requirement(state, begin)[0].initial

        return required


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
    limits = Limits(1.0 / size, size, np.zeros((0, size.size)), np.zeros(0), np.zeros(0), spend=1.0, worth=1e-9)
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


def _lanes(paths: MarketPaths, which: Ints) -> MarketPaths:
    """Some of the paths of a block."""
    kept = {
        f.name: np.ascontiguousarray(value[..., which])
        for f in fields(paths)
        if isinstance(value := getattr(paths, f.name), np.ndarray)
    }
    return replace(paths, **kept)


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


def drawn(study: WorstAccountStudy) -> Floats:
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
    book, random = study.book, drawn(study)
    whole = accounts_of(book, np.concatenate([found, book.quantity, random]))
    blocks = plan(study.fresh_paths)
    market, lanes = Market(study, _JUDGE), {}

    def judge_block(block: Block) -> None:
        paths = market.paths(block)
        begin, end = market.ends(whole, paths)
        loss = account_values(whole, begin) - account_values(whole, end)
        slack = rounding(whole, begin)
        kept = []
        for model in study.models:
            state = model.step(model.init(whole, study.world.surface), paths, 0)
            required = model.requirement(state, begin)[0].initial
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
