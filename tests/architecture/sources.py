"""Reading the project's own sources: files, trees, imports."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "riskengine"


@cache
def package_files() -> tuple[Path, ...]:
    """Python files of the package."""
    return tuple(sorted(PACKAGE.rglob("*.py")))


@cache
def test_files() -> tuple[Path, ...]:
    """Python files of the tests."""
    return tuple(sorted((ROOT / "tests").rglob("*.py")))


test_files.__test__ = False  # pytest would collect it where it is imported


@cache
def tree(file: Path) -> ast.Module:
    """Syntax tree of a file."""
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def module_of(file: Path) -> str:
    """Dotted name of a file of the package."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@dataclass(frozen=True)
class Import:
    """One import of a module of the package, wherever it stands in the file."""

    source: str
    target: str
    place: str
    deferred: bool


@cache
def modules() -> frozenset[str]:
    """Dotted names of all modules of the package."""
    return frozenset(module_of(f) for f in package_files())


def imports(file: Path) -> Iterator[Import]:
    """Imports of package modules in `file`, also those inside functions and under ``TYPE_CHECKING``."""
    source = module_of(file)
    deferred = {
        id(inner)
        for node in ast.walk(tree(file))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree(file)):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports must be absolute"
            named = [f"{node.module}.{a.name}" for a in node.names]
            targets = [name if name in modules() else str(node.module) for name in named]
        for target in targets:
            if target == "riskengine" or target.startswith("riskengine."):
                yield Import(source, target, f"{file.relative_to(ROOT)}:{node.lineno}", id(node) in deferred)


def _is_beside(parts: tuple[str, ...]) -> bool:
    hidden = any(p.startswith(".") and p not in (".ci", ".gitignore") for p in parts)
    return hidden or "__pycache__" in parts or parts[0] in ("runs", "build", "dist") or parts[0].endswith(".egg-info")


@cache
def project_files() -> tuple[Path, ...]:
    """Files of the project: tracked ones and new ones that git does not ignore; all where there is no git."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        # a source archive: leave out what tools put beside the sources (virtual environments, caches, runs)
        found = (f for f in ROOT.rglob("*") if f.is_file())
        return tuple(sorted(f for f in found if not _is_beside(f.relative_to(ROOT).parts)))
    return tuple(sorted(ROOT / name for name in set(listed) if name and (ROOT / name).is_file()))
