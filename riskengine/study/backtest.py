"""Replay margin models over real prices: breaches, tests of them account by account, and what these could find."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.engine.replay import Windows, windows
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import account_values, rounding, snapshot
from riskengine.roles import MarginModel, told_apart
from riskengine.stats.bounded import share
from riskengine.stats.mean import mean
from riskengine.study.account_tests import DETECTION_POWER, TEST_LEVEL, Figure, account_figures, book_figures
from riskengine.study.backtest_spec import BacktestStudy
from riskengine.study.describe import world_head
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.result import Row, StudyResult


@dataclass(frozen=True)
class PriceHistory:
    """Real prices of the world's assets.

    Attributes
    ----------
    assets : tuple of str
    seconds : ndarray of int, shape (N,)
        Unix time of each bar, increasing.
    prices : ndarray, shape (N, A)
    name, sha256 : str
        File name and hash of its bytes.
    added : tuple of (str, str)
        Name and hash of files that added assets.
    """

    assets: tuple[str, ...]
    seconds: Ints
    prices: Floats
    name: str
    sha256: str
    added: tuple[tuple[str, str], ...] = ()


def run_backtest(
    study: BacktestStudy,
    resolved: dict[str, Any],
    name: str,
    history: PriceHistory,
    out: Path | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Replay the book of `study` over `history`, one lane for each non-overlapping margin period.

    Returns
    -------
    (Path, StudyResult)
        Run folder and result; rows for each account, model and level, and for the book as a whole.

    Raises
    ------
    InputError
        Where the prices are too short or off a regular grid.
    """
    start = time.perf_counter()
    order = [history.assets.index(a) for a in study.world.model.assets]
    cut = windows(
        study.world.model.assets,
        history.seconds,
        np.ascontiguousarray(history.prices[:, order]),
        study.margin_period_hours,
        study.history_windows,
        np.asarray(study.world.model.spot, dtype=np.float64),
        study.variance_half_life_hours,
        _jump_variance(study.world.surface),
    )
    resolved = {**resolved, "data_sha256": history.sha256}
    folder = RunFolder.open(name, resolved, out, resume=False)
    rows = [
        row
        for label, model in zip(told_apart(study.models), study.models, strict=True)
        for row in _model_rows(study, label, model, cut)
    ]
    result = StudyResult(_head(study, name, command, cut, history), tuple(rows))
    folder.write_json("manifest.json", manifest(resolved, cut.paths.count))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - start})
    return folder.path, result


def _jump_variance(surface: FactorSurface) -> np.ndarray:
    """Variance per year, per asset, that the surface adds for jumps: realised variance holds it, the state does not."""
    premium, add = np.array(surface.premium), np.array(surface.add)
    return np.divide(add, premium, out=np.zeros_like(add), where=premium > 0)


def _model_rows(study: BacktestStudy, label: str, model: MarginModel, cut: Windows) -> list[Row]:
    paths, book = cut.paths, study.book
    begin = snapshot(book, study.world.surface, paths.spot_lanes[0], paths.variance_lanes[0], 0.0)
    end = snapshot(book, study.world.surface, paths.spot_lanes[-1], paths.variance_lanes[-1], study.margin_period_hours)
    loss = account_values(book, begin) - account_values(book, end)
    slack = rounding(book, begin)
    state = model.step(model.init(book, study.world.surface), paths, 0)
    follows = np.diff(cut.starts) == round(study.margin_period_hours * 3600)
    rows = []
    for level, required in zip(model.levels or (None,), model.requirement(state, begin), strict=True):
        breach = loss > required.initial + slack
        whole = {"level": level, "account": "all"}
        rate = share(breach.mean(axis=0), study.confidence)
        capital = mean(required.initial.sum(axis=0), study.confidence)
        rows.append(Row("backtest", label, whole, "breach_rate", "probability", rate))
        rows.append(Row("backtest", label, whole, "capital", "USD", capital))
        accounts = list(account_figures(level, breach, follows, study.confidence))
        if level is not None:
            rows += [_row(label, whole, figure) for figure in book_figures(level, breach.shape[1], accounts)]
        for account, kind, figures in zip(book.names, book.kinds, accounts, strict=True):
            parameters = {"level": level, "account": account, "account_kind": kind}
            rows += [_row(label, parameters, figure) for figure in figures]
    return rows


def _row(label: str, parameters: dict[str, Any], figure: Figure) -> Row:
    measure, unit, estimate, power = figure
    return Row("backtest", label, parameters, measure, unit, estimate, power=power)


def _head(study: BacktestStudy, name: str, command: str, cut: Windows, history: PriceHistory) -> dict[str, Any]:
    return {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "world": world_head(study.world),
        "settings": {
            "windows": cut.paths.count,
            "windows_skipped": cut.skipped,
            "bars_filled_in_histories": cut.filled,
            "share_of_states_at_zero": cut.floored,
            "first_window": int(cut.starts[0]),
            "last_window": int(cut.starts[-1]),
            "margin_period_hours": study.margin_period_hours,
            "history_windows": study.history_windows,
            "confidence": study.confidence,
            "accounts": study.book.accounts,
        },
        "assumptions": [
            "Windows do not overlap, so counts are tested with exact binomial p-values.",
            "Power stands beside every test, of one account by itself: against twice the promised rate, for the "
            "mirrored e-process against half of it, for independence against one breach in five followed by another.",
            f"A p-value of at most {TEST_LEVEL * 100:g} % rejects. Holm's adjustment is over the accounts of one model "
            "and level, whatever their dependence. The detectable rate is the smallest one that the binomial test "
            f"rejects with {DETECTION_POWER * 100:g} % power in this many independent windows.",
            "Every window is scaled to the reference spot: strikes and sizes of the book mean the same in all of them.",
            "Implied volatility is the world's surface at an exponentially weighted variance of the real returns "
            f"(half-life {study.variance_half_life_hours:g} h) less the jump variance that the surface adds itself, "
            "not quoted volatility.",
            "Windows with a missing bar are left out and counted; histories bridge missing bars with the last price.",
        ],
        "data": [{"name": history.name, "sha256": history.sha256, "source": "given by --data"}],
    }
