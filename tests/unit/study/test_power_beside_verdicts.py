"""Beside every verdict that any kind of study prints stands its power, or the reason why none is stated."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from riskengine.backtest.alternatives import breach_power, clustered, independent
from riskengine.backtest.battery import count_p_values
from riskengine.backtest.power import count_power
from riskengine.config.study import load_study
from riskengine.estimate import exact
from riskengine.market.record import PriceRecord
from riskengine.report.measures import MEASURES
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.account_tests import TEST_LEVEL, account_figures, book_figures, test_power
from riskengine.study.criterion import Criterion
from riskengine.study.result import Row
from riskengine.study.verdict import judge

test_power.__test__ = False
EXAMPLES = Path(__file__).parents[3] / "reports" / "examples"
# what speaks of tests without being what one says: properties of tests, and figures that a criterion may be put to
NOT_VERDICTS = {
    "test_size", "test_power", "power_rate", "power_clusters", "rate_power", "family_power", "false_alarm",
    "untestable", "account_power", "account_power_adjusted", "detectable_multiple", "detectable_rate",
    "months_to_detect", "power_at_twice",
}  # fmt: skip
VERDICT = re.compile(r"p-value|reject|alarm|zone|confidence set", re.IGNORECASE)


def is_verdict(measure):
    """By what the glossary says of it, so that a new measure of this sort is held to the rule too."""
    known = MEASURES.get(measure)
    return measure not in NOT_VERDICTS and bool(measure.endswith("_p") or (known and VERDICT.search(known.definition)))


def lacking(rows):
    """Rows with a verdict and neither power nor reason."""
    out = []
    for r in rows:
        power = r.get("power") or {}
        said = power.get("method") and (power.get("value") is None or 0.0 <= power["value"] <= 1.0)
        if (is_verdict(r["measure"]) or r.get("verdict")) and not said:
            out.append((r["section"], r["model"], r["measure"], r["parameters"]))
    return out


def without_power(cells):
    """p-values, families and zones of a table of cells beside which no power stands."""
    out = []
    for values in cells["rows"]:
        c = dict(zip(cells["columns"], values, strict=True))
        tests = [name.removesuffix("_power") for name in c if name.endswith("_power")]
        for test in tests:
            p = c[test] if test in c else c[f"{test}_p"]
            if p is not None and c[f"{test}_power"] is None:
                out.append((test, c["series"], c["level"]))
        if c.get("power") is not None:  # one for all tests of the count
            continue
        told = {*tests, *(f"{t}_p{part}" for t in tests for part in ("", "_bh", "_holm"))}
        for name, p in c.items():
            if name.endswith("_p") and name not in told and p is not None:
                kind = "set_p" if name.endswith("_set_p") else "dm_p"
                if not (cells.get("notes", {}).get(kind) or c.get(name.replace("_dm_p", "_detectable")) is not None):
                    out.append((name, c["series"], c["level"]))
    return out


@pytest.mark.parametrize("folder", sorted(p.name for p in EXAMPLES.iterdir() if (p / "result.json").exists()))
def test_shipped_examples(folder):
    rows = json.loads((EXAMPLES / folder / "result.json").read_text())["rows"]
    assert lacking(rows) == []
    cells = EXAMPLES / folder / "cells.json"
    if cells.exists():
        assert without_power(json.loads(cells.read_text())) == []


def test_the_rule_finds_verdicts_and_their_lack():
    assert {"binomial_p", "accounts_red", "coverage_kept", "fz0_in_set", "alarms_low", "miscalibration_p"} <= {
        m for m in [*MEASURES, "kupiec_p"] if is_verdict(m)
    }
    bare = Row("backtest", "m", {}, "binomial_p", "probability", exact(0.2))
    assert len(lacking([bare.as_dict()])) == 1


def test_rolling_forecasts(tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text(
        "kind: rolling_forecast\ntitle: t\nwindow: 100\nlevels: [0.95, 0.975, 0.999]\nestimators: [normal, ewma]\n"
        "laws: [normal]\nleast_days: 200\nnull_draws: 199\nreplicates: 99\n"
    )
    random = np.random.default_rng(1)
    prices = 100 * np.exp(np.cumsum(0.02 * random.standard_t(5, 521)))
    record = PriceRecord("A", "A", "", 10**9 // 86_400 * 86_400 + np.arange(521) * 86_400, prices, "f.csv", "0" * 64)
    loaded = load_study(file)
    folder, result = loaded.study.run(loaded.resolved, "r", out=tmp_path / "o", records=[record], command="")
    assert lacking([r.as_dict() for r in result.rows]) == []
    cells = json.loads((folder / "cells.json").read_text())
    assert without_power(cells) == []
    first = dict(zip(cells["columns"], cells["rows"][0], strict=True))
    assert first["z3"] is not None and 0.0 < first["z3_power"] <= 1.0 and 0.0 < first["law_power"] <= 1.0


def test_replay_of_real_prices():
    """Accounts of a backtest: 8 breaches of 300 in one, none in another."""
    breach = np.zeros((2, 300), dtype=bool)
    breach[0, ::40] = True
    accounts = list(account_figures(0.99, breach, np.ones(299, dtype=bool), 0.95))
    figures = [f for figures in (*accounts, list(book_figures(0.99, 300, accounts))) for f in figures]
    rows = [Row("backtest", "m", {}, m, unit, e, power=power).as_dict() for m, unit, e, power in figures]
    assert lacking(rows) == [] and sum("power" in r for r in rows) == 2 * 9 + 5


def test_criteria_say_why():
    row = Row("margin", "m", {}, "insolvency", "probability", clopper_pearson(3, 300))
    judged = judge([row], (Criterion("insolvency", 0.01),))[0]
    assert judged.verdict == "INCONCLUSIVE" and "INCONCLUSIVE" in judged.power.method
    assert lacking([judged.as_dict()]) == []


def test_power_of_counts_is_exact_and_that_of_a_simulated_test_is_its_rate_of_rejection():
    """Kupiec by `count_power`; Holm's first step by the binomial law; Christoffersen by fresh histories."""
    n, p = 500, 0.01
    found = test_power(n, p, 10, 0.95)
    for test in ("binomial", "kupiec", "kupiec_exact"):
        exactly = count_power(test, n, p, 2 * p, TEST_LEVEL).power
        assert found[f"{test}_p"].value == pytest.approx(exactly, abs=1e-12)
    assert found["holm_p"].value == pytest.approx(count_power("binomial", n, p, 2 * p, 0.005).power, abs=1e-12)
    assert found["e_process_p"].method == "simulated, against 2 times the promised rate"
    assert found["e_process_overstated_p"].method == "simulated, against 0.5 times the promised rate"
    table = count_p_values(n, p)["binomial", "exact"]
    fresh = np.random.default_rng(99)
    made = breach_power(lambda b: {"count": table[b.count]}, n, p, 0.05, np.random.default_rng(3))["count"]
    for estimate, lanes in (
        (made.rate, independent(n, 2 * p, 20_000, fresh)),
        (made.clusters, clustered(n, p, 0.2, 20_000, fresh)),
    ):
        again = (table[lanes.count] <= 0.05).mean()
        error = np.sqrt(again * (1 - again) * (1 / 2_000 + 1 / 20_000))
        assert estimate.value == pytest.approx(again, abs=4.5 * error)
