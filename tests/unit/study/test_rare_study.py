"""A study on tilted paths: weights in every figure, the same bits however it is run, looks that pay for stopping."""

import math

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.engine.blocks import plan
from riskengine.engine.outcomes import WEIGHT
from riskengine.engine.store import BlockStore
from riskengine.errors import InputError, UsageError
from riskengine.report.render import write_reports
from riskengine.roles import MadeOfData
from riskengine.study.result import load_result
from riskengine.study.run import run_study
from riskengine.study.sampling import pilot_of, spent

TILTED = (
    "sampling={method: importance, plain_share: 0.3, pilot_paths: 1024, components: 8, level: 0.99}",
    "horizon_hours=4",
    "history_windows=0",
    "calibration=null",
    "margin.models=[{kind: derive_pmrm_v2, parameters: derive_pmrm_v2}]",
    "margin.reference_accounts=[all]",
    "margin.reference_levels=[0.99]",
    "paths=2048",
)


def run(study, out, *overrides, **options):
    loaded = load_study(study, (*TILTED, *overrides))
    return run_study(loaded.study, loaded.resolved, "small", out, **options)


def contents(path):
    return {f.name: f.read_bytes() for f in sorted((path / "blocks").iterdir())} | {
        "result": (path / "result.json").read_bytes()
    }


@pytest.fixture(scope="module")
def finished(small_study, tmp_path_factory):
    return run(small_study, tmp_path_factory.mktemp("rare") / "one", workers=1)


def rows_of(result, measure, **parameters):
    return [r for r in result.rows if r.measure == measure and parameters.items() <= r.parameters.items()]


def test_every_row_is_weighted_and_keeps_its_value_inside(finished):
    _, result = finished
    assert {r.section for r in result.rows} == {"margin", "lending", "clearing", "accounts", "sweep", "joint"}
    for row in result.rows:
        e = row.estimate
        assert not np.isfinite(e.value) or e.lower <= e.value <= e.upper, row
        assert "clopper" not in e.method, row
        assert "order statistics" not in e.method, row
    assert not [r for r in result.rows if "severity" in r.measure]


def test_weighted_figures_agree_with_plain_ones(small_study, finished, tmp_path):
    """The same world asked plainly, ten times as many paths: every figure with an interval lies near."""
    _, plain = run(small_study, tmp_path / "plain", "sampling={method: plain}", "paths=20480", workers=2)
    plain = {(r.section, r.model, str(r.parameters), r.measure): r.estimate for r in plain.rows}
    compared = 0
    for row in finished[1].rows:
        name = (row.section, row.model, str(row.parameters), row.measure)
        if name not in plain:
            continue  # an event so rare that no plain path met its condition
        a, b = row.estimate, plain[name]
        if not all(math.isfinite(x) for x in (a.upper, b.upper, a.value, b.value)):
            continue
        spread = (a.upper - a.lower) + (b.upper - b.lower)
        assert abs(a.value - b.value) <= 1.2 * spread + 1e-9 * abs(b.value), row
        compared += 1
    assert compared > 40


def test_tails_gain(small_study, tmp_path):
    """The 99 % loss of each account has several times the 82 hits of as many plain paths."""
    _, result = run(small_study, tmp_path / "run", "lending=null", "paths=8192", workers=2)
    for row in rows_of(result, "account_loss_quantile"):
        assert row.estimate.n_effective > 300.0
        assert math.isfinite(row.estimate.upper)


@pytest.mark.parametrize("workers", [2])
def test_the_bits_do_not_depend_on_the_workers(small_study, finished, tmp_path, workers):
    path, _ = run(small_study, tmp_path / "run", workers=workers)
    assert contents(path) == contents(finished[0])


def test_a_longer_run_extends_a_shorter_one_and_resumes(small_study, finished, tmp_path):
    path, _ = run(small_study, tmp_path / "run", "paths=1024", workers=1)
    seen = []
    run(small_study, path, workers=1, resume=True, progress=seen.append)
    assert len(seen) == 1
    assert contents(path) == contents(finished[0])


def test_the_result_says_how_it_was_sampled(finished):
    path, _ = finished
    sampling = load_result(path)["sampling"]
    assert sampling["method"] == "mixture importance sampling"
    assert sampling["plain_share"] == pytest.approx(0.3, abs=0.01)
    assert 0 < sampling["effective_paths"] < 2048
    assert 1.0 < sampling["largest_weight"] <= sampling["weight_bound"]
    assert sampling["expected_gain_least"] > 1.5
    write_reports(path)
    text = (path / "report.md").read_text()
    assert "sampling: **tilted, 8 tilts**" in text
    assert "effective paths" in text
    assert "Loss of each account" in text
    assert "Paths were drawn from a mixture: 30 % follow the world's own law" in text


