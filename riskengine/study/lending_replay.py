"""Replay a lending market over real crises: what a dated book would have lost, beside what was really liquidated."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.errors import InputError
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.roles import label_of
from riskengine.study.backtest import PriceHistory
from riskengine.study.describe import book_data
from riskengine.study.folder import RunFolder
from riskengine.study.lending_replay_spec import LendingReplayStudy, ReplayEvent
from riskengine.study.manifest import manifest
from riskengine.study.names import REPLAY
from riskengine.study.replay_recommended import ONE, beside, order_of_sets, recommended_rows, replayed
from riskengine.study.result import Row, StudyResult

_MOST_RANKED = 8  # events whose orders are all looked at


@dataclass(frozen=True)
class RealLiquidations:
    """What was really liquidated.

    Attributes
    ----------
    seconds : ndarray of int, shape (N,)
        Unix time of each liquidation.
    usd : ndarray, shape (N,)
        Collateral seized.
    accounts : ndarray of object, shape (N,)
    name, sha256 : str
        File name and hash of its bytes.
    """

    seconds: Ints
    usd: Floats
    accounts: np.ndarray
    name: str
    sha256: str

    def within(self, first: int, last: int) -> np.ndarray | None:
        """Which liquidations lie from `first` on and before `last`; None where the file does not reach over both."""
        if not self.seconds.size or self.seconds.min() > first or self.seconds.max() < last:
            return None
        return (self.seconds >= first) & (self.seconds < last)


def run_replay(
    study: LendingReplayStudy,
    resolved: dict[str, Any],
    name: str,
    history: PriceHistory,
    happened: RealLiquidations | None = None,
    out: Path | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Replay every event of `study` over `history`.

    Returns
    -------
    (Path, StudyResult)
        Run folder and result; rows for each event and threshold shift.

    Raises
    ------
    InputError
        Where prices of an event are missing.
    """
    start = time.perf_counter()
    paths = [_paths(study, event, history) for event in study.events]
    digests = [history.sha256, *(sha256 for _, sha256 in history.added)]
    digests += [] if happened is None else [happened.sha256]
    resolved = {**resolved, "data_sha256": digests}
    folder = RunFolder.open(name, resolved, out, resume=False)
    rows = [
        row for event, own in zip(study.events, paths, strict=True) for row in _event_rows(study, event, own, happened)
    ]
    rows += _order_rows(study, rows)
    rows += order_of_sets(study, rows)
    result = StudyResult(_head(study, name, command, history, happened), tuple(rows))
    folder.write_json("manifest.json", manifest(resolved, sum(p.count for p in paths)))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - start})
    return folder.path, result


def _paths(study: LendingReplayStudy, event: ReplayEvent, history: PriceHistory) -> MarketPaths:
    """One lane for each starting hour, the stated one first, scaled to the study's spot."""
    step = int(np.median(np.diff(history.seconds)))
    steps = TimeGrid(step, 1).index("hours", event.hours)
    grid = TimeGrid(step, steps)
    firsts = event.seconds - 3600 * np.arange(study.starts)
    wanted = firsts[None, :] + step * np.arange(steps + 1)[:, None]
    at = np.minimum(np.searchsorted(history.seconds, wanted), history.seconds.size - 1)
    missing = np.unique(wanted[history.seconds[at] != wanted])
    if missing.size:
        first = str(np.datetime64(int(missing[0]), "s"))[:16]
        raise InputError(
            f"prices of event {event.name} must hold every bar of {step} s from {study.starts - 1} h before "
            f"{event.start} to {event.hours:g} h after it, got {missing.size} missing, the first at {first}"
        )
    order = [history.assets.index(a) for a in study.assets]
    prices = history.prices[:, order][at]
    spot = np.asarray(study.spot, dtype=np.float64)
    lanes = np.ascontiguousarray((prices * (spot / prices[0])).transpose(0, 2, 1))
    lanes[0] = spot[:, None]
    return MarketPaths(grid, study.assets, 0, lanes)


def _event_rows(
    study: LendingReplayStudy, event: ReplayEvent, paths: MarketPaths, happened: RealLiquidations | None
) -> Iterator[Row]:
    market = study.market_at(event)
    called = label_of(market)
    spot = paths.spot_lanes
    for a, asset in enumerate(study.assets):
        fall = float((spot[:, a, 0] / spot[0, a, 0]).min() - 1.0)
        yield Row(
            "replay", label_of(market), {"event": event.name, "asset": asset}, "deepest_fall", "return", exact(fall)
        )
        if asset in study.quoted:
            of = study.quoted[asset].of
            peg = spot[:, a, 0] / spot[:, study.assets.index(of), 0]
            where = {"event": event.name, "asset": f"{asset} in {of}"}
            fall = float((peg / peg[0]).min() - 1.0)
            yield Row("replay", called, where, "deepest_fall", "return", exact(fall))
    if happened is not None:
        hits = happened.within(event.seconds, event.seconds + round(3600 * event.hours))
        found = (np.nan, np.nan)
        if hits is not None:
            found = (float(happened.usd[hits].sum()), len(set(happened.accounts[hits])))
        for measure, unit, value in zip(
            ("happened_seized", "happened_borrowers"), ("USD", "count"), found, strict=True
        ):
            told = undetermined(0, "the file of liquidations does not cover the event")
            told = told if np.isnan(value) else exact(value, "counted")
            yield Row("replay", called, {"event": event.name, "threshold_shift": 0.0}, measure, unit, told)
    live = replayed(study, market, paths)
    for shift in study.threshold_shifts:
        own = replayed(study, market.with_threshold_shift(shift), paths) if shift else live
        for measure, unit, estimate in _figures(own):
            yield Row(
                "replay", label_of(market), {"event": event.name, "threshold_shift": shift}, measure, unit, estimate
            )
    yield from recommended_rows(study, event.name, market, paths, live)
    for other in study.compared_with:
        yield from beside(study, other, {"event": event.name}, paths, live, section="compared")


