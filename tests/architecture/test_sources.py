"""House rules that a script can check: sizes, kernels, docstrings, broad handlers, leftovers."""

import ast
import re
import statistics

import pytest
from sources import PACKAGE, ROOT, package_files, tree


def _name(file) -> str:
    return str(file.relative_to(ROOT))


def test_files_are_short():
    lines = {_name(f): len(f.read_text(encoding="utf-8").splitlines()) for f in package_files()}
    assert statistics.median(lines.values()) <= 150
    long = {name: count for name, count in lines.items() if count > 500}
    assert not long


def test_only_one_file_compiles():
    """Kernels are made by ``riskengine.jit.kernel`` alone: one flag policy, one cache."""
    makers = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "stencil", "jitclass", "prange"}
    wrong = []
    for file in package_files():
        if file == PACKAGE / "jit.py":
            continue
        for node in ast.walk(tree(file)):
            imported = isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba"
            if imported and makers & {a.name for a in node.names}:
                wrong.append(f"{_name(file)}:{node.lineno}")
            used = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "numba"
            if used and node.attr in makers:
                wrong.append(f"{_name(file)}:{node.lineno}")
    assert not wrong


def test_kernels_that_allocate_say_so():
    """``scratch=True`` pays for reference counting, and numba's own message where it is missing is hard to read."""
    allocates = re.compile(r"\bnp\.(empty|zeros|ones|full|sort|argsort|partition|\w+_like)\(|\.copy\(\)")
    wrong = []
    for file in package_files():
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.FunctionDef):
                policy = [ast.unparse(d) for d in node.decorator_list if ast.unparse(d).split("(")[0] == "kernel"]
                says = any("scratch=True" in text for text in policy)
                if policy and bool(allocates.search(ast.unparse(node))) != says:
                    wrong.append(f"{_name(file)}:{node.lineno} {node.name}")
    assert not wrong


def test_no_fastmath():
    """It hides NaN and breaks equal bits."""
    wrong = [
        f"{_name(file)}:{node.value.lineno}"
        for file in package_files()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.keyword)
        and node.arg == "fastmath"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert not wrong


def test_no_global_random_numbers():
    """Every draw is a pure function of its key; numpy's generators serve tests and bootstraps that say so by a seed."""
    wrong = [
        f"{_name(file)}:{node.lineno}"
        for file in package_files()
        for node in ast.walk(tree(file))
        if (isinstance(node, ast.Import) and any(a.name == "random" for a in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "random")
        or (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("random.default_rng") and not node.args)
        or (isinstance(node, ast.Attribute) and ast.unparse(node) in ("np.random.seed", "np.random.rand"))
    ]
    assert not wrong


def _undocumented(node: ast.AST, prefix: str) -> list[str]:
    """Public names at module or class level without a docstring."""
    missing = []
    for child in getattr(node, "body", []):
        if not isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or child.name.startswith("_"):
            continue
        if not ast.get_docstring(child) and not _inherits_its_text(child):
            missing.append(f"{prefix}.{child.name} (line {child.lineno})")
        if isinstance(child, ast.ClassDef):
            missing += _undocumented(child, f"{prefix}.{child.name}")
    return missing


def _inherits_its_text(node: ast.AST) -> bool:
    """Overrides of a third party's hook say nothing new: click's and numba's class hooks."""
    return getattr(node, "name", "") in ("list_commands", "get_command", "resolve_command", "format_commands")


@pytest.mark.parametrize("package", sorted({f.relative_to(PACKAGE).parts[0] for f in package_files()}))
def test_everything_public_has_a_docstring(package):
    files = [f for f in package_files() if f.relative_to(PACKAGE).parts[0] == package]
    missing = [m for f in files for m in _undocumented(tree(f), _name(f))]
    missing += [_name(f) for f in files if not ast.get_docstring(tree(f))]
    assert not missing, "\n".join(missing)


def test_one_broad_handler():
    """A traceback never reaches a user: one handler at the door, none inside to hide a fault."""
    broad = []
    for file in package_files():
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else "everything"
                if re.search(r"\b(?:everything|Exception|BaseException)\b", caught):
                    broad.append(_name(file))
    assert broad in ([], ["riskengine/cli/main.py"])


def test_nothing_is_left_to_do():
    word = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError)\b")
    wrong = [
        f"{_name(file)}:{number}"
        for file in package_files()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if word.search(line)
    ]
    assert not wrong


def test_only_the_command_line_prints():
    wrong = [
        f"{_name(file)}:{node.lineno}"
        for file in package_files()
        if file.relative_to(PACKAGE).parts[0] != "cli"
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input")
    ]
    assert not wrong


def test_roles_have_few_methods():
    """A role asks for a handful of verbs at most; what fulfils it may have more."""
    found = {}
    for node in tree(PACKAGE / "roles.py").body:
        if isinstance(node, ast.ClassDef) and any(ast.unparse(b) == "Protocol" for b in node.bases):
            found[node.name] = sum(isinstance(m, ast.FunctionDef) for m in node.body)
    assert found
    assert {name: count for name, count in found.items() if count > 4} == {}