def test_stored_weights_are_those_of_the_proposal(small_study, finished):
    study = load_study(small_study, TILTED).study
    proposal = pilot_of(study).proposal
    weight = BlockStore(finished[0] / "blocks").select(plan(2048), [WEIGHT])[0]
    assert weight.min() > 0.0
    assert weight.max() <= proposal.bound
    plain = proposal.component(0, 2048) == 0
    assert plain.mean() == proposal.plain_share


ERROR = "target_error={{measure: liquidations, where: {{multiplier: 0.5}}, relative: {0}, max_paths: {1}}}"


def test_a_run_stops_when_a_figure_is_tight_enough(small_study, tmp_path):
    base = ("paths=512", "lending=null")
    seen = []
    path, result = run(small_study, tmp_path / "a", *base, ERROR.format(0.15, 4096), workers=1, progress=seen.append)
    paths = load_result(path)["settings"]["paths"]
    assert paths == 2048
    row = rows_of(result, "liquidations", multiplier=0.5)[0].estimate
    assert row.n == paths
    assert row.confidence == 0.95
    assert "stopped at look 3 of 4, each at 98.75 %" in row.method
    assert 0.5 * (row.upper - row.lower) <= 0.15 * row.value
    other = rows_of(result, "liquidations", multiplier=1.0)[0].estimate
    assert "look" not in other.method
    assert seen[-1].watch.startswith("look ")
    again, _ = run(small_study, path, *base, ERROR.format(0.15, 4096), workers=1, resume=True)
    assert load_result(again)["settings"]["paths"] == paths
    # too much to ask: all of the ceiling, and an interval that still pays for every look
    path, result = run(small_study, tmp_path / "b", *base, ERROR.format(1e-5, 1024), workers=1)
    assert load_result(path)["settings"]["paths"] == 1024
    assert "look 2 of 2" in rows_of(result, "liquidations", multiplier=0.5)[0].estimate.method


def test_looks_share_the_error_probability():
    assert spent(0.95, 1) == 0.95
    assert spent(0.95, 4) == pytest.approx(0.9875)


def test_a_target_that_names_no_figure_is_refused(small_study, tmp_path):
    wanted = "target_error={measure: account_breach, where: {account: nobody}, relative: 0.1, max_paths: 4096}"
    with pytest.raises(UsageError, match="target_error: no figure matches account_breach"):
        run(small_study, tmp_path / "run", "paths=512", wanted, workers=1)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("sampling={method: tilted}",), "plain.*importance"),
        (("sampling={method: importance, plain_share: 0.01}",), "plain_share must lie in"),
        (("sampling={method: importance, targets: []}",), "targets must hold at least one"),
        (("sampling={method: importance, targets: [loans]}",), "accounts.*assets"),
        (("sampling={method: importance, hours: 99}",), "hours of the proposal must lie within the horizon"),
        (("sampling={method: importance}", "margin=null"), "targets must not hold accounts without a margin part"),
        (("sampling={method: importance, count_shares: [0.1, 0.2]}",), "left out with method importance"),
        (("sampling={method: stratified, count_shares: [0.5, 0.47]}",), "at least 0.04 to plain paths"),
        (("sampling={method: stratified, count_shares: [0.5, 0.0001]}",), "shares of 0 or at least 1/1024"),
        (("sampling={method: stratified, controls: true}",), "controls must be false with method stratified"),
        (
            ("sampling={method: stratified}", "world.model.jumps_common=null", "world.model.jumps_own=null"),
            "needs a world that jumps",
        ),
        (("target_error={measure: insolvency, max_paths: 9999}",), "one of relative and absolute"),
        (("target_error={measure: insolvensy, relative: 1, max_paths: 9999}",), "such as insolvency"),
        (
            ("target_error={measure: insolvency, relative: 1, max_paths: 9}",),
            "got paths 2048 and max_paths 9$",
        ),
        (("margin.reference_levels=[0.3]",), "reference_levels must lie in"),
        (("margin.reference_accounts=[]",), "reference_levels need reference_accounts"),
    ],
)
def test_sampling_that_cannot_be_is_refused(small_study, overrides, message):
    with pytest.raises(InputError, match=message):
        load_study(small_study, (*TILTED, *overrides))


def test_a_world_that_cannot_be_tilted_is_refused(small_study, monkeypatch):
    monkeypatch.setattr("riskengine.study.spec.Tiltable", MadeOfData)  # which the small world is not
    with pytest.raises(InputError, match=r"can be tilted \(gbm, merton, kou, heston, bates, svcj\), got kind bates"):
        load_study(small_study, TILTED)


