"""What the commands print and write where nothing is wrong."""

import json
from pathlib import Path

import pytest
from cli_files import call, prices, write

from riskengine.cli import bench, doctor
from riskengine.cli.glossary import ALIASES, TERMS
from riskengine.cli.main import main
from riskengine.cli.output import as_json, table
from riskengine.cli.progress import Bar, compile_notice, duration, line
from riskengine.study.run import Progress


@pytest.fixture
def here(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_margin_of_a_model_in_a_file(here, capsys):
    text = "kind: speed_limited\nrise: 1.2\nmodel: {kind: greeks_grid, price_range: 0.1}\n"
    (here / "limited.yaml").write_text(text)
    asked = ("margin", "--model", "limited.yaml", "--model", "greeks_grid", "--portfolio", "long_dated_book", "--json")
    rows = json.loads(call(capsys, *asked)[1])["requirements"]
    limited, plain = ([r["initial"] for r in rows if r["model"] == kind] for kind in ("speed_limited", "greeks_grid"))
    assert limited[0] == pytest.approx(plain[0] * 0.1 / 0.16)
    code, _, err = call(capsys, "margin", "--model", "speed_limited", "--portfolio", "long_dated_book")
    assert code == 2 and "needs the models or settings that a study or a file gives" in err


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("scenarios", "btc_eth"),
        ("studies", "quickstart"),
        ("books", "margin_book"),
        ("protocols", "derive_pmrm_v2"),
        ("margin", "historical_var"),
        ("lending", "aave_v3"),
        ("estimators", "normal"),
        ("surfaces", "factor_surface"),
    ],
)
def test_list_says_what_there_is(capsys, kind, name):
    code, out, _ = call(capsys, "list", kind)
    assert code == 0
    assert any(row.startswith(name) for row in out.splitlines())
    code, out, _ = call(capsys, "list", kind, "--json")
    assert any(row["name"] == name and row["title"] for row in json.loads(out))


def test_explain_knows_terms_abbreviations_measures_and_models(capsys):
    for asked, start in (
        (["margin", "period"], "margin period: Margin period of risk"),
        (["MPOR"], "margin period: "),
        (["tail_prob"], "tail probability: "),
        (["initial_margin_breach"], "initial_margin_breach: Initial-margin breach: "),
        (["gbm"], "gbm: "),
    ):
        code, out, _ = call(capsys, "explain", *asked)
        assert code == 0
        assert out.startswith(start)
    assert json.loads(call(capsys, "explain", "ES", "--json")[1])["term"] == "expected shortfall"
    assert set(ALIASES.values()) <= set(TERMS)


def test_init_makes_a_study_that_stands_alone(capsys, here):
    code, out, _ = call(capsys, "init", "project")
    assert code == 0
    made = sorted(f.relative_to(here / "project").as_posix() for f in (here / "project").rglob("*.*"))
    assert "quickstart.yaml" in made and "scenarios/btc_eth.yaml" in made and "books/margin_book.yaml" in made
    text = (here / "project" / "quickstart.yaml").read_text()
    assert "world: scenarios/btc_eth.yaml" in text
    plans = [
        json.loads(call(capsys, "run", s, "--dry-run", "--json")[1]) for s in ("quickstart", "project/quickstart.yaml")
    ]
    assert plans[0] == plans[1]
    code, _, err = call(capsys, "init", "project")
    assert code == 2
    assert "quickstart.yaml: exists already, and is left alone" in err
    assert json.loads(call(capsys, "init", "two", "--json")[1])
    # a study about another one: that one and its files come along, and the copies are in order
    assert call(capsys, "init", "four", "--study", "sensitivity_bad_debt")[0] == 0
    assert {"quickstart.yaml", "sensitivity_bad_debt.yaml"} <= {f.name for f in (here / "four").iterdir()}
    assert (here / "four/scenarios/may_2021.yaml").is_file() and (here / "four/books/aave_borrowers.csv").is_file()
    assert call(capsys, "run", "four/sensitivity_bad_debt.yaml", "--dry-run")[0] == 0
    # worlds in a list come along too
    made = json.loads(call(capsys, "init", "five", "--study", "choose_margin", "--json")[1])
    assert sum("scenarios/btc_eth" in name for name in made) == 9
    plans = [call(capsys, "tune", s, "--dry-run", "--json")[1] for s in ("choose_margin", "five/choose_margin.yaml")]
    assert plans[0] == plans[1]


