"""`riskengine margin` on a venue's answers: its prices, its copy as YAML, and what is said of a wrong file."""

import json
import sys
from pathlib import Path

import pytest
from cli_files import call

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "data"))

from venue_answers import DERIBIT, OKX  # noqa: E402

MODEL = ("--model", "deribit_standard", "--json")


@pytest.fixture
def answers(tmp_path):
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(DERIBIT))
    return file


def test_a_book_written_from_answers_has_the_same_margin(capsys, answers, tmp_path):
    out = tmp_path / "book.yaml"
    code, first, said = call(capsys, "margin", "--portfolio", answers, "--out", out, *MODEL)
    assert code == 0 and "note: USDC is counted as USD at par" in said and f"{out}: written" in said
    code, second, _ = call(capsys, "margin", "--portfolio", out, *MODEL)
    assert code == 0
    found, again = json.loads(first)["requirements"], json.loads(second)["requirements"]
    assert found == again
    assert found[0]["equity"] == pytest.approx(1.85 * 48000.0 + 6262.5)


def test_a_book_may_be_written_alone(capsys, answers, tmp_path):
    code, out, _ = call(capsys, "margin", "--portfolio", answers, "--out", tmp_path / "book.yaml")
    assert code == 0 and out == "" and (tmp_path / "book.yaml").is_file()


def test_answers_can_be_checked(capsys, answers):
    code, out, _ = call(capsys, "check", answers)
    assert code == 0 and "in order (margin book)" in out and "at par" in out


@pytest.mark.parametrize(
    "options, words",
    [
        (["--format", "deribbit"], "did you mean 'deribit'?"),
        (["--format", "okx"], "must hold positions, balances or quotes of okx"),
        (["--as-of", "yesterday"], "as_of must be an ISO stamp such as 2026-02-05T21:29, got 'yesterday'"),
        (["--as-of", "2026-06-01"], "must not have expired"),
        (["--chain", "none.json"], "none.json: no such file"),
        (["--out", "/nowhere/book.yaml"], "must be a file in a folder that can be written"),
    ],
)
def test_wrong_options(capsys, answers, options, words):
    code, _, said = call(capsys, "margin", "--portfolio", answers, *MODEL, *options)
    assert code == 2 and words in said


def test_a_study_refuses_marks_of_other_prices(capsys, tmp_path):
    """A study's paths start at its world's prices: a book marked elsewhere is not silently moved."""
    (tmp_path / "okx.json").write_text(json.dumps(OKX))
    call(capsys, "margin", "--portfolio", tmp_path / "okx.json", "--out", tmp_path / "book.yaml")
    code, _, said = call(capsys, "run", "quickstart", "--dry-run", "--set", f"margin.book={tmp_path / 'book.yaml'}")
    assert code == 2 and "spot of BTC must be the world's 34500.0, got 48000.0" in said