def test_a_world_given_an_event_is_not_tilted_too(small_study, tmp_path):
    base = small_study.with_name("world.yaml")
    event = "event: {asset: BTC, move: -0.05, hours: 4}"
    (tmp_path / "crash.yaml").write_text(f"title: a crash\nbase: {base}\n{event}\nsource: [made up]\n")
    with pytest.raises(InputError, match="must not be asked of a world given an event"):
        load_study(small_study, (*TILTED, f"world={tmp_path / 'crash.yaml'}"))


def test_assets_as_targets_need_no_margin(small_study, tmp_path):
    sampling = "sampling={method: importance, pilot_paths: 512, components: 6, level: 0.99, targets: [assets]}"
    _, result = run(small_study, tmp_path / "run", sampling, "margin=null", "paths=512", workers=1)
    assert {r.section for r in result.rows} == {"lending", "clearing", "sweep"}
    weighted = [r.estimate for r in result.rows if np.isfinite(r.estimate.value) and r.section != "clearing"]
    assert all("importance weights" in e.method or "weights up to" in e.method for e in weighted)


STRATIFIED = "sampling={method: stratified, plain_share: 0.3, pilot_paths: 1024, level: 0.99}"


def test_strata_give_the_same_bits_however_the_study_is_run(small_study, tmp_path):
    one, result = run(small_study, tmp_path / "one", STRATIFIED, workers=1)
    two, _ = run(small_study, tmp_path / "two", STRATIFIED, "paths=1024", workers=2)
    run(small_study, two, STRATIFIED, workers=2, resume=True)
    assert contents(two) == contents(one)
    said = load_result(one)["sampling"]
    assert said["method"] == "stratified jump counts"
    assert 0.3 < said["expected_jumps"] * 24 / 4 < 300
    assert [s["least"] for s in said["strata"]] == sorted(s["least"] for s in said["strata"])
    assert all(0.0 < s["probability"] < 1.0 and 0.0 < s["share"] < 1.0 for s in said["strata"])
    assert any("given how many jumps it has" in text for text in load_result(one)["assumptions"])
    write_reports(one)
    text = (one / "report.md").read_text()
    assert "strata of jump counts" in text
    assert "Jumps of a path" in text
    study = load_study(small_study, (*TILTED, STRATIFIED)).study
    weight = BlockStore(one / "blocks").select(plan(2048), [WEIGHT])[0]
    assert weight.max() <= pilot_of(study).proposal.bound
    assert {r.section for r in result.rows} == {"margin", "lending", "clearing", "accounts", "sweep", "joint"}


def test_stated_strata_need_no_pilot(small_study, tmp_path):
    """No jump for half of the paths, two or more for a quarter; and the figures of plain paths."""
    stated = "sampling={method: stratified, count_shares: [0.5, 0, 0.25]}"
    path, result = run(small_study, tmp_path / "run", stated, "margin=null", "paths=8192", workers=2)
    said = load_result(path)["sampling"]
    assert [(s["least"], s["most"]) for s in said["strata"]] == [(0, 0), (2, None)]
    assert "pilot_paths" not in said
    assert said["plain_share"] == 0.25
    _, plain = run(small_study, tmp_path / "plain", "sampling={method: plain}", "margin=null", "paths=8192", workers=2)
    plain = {(r.model, str(r.parameters), r.measure): r.estimate for r in plain.rows if r.section == "lending"}
    compared = 0
    for row in result.rows:
        a, b = row.estimate, plain.get((row.model, str(row.parameters), row.measure))
        if b is not None and all(math.isfinite(x) for x in (a.upper, b.upper)):
            assert abs(a.value - b.value) <= 1.2 * ((a.upper - a.lower) + (b.upper - b.lower)) + 1e-9, row
            compared += 1
    assert compared >= 8


def test_a_dry_run_says_the_looks(small_study):
    study = load_study(small_study, (*TILTED, STRATIFIED, ERROR.format(0.15, 5000))).study
    said = study.plan()
    assert said["looks_at_paths"] == [2048, 4096, 5000]
    assert said["sampling"] == "stratified"
    assert "liquidations where multiplier is 0.5 has an interval of half-width 15 % of itself" in said["stops"]
    assert "5,000 paths (max_paths) at the latest" in said["stops"]


def test_a_tail_that_the_pilot_cannot_see_is_a_fault_of_the_study(small_study, tmp_path):
    with pytest.raises(UsageError, match="sampling: figures must have tails.*a lower level or more pilot paths"):
        run(small_study, tmp_path / "far", "sampling.level=0.9999999999", "sampling.pilot_paths=512", workers=1)
