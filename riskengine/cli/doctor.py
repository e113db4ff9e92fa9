"""``riskengine doctor``: is this installation able to give right answers, and how fast."""

from dataclasses import dataclass

import click

# Random123's known answers for Philox4x32-10: counter, key, output
_PHILOX = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)
_PATHS = 4096


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: ``ok`` is None where there is nothing to judge."""

    name: str
    text: str
    ok: bool | None = None


@click.command()
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def doctor(json_: bool) -> int:
    """Check the installation: versions, processor, kernel cache, and a short self-test; exit code 1 where one fails."""
    from dataclasses import asdict

    from riskengine.cli.output import as_json
    from riskengine.cli.progress import compile_notice

    with compile_notice():
        findings = [*versions(), *machine(), *files(), cache(), random_numbers(), exact_law()]
    if json_:
        as_json([asdict(f) for f in findings])
    else:
        for found in findings:
            mark = {True: "ok  ", False: "FAIL", None: "    "}[found.ok]
            click.echo(f"{mark} {found.name}: {found.text}")
    return 1 if any(f.ok is False for f in findings) else 0


def versions() -> list[Finding]:
    """Versions of the package and of what decides its numbers."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from riskengine import __version__

    found = [Finding("riskengine", __version__), Finding("python", platform.python_version())]
    for name in ("numpy", "numba", "llvmlite", "scipy", "pandas", "pydantic", "matplotlib", "pyarrow"):
        try:
            found.append(Finding(name, version(name), True))
        except PackageNotFoundError:
            # parquet files are optional, everything else is a dependency
            found.append(Finding(name, "absent", None if name == "pyarrow" else False))
    return found


def machine() -> list[Finding]:
    """Cores and vector units."""
    import llvmlite.binding as llvm

    from riskengine.engine.executor import default_workers

    features = llvm.get_host_cpu_features()
    units = [name for name in ("avx2", "avx512f", "fma", "neon") if features.get(name)]
    return [
        Finding("cores", f"{default_workers()} usable"),
        Finding("vector units", ", ".join(units) or "none known; results are the same, slower"),
    ]


def files() -> list[Finding]:
    """Whether what is shipped is there."""
    from riskengine.config.locate import FOLDERS, shipped, shipped_root

    counts = {kind: len(shipped(kind)) for kind in FOLDERS}
    text = ", ".join(f"{n} {kind}" for kind, n in counts.items()) + f" in {shipped_root()}"
    return [Finding("shipped files", text, all(counts.values()))]


def cache() -> Finding:
    """Whether compiled kernels can be kept, and are there."""
    from riskengine.jit import cache_directory

    folder = cache_directory()
    probe = folder / ".write-test"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        text = f"{folder} cannot be written ({error.strerror}); kernels are compiled anew in each run"
        return Finding("kernel cache", text, False)
    kernels = sum(1 for _ in folder.glob("*/*.nbi"))
    state = f"warm, {kernels} kernels" if kernels else "cold, the next run compiles first"
    return Finding("kernel cache", f"{folder} ({state})", True)


def random_numbers() -> Finding:
    """Compiled and plain Philox against the published answers."""
    import numpy as np

    from riskengine.random import fill_words, philox

    good = True
    for counter, key, answer in _PHILOX:
        a, b = philox.py_func(*(np.uint64(x) for x in counter + key))
        good &= (int(a), int(b)) == (answer[0] << 32 | answer[1], answer[2] << 32 | answer[3])
    words = np.empty((2, 1), dtype=np.uint64)
    fill_words(words[0], words[1], 0, 0, 0, 0, np.uint64(0), np.uint64(0))
    answer = _PHILOX[0][2]
    good &= [int(w) for w in words[:, 0]] == [answer[0] << 32 | answer[1], answer[2] << 32 | answer[3]]
    return Finding("random numbers", "Philox4x32-10 known answers", good)


def exact_law() -> Finding:
    """Simulated returns against their exact law: the share below its 10 % quantile, within five standard errors."""
    import numpy as np

    from riskengine.market.grid import TimeGrid
    from riskengine.random import DrawKeys
    from riskengine.scenario.gbm import Gbm

    grid = TimeGrid(86_400, 1)
    world = Gbm(("X",), (100.0,), (0.1,), (0.6,), ((1.0,),))
    paths = world.sample(grid, 0, _PATHS, DrawKeys(7))
    returns = np.log(paths.spot_lanes[1, 0] / paths.spot_lanes[0, 0])
    edge = np.asarray(world.law("X", grid.dt).quantile(np.array([0.1]))).item()
    share = float((returns <= edge).mean())
    error = (0.1 * 0.9 / _PATHS) ** 0.5
    text = f"{share:.4f} of {_PATHS} paths below the 10 % quantile (standard error {error:.4f})"
    return Finding("exact law", text, abs(share - 0.1) <= 5.0 * error)


COMMANDS = {"doctor": doctor}
