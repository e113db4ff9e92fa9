"""The sensitivity study: the base study's own machinery, the same bits on any number of threads, faults, report."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.config.dump import to_yaml
from riskengine.config.study import load_study, study_of
from riskengine.engine.simulate import Simulation
from riskengine.errors import InputError
from riskengine.random import DrawKeys
from riskengine.report.render import write_reports
from riskengine.study.run import run_study
from riskengine.tune.evaluate import Evaluator, places_of, pruned
from riskengine.tune.sensitivity import shapley_of_linear
from riskengine.tune.sensitivity_run import Designs, run_sensitivity

ASKED = """\
kind: sensitivity
title: What the small study depends on
study: small.yaml
with:
  lending.market.oracle: {deviation: 0.005, heartbeat_hours: 1}
  history_windows: 40
seed: 7
outputs:
  - {measure: initial_margin_breach, where: {model: historical_var, level: 0.95, multiplier: 1.0}}
  - {measure: liquidation_probability, name: loans}
inputs:
  - name: variance
    group: price law
    law: log_normal
    sd: 0.3
    scale: factor
    set: [world.model.theta.0, world.model.theta.1, world.surface.long_variance.0]
  - name: depth
    group: liquidity
    law: log_uniform
    low: 0.2
    high: 1.0
    scale: factor
    set: [lending.market.liquidity.depth_usd.BTC, lending.market.liquidity.depth_usd.ETH]
  - {name: delay, group: keeper, law: choice, values: [0, 1, 2], set: [lending.market.keeper.delay_hours]}
  - {name: windows, group: estimation, law: uniform, low: 30, high: 60, set: [history_windows]}
methods: [tornado, morris, sobol, shapley]
paths_per_point: 64
batches: 8
tornado_paths: 128
trajectories: 4
log2_points: 2
replicates: 4
"""


def asked(folder, text=ASKED):
    file = folder / "asked.yaml"
    file.write_text(text)
    return file


@pytest.fixture(scope="module")
def loaded(small_study):
    return load_study(asked(small_study.parent))


@pytest.fixture(scope="module")
def done(loaded, tmp_path_factory):
    """Run folders on one thread and on two."""
    out = tmp_path_factory.mktemp("sensitivity")
    seen = []
    for workers in (1, 2):
        run_sensitivity(
            loaded.study, loaded.resolved, "asked", out / f"run{workers}", workers,
            progress=lambda p: seen.append((p.done, p.total)), command="riskengine run asked",
        )  # fmt: skip
    return out, seen


def rows(folder):
    return json.loads((folder / "result.json").read_text())["rows"]


def figure(found, **place):
    (row,) = [
        r
        for r in found
        if all(({"measure": r["measure"], "model": r["model"]} | r["parameters"]).get(k) == v for k, v in place.items())
        and (place.keys() & {"input"} or "input" not in r["parameters"])
    ]
    return row["estimate"]


def test_the_same_bits_on_any_number_of_threads_and_as_many_evaluations_as_said(loaded, done):
    out, seen = done
    assert (out / "run1" / "result.json").read_bytes() == (out / "run2" / "result.json").read_bytes()
    budget = loaded.study.budget
    # 9 points on 2 stretches; 5 a trajectory; A, B and one for each of 4 inputs, which are the groups; 5 a walk
    assert budget == {"tornado": 18, "morris": 20, "sobol": 6 * 16, "shapley": 5 * 16}
    assert max(seen) == (sum(budget.values()), sum(budget.values()))
    assert len(Designs(loaded.study).points) == sum(budget.values())


def test_a_resumed_run_evaluates_only_what_is_missing(loaded, done, tmp_path, monkeypatch):
    out, _ = done
    (tmp_path / "run").mkdir()
    for file in (out / "run1").rglob("*"):
        if file.is_file():
            target = tmp_path / "run" / file.relative_to(out / "run1")
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(file.read_bytes())
    sorted((tmp_path / "run" / "blocks").iterdir())[0].unlink()
    calls, call = [], Evaluator.__call__
    monkeypatch.setattr(Evaluator, "__call__", lambda self, *a: calls.append(a) or call(self, *a))
    run_sensitivity(
        loaded.study, loaded.resolved, "asked", tmp_path / "run", 1, resume=True, command="riskengine run asked"
    )
    assert len(calls) == 16
    assert (tmp_path / "run" / "result.json").read_bytes() == (out / "run1" / "result.json").read_bytes()


def test_the_base_value_is_the_base_study_on_the_same_paths(loaded, done, tmp_path):
    """There is no second simulator: the tornado's middle is what the study itself says of its first 128 paths."""
    base = replace(loaded.study.study, paths=128)
    _, result = run_study(base, load_study_resolved(loaded, 128), "base", tmp_path / "base", 1)
    own = {
        r.measure: r.estimate.value
        for r in result.rows
        if r.model == "historical_var" and r.parameters.get("level") == 0.95
        if r.parameters.get("multiplier") == 1.0 and r.parameters.get("account_kind") == "all" and r.section == "margin"
    }
    calls = [
        r for r in result.rows if r.measure == "liquidation_probability" and r.parameters["threshold_shift"] == 0.0
    ]
    found = rows(done[0] / "run1")
    label = loaded.study.outputs[0].label
    assert figure(found, measure="base_value", model=label)["value"] == pytest.approx(
        own["initial_margin_breach"], abs=1e-14
    )
    assert figure(found, measure="base_value", model="loans")["value"] == pytest.approx(
        calls[0].estimate.value, abs=1e-14
    )


