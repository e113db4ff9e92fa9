"""`@kernel`: the only numba decorator of the project.

One flag policy for all compiled code: ``nogil`` (blocks run on threads), ``error_model="numpy"`` (Python's zero
division test stops vectorisation), never ``fastmath`` (it hides NaN and breaks equal bits), and a compile cache.

numba keys its own cache by one source file and goes stale when a helper in *another* file is edited.  Here the cache
of a kernel is keyed by the content of its file and of every riskengine file that file imports, so an edited helper
never leaves stale code behind, and an unchanged tree is never recompiled because a file's date moved.
"""

import ast
import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numba
from numba.core import types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.extending import intrinsic

_ROOT = Path(__file__).resolve().parent

# Called with the kernel's name each time one is compiled rather than read from the cache; the command line shows it.
on_compile: Callable[[str], None] | None = None


def cache_directory() -> Path:
    """Folder of compiled kernels: ``RISKENGINE_CACHE``, else the user's cache folder."""
    base = os.environ.get("RISKENGINE_CACHE")
    if base:
        return Path(base)
    home = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None)
    return (Path(home) if home else Path.home() / ".cache") / "riskengine" / "kernels"


@cache
def _imports(path: Path) -> frozenset[Path]:
    """Files of this package that `path` imports directly."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("riskengine"):
            names = [node.module] + [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names if a.name.startswith("riskengine")]
        else:
            continue
        for name in names:
            target = _ROOT.joinpath(*name.split(".")[1:])
            if target.with_suffix(".py").is_file():
                found.add(target.with_suffix(".py"))
    return frozenset(found)


@cache
def source_digest(path: Path) -> str:
    """SHA-256 over the content of `path` and of every package file it imports, directly or not."""
    seen, todo = set(), [path]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo.extend(_imports(file))
    digest = hashlib.sha256(numba.__version__.encode())
    for file in sorted(seen):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


class _ContentLocator(_CacheLocator):
    def __init__(self, py_func, py_file):
        self._file = Path(py_file).resolve()
        self._digest = source_digest(self._file)

    def get_cache_path(self):
        return str(cache_directory() / f"{self._file.stem}-{self._digest[:16]}")

    def get_source_stamp(self):
        return self._digest

    def get_disambiguator(self):
        return self._digest[:10]

    @classmethod
    def from_function(cls, py_func, py_file):
        if not Path(py_file).is_file():
            return None
        locator = cls(py_func, py_file)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


class _ContentCacheImpl(CompileResultCacheImpl):
    _locator_classes = [_ContentLocator]


class _ContentCache(FunctionCache):
    _impl_class = _ContentCacheImpl

    def load_overload(self, sig, target_context):
        found = super().load_overload(sig, target_context)
        if found is None and on_compile is not None:
            on_compile(self._py_func.__qualname__)
        return found


def kernel(function: Callable | None = None, *, inline: bool = False, scratch: bool = False) -> Callable:
    """Compile `function` under the project's one flag policy.

    Parameters
    ----------
    function : callable
        Takes and writes arrays and scalars; raises nothing, prints nothing.
    inline : bool
        Ask LLVM to inline it into its callers (small helpers); such a function is not cached on its own.
    scratch : bool
        It allocates arrays of its own.  Without this a kernel owns nothing, so slices are not reference-counted: a
        call of a helper on six of them costs a dozen atomic operations less, and there is less to compile.  numba
        refuses to compile an allocation in it: "Only accept returning of array passed into the function as argument",
        or "NRT required but not enabled" where the allocation is hidden (`np.sort`, an array assigned to a slice).

    Returns
    -------
    callable
        The compiled function; ``.py_func`` is the plain Python one, the oracle of its parity test.
    """
    if function is None:
        return lambda f: kernel(f, inline=inline, scratch=scratch)
    flags = {"nogil": True, "error_model": "numpy", "fastmath": False, "forceinline": inline, "_nrt": scratch}
    dispatcher = numba.njit(**flags)(function)
    if not inline:
        try:
            dispatcher._cache = _ContentCache(function)
        except RuntimeError:
            # no writable cache folder: compile in each process, which is slower and changes no result
            pass
    return dispatcher


@intrinsic
def wide_vectors(typing_context):
    """Ask LLVM for 512-bit vectors in the calling kernel; the CPU tuning tables prefer 256 (1.25x slower here)."""

    def codegen(context, builder, signature, args):
        attributes = builder.function.attributes
        # llvmlite's attribute set checks names against a fixed list; string attributes pass only by the base class
        set.add(attributes, '"prefer-vector-width"="512"')
        set.add(attributes, '"min-legal-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), codegen