def _figures(columns: dict[str, Floats]) -> Iterator[tuple[str, str, Estimate]]:
    for measure, column in columns.items():
        yield measure, REPLAY[measure], exact(column[0], ONE)
    seized = columns["replayed_seized"]
    if seized.size > 1:
        yield "replayed_seized_least", "USD", exact(seized.min(), f"least of {seized.size} starting hours")
        yield "replayed_seized_most", "USD", exact(seized.max(), f"most of {seized.size} starting hours")


def _order_rows(study: LendingReplayStudy, rows: list[Row]) -> list[Row]:
    """Whether the replay puts the events in the order of what happened: rank correlation and its exact p-value."""
    found = {
        (r.measure, r.parameters["event"]): r.estimate.value
        for r in rows
        if r.parameters.get("threshold_shift") == 0.0 and r.measure in ("replayed_seized", "happened_seized")
    }
    names = [e.name for e in study.events if np.isfinite(found.get(("happened_seized", e.name), np.nan))]
    if not 4 <= len(names) <= _MOST_RANKED:
        return []
    replayed, real = (np.array([found[m, n] for n in names]) for m in ("replayed_seized", "happened_seized"))
    ours, theirs = _ranks(replayed), _ranks(real)
    if not (ours.std() and theirs.std()):
        return []
    correlation = float(np.corrcoef(ours, theirs)[0, 1])
    at_least = [
        float(np.corrcoef(ours[list(p)], theirs)[0, 1]) >= correlation - 1e-12 for p in permutations(range(len(names)))
    ]
    where = {"event": "all", "threshold_shift": 0.0}
    told = f"rank correlation over {len(names)} events"
    chance = f"exact, over all orders of {len(names)} events"
    kind = label_of(study.market)
    return [
        Row("replay", kind, where, "order_correlation", "number", exact(correlation, told)),
        Row("replay", kind, where, "order_p_value", "probability", exact(np.mean(at_least), chance)),
    ]


def _ranks(values: Floats) -> Floats:
    """Ranks from 0; equal values share the mean of theirs."""
    return np.array([(values < v).sum() + 0.5 * ((values == v).sum() - 1) for v in values], dtype=np.float64)


def _head(
    study: LendingReplayStudy, name: str, command: str, history: PriceHistory, happened: RealLiquidations | None
) -> dict[str, Any]:
    origin = study.book.origin
    held = "a stated book"
    if study.imported is not None:
        held = f"accounts of {origin['file']}, as of {origin['as_of']}; source: {origin['source']}"
    dates = {e.name: getattr(getattr(study.market_at(e), "rules", None), "as_of", "") for e in study.events}
    data = [*book_data(study.imported)]
    data.append({"name": history.name, "sha256": history.sha256, "source": "prices, given by --data"})
    data += [{"name": n, "sha256": s, "source": "quotes, given by --data"} for n, s in history.added]
    if happened is not None:
        data.append({"name": happened.name, "sha256": happened.sha256, "source": "liquidations, given by --data"})
    return {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "series": [
            {"series": e.name, "first": e.start, "hours": e.hours, "parameters_of": dates[e.name]} for e in study.events
        ],
        "settings": {
            "loans": len(study.book.names),
            "events": len(study.events),
            "starting_hours": study.starts,
            "step_seconds": int(np.median(np.diff(history.seconds))),
            "book": held,
            "spot": dict(zip(study.assets, study.spot, strict=True)),
        },
        "assumptions": [
            f"A counterfactual: the borrowers ({held}) did not stand there on the days of the events. Prices of every "
            "event are scaled so that it starts at the prices at which the book stands.",
            "Parameters are those nearest in time to each event that are known; liquidations follow one set of rules.",
            *(
                ["Recommended parameters replace those in force in every event, and borrowers hold and owe the same."]
                if study.recommended
                else []
            ),
            *(
                ["Every other protocol has one set of parameters in all events, and the same book and depth of pools."]
                if study.compared_with
                else []
            ),
            "Borrowers do not react. Sales do not move the replayed prices, which already hold what was really sold.",
            "Every figure is of one history: it has no sampling error, and says nothing of another crisis. The range "
            "over starting hours says how much hangs on the moment at which the book is put into the event.",
            *(
                []
                if happened is None
                else [
                    "What really happened is of another book, the market's own on those days: its size may be "
                    "compared, not tested."
                ]
            ),
            "Prices are the closes of bars, which leave out the wicks inside them.",
            *(
                f"{name} is the price of {own.of} times the quote of {own.symbol} over {own.par}, scaled with it: only "
                "what it moves from the start of an event on counts."
                for name, own in study.quoted.items()
            ),
        ],
        "data": data,
    }
