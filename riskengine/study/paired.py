"""What needs two columns of the same paths: differences between settings, and joint effects of one shock."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from riskengine.engine.blocks import Block
from riskengine.engine.outcomes import Key
from riskengine.engine.store import BlockStore
from riskengine.estimate import Estimate, undetermined
from riskengine.stats.bounded import share_difference
from riskengine.stats.exceedance import exceedance_curve
from riskengine.stats.mean import mean, paired_difference
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.result import Row

_MARGIN = {
    "initial_margin_breach": "probability",
    "maintenance_margin_breach": "probability",
    "insolvency": "probability",
    "capital": "USD",
    "liquidations": "count",
    "liquidated_share": "share",
    "socialised_loss": "USD",
}
_LENDING = {
    "liquidation_probability": "probability",
    "liquidations": "count",
    "liquidated_volume": "USD",
    "bad_debt": "USD",
    "borrow_capacity": "USD",
    "protocol_fee": "USD",
}


def _difference(store: BlockStore, blocks: list[Block], base: Key, other: Key, unit: str, confidence: float) -> Row:
    before, after = store.select(blocks, [base, other])
    position = 2 if base[2] != other[2] else 3
    axis = "level" if position == 2 else "multiplier" if base[0] == "margin" else "threshold_shift"
    parameters = {"measure": base[-1], "axis": axis, "from": base[position], "to": other[position]}
    if axis == "multiplier":
        parameters["level"] = base[2]
    difference = paired_difference if unit in ("USD", "count") else share_difference
    return Row("sweep", base[1], parameters, "paired_difference", unit, difference(after, before, confidence))


def sweep_rows(store: BlockStore, blocks: list[Block], keys: tuple[Key, ...], confidence: float) -> Iterator[Row]:
    """Paired differences on common random numbers: each level to the next, multiplier 1 to the others, shift 0 to the
    others.  An interval that holds 0 means: not distinguishable at this number of paths."""
    present = set(keys)
    levels: dict[str, list[float]] = {}
    for key in keys:
        if key[0] == "margin" and key[-1] == "capital" and key[3] == 1.0 and key[2] is not None:
            levels.setdefault(key[1], []).append(key[2])
    for key in keys:
        section, model, level, setting, subject, measure = key
        if subject != "all":
            continue
        if section == "margin" and measure in _MARGIN:
            if setting == 1.0 and level is not None:
                rank = levels[model].index(level)
                if rank > 0:
                    base = (section, model, levels[model][rank - 1], setting, subject, measure)
                    yield _difference(store, blocks, base, key, _MARGIN[measure], confidence)
            elif setting != 1.0:
                base = (section, model, level, 1.0, subject, measure)
                if base in present:
                    yield _difference(store, blocks, base, key, _MARGIN[measure], confidence)
        elif section == "lending" and measure in _LENDING and setting != 0.0:
            base = (section, model, level, 0.0, subject, measure)
            if base in present:
                yield _difference(store, blocks, base, key, _LENDING[measure], confidence)


def _mean_of(values: np.ndarray, confidence: float) -> Estimate:
    """Mean of amounts that cannot be negative, on the paths of an event."""
    if values.size < 2:
        return undetermined(values.size, f"mean: {values.size} such paths, at least 2 needed")
    found = mean(values, confidence)
    return replace(found, lower=max(0.0, found.lower))


def joint_rows(store: BlockStore, blocks: list[Block], keys: tuple[Key, ...], confidence: float) -> Iterator[Row]:
    """What a shock that breaks margin accounts does to the lending market on the same path, and the other way round."""
    lending = [k for k in keys if k[0] == "lending" and k[3] == 0.0 and k[-1] == "bad_debt"]
    margin = [k for k in keys if k[0] == "margin" and k[3] == 1.0 and k[4] == "all" and k[-1] == "insolvency"]
    for debt_key in lending:
        liquidated_key = (*debt_key[:-1], "liquidation_probability")
        for key in margin:
            broken, debt, liquidated = store.select(blocks, [key, debt_key, liquidated_key])
            hit = broken > 0
            parameters = {"level": key[2], "market": debt_key[1]}
            n = int(hit.sum())
            rows = {
                "insolvency_on_path": ("probability", clopper_pearson(n, hit.size, confidence)),
                "bad_debt_given_insolvency": ("USD", _mean_of(debt[hit], confidence)),
                "bad_debt_given_no_insolvency": ("USD", _mean_of(debt[~hit], confidence)),
            }
            if n:
                both = int(liquidated[hit].sum())
                rows["lending_liquidation_given_insolvency"] = ("probability", clopper_pearson(both, n, confidence))
            if n < hit.size:
                both = int(liquidated[~hit].sum())
                rows["lending_liquidation_given_no_insolvency"] = (
                    "probability",
                    clopper_pearson(both, hit.size - n, confidence),
                )
            for measure, (unit, estimate) in rows.items():
                yield Row("joint", key[1], parameters, measure, unit, estimate)


def exceedance_keys(keys: tuple[Key, ...]) -> Iterator[tuple[str, str, Key]]:
    """(name, title, key) of the amounts whose exceedance curve is drawn: models at their second level, markets."""
    seen: set[str] = set()
    for key in keys:
        section, model, level, setting, subject, measure = key
        if section == "margin" and measure == "shortfall" and setting == 1.0 and subject == "all":
            ranked = sorted({k[2] for k in keys if k[:2] == key[:2] and k[2] is not None})
            chosen = ranked[min(1, len(ranked) - 1)] if ranked else None
            if level == chosen and model not in seen:
                seen.add(model)
                title = model if level is None else f"{model} at {100 * level:g} %"
                yield "margin_shortfall_exceedance", title, key
        elif section == "lending" and measure == "bad_debt":
            yield (
                "bad_debt_exceedance",
                f"thresholds {100 * setting:+g} points" if setting else "thresholds as live",
                key,
            )


def curve(name: str, title: str, key: Key, amounts: np.ndarray, confidence: float) -> dict:
    """A loss-exceedance curve P(loss > x) with pointwise Clopper-Pearson bands, as plain lists."""
    found = exceedance_curve(amounts, confidence=confidence)
    return {
        "name": name,
        "title": title,
        "parameters": {"model": key[1], "level": key[2], "setting": key[3]},
        "x_label": "USD",
        "y_label": "probability of more",
        "x": found.threshold.tolist(),
        "y": found.probability.tolist(),
        "lower": found.lower.tolist(),
        "upper": found.upper.tolist(),
        "n": found.n,
    }
