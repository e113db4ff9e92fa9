"""Studies: references, overrides, checks across records, and the resolved form that is stored and hashed."""

import pytest
from toys import BACKTEST, BOOK, STUDY, WORLD, write

from riskengine.config.dump import dump, to_yaml
from riskengine.config.reader import parse_yaml
from riskengine.config.study import load_study, load_world, study_of
from riskengine.errors import InputError
from riskengine.registry import STUDIES
from riskengine.study.backtest_spec import BacktestStudy
from riskengine.study.manifest import question_hash
from riskengine.study.spec import CalibrationStudy


def faults(folder, *overrides, name="study", **changes):
    write(folder, **changes)
    with pytest.raises(InputError) as caught:
        load_study(folder / f"{name}.yaml", overrides)
    assert caught.value.exit_code == 2
    return [str(f).replace(str(folder) + "/", "") for f in caught.value.faults]


def test_names_resolve_beside_the_file_that_holds_them(tmp_path, monkeypatch):
    study = write(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded = load_study(study)
    assert loaded.name == "study"
    assert isinstance(loaded.study, CalibrationStudy)
    assert loaded.study.world == load_world(tmp_path / "world.yaml")
    assert loaded.study.margin.book.names == ("long_perp", "short_call")
    assert isinstance(load_study(tmp_path / "backtest.yaml").study, BacktestStudy)


@pytest.mark.parametrize("name", ["study", "backtest"])
def test_the_resolved_form_is_complete_and_loses_nothing(tmp_path, name):
    write(tmp_path)
    loaded = load_study(tmp_path / f"{name}.yaml")
    text = to_yaml(loaded.resolved)
    again = study_of(parse_yaml(text).value)
    assert dump(again) == loaded.resolved
    assert to_yaml(dump(again)) == text
    # it stands alone, and defaults are written out
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "s.yaml").write_text(text)
    assert load_study(tmp_path / "alone" / "s.yaml").resolved == loaded.resolved
    assert loaded.resolved["confidence"] == 0.95
    assert loaded.resolved["world"]["model"]["kind"] == "gbm"


def test_the_hash_depends_on_values_not_on_spelling(tmp_path):
    write(tmp_path)
    first = load_study(tmp_path / "study.yaml")
    again = STUDY.replace("horizon_hours: 48", "horizon_hours: 4.8e1").replace(
        "paths: 64", "confidence: 0.95\npaths: 64"
    )
    write(tmp_path, study=again)
    assert question_hash(load_study(tmp_path / "study.yaml").resolved) == question_hash(first.resolved)
    assert question_hash(load_study(tmp_path / "study.yaml", ("seed=8",)).resolved) != question_hash(first.resolved)


def test_inline_and_named_worlds_are_the_same(tmp_path):
    inline = "world:\n" + "".join(f"  {line}\n" for line in WORLD.splitlines())
    named = load_study(write(tmp_path)).resolved
    assert load_study(write(tmp_path, study=STUDY.replace("world: world.yaml\n", inline))).resolved == named


def test_overrides_reach_into_named_files_and_are_read_by_the_same_rules(tmp_path):
    study = write(tmp_path)
    loaded = load_study(
        study,
        (
            "paths=1_0".replace("_", ""),
            "world.model.volatility.1=5e-1",
            "margin.models.0.levels=[0.9, 0.95]",
            "margin.book.accounts.1.cash.USD=1",
            "margin.liquidation={target: 1.5}",
            "lending=",
        ),
    ).study
    assert loaded.paths == 10
    assert loaded.world.model.volatility == (0.6, 0.5)
    assert loaded.margin.models[0].levels == (0.9, 0.95)
    assert loaded.margin.book.cash[1, 0] == 1.0
    assert loaded.margin.liquidation.target == 1.5


def test_every_wrong_override_is_named(tmp_path):
    assert faults(tmp_path, "paths", "pahts.x=1", "margin.models.7.decay=1", "seed=[1", "seed=0x1F") == [
        "--set paths: must have the form a.b=value",
        "--set pahts.x=1: the study must have an entry 'pahts', got none; did you mean 'paths'?",
        "--set margin.models.7.decay=1: margin.models must have an entry '7', got none",
        "--set seed=[1: must be well-formed YAML: while parsing a flow sequence did not find expected ',' or ']'",
        "--set seed=0x1F: an address or hexadecimal number must be quoted, got 0x1F",
    ]
    assert faults(tmp_path, "pahts=1", "seed=yes", "world.model.volatility.0=-1") == [
        "--set pahts=1: pahts: unknown key; did you mean 'paths'?",
        "--set world.model.volatility.0=-1: world.model.volatility: volatility must hold numbers in (0, inf), got -1.0",
        "--set seed=yes: seed: must be a whole number, got 'yes'",
    ]


