"""Bad input: one clear message that names every fault with its place, exit code 2, nothing written, no traceback."""

import json

import pytest
from cli_files import BOOK, STUDY, WORLD, call, prices, write


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with the toy files."""
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder):
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*"))


def refused(capsys, here, *arguments):
    """stderr of a command that must be refused and must write nothing."""
    before = files(here)
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert files(here) == before
    assert err.startswith("error: ")
    return err


FIT = ("fit", "returns", "x", "--model", "gbm")
ADDRESS = "0x71C7656EC7ab88b098defB751B7401B5f6d8976F"
WRONG = [
    ("study", "paths: 64", "pahts: 64", "study.yaml:5: pahts: unknown key; did you mean 'paths'?"),
    ("study", "hours: 48", "hours: 2 days", "study.yaml:6: horizon_hours: must be a number, got '2 days'"),
    ("world", "[0.6, 8e-1]", "[-0.6, 8e-1]", "volatility must hold numbers in (0, inf), got -0.6"),
    (
        "world",
        "[[1, 0.8], [0.8, 1]]",
        "[[1, 2], [2, 1]]",
        "correlation must hold numbers in [-1, 1], got 2.0 at (0, 1)",
    ),
    ("study", "seed: 7", "seed: 7\nseed: 8", "study.yaml:5: key 'seed' is given twice, first on line 4"),
    (
        "study",
        "A small question",
        ADDRESS,
        f"study.yaml:2: an address or hexadecimal number must be quoted, got {ADDRESS}",
    ),
    ("study", "seed: 7", "seed: 1e-3", "study.yaml:4: seed: must be a whole number, got 0.001"),
    ("study", "[0.95, 0.99]", "[0.95, 1.0]", "levels must lie in (0.5, 1), got 1.0"),
    ("study", "levels: [0.95]\n", "levels: [.nan]\n", "study.yaml:19: calibration.levels[0]: must be finite, got nan"),
    ("study", "period_hours: 24\n", "period_hours: 30\n", "margin_period_hours must fall on the time grid, got 30 h"),
    (
        "book",
        "asset: BTC, quantity",
        "asset: XRP, quantity",
        "book.yaml:8: margin.book.accounts[0].positions[0].asset: ",
    ),
    ("book", "expiry_days: 30", "expiry_days: 0", "expiry_days must be positive, got 0.0: the option has expired"),
    ("study", "world: world.yaml", "world: nowhere.yaml", "study.yaml:3: world: nowhere.yaml: no such file"),
    ("study", "seed: 7\npaths: 64", "seed: -1\npaths: 0\ncolour: red", "seed must lie in"),
    ("study", "seed: 7\npaths: 64", "seed: -1\npaths: 0\ncolour: red", "paths must lie in"),
    ("study", "seed: 7\npaths: 64", "seed: -1\npaths: 0\ncolour: red", "study.yaml:6: colour: unknown key"),
]


@pytest.mark.parametrize(("file", "old", "new", "message"), WRONG)
def test_a_wrong_study_is_refused_with_every_fault_and_its_place(capsys, here, file, old, new, message):
    text = {"study": STUDY, "world": WORLD, "book": BOOK}[file]
    assert old in text
    (here / f"{file}.yaml").write_text(text.replace(old, new, 1))
    for dry in (["--dry-run"], []):
        assert message in refused(capsys, here, "run", "study.yaml", *dry)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "p.csv: no such file"),
        ("", "prices must hold at least one row"),
        (prices().replace("1609545600", "1609372800"), "p.csv:3: stamps of BTC must be increasing"),
        (prices().replace("1609545600,", "1609459200,"), "p.csv:3: stamps of BTC must be distinct"),
        ("\n".join(prices().splitlines()[:9] + prices().splitlines()[14:]), "5 after 2021-01-08T00:00"),
        (prices().replace(",20.0\n", ",nan\n", 1), "price of ETH must be a positive number, got nan"),
        (prices().replace("100.0,", "0,", 1), "price of BTC must be a positive number, got 0 at 2021-01-01T00:00"),
        (prices(5), "prices must hold at least 11 margin periods of 24 h"),
        (prices(step=7 * 3600), "margin_period_hours must fall on the time grid"),
    ],
)
def test_wrong_prices_are_refused(capsys, here, text, message):
    if text is not None:
        (here / "p.csv").write_text(text)
    assert message in refused(capsys, here, "run", "backtest.yaml", "--data", "p.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quikstart"], "did you mean 'quickstart'?"),
        (["run", "study.yaml", "--paths", "many"], "'many' is not a valid integer"),
        (["run", "study.yaml", "--paths", "0"], "--set paths=0: paths: paths must lie in [2, "),
        (["run", "study.yaml", "--workers", "0"], "--workers"),
        (["run", "study.yaml", "--set", "margin.modles=1"], "margin.modles: unknown key; did you mean 'models'?"),
        (["run", "study.yaml", "--data", "p.csv"], "--data must not be given for a study on simulated paths"),
        (["run", "study.yaml", "--start", "2021-01-01"], "--start must not be given"),
        (["run", "backtest.yaml"], "a backtest needs prices: --data FILE"),
        (["run", "backtest.yaml", "--data", "x", "--resume"], "--resume must not be given for a backtest"),
        (["run", "study.yaml", "--out", "world.yaml/run"], "output folder must be writable"),
        (["run"], "Missing argument"),
        (["margin", "--portfolio", "book.yaml"], "one of --model NAME and --all must be given"),
        (["margin", "--portfolio", "book.yaml", "--model", "ewma_vra"], "did you mean 'ewma_var'?"),
        (["margin", "--portfolio", "none.csv", "--all"], "none.csv: no such file"),
        (["list", "modles"], "kind must be one of scenarios, studies"),
        (["copy", "studies", "quikstart"], "did you mean 'quickstart'?"),
        (["copy", "studies", "quickstart", "--to", "study.yaml"], "study.yaml: exists already, and is left alone"),
        (["init", "world.yaml/x"], "Not a directory"),
        (["explain", "breech"], "did you mean 'breach'?"),
        (["compare", "a", "b"], "a run folder must hold result.json"),
        (["report", "a"], "a run folder must hold result.json"),
        (["report", "a", "--to", "pdf"], "--to must be of md, html, csv, json, got 'pdf'"),
        (["report", "a", "--to", ","], "--to must name at least one of"),
        (["verify", "none.json"], "none.json: cannot be read"),
        (["bench", "no_such"], "benchmark must be one of"),
        (["fit", "returns", "x", "--model", "bate", "--assets", "A", "--out", "o"], "did you mean 'bates'?"),
        ([*FIT, "--out", "o", "--assets", "A,A"], "--assets must be distinct names"),
        ([*FIT, "--out", "o", "--assets", "A", "--spot", "0"], "--spot must be one positive"),
        ([*FIT, "--out", "no/o.yaml", "--assets", "A"], "must be a file in a folder"),
        ([*FIT, "--out", "o.yaml", "--assets", "A"], "x: no such file"),
    ],
)  # fmt: skip
def test_wrong_usage_is_refused(capsys, here, arguments, message):
    assert message in refused(capsys, here, *arguments)


def test_check_names_the_faults_of_all_files_and_goes_on(capsys, here):
    (here / "bad.yaml").write_text(STUDY.replace("seed: 7", "seed: x"))
    code, out, err = call(capsys, "check", "study.yaml", "bad.yaml", "none.yaml", "book.yaml")
    assert code == 2
    assert out == "study.yaml: in order (study)\nbook.yaml: in order (margin book)\n"
    assert "bad.yaml:4: seed: must be a whole number, got 'x'" in err
    assert "none.yaml: no such file" in err
    code, out, _ = call(capsys, "check", "bad.yaml", "world.yaml", "--json")
    assert code == 2
    assert [(f["kind"], len(f["faults"])) for f in json.loads(out)] == [(None, 1), ("world", 0)]


def test_daily_prices_are_no_sample_for_a_fit(capsys, here):
    (here / "p.csv").write_text(prices())
    err = refused(capsys, here, "fit", "returns", "p.csv", "--model", "gbm", "--assets", "BTC,ETH", "--out", "o.yaml")
    assert "prices must be hourly, got a step of 86400 s" in err
    (here / "p.csv").write_text(prices(step=3600))
    err = refused(capsys, here, "fit", "returns", "p.csv", "--model", "gbm", "--assets", "BTC,ETH", "--out", "o.yaml")
    assert "sample must hold at least a year of hours (8760), got 40" in err
