"""The chapter on world, data and settings."""

from collections.abc import Mapping
from typing import Any

from riskengine.report.chapter import Chapter, Result
from riskengine.report.figures import fit_bands
from riskengine.report.labels import words
from riskengine.report.rows import Row
from riskengine.report.tables import bands_table, pairs, records


def provenance(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """World, data and settings."""
    world = result.get("world") or {}
    fit = world.get("fit") or {}
    bands = fit.get("bands") or []
    simple = {k: v for k, v in fit.items() if k != "bands" and not isinstance(v, Mapping) and not _is_records(v)}
    about = {k: world[k] for k in ("name", "title", "model", "measure", "stamp") if world.get(k)}
    listed = []
    for name, value in fit.items():
        title = words(name).capitalize()
        if isinstance(value, Mapping):
            listed.append(pairs(title, value, folded=True))
        elif name != "bands" and _is_records(value):
            listed.append(records(title, value, folded=True))
    return Chapter(
        "provenance",
        "Where the world and the data come from",
        tuple(str(s) for s in world.get("source") or ()),
        [
            fit_bands("fit", "Quantile losses: world against data", bands, fit.get("band_confidence"))
            if pictures
            else None,
            bands_table(bands),
            pairs("World", about | {k: v for k, v in simple.items() if k not in about}),
            *listed,
            records("Data", result.get("data") or []),
            pairs("Settings", result.get("settings") or {}, folded=True),
        ],
    )


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)