def test_copy_puts_a_shipped_file_here(capsys, here):
    assert call(capsys, "copy", "books", "margin_book") == (0, "margin_book.yaml\n", "")
    assert (here / "margin_book.yaml").read_bytes()
    code, out, _ = call(capsys, "copy", "studies", "quickstart", "--to", "mine.yaml", "--json")
    assert (code, json.loads(out)) == (0, {"file": "mine.yaml"})


def test_a_dry_run_says_what_would_run_and_writes_nothing(capsys, here):
    before = sorted(here.iterdir())
    code, out, _ = call(capsys, "run", "study.yaml", "--dry-run", "--paths", "9", "--seed", "3", "--set", "title=T")
    assert code == 0
    assert "paths: 9\n" in out and "seed: 3\n" in out and "title: T\n" in out and "steps: 2\n" in out
    (here / "p.csv").write_text(prices())
    code, out, _ = call(capsys, "run", "backtest.yaml", "--dry-run", "--data", "p.csv", "--json")
    assert code == 0
    assert json.loads(out)["bars"] == 40
    assert sorted(here.iterdir()) == sorted([*before, here / "p.csv"])


def test_verify_prints_one_line_for_each_case(capsys, here, monkeypatch):
    from riskengine.verify import cases

    monkeypatch.setattr(cases, "all_adapters", lambda: {"double": lambda inputs: {"y": 2 * inputs["x"]}})

    def case(mechanism, y):
        return {"name": f"{mechanism} {y}", "mechanism": mechanism, "inputs": {"x": 1}, "expected": {"y": y}}

    (here / "good.json").write_text(json.dumps({"cases": [case("double", 2), case("triple", 3)]}))
    (here / "bad.json").write_text(json.dumps({"cases": [case("double", 3)]}))
    code, out, _ = call(capsys, "verify", "good.json")
    assert code == 0
    assert out.splitlines() == [
        "PASS double 2 (double)",
        "UNSUPPORTED triple 3 (triple)",
        "1 passed, 0 failed, 1 unsupported",
    ]
    code, out, _ = call(capsys, "verify", "good.json", "bad.json")
    assert code == 1
    assert "FAIL double 3 (double): y: expected 3, got 2, difference 1" in out
    code, out, _ = call(capsys, "verify", "bad.json", "--json")
    assert code == 1
    assert json.loads(out)["cases"][0]["verdict"] == "FAIL"
    # what can be read is run, what cannot be is said and counts
    code, out, err = call(capsys, "verify", "none.json", "good.json")
    assert code == 2
    assert out.splitlines()[-1] == "1 passed, 0 failed, 1 unsupported"
    assert err == "error: none.json: cannot be read: No such file or directory\n"
    code, out, _ = call(capsys, "verify", "none.json", "--json")
    assert code == 2
    assert json.loads(out)["faults"] == ["none.json: cannot be read: No such file or directory"]


def test_verify_is_a_calculator_where_nothing_is_expected(capsys, here):
    """The example of the calculators' page: every figure of one account, as text and as JSON."""
    page = Path(__file__).parents[3] / "docs" / "methods" / "lending" / "calculators.md"
    example = page.read_text(encoding="utf-8").partition("```json\n")[2].partition("```")[0]
    (here / "trove.json").write_text(example)
    code, out, _ = call(capsys, "verify", "--values", "trove.json")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "PASS one trove (Liquity v2 liquidation)"
    assert "  debt_offset: 1000000000000000000000" in lines and f"  coll_to_sp: {1050 * 10**18 // 1450}" in lines
    code, out, _ = call(capsys, "verify", "--json", "trove.json")
    assert json.loads(out)["cases"][0]["results"]["coll_gas_compensation"] == 74 * 10**14


