"""Imports go only down, packages on one floor do not import each other, and nothing goes in circles."""

from sources import Import, imports, modules, package_files

# The floors of the house.  Inside the lowest two, single files build on each other and on the value packages, so these
# two are written as steps; from floor 2 on, everything on one line is strangers.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "arrays"),
    ("jit",),
    ("vecmath",),
    ("random",),
    ("estimate", "market", "instrument", "policy"),
    ("book",),
    ("roles",),
    ("stats", "law"),
    ("pricing",),
    ("scenario", "estimator", "exposure", "score", "backtest", "liquidity", "oracle", "rates"),
    ("margin", "lending", "liquidation"),
    ("engine",),
    ("study", "calibrate"),
    ("tune",),
    ("registry",),
    ("data",),
    ("config", "verify", "report", "payload", "serve"),
    ("cli",),
    ("__main__",),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}


def _part(module: str) -> str:
    return module.split(".")[1] if "." in module else "riskengine"


def _all() -> list[Import]:
    return [i for file in package_files() for i in imports(file)]


def test_every_package_has_a_floor():
    homeless = {_part(m) for m in modules()} - set(FLOOR) - {"riskengine"}
    assert not homeless, f"packages without a floor: {sorted(homeless)}"


def test_imports_go_down():
    wrong = [
        f"{i.place}: {i.source} imports {i.target}"
        for i in _all()
        if _part(i.source) != _part(i.target)
        and "riskengine" not in (_part(i.source), _part(i.target))
        and FLOOR[_part(i.target)] >= FLOOR[_part(i.source)]
    ]
    assert not wrong, "\n".join(wrong)


def test_package_root_imports_nothing_of_its_own_at_the_top():
    """``riskengine.__version__`` is read by every floor, so the root must stay free of them."""
    wrong = [f"{i.place}: {i.target}" for i in _all() if i.source == "riskengine" and not i.deferred]
    assert not wrong, "\n".join(wrong)


def test_no_cycles():
    """Between files, over imports that run at import time."""
    graph: dict[str, set[str]] = {m: set() for m in modules()}
    for i in _all():
        if not i.deferred and i.target in graph and i.target != i.source:
            graph[i.source].add(i.target)
    state: dict[str, int] = {}
    found: list[str] = []

    def visit(module: str, path: tuple[str, ...]) -> None:
        state[module] = 1
        for target in sorted(graph[module]):
            if state.get(target) == 1:
                walked = (*path, module)
                found.append(" -> ".join((*walked[walked.index(target) :], target)))
            elif target not in state:
                visit(target, (*path, module))
        state[module] = 2

    for module in sorted(graph):
        if module not in state:
            visit(module, ())
    assert not found, "\n".join(found)


def test_deferred_imports_are_seen():
    """The floors hold for imports inside functions too; the command line is known to have such."""
    assert any(i.deferred and i.source.startswith("riskengine.cli") for i in _all())
