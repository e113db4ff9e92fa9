"""Rules for the tests themselves: each asserts, each skip gives its reason, no file has the name of another."""

import ast
from collections import Counter

import pytest
from sources import ROOT, test_files, tree

_ASSERTING = ("raises", "warns", "assert_", "check_")


def _asserts(node: ast.AST, helpers: dict[str, ast.AST], seen: frozenset[str] = frozenset()) -> bool:
    """Whether `node` holds an assertion, itself or in a function of its file that it calls or passes on."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assert):
            return True
        if isinstance(inner, ast.Call):
            name = inner.func.attr if isinstance(inner.func, ast.Attribute) else getattr(inner.func, "id", "")
            if name in ("raises", "warns", "fail") or name.startswith(_ASSERTING):
                return True
        if isinstance(inner, ast.Name) and inner.id in helpers and inner.id not in seen:
            if _asserts(helpers[inner.id], helpers, seen | {inner.id}):
                return True
    return False


@pytest.mark.parametrize("file", [f for f in test_files() if f.name.startswith("test_")], ids=lambda f: f.stem)
def test_every_test_asserts(file):
    functions = [n for n in ast.walk(tree(file)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    helpers = {f.name: f for f in functions}
    tests = [f for f in functions if f.name.startswith("test_")]
    assert tests, "a test file without tests"
    assert not [t.name for t in tests if not _asserts(t, {k: v for k, v in helpers.items() if k != t.name})]


def test_every_skip_gives_its_reason():
    wrong = []
    for file in test_files():
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("pytest.skip", "pytest.mark.skipif"):
                told = (
                    node.args
                    if ast.unparse(node.func) == "pytest.skip"
                    else [k for k in node.keywords if k.arg == "reason"]
                )
                if not told:
                    wrong.append(f"{file.relative_to(ROOT)}:{node.lineno}")
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("pytest.mark.skip", "pytest.mark.xfail"):
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert not wrong


def test_no_two_test_modules_share_a_name():
    """Without packages, pytest imports test modules by their bare name."""
    names = Counter(f.name for f in test_files() if f.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []
