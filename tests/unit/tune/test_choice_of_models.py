"""A choice among margin models: one kind at several ranges, walked as the study lists them."""

import pytest

from riskengine.config.study import load_study
from riskengine.errors import InputError
from riskengine.report.render import write_reports
from riskengine.tune.choice import run_choice

GRIDS = ", ".join(f"{{kind: greeks_grid, price_range: {r}}}" for r in (0.16, 0.09, 0.04))
SMALL = ("paths=1024", "variants=[]", f"margin.models=[{GRIDS}]")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    loaded = load_study("choose_price_range", SMALL)
    return run_choice(loaded.study, loaded.resolved, "choose", tmp_path_factory.mktemp("models") / "run")


def test_the_walk_goes_down_the_list_and_stops_before_the_first_that_is_not_safe(done):
    path, result = done
    rows = [r for r in result.rows if r.section == "choice"]
    chosen = {r.parameters["role"]: r.estimate.value for r in rows if r.measure == "chosen_setting"}
    assert chosen["current"] == 0.0
    assert chosen["certified"] == 1.0  # 16 and 9 % pass, 4 % breaches far too often
    tried = {
        r.parameters["setting"]: r.estimate
        for r in result.rows
        if r.section == "candidate" and r.measure == "risk_fresh"
    }
    assert tried[0.0].upper < 0.01 < tried[2.0].lower
    ratio = next(r for r in rows if r.measure == "cost_ratio" and r.parameters["role"] == "certified")
    assert ratio.estimate.value == pytest.approx(9 / 16, abs=0.06)  # nearly proportional to the range
    write_reports(path)
    said = (path / "report.md").read_text()
    assert "Margin models, model: price range 0.16 → price range 0.09, certified at 95 %" in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            "choices=[{axis: model, model: greeks_grid, risk: insolvency, target: 0.1}]",
            "model must be left out on axis model",
        ),
        (
            "margin.models=[{kind: ewma_var, levels: [0.9, 0.95], margin_period_hours: 24}, {kind: greeks_grid}]",
            "one level each",
        ),
        ("margin.models=[{kind: greeks_grid}]", "at least two candidates"),
        (
            "choices=[{axis: model, current: 7, risk: insolvency, target: 0.1}]",
            "current must be one of the candidates 0, 1, 2",
        ),
    ],
)
def test_bad_choices_are_named(change, says):
    with pytest.raises(InputError, match=says):
        load_study("choose_price_range", (*SMALL, "history_windows=20", change))


def test_volatility_shocks_cannot_be_chosen_where_implied_volatility_stands_still():
    models = "margin.models=[{kind: greeks_grid, vol_range: 0.4}, {kind: greeks_grid, vol_range: 0.2}]"
    assert load_study("choose_price_range", (*SMALL, models)).study.choices_resolved
    flat = "worlds=[btc_eth_merton]"
    with pytest.raises(InputError, match="must not differ in vol_range where implied volatility stands still"):
        load_study("choose_price_range", (*SMALL, models, flat))
