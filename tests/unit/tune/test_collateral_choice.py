"""Certified choice of parameter sets as a study: same bits, steps judged, payload executed, faults, and losses."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from riskengine.config.dump import dump
from riskengine.config.study import load_study, study_of
from riskengine.errors import InputError
from riskengine.lending.aave_v3.payload import executed
from riskengine.lending.wrapping import Staked
from riskengine.report.render import write_reports
from riskengine.study.result import load_result
from riskengine.tune.choice import run_choice
from riskengine.tune.choice_spec import Choice
from riskengine.tune.collateral import baseline_rows

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "config"))

from toys import WORLD  # noqa: E402

STUDY = """\
kind: certified_choice
title: Small collateral choice
worlds: [world.yaml]
seed: 7
paths: 700
fresh_paths: 500
horizon_hours: 24
step_hours: 1
lending:
  market:
    kind: aave_v3
    rules: aave_v3_ethereum_20231031
    keeper: {delay_hours: 1, gas_usd: 30, calls_per_step: 4}
    liquidity: {depth_usd: {BTC: 6500000, ETH: 20000000}, refill_half_life_hours: 2}
  book: aave_borrowers
collateral:
  parameter_sets:
    - {name: lower, tokens: {WBTC: {ltv: 0.72, liquidation_threshold: 0.77}}}
    - {name: as it is}
    - {name: higher, tokens: {WBTC: {ltv: 0.74, liquidation_threshold: 0.79}, WETH: {liquidation_protocol_fee: 0.12}}}
  parameter_grid:
    - {token: WETH, parameter: collateral_factor, values: [0.83, 0.95, 0.96]}
    - {parameter: close_factor, values: [1.0, 0.5]}
    - {parameter: caps, values: [1.0, 2.0]}
  steward:
    limits:
      ltv: {step: 0.005, delay_hours: 72}
      liquidation_threshold: {step: 0.0025, delay_hours: 72}
  baselines: {drawdowns: [0.3], steps: [0.005, 0.02]}
choices:
  - {axis: parameter_set, risk: bad_debt_probability, target: 0.2, beyond_usd: 1000}
  - {axis: parameter_set, risk: bad_debt_share, target: 0.2, scale_usd: 1000000, cost: bad_debt}
"""


def written(folder, text=STUDY):
    (folder / "world.yaml").write_text(WORLD)
    (folder / "choice.yaml").write_text(text)
    return folder / "choice.yaml"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Folder of the small study, run on two threads with its reports."""
    folder = tmp_path_factory.mktemp("collateral")
    loaded = load_study(written(folder))
    out, _ = run_choice(loaded.study, loaded.resolved, "choice", folder / "run", 2)
    write_reports(out)
    return loaded, out


def test_the_same_bits_on_any_number_of_threads_and_after_a_break(done, tmp_path):
    loaded, out = done
    assert dump(study_of(loaded.resolved)) == loaded.resolved
    kept = (out / "result.json").read_bytes()
    run_choice(loaded.study, loaded.resolved, "choice", tmp_path / "one", 1)
    assert (tmp_path / "one" / "result.json").read_bytes() == kept
    gone = sorted((tmp_path / "one" / "blocks").rglob("*.block"))
    for file in gone[::2]:
        file.unlink()
    run_choice(loaded.study, loaded.resolved, "choice", tmp_path / "one", 2, resume=True)
    assert (tmp_path / "one" / "result.json").read_bytes() == kept


def test_sets_are_those_named_and_the_combinations_that_can_be_configured(done):
    loaded, out = done
    study = loaded.study
    # 0.96 times 1.05 is above one
    assert [s.name for s in study.sets[:4]] == ["lower", "as it is", "higher", "WETH LT 0.83, close factor 1, caps 1"]
    assert len(study.sets) == 3 + 8
    front = load_result(out)["parameter_fronts"][0]
    assert front["left_out"] == 4 and len(front["points"]) == 11
    assert [p["set"] for p in front["points"] if p["in_force"]] == [
        "as it is",
        "WETH LT 0.83, close factor 0.5, caps 1",
    ]
    capacity = {p["set"]: p["mean"][2] for p in front["points"]}
    grown, same = (capacity[f"WETH LT 0.83, close factor 1, caps {c}"] for c in (2, 1))
    assert grown == pytest.approx(2.0 * same)


