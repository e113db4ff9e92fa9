"""What the tree may hold: the folders of the design, text that fits every machine, no data that is not ours."""

import re

from sources import ROOT, project_files

FOLDERS = {"riskengine", "scenarios", "configs", "reports", "tests", "docs", "benchmarks", ".ci"}
# absolute paths of one machine, addresses of one network
_HERE = re.compile(
    r"(?<![\w.~$}{/-])/(?:root|home|work|opt|mnt|Users|private|srv)/[\w.-]+"
    r"|[A-Z]:\\\\?Users"
    r"|https?://[^\s\"'<>]*(?:/simple\b|pypi)"
    r"|\bindex-url\b"
    r"|(?<![\d.])(?:10|127|172|192)\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.])"
)
_LARGE = 1_000_000


def test_folders_are_those_of_the_design():
    found = {f.relative_to(ROOT).parts[0] for f in project_files() if len(f.relative_to(ROOT).parts) > 1}
    assert found <= FOLDERS


def test_one_importable_package():
    assert not [f for f in ROOT.glob("*/__init__.py") if f.parent.name != "riskengine"]


def test_no_file_names_one_machine():
    wrong = []
    for file in project_files():
        if file.name == "test_tree.py":
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if _HERE.search(line):
                wrong.append(f"{file.relative_to(ROOT)}:{number}: {_HERE.search(line)[0]}")
    assert not wrong, "\n".join(wrong)


def test_no_market_data_and_nothing_large():
    wrong = [str(f.relative_to(ROOT)) for f in project_files() if f.suffix in (".parquet", ".feather", ".npz", ".pkl")]
    wrong += [str(f.relative_to(ROOT)) for f in project_files() if f.stat().st_size > _LARGE]
    assert not wrong
