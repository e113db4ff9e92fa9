"""Pages agree with the program: commands exist, links lead somewhere, words are in the glossary once."""

import re
import tomllib

import pytest
from sources import ROOT

from riskengine.cli.glossary import TERMS
from riskengine.cli.main import COMMANDS
from riskengine.config.study import load_world
from riskengine.report.measures import MEASURES

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    lost = [t for t in targets if not t.startswith("http") and not (page.parent / t).exists()]
    assert not lost


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_exist(page):
    named = set(re.findall(r"(?:^|`|/)riskengine ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= set(COMMANDS)


def test_readme_opens_with_two_commands_of_one_line():
    """The pipeline takes them from here."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"<!-- command: (\w+) -->\n```\n([^\n]+)\n```", text))
    assert set(found) == {"quickstart", "test"}
    assert all(line.startswith("python3 -m venv") for line in found.values())
    assert text.index("<!-- command: test -->") < 800


def test_the_words_of_the_notation_page_are_those_that_the_program_explains():
    page = (ROOT / "docs" / "notation.md").read_text(encoding="utf-8").split("## Conventions")[0]
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert dict(rows[1:]) == TERMS and len(rows) == len(TERMS) + 1


def test_the_world_of_the_method_page_is_legal(tmp_path):
    page = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    (tmp_path / "two-assets.yaml").write_text(re.search(r"```yaml\n(# two-assets.*?)```", page, re.S).group(1))
    world = load_world(tmp_path / "two-assets.yaml")
    assert world.model.assets == ("BTC", "ETH") and world.model.jumps_common.intensity == 12.0


def test_dependencies_page_names_every_required_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = project["dependencies"] + [p for group in project["optional-dependencies"].values() for p in group]
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    assert [n for n in needed if re.split(r"[><=\[;]", n)[0].lower() not in text] == []


def test_measures_have_a_title_and_a_sentence():
    for name, measure in MEASURES.items():
        assert measure.title, name
        assert measure.definition.endswith("."), name