def load_study_resolved(loaded, paths):
    return loaded.resolved["study"] | {"paths": paths}


def test_an_input_that_cannot_matter_has_no_effect_at_all(loaded, done):
    """Keepers and pools do not touch margin breaches."""
    found = rows(done[0] / "run1")
    label = loaded.study.outputs[0].label
    for output, who in ((label, "depth"), (label, "delay")):
        for measure in ("tornado_low", "tornado_high", "tornado_swing", "effect_absolute"):
            e = figure(found, measure=measure, model=output, input=who)
            assert e["value"] == 0.0 and e["lower"] == 0.0 and e["upper"] == 0.0
    for measure in ("total_index", "shapley_effect"):
        for who in ("depth", "delay"):
            assert figure(found, measure=measure, model=label, input=who)["value"] == 0.0
    assert figure(found, measure="tornado_low", model=label, input="depth")["method"] == "identical on every path"
    assert figure(found, measure="tornado_swing", model="loans", input="variance")["value"] > 0.0
    effects = [
        r["estimate"]["value"]
        for r in found
        if r["measure"] == "shapley_effect" and r["model"] == label and "input" not in r["parameters"]
    ]
    assert len(effects) == 4 and sum(effects) == pytest.approx(1.0, abs=1e-9)


def test_what_no_output_reads_is_left_out_and_changes_nothing(loaded):
    study = loaded.study.study
    left = pruned(study, places_of(study, loaded.study.outputs))
    assert [m.kind for m in left.margin.models] == ["historical_var"] and left.margin.models[0].levels == (0.95,)
    assert left.margin.multipliers == (1.0,) and left.calibration is None and left.lending.threshold_shifts == (0.0,)
    from riskengine.engine.blocks import Block

    seen = []
    for each in (study, left):
        simulation = Simulation(
            each.world, each.grid, DrawKeys(7), each.margin, each.lending, each.calibration, checked=False
        )
        outcomes = simulation.block(Block(0, 0, 64))
        seen.append(dict(zip(outcomes.keys, outcomes.values, strict=True)))
    whole, part = seen
    assert set(part) < set(whole)
    for key, column in part.items():
        np.testing.assert_array_equal(column, whole[key])


def test_reading_the_resolved_study_gives_an_equal_one(loaded):
    again = study_of(loaded.resolved)
    assert again.study.history_windows == 40 and again.study.lending.market.oracle.deviation == 0.005
    assert again.inputs == loaded.study.inputs and again.outputs == loaded.study.outputs


