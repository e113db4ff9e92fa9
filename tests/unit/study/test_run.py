"""A whole study: the same bits for any number of workers, after an interruption, and as the start of a longer run."""

import json
from dataclasses import replace

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.engine.blocks import plan
from riskengine.engine.store import BlockStore
from riskengine.errors import InputError, RunError, UsageError
from riskengine.study.result import load_result
from riskengine.study.run import run_study


def run(study, out, *overrides, **options):
    loaded = load_study(study, overrides)
    return run_study(loaded.study, loaded.resolved, "small", out, **options)


def contents(path):
    return {f.name: f.read_bytes() for f in sorted((path / "blocks").iterdir())} | {
        "result": (path / "result.json").read_bytes()
    }


@pytest.fixture(scope="module")
def finished(small_study, tmp_path_factory):
    return run(small_study, tmp_path_factory.mktemp("runs") / "one", workers=1)


def test_every_row_carries_an_interval_around_its_value(finished):
    _, result = finished
    sections = {"margin", "lending", "clearing", "calibration", "sweep", "joint", "scheme"}
    assert {r.section for r in result.rows} == sections
    for row in result.rows:
        e = row.estimate
        assert not np.isfinite(e.value) or e.lower <= e.value <= e.upper, row
        assert e.method, row


def test_rows_are_unique(finished):
    _, result = finished
    names = [(r.section, r.model, json.dumps(r.parameters, sort_keys=True), r.measure) for r in result.rows]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("workers", [2, 4])
def test_the_bits_do_not_depend_on_the_workers(small_study, finished, tmp_path, workers):
    path, _ = run(small_study, tmp_path / "run", workers=workers)
    assert contents(path) == contents(finished[0])


def test_an_interrupted_run_resumes_to_the_same_bits(small_study, finished, tmp_path):
    def interrupt(progress):
        raise KeyboardInterrupt

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(small_study, out, workers=1, progress=interrupt)
    assert len(list((out / "blocks").iterdir())) == 1
    seen = []
    path, _ = run(small_study, out, workers=1, resume=True, progress=seen.append)
    assert len(seen) == 1, "the finished block must not be computed again"
    assert contents(path) == contents(finished[0])


def test_a_longer_run_extends_a_shorter_one(small_study, finished, tmp_path):
    path, _ = run(small_study, tmp_path / "run", "paths=1024", workers=1)
    run(small_study, path, workers=1, resume=True)
    assert contents(path).items() >= contents(finished[0]).items()


def test_paths_of_a_shorter_run_are_those_of_the_longer_one(small_study, finished, tmp_path):
    path, _ = run(small_study, tmp_path / "run", "paths=40", workers=1)
    blocks = [plan(40), plan(1500)]
    short, long = BlockStore(path / "blocks"), BlockStore(finished[0] / "blocks")
    for (key, some), (_, all_) in zip(short.columns(blocks[0]), long.columns(blocks[1]), strict=True):
        assert np.array_equal(some, all_[:40]), key


def test_a_damaged_block_stops_the_resumed_run(small_study, finished, tmp_path):
    path, _ = run(small_study, tmp_path / "run", "paths=40", workers=1)
    block = next((path / "blocks").iterdir())
    block.write_bytes(block.read_bytes()[:-1] + b"?")
    with pytest.raises(RunError, match="damaged"):
        run(small_study, path, "paths=40", workers=1, resume=True)


def test_a_folder_of_another_question_is_refused(small_study, finished):
    with pytest.raises(UsageError, match="another question"):
        run(small_study, finished[0], "seed=8")


def test_result_file_reads_back(finished):
    path, result = finished
    assert load_result(path) == json.loads(json.dumps(result.as_dict()))


def test_feedback_with_endless_depth_recovers_the_uncoupled_result(small_study, tmp_path):
    plain, _ = run(small_study, tmp_path / "plain", "paths=40", workers=1)
    depth = "{depth_usd: {BTC: 1e14, ETH: 1e14}, half_life_hours: 6}"
    coupled, _ = run(small_study, tmp_path / "coupled", "paths=40", f"feedback={depth}", workers=1)
    a, b = BlockStore(plain / "blocks"), BlockStore(coupled / "blocks")
    columns = dict(b.columns(plan(40)))
    # sales of at most 1e8 USD into a depth of 1e14 USD per percent move log-prices by at most 1e-8
    for key, column in a.columns(plan(40)):
        assert np.allclose(columns[key], column, rtol=1e-6, atol=1e-6), key


