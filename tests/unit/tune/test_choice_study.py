"""Certified choice as a study: the walk by hand, several worlds, the same bits on any number of threads, refusals."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from riskengine.config.dump import dump
from riskengine.config.study import load_study, study_of
from riskengine.engine.blocks import Block
from riskengine.engine.simulate import Simulation
from riskengine.errors import InputError
from riskengine.random import DrawKeys
from riskengine.report.render import write_reports
from riskengine.study.result import load_result
from riskengine.tune.certify import certify
from riskengine.tune.choice import Made, Sample, labels, run_choice
from riskengine.tune.choice_rows import choice_rows
from riskengine.tune.choice_spec import Choice

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "config"))

from toys import BOOK, WORLD  # noqa: E402

CHOICE = """\
kind: certified_choice
title: A small choice
worlds: [world.yaml]
variants: [other.yaml]
seed: 7
paths: 1300
fresh_paths: 700
horizon_hours: 24
step_hours: 1
history_windows: 40
margin:
  book: book.yaml
  margin_period_hours: 24
  liquidation_latency_hours: 24
  multipliers: [1.5, 1.0, 0.7]
  models:
    - {kind: historical_var, levels: [0.95, 0.9], margin_period_hours: 24, maintenance_ratio: 0.8}
lending:
  market:
    kind: aave_v3
    rules: aave_v3_ethereum_20231031
    keeper: {delay_hours: 1, gas_usd: 30, calls_per_step: 4}
    liquidity: {depth_usd: {BTC: 6500000, ETH: 20000000}, refill_half_life_hours: 2}
  book: aave_borrowers
  threshold_shifts: [0.02, 0.0]
choices:
  - {axis: multiplier, level: 0.95, risk: initial_margin_breach, target: 0.06}
  - {axis: level, risk: insolvency_on_path, target: 0.2}
  - {axis: threshold_shift, risk: liquidation_probability, target: 0.5, cost: borrow_capacity}
"""


def written(folder, text=CHOICE):
    (folder / "world.yaml").write_text(WORLD)
    (folder / "other.yaml").write_text(
        WORLD.replace("name: toy", "name: other").replace("volatility: [0.6", "volatility: [0.7")
    )
    (folder / "book.yaml").write_text(BOOK)
    (folder / "choice.yaml").write_text(text)
    return folder / "choice.yaml"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Folder of the small study, run on two threads with its reports."""
    folder = tmp_path_factory.mktemp("choice")
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
    gone = sorted((tmp_path / "one" / "blocks").rglob("*.block"))[1::2]
    for file in gone:
        file.unlink()
    run_choice(loaded.study, loaded.resolved, "choice", tmp_path / "one", 2, resume=True)
    assert (tmp_path / "one" / "result.json").read_bytes() == kept
    assert gone


def test_fresh_paths_are_other_draws_and_figures_are_what_they_say(done):
    result = load_result(done[1])
    assert result["settings"]["fresh_seed"] != result["settings"]["seed"]
    rows = [r for r in result["rows"] if r["section"] == "candidate" and r["parameters"]["setting"] == 1.0]
    bound = {r["parameters"]["world"]: r["estimate"] for r in rows if r["measure"] == "risk_upper_bound"}
    fresh = next(r["estimate"] for r in rows if r["measure"] == "risk_fresh")
    assert set(bound) == {"toy", "other"}
    assert bound["toy"]["value"] != fresh["value"]
    assert bound["toy"]["upper"] > bound["toy"]["value"] > bound["toy"]["lower"] == 0.0
    assert (bound["toy"]["n"], fresh["n"]) == (1300, 700)
    # only candidates were run: the multipliers at the other level are nobody's
    assert {r["parameters"]["setting"] for r in result["rows"] if r["section"] == "candidate"} == {
        *(1.5, 1.0, 0.7, 0.95, 0.9, 0.02, 0.0)
    }


def test_only_candidates_are_run_and_their_figures_are_those_of_a_full_run(done):
    study = done[0].study
    simulated, block = study.simulations[0], Block(0, 0, 64)
    part, whole = (
        Simulation(simulated.world, simulated.grid, DrawKeys(7), study.margin, study.lending, only=only).block(block)
        for only in (study.settings, None)
    )
    own, every = (dict(zip(p.keys, p.values, strict=True)) for p in (part, whole))
    margin = {k for k in own if k[0] == "margin"}
    assert {k[1:4] for k in margin} == study.settings
    assert margin < {k for k in every if k[0] == "margin"}
    for key in margin:
        np.testing.assert_array_equal(own[key], every[key])


def test_the_report_says_the_choice_in_one_sentence_and_shows_walk_and_front(done):
    page, text = ((done[1] / f"report.{kind}").read_text() for kind in ("html", "md"))
    for said in (
        "Historical VaR, multiplier at 95 %: initial-margin breach along the walk",
        "Front: initial-margin breach against capital, toy",
        "Settings that differ, and that do not",
        "fresh paths",
        "all worlds and variants together",
    ):
        assert said in page, said
    assert "certified at 95 %" in text