def test_the_report_says_what_it_is_due_to(loaded, done):
    out = done[0] / "run1"
    (out / "study.yaml").write_text(to_yaml(loaded.resolved))
    write_reports(out)
    page = (out / "report.html").read_text()
    assert "How much of the answer is due to what?" in page and "Most of the variance is due to" in page
    assert page.count("<svg") >= 4
    assert "widest move" in (out / "report.md").read_text()


LINEAR = """\
kind: sensitivity
title: What a loan book may borrow, under doubts that move together
study: small.yaml
with: {margin: null, calibration: null, history_windows: 0, horizon_hours: 1}
seed: 11
outputs: [{measure: borrow_capacity, name: capacity}]
inputs:
  - {name: ether, group: whales, law: normal, sd: 40, set: [lending.book.collateral.3.0]}
  - {name: bitcoin, group: whales, law: normal, sd: 2, set: [lending.book.collateral.1.1]}
  - {name: others, group: crowd, law: normal, sd: 1.5, set: [lending.book.collateral.6.1]}
  - {name: gas, group: keeper, law: normal, sd: 2, set: [lending.market.keeper.gas_usd]}
dependence:
  - {inputs: [ether, bitcoin], correlation: -0.6}
  - {inputs: [bitcoin, others], correlation: 0.3}
  - {inputs: [ether, gas], correlation: 0.5}
paths_per_point: 16
tornado_paths: 16
log2_points: 6
replicates: 8
confidence: 0.9999
"""


def test_a_linear_answer_of_dependent_normals_has_its_closed_form(small_study, tmp_path):
    """What a book may borrow is linear in its collateral: the study's Shapley effects are the exact ones.

    An input that moves nothing has the share that its dependence gives it.
    """
    loaded = load_study(asked(small_study.parent, LINEAR))
    study = loaded.study
    assert study.used == ("tornado", "shapley") and study.plan()["evaluations"].endswith("shapley 2,560)")
    _, result = run_sensitivity(study, loaded.resolved, "linear", tmp_path / "linear", 1)
    swing = {r.parameters["input"]: r.estimate for r in result.rows if r.measure == "tornado_swing"}
    # the swing goes from the 5 to the 95 % quantile of a normal input
    slope = np.array([swing[i.name].value for i in study.inputs]) / (2.0 * ndtri(0.95))
    assert slope[:3].min() > 0.0 and slope[3] == 0.0
    joint = np.array([[1.0, -0.6, 0.0, 0.5], [-0.6, 1.0, 0.3, 0.0], [0.0, 0.3, 1.0, 0.0], [0.5, 0.0, 0.0, 1.0]])
    exact = shapley_of_linear(slope, joint)
    found = [r for r in result.rows if r.measure == "shapley_effect"]
    single = {r.parameters["input"]: r.estimate for r in found if "input" in r.parameters}
    for own, value in zip(study.inputs, exact, strict=True):
        estimate = single[own.name]
        assert estimate.lower <= value <= estimate.upper and estimate.upper - estimate.lower < 0.5
    assert exact[3] > 0.01
    # orderings keep groups together, so the inputs of a group are Owen's values and add up to that of the group
    groups = {r.parameters["group"]: r.estimate.value for r in found if "input" not in r.parameters}
    assert sum(groups.values()) == pytest.approx(1.0, abs=1e-9)
    assert groups["whales"] == pytest.approx(single["ether"].value + single["bitcoin"].value, abs=1e-12)
    spread = next(r.estimate for r in result.rows if r.measure == "answer_sd")
    assert spread.lower <= np.sqrt(slope @ joint @ slope) <= spread.upper
    assert not any(r.measure in ("first_index", "total_index") for r in result.rows)
    assert any("Shapley effects, the only ones" in said for said in result.head["assumptions"])
    out = tmp_path / "linear"
    (out / "study.yaml").write_text(to_yaml(loaded.resolved))
    write_reports(out)
    page = (out / "report.html").read_text()
    assert "Shapley effects of groups of inputs" in page and "bitcoin -0.6, gas +0.5" in page


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "seed: 11",
            "seed: 11\nmethods: [tornado]",
            "methods must hold shapley where inputs depend on each other (ether, ",
        ),
        ("correlation: 0.3", "correlation: 0.95", "contradict each other, or make one input follow from others"),
        ("correlation: 0.3", "correlation: 1.0", "correlation must lie in (-1, 1)"),
        ("[ether, gas]", "[ether, ether]", "two different ones"),
        ("[ether, gas]", "[bitcoin, ether]", "each pair once"),
    ],
)
def test_each_fault_of_a_dependence_has_one_clear_message(small_study, old, new, says):
    assert old in LINEAR
    with pytest.raises(InputError) as caught:
        load_study(asked(small_study.parent, LINEAR.replace(old, new)))
    assert says in str(caught.value) and len(caught.value.faults) == 1


