"""Black-Scholes as a study: figures of the engine, the same bits on any number of threads, a report, faults."""

import json

import pytest

from riskengine.config.dump import to_yaml
from riskengine.config.study import load_study, study_of
from riskengine.errors import InputError
from riskengine.report.render import write_reports
from riskengine.study.black_scholes import run_black_scholes

ASKED = """\
kind: black_scholes
title: A small study of Black-Scholes
worlds: [merton_day]
asset: BTC
days: [1, 7]
moneyness: [-2, 0, 1.5]
levels: [0.99, 0.999]
seed: 3
hedge: {days: 1, intervals_hours: [12, 4], paths: 2048}
fixed_point: {log_moneyness: [-45, 0, 1], total_volatilities: [0.1]}
vault: {days: [7], moneyness: [-2, -3, 0], paths: 65536}
attacks:
- {name: pool, price: {market: pool, depth_usd: 5000000}, position_usd: 20000000, observations: [1, 600], caps: [0.05]}
- name: quote
  quoted: {volatility: 0.6, impact: 0.001, days: 30, spot: 34500, spread: 0.03}
  position_usd: 100000
  observations: [1]
  caps: [0.05]
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    file = tmp_path_factory.mktemp("asked") / "asked.yaml"
    file.write_text(ASKED)
    return load_study(file)


@pytest.fixture(scope="module")
def runs(loaded, tmp_path_factory):
    out = tmp_path_factory.mktemp("black")
    made = [
        run_black_scholes(loaded.study, loaded.resolved, "asked", out / f"run{w}", w, command="riskengine run asked")[0]
        for w in (1, 2)
    ]
    (made[0] / "study.yaml").write_text(to_yaml(loaded.resolved))
    return made


@pytest.fixture(scope="module")
def rows(runs):
    return json.loads((runs[0] / "result.json").read_text())["rows"]


def value(rows, measure, **where):
    found = [r["estimate"] for r in rows if r["measure"] == measure and where.items() <= (r["parameters"] | r).items()]
    assert len(found) == 1, (measure, where, len(found))
    return found[0]


def test_the_same_bits_on_any_number_of_threads(loaded, runs):
    one, two = ((run / "result.json").read_bytes() for run in runs)
    assert one == two
    assert study_of(loaded.resolved) == loaded.study


def test_figures_say_what_a_jump_world_does_to_black_scholes(rows):
    at = {"model": "at_the_money", "days": 7.0}
    assert value(rows, "price_error", moneyness=0.0, **at)["value"] == 0.0
    assert value(rows, "price_error", moneyness=-2.0, **at)["value"] < -0.3
    needed, black, error = (
        value(rows, m, moneyness=-2.0, level=0.999, **at)["value"]
        for m in ("margin_needed", "margin_black", "margin_error")
    )
    assert error == pytest.approx(black / needed - 1.0)
    assert value(rows, "margin_breach", moneyness=-2.0, level=0.999, **at)["value"] > 0.005
    assert all(r["estimate"]["confidence"] == 1.0 for r in rows if r["section"].startswith("black_scholes"))


def test_hedges_have_intervals_and_the_control_its_closed_form(rows):
    sd = {
        (h, w): value(rows, "hedge_sd", interval_hours=h, hedged_in=w, model="Black–Scholes delta")
        for h in (12.0, 4.0)
        for w in ("world", "lognormal")
    }
    assert all(e["lower"] < e["value"] < e["upper"] for e in sd.values())
    assert sd[4.0, "lognormal"]["value"] < 0.75 * sd[12.0, "lognormal"]["value"]
    assert sd[4.0, "world"]["value"] > 0.8 * sd[12.0, "world"]["value"]
    leading = value(rows, "hedge_sd_lognormal", interval_hours=4.0, hedged_in="lognormal")["value"]
    assert sd[4.0, "lognormal"]["value"] == pytest.approx(leading, rel=0.15)
    least = value(rows, "hedge_variance_ratio", interval_hours=4.0, model="least-variance hedge")
    two = value(rows, "hedge_sd", interval_hours=4.0, hedged_in="world", model="least-variance hedge")["value"]
    assert least["value"] == pytest.approx((two / sd[4.0, "world"]["value"]) ** 2) and least["lower"] < least["upper"]
    assert value(rows, "hedge_table_error")["value"] < 5e-4


def test_who_knows_the_law_buys_the_wings_and_a_simulation_agrees(rows):
    spread = value(rows, "vault_break_even", moneyness=-3.0)["value"]
    error = value(rows, "volatility_error", model="at_the_money", days=7.0, moneyness=-2.0)["value"]
    assert value(rows, "vault_break_even", moneyness=-2.0)["value"] == pytest.approx(-error)
    assert spread > 0.05 and value(rows, "vault_size", moneyness=0.0)["value"] == 0.0
    seen = value(rows, "vault_break_even_simulated", moneyness=-3.0)
    assert seen["lower"] - 0.01 < spread < seen["upper"] + 0.01
    size = value(rows, "vault_break_even_size", moneyness=-3.0)["value"]
    assert size == pytest.approx((spread - 0.03) / 0.001)
    drawn = value(rows, "vault_break_even_size_simulated", moneyness=-3.0)
    assert drawn["value"] == pytest.approx((seen["value"] - 0.03) / 0.001)
    total = {r["measure"]: r["estimate"] for r in rows if r["section"] == "vault_total"}
    parts = sum(r["estimate"]["value"] for r in rows if r["section"] == "vault" and r["measure"] == "vault_profit")
    profit, simulated = total["vault_profit"]["value"], total["vault_profit_simulated"]
    assert profit == pytest.approx(parts) and profit > 0.0
    assert abs(simulated["value"] - profit) < 4.5 * simulated["std_error"]
    assert total["vault_worst"]["value"] > total["vault_loss_es_99"]["upper"] > total["vault_loss_p99"]["value"]


def test_attacks_and_integers_are_reported(rows):
    one, many = (value(rows, "attack_profit", model="pool", observations=n)["value"] for n in (1, 600))
    assert one > 9e5 > 1e3 > many > 0.0
    assert 2600 < value(rows, "attack_observations", model="pool")["value"] < 2700
    assert value(rows, "attack_profit", model="quote")["value"] == 0.0
    gone, near = (value(rows, "fixed_error", log_moneyness=k) for k in (-45.0, 0.0))
    assert gone["value"] is None and gone["method"].startswith("reverts: ln of")
    assert near["value"] < 20 and value(rows, "fixed_largest_forward")["value"] == 40
    assert value(rows, "fixed_mul", model="Black-76, call and put")["value"] > 100


def test_the_report_has_maps_curves_and_an_answer_in_words(runs):
    write_reports(runs[0])
    page = (runs[0] / "report.html").read_text()
    assert page.count("<svg") >= 8
    for said in (
        "sells wings too cheap",
        "A margin that assumes Black–Scholes is breached",
        "jumps cannot be hedged",
        "A vault that asks 3 points",
        "Moving the mark",
    ):
        assert said in page


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("asset: BTC", "asset: BTX", "asset must be one of BTC, got 'BTX'"),
        ("worlds: [merton_day]", "worlds: [usdc]", "of kind gbm, merton, kou, heston, bates"),
        ("worlds: [merton_day]", "worlds: [may_2021]", "without stress"),
        ("days: [1, 7]", "days: [0.5, 7]", "margin_period_hours"),
        ("moneyness: [-2, 0, 1.5]", "moneyness: [0, 0]", "each once"),
        ("intervals_hours: [12, 4]", "intervals_hours: [12, 5]", "time grid"),
        ("intervals_hours: [12, 4]", "intervals_hours: [16, 4]", "whole parts of 1 days, got 16"),
        ("paths: 2048", "paths: 20", "paths"),
        ("name: quote", "name: pool", "different names"),
        ("observations: [1, 600]", "observations: [0]", "observation of observations"),
        ("price: {market: pool, depth_usd: 5000000}, ", "", "must name either price or quoted, got none"),
        ("impact: 0.001", "impact: 0", "impact"),
    ],
)
def test_each_fault_has_one_clear_message(tmp_path, old, new, says):
    file = tmp_path / "asked.yaml"
    file.write_text(ASKED.replace(old, new))
    with pytest.raises(InputError, match=says):
        load_study(file)
