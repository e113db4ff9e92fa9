"""Run a backtest on option chains: replay, figures, what the result says of itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.engine.chain_replay import Before, Replay, before, replay
from riskengine.errors import UsageError
from riskengine.market.chain import ChainSeries
from riskengine.stats.quantile import quantile_rank
from riskengine.study.chain_figures import ChainFigures
from riskengine.study.chain_spec import ChainBacktestStudy
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.result import StudyResult
from riskengine.study.run import Progress


@dataclass(frozen=True, eq=False)
class ChainData:
    """What is replayed.

    Attributes
    ----------
    series : tuple of ChainSeries
        One per asset of the study, in its order.
    seconds, prices : ndarray, shape (H,) and (H, A), or None
        Prices before the chains, at common stamps.
    prices_file, prices_sha256 : str
        Name of their file and hash of its bytes; empty where there are none.
    """

    series: tuple[ChainSeries, ...]
    seconds: np.ndarray | None = None
    prices: np.ndarray | None = None
    prices_file: str = ""
    prices_sha256: str = ""

    @property
    def files(self) -> dict[str, str]:
        """Hash of each file."""
        found = {self.series[0].file: self.series[0].sha256}
        return found | ({self.prices_file: self.prices_sha256} if self.prices_file else {})


def run_chain_backtest(
    study: ChainBacktestStudy,
    resolved: dict[str, Any],
    name: str,
    chains: ChainData,
    out: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Answer a backtest on option chains.

    Parameters
    ----------
    study : ChainBacktestStudy
    resolved : dict
        The study as plain values with every default filled in: what is hashed and stored.
    name : str
        Short name; part of the folder's name.
    chains : ChainData
    out : Path, optional
        Run folder.
    progress : callable, optional
        Called after each margin period.
    command : str
        Shown in the report.

    Returns
    -------
    (Path, StudyResult)

    Raises
    ------
    UsageError
        Where the chains hold too few margin periods.
    """
    digests = sorted(set(chains.files.values()))
    resolved = {**resolved, "data_sha256": digests[0] if len(digests) == 1 else digests}
    started = time.monotonic()

    def report(done: int, total: int) -> None:
        if progress is not None:
            progress(Progress(done, total, time.monotonic() - started))

    seen = replay(chains.series, study.accounts, study.models, study, history_of(study, chains), report)
    _check(study, seen)
    figures = ChainFigures(study, seen)
    rows = tuple(figures.rows())
    folder = RunFolder.open(name, resolved, out, resume=False)
    result = StudyResult(_head(study, seen, chains, name, command), rows, tuple(figures.curves()))
    folder.write_json("manifest.json", manifest(resolved, len(seen.seconds)))
    folder.write_json("cells.json", figures.table())
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.monotonic() - started})
    return folder.path, result


def history_of(study: ChainBacktestStudy, chains: ChainData) -> Before:
    """Margin periods that end before the first chain."""
    if chains.seconds is None:
        return Before.none(len(study.assets))
    first = min(s.snapshots[0].seconds for s in chains.series)
    try:
        return before(chains.seconds, chains.prices, first, study.margin_period_hours)
    except ValueError as error:
        raise UsageError(f"{chains.prices_file}: {error}") from None


def _check(study: ChainBacktestStudy, seen: Replay) -> None:
    judged, spent = len(seen.seconds), seen.counts["periods that only served as history"]
    blank = seen.counts["snapshots without a smile"]
    if judged < study.least_days:
        notes = []
        if spent:
            freed = "a price file as a second --data, or a smaller least_window, frees them"
            notes.append(f"{spent} more only served as history: {freed}")
        if blank:
            notes.append(f"{blank} snapshots have no expiry with quotes on both sides of the forward")
        raise UsageError(
            f"chains must hold at least {study.least_days} margin periods of {study.margin_period_hours:g} h to judge "
            f"by, got {judged}" + (f" ({'; '.join(notes)})" if notes else "")
        )
    if not np.isfinite(seen.loss).any():
        why = "; ".join(f"{said}: {n}" for said, n in seen.counts.items() if said.startswith("accounts left out"))
        raise UsageError(f"at least one account must be struck on one day, got none: {why}")


def _stamp(seconds: int) -> str:
    return str(np.datetime64(int(seconds), "s"))[:10]


