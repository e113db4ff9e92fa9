"""A fitted world as a file: model, surface, and the whole report of the fit, so that the file can be judged alone."""

import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from riskengine.arrays import Floats
from riskengine.calibrate.bands import FitReport
from riskengine.calibrate.joint_tails import JointRow
from riskengine.calibrate.linked_surface import linked_surface
from riskengine.calibrate.returns import FitResult
from riskengine.calibrate.uncertainty import error_correlation
from riskengine.market.surface import FactorSurface

_METHOD = "generalised method of moments across horizons on the exact unconditional law"
_METHOD_OF = {
    "gbm": "variances at all horizons (more moments would bend the volatility towards tails this law cannot have)",
}


def world_record(
    fit: FitResult,
    *,
    title: str | None = None,
    command: str = "",
    data_sha256: str = "",
    surface: FactorSurface | None = None,
    source: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The world of `fit` as plain values, in the order of a world file.

    Parameters
    ----------
    fit : FitResult
    title : str, optional
    command : str
        What reproduces the file.
    data_sha256 : str
        Of the data file.
    surface : FactorSurface, optional
        `linked_surface` of the model where not given.
    source : tuple of str
        Where the data come from.
    """
    names = ", ".join(fit.model.assets)
    default_surface = surface is None
    surface = linked_surface(fit.model) if surface is None else surface
    return {
        "title": title or f"{names}: {fit.kind} fitted to hourly prices, {fit.report.verdict}",
        "measure": "P",
        "model": {"kind": fit.kind} | plain_record(fit.model),
        "surface": {"kind": "factor_surface"} | plain_record(surface),
        "fit": _fit(fit, command, data_sha256),
        "source": [*source, *_notes(fit.kind, default_surface)],
    }


def write_world(path: str | Path, fit: FitResult, **options: Any) -> Path:
    """Write `world_record(fit, **options)` to `path` as YAML, whole or not at all; returns the path."""
    return write_record(path, world_record(fit, **options))


def write_record(path: str | Path, record: dict[str, Any]) -> Path:
    """Write a world as plain values to `path` as YAML, whole or not at all; returns the path."""
    path = Path(path)
    beside = path.with_name(path.name + ".part")
    beside.write_text(to_yaml(record), encoding="utf-8")
    os.replace(beside, path)
    return path


def _fit(fit: FitResult, command: str, data_sha256: str) -> dict[str, Any]:
    start, end = fit.sample_span
    return {
        "model": fit.kind,
        "method": _METHOD_OF.get(fit.kind, _METHOD),
        "command": command,
        "data_sha256": data_sha256,
        "sample_start": start,
        "sample_end": end,
        "observations": fit.observations,
        "gaps": fit.gaps,
        "flat_bars": fit.flat_bars,
        "moments": len(fit.residuals),
        "cost": float(f"{fit.cost:.4g}"),
        "standard_errors": {k: float(f"{v:.3g}") for k, v in fit.standard_errors.items()},
        "standard_error_method": fit.known.method,
        **_error_correlation(fit),
        "refits": fit.known.refits,
        "refits_failed": fit.known.refits_failed,
        "intervals_95": {k: [float(f"{v:.4g}") for v in ends] for k, ends in fit.known.intervals.items()},
        "not_identified": dict(fit.known.unidentified),
        "flat_direction": fit.known.flat,
        "known_worst": fit.known.worst,
        "valley": [{"value": float(f"{v:.4g}"), "cost": float(f"{cost:.4g}")} for v, cost in fit.known.valley],
        "on_bound": list(fit.on_bound),
        "band_confidence": fit.bands.confidence,
        "block_hours": fit.bands.block_hours,
        "replicates": fit.bands.replicates,
        "bootstrap_seed": fit.bands.seed,
        "verdict": fit.report.verdict,
        **({"verdicts": {a: fit.report.verdict_of(a) for a in fit.model.assets}} if fit.joint else {}),
        "outside": [f"{r.band.asset} {r.band.horizon_hours} h {r.band.level:g}" for r in fit.report.outside],
        "bands": band_rows(fit.report, "long", fit.loss_errors),
        "bands_short": band_rows(fit.report, "short", fit.loss_errors),
        **({"joint": [_joint_row(row) for row in fit.joint]} if fit.joint else {}),
    }


def _error_correlation(fit: FitResult) -> dict[str, Any]:
    """How the errors of the published parameters move together; nothing where none was free."""
    if not fit.known.free:
        return {}
    names, matrix = error_correlation(fit.kind, fit.model.assets, fit.known)
    return {"error_correlation": {"names": list(names), "matrix": np.round(matrix, 4).tolist()}}


def _joint_row(row: JointRow) -> dict[str, Any]:
    """A joint figure as a world file lists it; ``error`` is that of the simulation, 0 where the figure is exact."""
    numbers = {name: round(getattr(row, name), 4) for name in ("data", "lower", "upper", "model", "error")}
    pair = {"assets": list(row.assets), "measure": row.measure, "horizon_hours": row.horizon_hours}
    return pair | numbers | {"inside": row.inside}


def band_rows(report: FitReport, side: str, errors: Floats | None = None) -> list[dict[str, Any]]:
    """Cells of one side as a world file lists them.

    Parameters
    ----------
    report : FitReport
    side : {"long", "short"}
    errors : ndarray, shape (cells,), optional
        Standard errors of the model's losses from that of the fit: the field ``error`` of each row.
    """
    return [
        {
            "asset": r.band.asset,
            "horizon_hours": r.band.horizon_hours,
            "level": r.band.level,
            "data": round(r.band.data, 6),
            "lower": round(r.band.lower, 6),
            "upper": round(r.band.upper, 6),
            "model": round(r.model, 6),
            **({} if errors is None else {"error": round(float(errors[i]), 6)}),
            "inside": r.inside,
        }
        for i, r in enumerate(report.rows)
        if r.band.side == side
    ]


def _notes(kind: str, default_surface: bool) -> list[str]:
    notes = ["drift: 0 by choice; five years of data give the mean a standard error as large as any plausible mean"]
    if default_surface and kind != "gbm":
        notes.append(
            "surface: shape fitted to Deribit chains of BTC and ETH, 2025-12-30 to 2026-05-31; at-the-money variance "
            "is 1.05 times the variance this world expects (implied over realised, BTC, 2022-11 to 2025-10); other "
            "assets have the shape of BTC"
        )
    elif default_surface:
        notes.append("surface: flat at the world's own volatility")
    return notes


def plain_record(record: Any) -> dict[str, Any]:
    """Fields of a record as plain values, those that are None left out, and those to be written unless empty."""
    values = {f.name: getattr(record, f.name) for f in fields(record) if f.init}
    optional = {f.name for f in fields(record) if f.metadata.get("written") == "unless empty"}
    return {
        name: _lists(value)
        for name, value in values.items()
        if value is not None and (bool(value) or name not in optional)
    }


def _lists(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_lists(v) for v in value]
    if hasattr(value, "__dataclass_fields__"):
        return {k: _lists(v) for k, v in asdict(value).items()}
    return value


class _Dumper(yaml.SafeDumper):
    """Block mappings, flow lists of numbers, one line per row of a table."""


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.Node:
    text = repr(value)
    # 1e-05 as 1.0e-05: YAML 1.1 readers take the former for a word
    return dumper.represent_scalar("tag:yaml.org,2002:float", text if "." in text else text.replace("e", ".0e"))


def _sequence(dumper: yaml.SafeDumper, values: list) -> yaml.Node:
    rows = any(isinstance(v, dict) or (isinstance(v, str) and " " in v) for v in values)
    node = dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=not rows)
    for item, value in zip(node.value, values, strict=True):
        if isinstance(value, dict):
            item.flow_style = True
    return node


_Dumper.add_representer(float, _number)
_Dumper.add_representer(list, _sequence)


def to_yaml(record: dict[str, Any]) -> str:
    """`record` as strict YAML in the order given; the same values give the same text."""
    return yaml.dump(record, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=160)