SHALLOW = "feedback={depth_usd: {BTC: 2e4, ETH: 2e4}, half_life_hours: 6}"


def columns_of(path, paths):
    return dict(BlockStore(path / "blocks").columns(plan(paths)))


def test_margin_sales_reach_borrowers(small_study, tmp_path):
    """In one market, what margin liquidations sell liquidates borrowers who were safe at the exogenous prices."""
    plain, _ = run(small_study, tmp_path / "plain", "paths=200", workers=1)
    coupled, _ = run(small_study, tmp_path / "coupled", "paths=200", SHALLOW, workers=1)
    key = ("lending", "aave_v3", None, 0.0, "all", "liquidated_volume")
    hit = columns_of(plain, 200)["margin", "derive_pmrm_v2", None, 1.0, "all", "liquidations"] > 0
    more = columns_of(coupled, 200)[key] - columns_of(plain, 200)[key]
    assert hit.any() and more[hit].sum() > 0


def test_under_feedback_another_setting_moves_no_figure(small_study, tmp_path):
    """Each setting has a market of its own, so adding a shift, a multiplier or a model changes nothing else."""
    full, _ = run(small_study, tmp_path / "full", "paths=60", SHALLOW, workers=1)
    fewer = ("lending.threshold_shifts=[0.0]", "margin.multipliers=[1.0]")
    less, _ = run(small_study, tmp_path / "less", "paths=60", SHALLOW, *fewer, workers=1)
    everything = columns_of(full, 60)
    for key, column in columns_of(less, 60).items():
        assert np.array_equal(everything[key], column), key


def test_a_failed_path_is_counted_and_left_out_of_figures(small_study, tmp_path, monkeypatch):
    loaded = load_study(small_study, ("paths=60", "max_failed_share=0.1"))
    sample = type(loaded.study.world.model).sample

    def broken(self, *arguments):
        paths = sample(self, *arguments)
        paths.spot_lanes[3:, 0, 7] = np.nan
        return replace(paths, failed=None)

    clean, _ = run_study(loaded.study, loaded.resolved, "small", tmp_path / "clean", workers=1)
    monkeypatch.setattr(type(loaded.study.world.model), "sample", broken)
    path, result = run_study(loaded.study, loaded.resolved, "small", tmp_path / "run", workers=1)
    assert result.failures == {"paths": 1, "share": pytest.approx(1 / 60)}
    assert {r.estimate.n for r in result.rows if r.measure == "capital"} == {59}
    good = np.arange(60) != 7
    for key, column in columns_of(clean, 60).items():
        assert np.array_equal(columns_of(path, 60)[key][good], column[good]), "a failed path must not touch another"
    with pytest.raises(RunError, match="1 of 60 paths failed.*path 7"):
        strict = load_study(small_study, ("paths=60", "max_failed_share=0.01"))
        run_study(strict.study, strict.resolved, "small", tmp_path / "strict", workers=1)


def test_a_criterion_that_names_no_measure_is_refused_before_anything_runs(small_study):
    with pytest.raises(InputError, match="initial_margin_breach"):
        load_study(small_study, ("criteria=[{measure: initial_margin_breech, limit: 0.01}]",))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("paths=1", "paths must lie in"),
        ("margin.liquidation_latency_hours=6", "must not exceed the margin period"),
        ("feedback={depth_usd: {BTC: 1e6}, half_life_hours: 6}", "depth_usd of every asset, got none for ETH"),
        ("world.model.initial_variance=[0.2, 0.3]", "stationary"),
        ("calibration.levels=[]", "at least one level"),
        ("calibration.levels=[0.9, 0.9]", "each once"),
        ("world.model.jumps_common.intensity=1e300", "common jump intensity must lie in"),
        ("world.model.jumps_own.mean=[-5000, 0]", "own jump mean must lie in"),
    ],
)
def test_questions_without_an_answer_are_refused(small_study, override, message):
    with pytest.raises(InputError, match=message):
        load_study(small_study, (override,))