def _head(study: ChainBacktestStudy, seen: Replay, chains: ChainData, name: str, command: str) -> dict[str, Any]:
    """Everything of ``result.json`` that is not a figure."""
    known = np.isfinite(seen.loss)
    series = [
        {
            "series": asset,
            "margin_periods": len(seen.seconds),
            "first": _stamp(seen.seconds[0]),
            "last": _stamp(seen.seconds[-1]),
            "accounts": len(study.accounts),
            "observations": int(known[:, [k for k, (a, _) in enumerate(seen.names) if a == asset]].sum()),
        }
        for asset in study.assets
    ]
    return {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "settings": {
            "series": len(study.assets),
            "margin_periods": len(seen.seconds),
            "accounts": len(study.accounts),
            "margin_period_hours": study.margin_period_hours,
            "tolerance_hours": study.tolerance_hours,
            "hour": study.hour,
            "numeraire": study.numeraire,
            "price": study.price,
            "window": study.window,
            "windows_read": [int(seen.windows.min()), int(seen.windows.max())],
            "state_reversion": study.state_reversion,
            "coverage_target": study.coverage_target,
            "apart": list(study.apart),
            "benchmark": study.reference,
            "significance": study.significance,
            "rate_multiple": study.rate_multiple,
            "block_days": study.block_days,
            "replicates": study.replicates,
            "confidence": study.confidence,
            "seed": study.seed,
        },
        "series": series,
        "left_out": [f"{said}: {n}" for said, n in sorted(seen.counts.items()) if n],
        "assumptions": _assumptions(study, seen, bool(chains.prices_file)),
        "data": [{"name": f, "sha256": d, "source": "given by --data"} for f, d in chains.files.items()],
    }


def _short_windows(study: ChainBacktestStudy, seen: Replay) -> str:
    """How often a right quantile of so short a window is exceeded, mean over periods."""
    level = max((v for _, v in study.settings if v is not None), default=study.coverage_target)
    w = seen.windows
    rank = np.array([quantile_rank(int(n), level) for n in w])
    rate = float(((w - rank + 1) / (w + 1)).mean())
    return (
        f"The {100 * level:g} % order statistic of a window of that length is exceeded with probability "
        f"{100 * rate:.2g} % on average even if all periods are exchangeable, not with the promised one: part of what "
        "such a model is short of is the length of its window."
    )


def _assumptions(study: ChainBacktestStudy, seen: Replay, has_prices: bool) -> list[str]:
    coin = "in coin at the index of the start, so coins held do not move and a perpetual of q coins gains q (1 - S/S')"
    usd = "in USD: an option's mark in coin times the index, on both days"
    before = (
        f"Models with a window read {seen.windows.min()} to {seen.windows.max()} margin periods. "
        + ("Before the first chain they come from the price file, where exponentially weighted squared returns (0.94) "
           "stand for implied variance, of which only relative moves count. " if has_prices else
           "All come from the chains themselves: no price file was given. ")
        + "Each scenario pairs the returns of a past period with the move of 30-day implied variance at the money over "
        f"it, which fades along tenors at {study.state_reversion:g} a year; smiles are regressed on the day's own "
        "chain and keep their place in moneyness."
    )  # fmt: skip
    return [
        f"Losses are {usd if study.numeraire == 'usd' else coin}. An exception is a loss over the margin period on "
        "positions left alone, strictly above the initial requirement at its start.",
        "Accounts are struck afresh at the start of every margin period: the listed expiry nearest to the tenor (in "
        "log time, within a factor two), on it the strike nearest to the delta (within 0.1) or the moneyness (within "
        "5 %). Where nothing is so near the account is left out for the period, and counted.",
        f"Days are the snapshot nearest to {study.hour:g} h UTC; a period ends at the snapshot nearest to "
        f"{study.margin_period_hours:g} h later, within {study.tolerance_hours:g} h, and the next begins there, so "
        "periods do not overlap and counts of one account are independent under a right model.",
        f"Positions are worth the venue's {study.price}. Where an option has no mark at the end it is priced at the "
        "forward of its expiry and that day's smile; one that expires inside the period settles at the index of the "
        "first snapshot at or after its expiry, which is up to hours late. Both are counted.",
        before,
        _short_windows(study, seen),
        "Requirements read the chain of their day and nothing later. Perpetuals are marked at the index, without "
        "funding; fees and costs of closing are left out.",
        "With one snapshot a day the worst loss inside the period is not seen: maintenance coverage over a liquidation "
        "latency cannot be told from these data: losses at the end of the period above maintenance margin bound it.",
        "Grid models have no level: they are held against the coverage target, and all models are compared at equal "
        "mean requirement over the accounts, by one multiplier for each.",
        "Of each model, asset and account: exact binomial p-values (one-sided: too many), adjusted over all of these "
        f"by Benjamini and Hochberg and by Holm; power is against {study.rate_multiple:g} times the promised rate. "
        "Christoffersen's test is asymptotic and formed from two exceptions on.",
        f"Accounts of one day fall together. Pooled rates take the day as their unit; comparisons resample days in "
        f"blocks of {study.block_days:g} on average, all models and accounts of a day together, and are refused below "
        "ten days on which the counts differ; both take Student's t for the days that carry them. Means and ratios of "
        "requirements and sizes of exceptions are those of this one history.",
    ]
