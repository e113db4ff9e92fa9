"""What a report says of lending markets side by side, and how their signed figures become rows."""

from dataclasses import replace
from pathlib import Path

import builder
import numpy as np

from riskengine import registry
from riskengine.config.study import load_study
from riskengine.report.document import _glossary
from riskengine.report.labels import model_of
from riskengine.report.lending_chapters import mechanisms
from riskengine.report.rows import rows_of
from riskengine.report.summary import sentences
from riskengine.report.wording import parts
from riskengine.stats.figures import PlainFigures
from riskengine.study.measures import column_rows
from riskengine.study.names import all_measures

# mean bad debt, result at market prices, result once all is sold, of each market; coins unsold of one of them
FIGURES = {"aave_v3": (1.2e6, -1.1e6, -9e6), "comet": (0.8e6, 0.1e6, -16e6), "euler_evk": (2.2e6, -2.2e6, -8e6)}


def compared():
    """A result of three markets in which the least bad debt and the best result once all is sold are not the same."""
    result = builder.result("none")
    rows = []
    for kind, figures in FIGURES.items():
        names = ("bad_debt_mean", "protocol_result", "protocol_result_sold")
        rows += [
            builder.row("lending", kind, name, "USD", builder.estimate(v, 1e4), threshold_shift=0.0)
            for name, v in zip(names, figures, strict=True)
        ]
        rows.append(
            builder.row("lending", kind, "borrow_capacity", "USD", builder.estimate(1e8, 1.0), threshold_shift=0.0)
        )
    held = builder.estimate(31e6, 1e5)
    rows.append(builder.row("lending", "comet", "unsold_inventory_mean", "USD", held, threshold_shift=0.0))
    kinds = list(FIGURES)
    for i, one in enumerate(kinds):
        for other in kinds[i + 1 :]:
            for position, measure in enumerate(("bad_debt", "protocol_result", "protocol_result_sold")):
                value = FIGURES[other][position] - FIGURES[one][position]
                where = {"measure": measure, "axis": "market", "from": one, "to": other}
                rows.append(builder.row("sweep", "", "paired_difference", "USD", builder.estimate(value, 1e4), **where))
    return result | {"rows": rows}


def test_mechanisms_are_ranked_by_what_is_left_once_all_is_sold():
    """Coins that nobody bought at the price they are valued at make no mechanism the best."""
    said = sentences(compared())
    best = next(s for s in said if s.startswith("Best result of protocol and suppliers"))
    assert "if all that is for sale at the end is sold at once: Euler v2, mean -8.000M USD [-8.010, -7.990]" in best
    assert "Aave v3 1.000M USD [0.990, 1.010] less, Compound v3 8.000M USD [7.990, 8.010] less" in best
    assert "less; at market prices Compound v3 would be first; Compound v3 ends with" in best
    assert "Compound v3 ends with unsold coins of 31.00M USD [30.90, 31.10] at market prices" in best
    assert not any("Least bad debt" in s for s in said)
    ends = next(s for s in said if s.startswith("Liquidations, mean on a path"))
    assert "protocol and suppliers end, all at market prices, between -2.200M USD" in ends


def test_a_protocol_has_one_name():
    text = " ".join(sentences(compared()))
    assert "Compound v3" in text and "Euler v2" in text
    assert not any(name in text for name in ("Comet", "comet", "Euler EVK", "evk"))


def test_a_signed_figure_is_reported_with_its_worst_paths():
    """The mean over the lowest hundredth of a uniform sample on [-1, 1] is -0.99."""
    column = np.random.default_rng(1).permutation(np.linspace(-1.0, 1.0, 20_001))
    for measure in ("reserves", "protocol_result", "protocol_result_sold"):
        rows = list(column_rows(("lending", "comet", None, 0.0, "all", measure), column, PlainFigures()))
        assert [r.measure for r in rows] == [measure, f"{measure}_es_99"]
        assert all(r.measure in all_measures() for r in rows)
        worst = rows[1].estimate
        assert abs(worst.value + 0.99) < 1e-3 and worst.lower < worst.value < worst.upper < rows[0].estimate.lower