def test_of_equally_cheap_settings_the_safest_is_taken(done):
    """Capacity is that of the loan-to-value limits, which a rise leaves; the rise keeps loans from liquidation."""
    rows = load_result(done[1])["rows"]
    found = {
        r["parameters"]["role"]: r["estimate"]["value"]
        for r in rows
        if r["measure"] == "chosen_setting" and r["model"] == "aave_v3" and "all worlds" in r["parameters"]["world"]
    }
    assert (found["certified"], found["current"]) == (0.02, 0.0)


def test_shifts_are_walked_upwards_against_bad_debt_and_downwards_against_liquidation(done):
    study = done[0].study
    shift = study.choices_resolved[2]
    assert study.candidates(shift) == (0.02, 0.0)
    assert study.candidates(replace(shift, risk="bad_debt_probability")) == (0.0, 0.02)
    paid = [replace(shift, risk=risk, cost=None).paid for risk in ("liquidation_probability", "bad_debt_probability")]
    assert paid == ["bad_debt", "liquidated_volume"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("paths: 1300", "paths: 40", "paths must be at least 49 for a target of 6 % at delta 0.05"),
        ("target: 0.06", "target: 0.9", "target must lie in"),
        (
            "level: 0.95, risk",
            "level: 0.8, risk",
            "in number 1 level must be one of those of historical_var (0.95, 0.9)",
        ),
        ("level: 0.95, risk", "risk", "level must be given for multipliers of historical_var"),
        ("axis: level, risk", "axis: level, level: 0.9, risk", "level must be left out on axis level"),
        ("risk: insolvency_on_path", "risk: bad_debt_probability", "risk must be one of initial_margin_breach"),
        ("[0.02, 0.0]", "[0.0]", "threshold_shift must have at least two candidates"),
        ("variants: [other.yaml]", "variants: [world.yaml]", "must differ by name"),
        ("variants: [other.yaml]", "variants: [btc]", "of the same assets in one order"),
        ("seed: 7", "seed: 7\nsampling: {method: importance}", "do not hold for weighted or corrected paths"),
        ("seed: 7", "seed: 7\nsampling: {controls: true}", "plain paths do, from 49 on"),
    ],
)
def test_faults_say_what_would_do(tmp_path, old, new, said):
    assert old in CHOICE
    with pytest.raises(InputError) as caught:
        load_study(written(tmp_path, CHOICE.replace(old, new)))
    assert said in str(caught.value)


class Stub:
    """Columns in memory: ``breach[c]`` holds the losses of candidate c."""

    keys = ()

    def __init__(self, risk, cost, failed=0):
        self._risk, self._cost, self.failures = risk, cost, {"paths": failed, "share": 0.0}

    def select(self, *keys):
        kind = self._cost if keys[0][-1] == "capital" else self._risk
        return [np.array(kind[k[3]], dtype=float) for k in keys]


def made_of(*worlds, target=0.1, failed=0, risk="fund_exhausted", current=1.0, variants=0):
    """A choice among multipliers 1.2, 1.0 and 0.8 of a grid, from hits of 200 paths for each world and candidate."""
    places = (1.2, 1.0, 0.8)
    samples = []
    for i, hits in enumerate(worlds):
        losses = {m: np.arange(200) < h for m, h in zip(places, hits, strict=True)}
        cost = {m: np.full(200, 100 * m) + np.arange(200) % 2 for m in places}
        samples.append(Sample(f"w{i}", False, i >= len(worlds) - variants, Stub(losses, cost, failed)))
    fresh = tuple(replace(s, fresh=True) for s in samples if not s.variant)
    choice = Choice("multiplier", risk, target, model="grid", current=current, cost="capital")
    return Made(choice, labels((choice,))[0], places, tuple(samples), fresh)


def test_the_choice_over_worlds_is_the_riskiest_that_passes_in_all():
    """12 of 200 are certified below 10 % (upper bound 9.6 %), 13 are not (10.2 %)."""
    one = made_of((3, 12, 30))
    assert (one.certified(), one.pointwise(), one.controlled()) == (1, 1, 1)
    two = made_of((3, 12, 12), (3, 13, 13))
    assert [c.chosen for c in two.certificates] == [2, 0]
    assert (two.certified(), two.pointwise()) == (0, 2)
    three = made_of((3, 12, 12), (3, 13, 13), variants=1)
    assert (three.certified(variants=False), three.certified()) == (2, 0)


def test_failed_paths_count_against_a_candidate():
    assert made_of((3, 12, 30), failed=1).certified() == 0
    assert made_of((3, 12, 30), failed=1).losses[0].sum(axis=0).tolist() == [4.0, 13.0, 31.0]