BOOK = """\
kind: sensitivity
title: What a straddle's loss depends on
study: quickstart
seed: 5
outputs: [{measure: liquidation_probability}]
inputs: [{name: gas, group: keeper, low: 10, high: 50, set: [lending.market.keeper.gas_usd]}]
derivatives:
  exposures: [{kind: option_book, book: margin_book, account: btc_short_straddle}, {asset: ETH}]
  levels: [0.99]
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("levels: [0.99]", "levels: [0.99]\n  paths: 0", "known by simulation alone: paths must be positive, got 0"),
        (
            "seed: 5",
            "seed: 5\nwith: {margin: null, horizon_hours: 960}",
            "options must not expire before the horizon of 960 h",
        ),
        ("{asset: ETH}", "{asset: SOL}", "asset must be one of BTC, ETH, got 'SOL'"),
        ("levels: [0.99]", "levels: [0.99]\n  parameters: [kapa]", "parameters must be among those of the fit"),
    ],
)
def test_each_fault_of_derivatives_has_one_clear_message(tmp_path, old, new, says):
    assert load_study(asked(tmp_path, BOOK)).study.used == ("tornado", "sobol")
    with pytest.raises(InputError) as caught:
        load_study(asked(tmp_path, BOOK.replace(old, new)))
    assert says in str(caught.value) and len(caught.value.faults) == 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("world.model.theta.0", "world.model.thta.0", "world.model must have an entry 'thta', got none; did you mean"),
        ("world.model.theta.0", "world.model.theta.5", "must have an entry '5', got 2 entries"),
        ("lending.market.keeper.delay_hours", "lending.market.kind", "must have an entry 'kind'"),
        ("values: [0, 1, 2]", "values: [0, 1.5]", "delay: "),
        ("sd: 0.3\n", "low: 0.3\n", "sd must be given for law log_normal"),
        ("low: 0.2\n", "low: 1.5\n", "low must be below high"),
        ("level: 0.95, multiplier: 1.0", "multiplier: 1.0", "where must choose one figure"),
        ("level: 0.95, multiplier", "level: 0.5, multiplier", "no figure of the study matches"),
        ("measure: liquidation_probability", "measure: bad_debt_p99", "must be a mean over paths"),
        ("name: delay", "name: depth", "each with a name of its own"),
        ("seed: 7\n", "seed: 7\ndependence: [{inputs: [depth, delay], correlation: 0.5}]\n", "sobol needs groups"),
        ("seed: 7\n", "seed: 7\ndependence: [{inputs: [depth, keeper], correlation: 0.5}]\n", "must be of inputs"),
        ("seed: 7\n", "seed: 7\nderivatives: {exposures: [{asset: BTC}], levels: [0.99]}\n", "states standard errors"),
        ("law: log_normal\n    sd: 0.3\n    scale: factor", "law: fit\n    fit: kappa", "it gives none"),
        ("batches: 8", "batches: 7", "multiple of batches"),
        ("history_windows: 40", "history_window: {a: 1}", "history_window"),
        ("lending.market.oracle:", "lending.marke.oracle:", "study.lending must have an entry 'marke'"),
    ],
)
def test_each_fault_has_one_clear_message(small_study, old, new, says):
    assert old in ASKED
    with pytest.raises(InputError) as caught:
        load_study(asked(small_study.parent, ASKED.replace(old, new)))
    assert says in str(caught.value)