def test_doctor_finds_this_installation_in_order(capsys):
    code, out, _ = call(capsys, "doctor")
    assert code == 0
    assert "ok   random numbers" in out and "ok   exact law" in out and "FAIL" not in out
    assert all(f["ok"] is not False for f in json.loads(call(capsys, "doctor", "--json")[1]))


def test_doctor_exits_1_where_something_is_wrong(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RISKENGINE_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(doctor, "_PHILOX", (((0, 0, 0, 0), (0, 0), (1, 2, 3, 4)),))
    code, out, _ = call(capsys, "doctor")
    assert code == 1
    assert "FAIL kernel cache" in out and "cannot be written" in out
    assert "FAIL random numbers" in out


def test_bench_measures_and_runs_the_scripts_of_a_checkout(capsys, monkeypatch, tmp_path):
    code, out, _ = call(capsys, "bench")
    assert code == 0
    assert "million per second" in out
    script = tmp_path / "exit_seven.py"
    script.write_text("import sys\nassert sys.argv[1:] == ['--fast', '--json']\nsys.exit(7)\n")
    monkeypatch.setattr(bench, "benchmarks", lambda: {"exit_seven": script})
    assert call(capsys, "bench", "exit_seven", "--fast", "--json")[0] == 7
    assert json.loads(call(capsys, "bench", "--json")[1])["benchmarks"] == ["exit_seven"]


def test_tables_align_and_json_has_no_nan(capsys):
    table([("a", "1.5"), ("long", "12")], ("name", "x"))
    as_json({"x": float("nan"), "y": [1, float("inf")]})
    out = capsys.readouterr().out
    assert out.startswith("name    x\na     1.5\nlong   12\n")
    assert json.loads(out.partition("12\n")[2]) == {"x": None, "y": [1, None]}


def test_the_bar_shows_what_is_left():
    at = Progress(500, 2000, 15.0, "breach 1.00 % [0.90, 1.10]")
    text = line(at, (250, 5.0))
    assert text.startswith("[######..................]  25%  500/2,000 paths 1 min 00 s left  breach 1.00 %")
    assert "left" not in line(Progress(2000, 2000, 15.0), (250, 5.0))
    assert [duration(s) for s in (0.4, 59.6, 3725)] == ["0 s", "1 min 00 s", "1 h 02 min"]


def test_the_bar_is_silent_where_stderr_is_no_terminal(capsys, monkeypatch):
    bar = Bar()
    bar(Progress(1, 2, 1.0))
    bar.close()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    bar = Bar()
    bar(Progress(1, 2, 1.0))
    bar.close()
    assert capsys.readouterr().err.startswith("\r[############............]  50%  1/2 paths")


def test_compilation_is_announced_once(capsys):
    from riskengine import jit

    with compile_notice():
        jit.on_compile("a")
        jit.on_compile("b")
    assert jit.on_compile is None
    assert capsys.readouterr().err.count("compiling kernels (first run only") == 1


def test_check_takes_the_name_of_what_is_shipped(capsys):
    assert main(["check", "worst_account", "margin_book"]) == 0
    assert capsys.readouterr().out.count("in order") == 2


def test_a_level_for_models_without_one_is_refused(capsys):
    words = ["margin", "--portfolio", "margin_book", "--level", "0.99", "--model", "derive_pmrm_v2"]
    assert main(words) == 2
    assert "--level must be left out for derive_pmrm_v2" in capsys.readouterr().err
    assert main([*words, "--model", "ewma_var"]) == 0


def test_an_unknown_model_is_told_those_that_stand_alone(capsys):
    assert main(["margin", "--portfolio", "margin_book", "--model", "derive_pmrm"]) == 2
    said = capsys.readouterr().err
    assert "derive_pmrm_v2" in said and "greatest_of" not in said


@pytest.mark.parametrize("term", ["hedge", "numeraire", "spread", "worst account", "worst_account"])
def test_words_of_reports_are_explained(capsys, term):
    assert main(["explain", term]) == 0
    assert ": " in capsys.readouterr().out
