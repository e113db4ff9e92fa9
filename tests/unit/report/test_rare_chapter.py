"""The chapter on rare events: what is dust is said in words, reasons are readable, strata are shown."""

from riskengine.report.figures import curve
from riskengine.report.rare_chapter import rare_events
from riskengine.report.rows import Row
from riskengine.report.wording import amount

SAMPLING = {"method": "stratified jump counts", "plain_share": 0.4, "expected_jumps": 0.3}
TILTED = {"method": "mixture importance sampling", "plain_share": 0.2, "tilts": 8, "targets": 3}
STRATA = [
    {"least": 0, "most": 0, "probability": 0.74, "share": 0.3},
    {"least": 1, "most": 2, "probability": 0.25, "share": 0.5},
    {"least": 3, "most": None, "probability": 0.01, "share": 0.2},
]


def row(measure, value, unit, section="accounts", hits=200.0, method="mean, importance weights", **parameters):
    estimate = {
        "value": value, "std_error": 1.0, "lower": 0.9 * value, "upper": max(1.1 * value, 1e-4), "confidence": 0.95,
        "n": 1000, "n_effective": hits, "method": method,
    }  # fmt: skip
    return Row(section, "grid" if measure == "account_breach" else "book", measure, unit, estimate, parameters)


def losses(account, value):
    return [row(m, value, "USD", account=account, level=0.999) for m in ("account_loss_quantile", "account_loss_es")]


def tables(rows, sampling=TILTED):
    items = rare_events({"sampling": sampling}, rows, False).items
    return {t.title: t for t in items if t is not None}


def texts(table):
    return [[c.text for c in line] for line in table.rows]


def test_an_account_that_cannot_lose_is_named_and_not_shown():
    table = tables([*losses("long", 1234.0), *losses("conversion", 3.6e-12)])["Loss of each account"]
    assert [line[0] for line in texts(table)] == ["long"]
    assert "no loss beyond rounding: conversion" in table.note


def test_accounts_without_a_breach_stand_in_the_note():
    rows = [
        row("account_breach", 0.01, "probability", account="long", level=None),
        row("account_breach", 0.0, "probability", hits=0.01, account="short", level=None),
    ]
    table = tables(rows)["How often an account loses more than its requirement"]
    assert [line[0] for line in texts(table)] == ["long"]
    assert "not seen: short (at most 0.01 % each)" in table.note


def test_reasons_have_no_rest_of_the_method_in_them():
    bound = "mean over paths, chernoff-hoeffding for weights up to 5: 8.426 effective hits, 100 needed (the plain few)"
    none = "weighted quantile, importance weights, interval refused: 0 effective hits, 100 needed"
    rows = [
        row("insolvency", 1e-5, "probability", "margin", 8.426, bound, account_kind="all", multiplier=1.0),
        row("insolvency", 0.0, "probability", "margin", 0.0, none, account_kind="basis", multiplier=1.0),
    ]
    lines = tables(rows)["Figures outside the tails that were sampled"].rows
    assert [(line[0].small, line[1].text, line[3].text) for line in lines] == [
        ("account kind all", "the plain few", "8"),
        ("account kind basis", "0 effective hits, 100 needed", "0"),
    ]


def test_strata_are_a_table_of_their_own():
    found = tables(losses("long", 1.0), SAMPLING | {"strata": STRATA})
    assert texts(found["Jumps of a path"]) == [
        ["0", "74 %", "30 %"],
        ["1 to 2", "25 %", "50 %"],
        ["3 or more", "1 %", "20 %"],
    ]
    assert not [line for line in texts(found["Sampling"]) if line[0] == "Strata"]
    lead = rare_events({"sampling": SAMPLING | {"strata": STRATA}}, losses("long", 1.0), False).lead
    assert "40 % of the paths follow the world's own law, the rest were given how many jumps they have" in lead[0]


def test_money_that_rounding_leaves_is_nothing():
    assert amount(3.6e-12, "USD") == "0 USD"
    assert amount(3.6e-12, "probability") == "3.6e-10 %"
    assert amount(1e-7, "probability") == "0.00001 %"


def test_the_axis_ends_where_nothing_can_be_told_from_zero():
    """A weighted curve that runs on to 1e-16 under an upper bound of 5e-4 is drawn to a thousandth of that bound."""
    drawn = {
        "x": [1.0, 10.0, 100.0], "y": [1e-2, 1e-5, 1e-16], "lower": [9e-3, 0.0, 0.0], "upper": [2e-2, 6e-4, 5e-4],
        "x_label": "USD", "y_label": "probability of more", "n": 1000,
    }  # fmt: skip
    picture = curve("c", "Losses", [drawn], ["grid"]).svg
    assert "0.00001 %" in picture
    assert "1.0e-" not in picture