def test_faults_of_all_files_come_at_once(tmp_path):
    found = faults(
        tmp_path,
        world=WORLD.replace("[0.6, 8e-1]", "[-0.6, 8e-1]"),
        book=BOOK.replace("asset: ETH, type", "asset: DOGE, type"),
        study=STUDY.replace("seed: 7", "sede: 7").replace("paths: 64", "paths: 0").replace("[0.95, 0.99]", "[1.0]"),
    )
    assert found == [
        "study.yaml:1: seed must be given",
        "study.yaml:4: sede: unknown key; did you mean 'seed'?",
        "study.yaml:5: paths: paths must lie in [2, 1.09951e+12], got 0",
        "study.yaml:14: margin.models[0].levels: levels must lie in (0.5, 1), got 1.0",
        "world.yaml:9: world.model.volatility: volatility must hold numbers in (0, inf), got -0.6",
        "book.yaml:15: margin.book.accounts[1].positions[1].asset: asset must be one of BTC, ETH, got 'DOGE'",
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "world",
            "[[1, 0.8], [0.8, 1]]",
            "[[1, 1.2], [1.2, 1]]",
            "world.yaml:10: world.model.correlation: correlation must hold numbers in [-1, 1], got 1.2 at (0, 1)",
        ),
        (
            "world",
            "[34500, 1810.0]",
            "[34500, 0]",
            "world.yaml:7: world.model.spot: spot must hold numbers in (0, inf), got 0",
        ),
        ("world", "8e-1]", ".nan]", "world.yaml:9: world.model.volatility[1]: must be finite, got nan"),
        ("world", "measure: P", "measure: Q", "world.yaml:3: world.measure: must be one of P, got 'Q'"),
        ("world", "wing: [3, 3]", "wing: [3]", "wing must have one number per asset (2), got 1"),
        ("world", "premium: [0, 0]", "premium: [1, 1]", "surface must be static on a world without a variance state"),
        ("study", "world: world.yaml", "world: none.yaml", "study.yaml:3: world: none.yaml: no such file"),
        ("study", "world: world.yaml", "world: btc_ethh", "got 'btc_ethh'; did you mean 'btc_eth'?"),
        (
            "study",
            "margin_period_hours: 24\n  liq",
            "margin_period_hours: 36\n  liq",
            "study.yaml:11: margin.margin_period_hours: margin_period_hours must fall on the time grid, "
            "got 36 h on steps of 24 h; a step of 12 h would do",
        ),
        ("study", "horizon_hours: 48", "horizon_hours: 2d", "study.yaml:6: horizon_hours: must be a number, got '2d'"),
        (
            "study",
            "horizon_hours: 48",
            "horizon_days: 2",
            "study.yaml:6: horizon_days: unknown key; did you mean 'horizon_hours'?",
        ),
        (
            "study",
            "horizon_hours: 48",
            "horizon_hours: 720",
            "expiry of BTC-30d-37950-C must lie after the horizon of 720 h, got 720 h",
        ),
        (
            "study",
            "margin_period_hours: 24}",
            "margin_period_hours: 12}",
            "study.yaml:14: margin.models[0].margin_period_hours: "
            "margin_period_hours must be the study's 24 h, got 12 h",
        ),
        ("study", "history_windows: 40\n", "", "calibration needs history_windows of at least 2, got 0"),
        (
            "study",
            "{asset: BTC}",
            "{asset: BTCC}",
            "study.yaml:18: calibration.exposures[0].asset: asset must be one of BTC, ETH, got 'BTCC'; "
            "did you mean 'BTC'?",
        ),
        (
            "study",
            "kind: calibration",
            "kind: calibrate",
            f"study.yaml:1: kind: kind must be one of {', '.join(STUDIES)}, got 'calibrate'; "
            "did you mean 'calibration'?",
        ),
        (
            "study",
            "seed: 7",
            "seed: 7\nfeedback: {depth_usd: {XRP: 1}, half_life_hours: 1}",
            "study.yaml:5: feedback.depth_usd.XRP: asset must be one of BTC, ETH, got 'XRP'",
        ),
        (
            "study",
            "seed: 7",
            "seed: 7\nfeedback: {depth_usd: {BTC: -1}, half_life_hours: 0}",
            "half_life_hours must lie in (0, 1e+06], got 0.0",
        ),
        (
            "book",
            "expiry_days: 30",
            "expiry_days: -1",
            "book.yaml:14: margin.book.accounts[1].positions[0].expiry_days: "
            "expiry_days must be positive, got -1.0: the option has expired",
        ),
    ],
)
def test_each_wrong_input_has_one_clear_message(tmp_path, file, old, new, message):
    text = {"world": WORLD, "study": STUDY, "book": BOOK}[file]
    assert old in text
    found = faults(tmp_path, **{file: text.replace(old, new)})
    assert any(message in f for f in found), found


def test_a_backtest_checks_its_models_and_options_too(tmp_path):
    text = BACKTEST.replace("margin_period_hours: 24\nh", "margin_period_hours: 744\nh")
    found = faults(tmp_path, name="backtest", backtest=text)
    assert any("expiry of BTC-30d-37950-C must lie after the margin period of 744 h" in f for f in found)
    assert any(
        "models[0].margin_period_hours: margin_period_hours must be the study's 744 h, got 24 h" in f for f in found
    )


def test_an_unknown_study_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="study must be a file or one of .*got 'quikstart'; did you mean 'quickstart'"):
        load_study("quikstart")
    with pytest.raises(InputError, match="no_such.yaml: no such file"):
        load_study("no_such.yaml")
