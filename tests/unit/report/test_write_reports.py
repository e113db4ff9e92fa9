"""Reports: a pure function of the run folder, whole for every kind of result, safe for hostile names."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import builder
import pytest

from riskengine.errors import InputError, RunError
from riskengine.report import summary_lines, write_reports
from riskengine.report.render import escape_markdown, tables


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Path:
    """A run folder with every section, reports written."""
    run = builder.write_run(tmp_path_factory.mktemp("full") / "run", builder.result())
    write_reports(run)
    return run


def test_same_run_gives_the_same_bytes_whatever_the_folder_is_called(full, tmp_path):
    other = builder.write_run(tmp_path / "second", builder.result())
    before = _bytes(full)
    written = write_reports(other)
    assert _bytes(other) == before
    assert {p.name for p in written} >= {"report.html", "report.md", "margin.csv", "lending.csv", "curves.csv"}


def test_page_is_one_file_that_fetches_nothing(full):
    text = (full / "report.html").read_text()
    assert "<script" not in text
    # the only addresses are the names of the XML dialects of SVG
    assert set(re.findall(r"https?://[^\"' >)]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert not re.search(r"<(?:link|img|iframe)\b", text)


def test_every_picture_is_well_formed_and_identifiers_are_unique(full):
    text = (full / "report.html").read_text()
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) >= 12
    for picture in pictures:
        assert ElementTree.fromstring(picture).get("aria-label")
    identifiers = re.findall(r' id="([^"]+)"', text)
    assert len(identifiers) == len(set(identifiers))
    assert "mathdefault" not in text


def test_unfit_world_says_so_and_where(full):
    for name in ("report.html", "report.md"):
        text = (full / name).read_text()
        assert "UNFIT" in text
        assert "ETH 24 h 99.9 %" in text
    assert "  outside the data's bands: ETH 24 h 99.9 %" in summary_lines(builder.result())


def test_fit_world_has_no_warning(tmp_path):
    run = builder.write_run(tmp_path / "run", builder.result("lending", verdict="FIT"))
    write_reports(run, ("md",))
    text = (run / "report.md").read_text()
    assert "world: **FIT**" in text
    assert "UNFIT" not in text


def test_tables_hold_every_row_unrounded():
    result = builder.result()
    files = tables(result)
    for section in ("margin", "lending", "calibration", "sweep", "joint", "backtest"):
        own = [r for r in result["rows"] if r["section"] == section]
        lines = list(csv.DictReader(io.StringIO(files[f"{section}.csv"])))
        assert len(lines) == len(own)
        for line, r in zip(lines, own, strict=True):
            value = r["estimate"]["value"]
            assert line["value"] == ("" if value is None else str(value))
    points = sum(len(c["x"]) for c in result["curves"])
    assert len(files["curves.csv"].splitlines()) == points + 1


def test_every_percentage_in_a_table_of_the_page_comes_from_a_row(tmp_path):
    """Change one figure of the result by hand: it and only it moves in the page."""
    result = builder.result("lending")
    first = builder.write_run(tmp_path / "a", result)
    row = next(r for r in result["rows"] if r["measure"] == "borrow_capacity")
    row["estimate"] |= {"value": 12_345_678.0, "lower": 12_300_000.0, "upper": 12_400_000.0}
    second = builder.write_run(tmp_path / "b", result)
    for run in (first, second):
        write_reports(run, ("md",))
    before = (first / "report.md").read_text().splitlines()
    after = (second / "report.md").read_text().splitlines()
    changed = [b for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == 1
    assert "12.35M USD [12.30, 12.40]" in changed[0]


@pytest.mark.parametrize("section", ["margin", "lending", "calibration", "sweep", "joint", "backtest"])
def test_result_with_one_section_only(section, tmp_path):
    result = builder.result(section)
    run = builder.write_run(tmp_path / "run", result)
    names = {p.name for p in write_reports(run)}
    assert {"report.html", "report.md", f"{section}.csv"} <= names
    assert (run / "report.html").read_text().count("<section") >= 4
    assert summary_lines(result)[0] == result["study"]["title"]


def test_result_with_no_rows_and_little_else(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "result.json").write_text(json.dumps({"schema": "riskengine-result/1"}))
    assert [p.name for p in write_reports(run)] == ["report.html", "report.md"]
    assert "not fitted" in (run / "report.html").read_text()


def test_undetermined_figures_are_shown_with_their_reason(tmp_path):
    result = builder.result("lending")
    for r in result["rows"]:
        r["estimate"] |= {"value": None, "std_error": None, "lower": None, "upper": None, "method": "too few hits here"}
    run = builder.write_run(tmp_path / "run", result)
    write_reports(run)
    assert "too few hits here" in (run / "report.html").read_text()
    assert "undetermined (too few hits here)" in (run / "report.md").read_text()


def test_unbounded_interval_says_that_there_is_no_upper_bound(full):
    assert "no upper bound" in (full / "report.html").read_text()


def test_verdicts_are_shown_and_the_worst_is_the_status(tmp_path):
    result = builder.result("lending")
    result["rows"][0] |= {"verdict": "PASS", "limit": 0.6}
    result["rows"][1] |= {"verdict": "INCONCLUSIVE", "limit": 8.0}
    run = builder.write_run(tmp_path / "run", result)
    write_reports(run, ("html", "md"))
    assert "criteria: **INCONCLUSIVE**" in (run / "report.md").read_text()
    assert '<mark class="inconclusive">INCONCLUSIVE</mark>' in (run / "report.html").read_text()
    assert summary_lines(result)[-1] == "declared criteria: INCONCLUSIVE"


def test_hostile_names_are_text_everywhere(tmp_path):
    nasty = '_<script>alert(1)</script>&"$x^2$|[a](b)漢'
    result = builder.result("margin", "joint")
    result["study"] |= {"title": nasty, "name": nasty}
    result["command"] = nasty
    result["assumptions"] = [nasty]
    result["world"]["title"] = nasty
    result["rows"] = json.loads(json.dumps(result["rows"]).replace('"naked short"', json.dumps(nasty)))
    for r in result["rows"]:
        if r["model"] == "ewma_var":
            r["model"] = nasty
    run = builder.write_run(tmp_path / "run", result)
    write_reports(run)
    page = (run / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    body = (run / "report.md").read_text().split("```")
    assert "<script" not in body[0] + body[2]


def test_markdown_escape_keeps_tables_and_links_shut():
    assert escape_markdown("a|b\nc") == r"a\|b c"
    assert escape_markdown("[x](y)") == r"[x]\(y)"
    assert escape_markdown("<b>&") == "&lt;b&gt;&amp;"


def test_csv_cells_are_no_formulas():
    result = builder.result("joint")
    result["rows"][0]["model"] = "=1+1"
    assert "'=1+1" in tables(result)["joint.csv"]


def test_code_fence_in_the_command_does_not_end_the_block(tmp_path):
    result = builder.result("joint")
    result["command"] = "riskengine run x\n```\n# not a title"
    run = builder.write_run(tmp_path / "run", result)
    write_reports(run, ("md",))
    assert "\n# not a title" not in (run / "report.md").read_text()


def test_wrong_input_is_one_clear_message(tmp_path):
    with pytest.raises(InputError, match="no result.json here"):
        write_reports(tmp_path)
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(InputError, match="could not be read"):
        write_reports(tmp_path)
    (tmp_path / "result.json").write_text("[]")
    with pytest.raises(InputError, match="schema must be 'riskengine-result/1', got None"):
        write_reports(tmp_path)
    with pytest.raises(InputError, match="format must be one of html, md, csv, got pdf"):
        write_reports(tmp_path, ("pdf",))


def test_unwritable_folder_is_a_run_error(tmp_path):
    run = builder.write_run(tmp_path / "run", builder.result("joint"))
    (run / "tables").write_text("in the way")
    with pytest.raises(RunError, match="could not be written"):
        write_reports(run, ("csv",))


def test_forum_text_fits_into_one_post(full):
    # Discourse refuses posts longer than 32,000 characters by default
    assert len((full / "report.md").read_text()) < 32_000


def test_terminal_table_is_narrow():
    assert max(len(line) for line in summary_lines(builder.result())) <= 120
