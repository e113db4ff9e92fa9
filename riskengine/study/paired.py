"""What needs two columns of the same paths: differences between settings, and joint effects of one shock."""

from collections.abc import Collection, Iterator
from itertools import combinations
from math import ceil

import numpy as np

from riskengine.engine.outcomes import Key
from riskengine.estimate import Estimate
from riskengine.stats.figures import Figures
from riskengine.study.columns import Columns
from riskengine.study.measures import not_negative
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
    "supplier_loss": "USD",
    "protocol_revenue": "USD",
}
_MARKETS = {
    "bad_debt": "USD",
    "liquidations": "count",
    "liquidated_volume": "USD",
    "liquidation_penalty": "USD",
    "keeper_profit": "USD",
    "protocol_result": "USD",
    "protocol_result_sold": "USD",
    "hours_waiting": "hours",
    "withdrawals_refused": "USD",
    "interest_kept": "USD",
    "protocol_revenue": "USD",
}


def _difference(columns: Columns, base: Key, other: Key, unit: str) -> Row:
    before, after = columns.select(base, other)
    position = 2 if base[2] != other[2] else 3
    axis = "level" if position == 2 else "multiplier" if base[0] == "margin" else "threshold_shift"
    parameters = {"measure": base[-1], "axis": axis, "from": base[position], "to": other[position]}
    if axis == "multiplier":
        parameters["level"] = base[2]
    difference = columns.figures.difference(after, before, shares=unit not in ("USD", "count"))
    return Row("sweep", base[1], parameters, "paired_difference", unit, difference)


def sweep_rows(columns: Columns, free: Collection[str] = ()) -> Iterator[Row]:
    """Paired differences on common random numbers: each level to the next, multiplier 1 to the others, shift 0 to the
    others.  An interval that holds 0 means: not distinguishable at this number of paths.  Lending markets in `free`
    charge no fee, so there is none to compare."""
    present = set(columns.keys)
    levels: dict[str, list[float]] = {}
    for key in columns.keys:
        if key[0] == "margin" and key[-1] == "capital" and key[3] == 1.0 and key[2] is not None:
            levels.setdefault(key[1], []).append(key[2])
    for key in columns.keys:
        section, model, level, setting, subject, measure = key
        if subject != "all":
            continue
        if section == "margin" and measure in _MARGIN:
            if setting == 1.0 and level is not None:
                rank = levels[model].index(level)
                if rank > 0:
                    base = (section, model, levels[model][rank - 1], setting, subject, measure)
                    yield _difference(columns, base, key, _MARGIN[measure])
            elif setting != 1.0:
                base = (section, model, level, 1.0, subject, measure)
                if base in present:
                    yield _difference(columns, base, key, _MARGIN[measure])
        elif section == "lending" and measure in _LENDING and setting != 0.0:
            if measure == "protocol_fee" and model in free:
                continue
            base = (section, model, level, 0.0, subject, measure)
            if base in present:
                yield _difference(columns, base, key, _LENDING[measure])


def market_rows(columns: Columns) -> Iterator[Row]:
    """Paired differences between every two lending markets of a study, at thresholds as they are.

    The intervals of one measure hold together (Bonferroni over the pairs), so the markets may be ranked by them.
    """
    markets = list(dict.fromkeys(k[1] for k in columns.keys if k[0] == "lending" and k[3] == 0.0))
    pairs = list(combinations(markets, 2))
    if not pairs:
        return
    each = 1.0 - (1.0 - columns.figures.confidence) / len(pairs)
    # to four digits, upwards, so that a report can print it
    figures = columns.figures.at(min(ceil(each * 1e4) / 1e4, 0.9999))
    present = set(columns.keys)
    for measure, unit in _MARKETS.items():
        for one, other in pairs:
            keys = [("lending", market, None, 0.0, "all", measure) for market in (one, other)]
            if not present.issuperset(keys):
                continue
            before, after = columns.select(*keys)
            found = figures.difference(after, before, shares=unit not in ("USD", "count", "hours"))
            parameters = {"measure": measure, "axis": "market", "from": one, "to": other}
            yield Row("sweep", "", parameters, "paired_difference", unit, found)


def joint_rows(columns: Columns, coupled: bool) -> Iterator[Row]:
    """What a shock that breaks margin accounts does to the lending market on the same path.

    Every margin setting is held against every threshold shift.  Under price feedback (`coupled`) only the base margin
    setting and the market as it stands lived on one market, so only they are.
    """
    keys = columns.keys
    margin = [k for k in keys if k[0] == "margin" and k[4] == "all" and k[-1] == "insolvency"]
    lending = [k for k in keys if k[0] == "lending" and k[-1] == "bad_debt"]
    if coupled:
        margin = [k for k in margin if k[3] == 1.0][:1]
        lending = [k for k in lending if k[3] == 0.0][:1]
    for debt_key in lending:
        debt, liquidated = columns.select(debt_key, (*debt_key[:-1], "liquidation_probability"))
        for key in margin:
            hit = columns.select(key)[0] > 0
            parameters = {
                "level": key[2],
                "multiplier": key[3],
                "threshold_shift": debt_key[3],
                "market": debt_key[1],
            }
            for measure, unit, estimate in _given(hit, debt, liquidated, columns.severity(key), columns.figures):
                yield Row("joint", key[1], parameters, measure, unit, estimate)


def _given(
    hit: np.ndarray, debt: np.ndarray, liquidated: np.ndarray, severity: np.ndarray | None, figures: Figures
) -> Iterator[tuple[str, str, Estimate]]:
    """Lending figures on paths with and without the event `hit`."""
    yield "insolvency_on_path", "probability", figures.probability(hit, severity)
    for name, chosen in (("insolvency", hit), ("no_insolvency", ~hit)):
        yield f"bad_debt_given_{name}", "USD", not_negative(figures.mean_given(debt, chosen))
        both = figures.probability_given(liquidated > 0, chosen)
        if both is not None:
            yield f"lending_liquidation_given_{name}", "probability", both


def exceedance_keys(columns: Columns) -> Iterator[tuple[str, str, Key]]:
    """(name, title, key) of the amounts whose exceedance curve is drawn: models at their second level, markets."""
    seen: set[str] = set()
    keys = columns.keys
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


def curves(columns: Columns) -> Iterator[dict]:
    """Loss-exceedance curves P(loss > x) with pointwise bands, as plain lists."""
    for name, title, key in exceedance_keys(columns):
        found = columns.figures.exceedance(columns.select(key)[0])
        yield {
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
