"""The compile cache follows the content of a file and of what it imports; the flag policy holds."""

import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from riskengine import jit

HELPER = '"""Helper."""\n\nFACTOR = {factor}\n'
MODEL = (
    '"""Model."""\n\nfrom riskengine.jit import kernel\nfrom riskengine.{package}.helper import FACTOR\n\n\n'
    "@kernel\ndef scaled(x):\n    return FACTOR * x\n"
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    root = tmp_path / "riskengine"
    (root / "toy").mkdir(parents=True)
    (root / "toy" / "helper.py").write_text(HELPER.format(factor=2.0))
    (root / "toy" / "model.py").write_text(MODEL.format(package="toy"))
    monkeypatch.setattr(jit, "_ROOT", root)
    forget()
    yield root / "toy"
    forget()


def forget():
    jit._imports.cache_clear()
    jit.source_digest.cache_clear()


def test_digest_follows_an_imported_helper(package):
    before = jit.source_digest(package / "model.py")
    forget()
    assert jit.source_digest(package / "model.py") == before
    (package / "helper.py").write_text(HELPER.format(factor=3.0))
    forget()
    assert jit.source_digest(package / "model.py") != before


def test_digest_ignores_files_that_are_not_imported_and_dates(package):
    before = jit.source_digest(package / "model.py")
    (package / "other.py").write_text("X = 1\n")
    (package / "helper.py").touch()
    forget()
    assert jit.source_digest(package / "model.py") == before


def test_digest_follows_helpers_of_helpers(package):
    (package / "deep.py").write_text("Y = 1\n")
    (package / "helper.py").write_text("import riskengine.toy.deep\n\nFACTOR = 2.0\n")
    forget()
    before = jit.source_digest(package / "model.py")
    (package / "deep.py").write_text("Y = 2\n")
    forget()
    assert jit.source_digest(package / "model.py") != before


def test_an_edited_helper_never_leaves_stale_code(tmp_path):
    """Two processes with one cache folder: the second must see the edit of the helper."""
    repository = Path(jit.__file__).resolve().parents[1]
    # a copy of the package's root with nothing but the compiler policy and a toy model
    root = tmp_path / "copy" / "riskengine"
    (root / "toy").mkdir(parents=True)
    for name in ("__init__.py", "jit.py"):
        (root / name).write_bytes((repository / "riskengine" / name).read_bytes())
    (root / "toy" / "__init__.py").write_text("")
    (root / "toy" / "helper.py").write_text(HELPER.format(factor=2.0))
    (root / "toy" / "model.py").write_text(MODEL.format(package="toy"))
    run = (
        "import riskengine.jit as j; seen = []; j.on_compile = seen.append\n"
        "from riskengine.toy.model import scaled\nprint(scaled(1.0), len(seen))"
    )

    def answer():
        environment = {"PYTHONPATH": str(tmp_path / "copy"), "RISKENGINE_CACHE": str(tmp_path / "cache"), "PATH": ""}
        done = subprocess.run(
            [sys.executable, "-c", run], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
        )
        return done.stdout.split()

    assert answer() == ["2.0", "1"]
    assert answer() == ["2.0", "0"]
    (root / "toy" / "helper.py").write_text(HELPER.format(factor=3.0))
    assert answer() == ["3.0", "1"]


def test_flag_policy():
    @jit.kernel
    def half(x, y):
        return x / y

    options = half.targetoptions
    assert options["nogil"] and options["error_model"] == "numpy" and not options["fastmath"]
    assert np.isinf(half(1.0, 0.0)) and half.py_func(1.0, 2.0) == 0.5


def test_a_kernel_without_scratch_counts_no_references_and_cannot_allocate(monkeypatch, tmp_path):
    monkeypatch.setenv("RISKENGINE_CACHE", str(tmp_path))  # code read from a cache cannot be inspected

    def double(x):
        for i in range(x.size):
            x[i] *= 2.0

    def allocate(x):
        y = np.empty(x.size)
        y[:] = 1.0
        x[:] = y

    def halves(called):
        def each(x):
            for i in range(2):
                called(x[2 * i : 2 * i + 2])

        return each

    x = np.ones(4)
    counted = {}
    for scratch in (False, True):
        each = jit.kernel(halves(jit.kernel(double)), scratch=scratch)
        each(x)
        code = each.inspect_llvm(each.signatures[0])
        counted[scratch] = code.count("@NRT_incref")
    assert x.tolist() == [4.0] * 4
    assert counted[False] == 0 < counted[True]
    with pytest.raises(numba.core.errors.TypingError, match="Only accept returning of array passed"):
        jit.kernel(halves(jit.kernel(allocate)))(x)
    jit.kernel(allocate, scratch=True)(x)
    assert x.tolist() == [1.0] * 4


def test_cache_directory_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("RISKENGINE_CACHE", str(tmp_path))
    assert jit.cache_directory() == tmp_path
    monkeypatch.delenv("RISKENGINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform != "win32":
        assert jit.cache_directory() == tmp_path / "xdg" / "riskengine" / "kernels"