def test_the_payload_makes_the_certified_market_in_steps_that_are_judged(done):
    loaded, out = done
    result, study = load_result(out), loaded.study
    plan = result["schedules"][0]
    plain = json.loads((out / "payload" / "000.json").read_text())
    assert plain == plan["payload"]
    assert executed(study.lending.market.rules, plain) == study.lending.market.rules.with_parameters(study.walk[2])
    # the fee takes a vote, then LTV needs two steps and the threshold four
    assert [(s["by"], s["hours"]) for s in plan["steps"]] == [
        ("vote", 168.0),
        *(("steward", 168.0 + 72.0 * k) for k in range(4)),
    ]
    bounds = [r for r in result["rows"] if r["section"] == "schedule" and r["measure"] == "risk_upper_bound"]
    first = [r for r in bounds if r["parameters"]["choice"] == plan["choice"]]
    assert [r["parameters"]["step"] for r in first] == [0, 1, 2, 3, 4, 5]
    fresh = {
        r["parameters"]["setting"]: r["estimate"]["value"]
        for r in result["rows"]
        if r["section"] == "candidate" and r["measure"] == "risk_fresh" and r["parameters"]["choice"] == plan["choice"]
    }
    # before the first and after the last step stand the markets in force and certified, on the same fresh paths
    assert (first[0]["estimate"]["value"], first[-1]["estimate"]["value"]) == (fresh[1.0], fresh[2.0])
    assert all(r["estimate"]["upper"] >= r["estimate"]["value"] for r in bounds)


def test_the_report_says_where_to_and_how(done):
    text = (done[1] / "report.md").read_text()
    for said in ("as it is → higher", "Payload", "SmartLTV", "drawdown in steps", "Current", "On the front"):
        assert said in text, said


def test_losses_count_what_lies_beyond_and_bound_the_expected_shortfall():
    debt = np.array([0.0, 500.0, 1500.0, 4000.0, 9000.0])
    over = Choice("parameter_set", "bad_debt_probability", 0.1, beyond_usd=1000.0)
    assert over.loss(debt).tolist() == [0, 0, 1, 1, 1]
    excess = Choice("parameter_set", "bad_debt_share", 0.1, beyond_usd=1000.0, scale_usd=10_000.0)
    assert excess.loss(debt) == pytest.approx([0, 0, 0.05, 0.3, 0.8])
    # ES of the worst 40 % is at most x + mean excess / 0.4, with equality where x is the quantile
    assert 1000.0 + 10_000.0 * excess.loss(debt).mean() / 0.4 >= debt[3:].mean()
    at = replace(excess, beyond_usd=1500.0)
    assert 1500.0 + 10_000.0 * at.loss(debt).mean() / 0.4 == pytest.approx(debt[3:].mean())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "liquidation_threshold: 0.77}",
            "liquidation_threshold: 0.71}",
            "lower: WBTC liquidation_threshold must be at",
        ),
        ("name: lower", "name: higher", "must differ by name, got higher"),
        ("token: WETH, parameter: coll", "token: DOGE, parameter: coll", "must be collateral of the market"),
        ("scale_usd: 1000000, ", "", "scale_usd must be given with risk bad_debt_share"),
        ("ltv: {step: 0.005", "reserve_factor: {step: 0.005", "limits must name some of"),
        ("values: [1.0, 2.0]", "values: [1.0, 1.0]", "values must hold at least one, each once"),
        ("target: 0.2, beyond", "target: 0.2, current: 7, beyond", "current must be one of the candidates"),
    ],
)
def test_bad_input_gives_one_clear_message(tmp_path, old, new, said):
    assert old in STUDY
    with pytest.raises(InputError, match=said):
        load_study(written(tmp_path, STUDY.replace(old, new, 1)))


SIZED = STUDY.replace(
    next(line for line in STUDY.splitlines(True) if "name: higher" in line),
    """    - {name: higher, tokens: {WETH: {supply_cap: 3600000}, USDC: {slope1: 0.05, optimal_usage: 0.87}}}
  growth: {demand: 1.5, borrowed: {USDC: 500000000}, borrower_elasticity: 0.5, supplier_elasticity: 0.2}
""",
).replace(
    """    - {parameter: caps, values: [1.0, 2.0]}
""",
    """    - {token: WETH, parameter: supply_cap, values: [900000, 1800000, 3600000]}
    - {token: USDC, parameter: base, values: [0.0, 0.01]}
""",
).replace(
    """      ltv: {step""",
    """      supply_cap: {step: 1.0, delay_hours: 72, relative: true}
      slope1: {step: 0.005, delay_hours: 72}
      optimal_usage: {step: 0.03, delay_hours: 72}
      ltv: {step""",
).replace("cost: bad_debt}", "cost: protocol_revenue}")  # fmt: skip