def test_the_glossary_says_everything_once():
    """Two names of one measure (of a level, and of a difference) are one line of the glossary."""
    result = compared()
    rows = [r for r in result["rows"] if r["measure"] != "paired_difference"] + [
        builder.row("sweep", "", "paired_difference", "USD", builder.estimate(1.0), measure="bad_debt")
    ]
    titles = [m.title for m in _glossary(rows_of(result | {"rows": rows}))]
    assert titles.count("Bad debt, mean") == 1 and len(set(titles)) == len(titles)


def test_a_fee_that_the_rules_do_not_know_is_exactly_nothing():
    """Morpho Blue and Euler v2 charge none: not an estimate of zero whose bound is open.  Aave v3 does, and might have
    seen no liquidation."""
    question = load_study("lending_mechanisms").study.lending
    assert question.free == {"morpho_blue", "euler_evk"}
    none = np.zeros(1_000)
    for kind in ("aave_v3", "morpho_blue"):
        key = ("lending", kind, None, 0.0, "all", "protocol_fee")
        (row,) = column_rows(key, none, PlainFigures(), free=question.free)
        said = parts(row.estimate.as_dict(), row.unit)
        assert said == (("0 USD", "exact") if kind == "morpho_blue" else ("0 USD", "[0, no upper bound]"))


def test_who_charges_follows_from_the_rules():
    market = load_study("lending_mechanisms").study.lending.market
    free = tuple(replace(r, liquidation_protocol_fee=0.0) for r in market.rules.reserves)
    assert market.charges and not replace(market, rules=replace(market.rules, reserves=free)).charges
    comet = load_study("lending_mechanisms").study.lending.compared_with[0]
    given = replace(comet.rules, store_front_price_factor=1.0)
    assert comet.charges and not replace(comet, rules=given).charges


def test_reports_and_docs_name_protocols_alike():
    """Every lending market of the registry stands under its name in reports in the first table of the lending page."""
    page = (Path(__file__).parents[3] / "docs" / "lending.md").read_text(encoding="utf-8")
    for kind in registry.kinds("lending"):
        assert f"| {model_of(kind)} |" in page, kind
        assert f"[{kind}](methods/lending/{kind}.md)" in page, kind


def test_assumptions_are_not_ranked():
    """Markets that differ in what nobody chooses: what it changes against the first, and no best."""
    result = compared() | {"compared": {"kinds": ["aave_v3"], "assumed": ["keeper", "liquidity"]}}
    said = " ".join(sentences(result))
    assert "Best result" not in said
    assert (
        "What the assumption about keeper and liquidity changes, against Aave v3 on the same paths: bad debt, "
        "1.200M USD [1.190, 1.210] there, by -400k USD [-410, -390] (Compound v3) to +1.000M USD "
        "[0.990, 1.010] (Euler v2); result with all sold at the end, -9.000M USD" in said
    )
    chapter = mechanisms(result, rows_of(result), pictures=False)
    assert chapter.title == "What does the assumption about keeper and liquidity change?"
    assert "so none is the best" in chapter.lead[1]
    assert mechanisms(compared(), rows_of(compared()), pictures=False).title == "Which mechanism loses least?"


def test_of_many_markets_the_ends_are_named():
    result = compared()
    for i in range(3):
        name = f"Market {i}"
        where = {"measure": "protocol_result_sold", "axis": "market", "from": name, "to": "euler_evk"}
        value = builder.estimate(-8e6, 1e4)
        result["rows"] += [
            builder.row("lending", name, "protocol_result_sold", "USD", builder.estimate(-1e7), threshold_shift=0.0),
            builder.row("lending", name, "protocol_result", "USD", value, threshold_shift=0.0),
            builder.row("sweep", "", "paired_difference", "USD", builder.estimate(2e6 + i, 1e4), **where),
        ]
    best = next(s for s in sentences(result) if s.startswith("Best result"))
    assert "Aave v3 1.000M USD [0.990, 1.010] less (the nearest of 5), Compound v3 8.000M USD" in best
    assert "less (the farthest)" in best and "Market" not in best