def test_rows_say_what_was_refused_and_what_would_do():
    rows = {
        (r.measure, r.parameters.get("role")): r.estimate
        for r in choice_rows(made_of((15, 16, 30)), 0.95)
        if r.section == "choice"
    }
    refused = rows["chosen_setting", "certified"]
    assert np.isnan(refused.value)
    needed = int(refused.method.split("about ")[1].split(" paths")[0].replace(",", ""))
    x = np.zeros((needed, 1))
    x[: round(0.075 * needed)] = 1.0
    assert certify(x, 0.1, 0.05).chosen == 0
    assert certify(x[: -needed // 3], 0.1, 0.05).chosen is None
    assert rows["paths_needed", "next"].value == pytest.approx(needed, rel=0.01)
    hopeless = next(r.estimate for r in choice_rows(made_of((25, 26, 30)), 0.95) if r.measure == "chosen_setting")
    assert "a safer candidate is needed" in hopeless.method


def test_conformal_risk_control_is_refused_where_a_riskier_setting_does_less_harm():
    made = made_of((12, 3, 12))
    rows = [r for r in choice_rows(made, 0.95) if r.measure == "chosen_setting" and r.parameters["role"] == "conformal"]
    assert "must not fall from safe to risky" in rows[0].estimate.method
    assert made.controlled() is None
    assert made.certified() == 2


def test_the_share_of_the_law_of_the_fit_is_the_zero_failure_bound():
    """With all of M draws passed the unsafe share exceeds e with chance (1 - e)^M: 5 % at 0.05^(1/M)."""
    rows = list(choice_rows(made_of(*[(3, 12, 30)] * 6, variants=5), 0.95))
    share = next(r.estimate for r in rows if r.measure == "safe_share_of_fit")
    assert share.lower == pytest.approx(0.05 ** (1 / 5))
    passed = next(r.estimate for r in rows if r.measure == "variants_passed")
    assert (passed.value, passed.n) == (1.0, 5)


def test_neighbours_that_do_not_differ_are_said_so():
    made = made_of((3, 4, 60), current=0.8)
    rows = [r for r in choice_rows(made, 0.95) if r.section == "step" and r.unit == "probability"]
    assert [(r.parameters["from"], r.parameters["to"]) for r in rows] == [(0.8, 1.0), (1.2, 1.0), (1.0, 0.8)]
    back, near, far = (r.estimate for r in rows)
    assert back.value == -far.value
    assert near.lower < 0 < near.upper
    assert far.lower > 0
    assert near.value == pytest.approx(1 / 200)


def test_a_result_is_plain_json(done):
    result = json.loads((done[1] / "result.json").read_text(), parse_constant=lambda c: pytest.fail(c))
    front = result["fronts"][0]["points"][0]
    assert np.linalg.eigvalsh(front["covariance"]).min() >= -1e-12
    assert {c["method"] for c in result["choices"]} == {"betting", "clopper-pearson"}


def test_a_front_has_the_rise_of_the_requirement_where_procyclicality_is_asked_for(tmp_path):
    text = CHOICE[: CHOICE.index("lending:")] + "choices:\n" + CHOICE[CHOICE.index("  - {axis: multiplier") :]
    text = "".join(line for line in text.splitlines(True) if "axis: threshold_shift" not in line)
    text = text.replace("margin:\n", "margin:\n  procyclicality: true\n").replace(
        "horizon_hours: 24", "horizon_hours: 72"
    )
    text = text.replace("variants: [other.yaml]\n", "").replace("1300", "120").replace("700", "90")
    study = load_study(written(tmp_path, text)).study
    out, result = run_choice(study, load_study(tmp_path / "choice.yaml").resolved, "choice", tmp_path / "run", 1)
    fresh = replace(study.simulations[0], seed=study.fresh_seed, paths=90)
    seen = Simulation(fresh.world, fresh.grid, DrawKeys(fresh.seed), fresh.margin).block(Block(0, 0, 90))
    own = zip(seen.keys, seen.values, strict=True)
    rise = {k[2]: float(x.mean()) for k, x in own if k[3:] == (1.0, "all", "peak_to_trough")}
    rows = [r for r in result.rows if r.measure == "swing_fresh"]
    # a multiple rises as the requirement does, so all multipliers at a level have its rise
    told = {r.parameters["setting"]: r.estimate.value for r in rows}
    assert told == pytest.approx(dict.fromkeys((1.5, 1.0, 0.7), rise[0.95]) | rise, rel=1e-12)
    points = load_result(out)["fronts"][0]["points"]
    assert all(len(p["mean"]) == 3 and np.shape(p["covariance"]) == (3, 3) for p in points)
    assert [p["mean"][2] for p in points if p["setting"] == 1.5] == pytest.approx([rise[0.95]])
    write_reports(out)
    assert "peak to trough" in (out / "report.html").read_text()