def test_caps_and_curves_are_axes_and_revenue_is_on_the_front(tmp_path):
    loaded = load_study(written(tmp_path, SIZED))
    assert dump(study_of(loaded.resolved)) == loaded.resolved
    assert loaded.study.sets[3].tokens["USDC"].base == 0.0
    out, _ = run_choice(loaded.study, loaded.resolved, "choice", tmp_path / "run", 2)
    write_reports(out)
    front = load_result(out)["parameter_fronts"][0]
    assert front["measures"] == ["bad_debt", "liquidated_volume", "borrow_capacity", "protocol_revenue"]
    mean = {p["set"]: p["mean"] for p in front["points"]}

    def of(cap, base):
        return mean[f"WETH LT 0.83, close factor 1, WETH supply cap {cap}, USDC base {base}"]

    # a lowered cap shrinks nobody; a raised one lets the book grow, and then a dearer curve sends some away
    full, room, dear = of("1,800,000", "0"), of("3,600,000", "0"), of("3,600,000", "0.01")
    assert of("900,000", "0") == full and of("1,800,000", "0.01")[2] == full[2]
    assert room[1] > dear[1] > full[1] and 1.5 * full[2] > room[2] > dear[2] > full[2]
    # at elasticity 0.5 less is lost in debt than is won in rate
    assert dear[3] > room[3] > full[3]
    plan = load_result(out)["schedules"][0]
    steps = [[(c["token"], c["parameter"], c["to"]) for c in s["changes"]] for s in plan["steps"]]
    assert steps == [
        [("WETH", "supply_cap", 3600000.0), ("USDC", "optimal_usage", 0.87), ("USDC", "slope1", 0.04)],
        [("USDC", "slope1", 0.045)],
        [("USDC", "slope1", 0.05)],
    ]
    rules = loaded.study.lending.market.rules
    assert executed(rules, plan["payload"]) == rules.with_parameters(loaded.study.walk[2])
    assert "Protocol's revenue" in (out / "report.md").read_text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  growth: {demand: 1.5, ", "  growth: {", "growth demand must be above 1 where a cap of WETH changes"),
        (
            "  growth:",
            "  toast:",
            "growth must say how large the book is under other optimal_usage, slope1, supply_cap",
        ),
        ("USDC: {slope1: 0.05", "USDC: {slope1: 0.7", "USDC slope2 must be at least slope1 0.7, got 0.6"),
        ("optimal_usage: 0.87", "optimal_usage: 0.995", "optimal_usage must lie in"),
        ("supply_cap: 3600000", "supply_cap: 0.5", "must be a whole number of tokens from 1 on, got 0.5"),
        ("WETH: {supply_cap", "GOLD: {supply_cap", "tokens must be listed in the market"),
        ("parameter: supply_cap", "parameter: width", "parameter must be one of ltv, .*reserve_factor, collateral"),
        ("borrower_elasticity: 0.5", "borrower_elasticity: -1", "borrower_elasticity must lie in"),
        ("{name: lower, ", "{name: lower, caps: 2, ", "caps must be left out with growth"),
    ],
)
def test_bad_sizes_and_curves_give_one_clear_message(tmp_path, old, new, said):
    assert old in SIZED
    with pytest.raises(InputError, match=said):
        load_study(written(tmp_path, SIZED.replace(old, new, 1)))


def test_other_markets_are_refused(tmp_path):
    text = STUDY.replace("axis: parameter_set", "axis: threshold_shift").split("collateral:")[0]
    with pytest.raises(InputError, match="axis parameter_set needs a collateral part"):
        load_study(written(tmp_path, text + STUDY[STUDY.index("choices:") :]))


def test_closed_forms_say_nothing_of_a_token_that_wraps_others():
    study = load_study("choose_collateral_factor").study
    market = study.lending.market
    reserves = tuple(replace(r, wraps=Staked(rate=1.1)) if r.symbol == "WETH" else r for r in market.rules.reserves)
    changed = replace(market, rules=replace(market.rules, reserves=reserves))
    told = {True: [], False: []}
    for row in baseline_rows(replace(study, lending=replace(study.lending, market=changed))):
        told[row.parameters["token"] == "WETH"].append(row)
    assert {r.model for r in told[True]} == {"in_force", "smart_ltv", "untouched_loan"}
    assert all("wraps others" in r.estimate.method for r in told[True] if r.model != "in_force")
    assert all(np.isfinite(r.estimate.value) for r in told[False])
